//! A planned switchover, from what is asked of a MailStore to its end: pure.
//!
//! The guards carry it out; the operator passes on to them, through etcd, what was asked, and says how it goes. Everything
//! that ends it is in etcd, so both may be restarted at any time.

use govuc_api::{Switchover, SwitchoverState, SwitchoverStatus};
use govuc_etcd::{Revision, roles::Reading};
use govuc_roles::{
    Site,
    record::{Ended, OperationId, Outcome, OutcomeRecord, Want, WantedChange},
};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};

use super::asked::{self, Heard, Step};

/// What is known when it is decided how to go on.
pub struct Known<'a> {
    pub own: &'a str,
    pub peer: &'a str,
    pub etcd: Heard<'a>,
    /// The state of the guard that is primary, as the protocol calls it; `None` when none says that it is.
    pub primary_state: Option<&'a str>,
}

/// How it goes on.
#[derive(Debug, PartialEq)]
pub struct Next {
    pub step: Option<Step>,
    /// What is to be said; once the step is done, if there is one.
    pub status: SwitchoverStatus,
}

/// `previous` is what the object's status says of the switchover that was asked for last.
pub fn next(
    asked: &Switchover,
    previous: Option<&SwitchoverStatus>,
    known: &Known<'_>,
    now: Timestamp,
) -> Next {
    let status = previous
        .filter(|previous| previous.id == asked.id)
        .cloned()
        .unwrap_or_else(|| SwitchoverStatus {
            id: asked.id.clone(),
            state: SwitchoverState::Pending,
            message: String::new(),
            from: None,
            to: asked.to.clone(),
            digest: None,
            term: None,
            asked_at: None,
            finished_at: None,
        });
    if status.state.is_final() {
        return Next { step: None, status };
    }
    let course = Course { asked, status, now };
    match known.etcd {
        _ if asked.to != known.own && asked.to != known.peer => course.ends(
            SwitchoverState::Refused,
            format!(
                "{} is none of the sites, which are {} and {}",
                asked.to, known.own, known.peer
            ),
        ),
        Heard::TwoSite => course.ends(
            SwitchoverState::Refused,
            "Platform's spec.roles.mode is TwoSite: without a witness no store changes sides",
        ),
        Heard::Nothing => {
            let state = course.status.state;
            course.goes_on(state, "the roles' etcd does not answer; it is asked again")
        }
        Heard::Reading(reading) => course.with(reading, known),
    }
}

struct Course<'a> {
    asked: &'a Switchover,
    status: SwitchoverStatus,
    now: Timestamp,
}

impl Course<'_> {
    fn with(mut self, reading: &Reading, known: &Known<'_>) -> Next {
        let store = &reading.store;
        if self.status.from.is_none() {
            self.status.from = store.holder().map(ToString::to_string);
        }
        let mine = |operation: &OperationId| operation.0 == self.asked.id;
        if let Some(ended) = asked::end(&self.asked.id, store) {
            let on_its_way = asked::is_on_its_way(store).is_some_and(mine);
            return self.ended(ended, on_its_way);
        }
        let over = |want: &Want| asked::is_over(want, store, self.now);
        match &store.want {
            Some(want) if mine(&want.record.operation) => {
                if over(&want.record) {
                    return self.gives_up(want.revision);
                }
                self.status.asked_at.get_or_insert(Time(self.now));
                match known.primary_state {
                    Some("Draining") => self.goes_on(
                        SwitchoverState::Draining,
                        "what is under way ends, and the copies are made equal and compared",
                    ),
                    Some("Demoting") => self.goes_on(
                        SwitchoverState::Draining,
                        "both copies are equal; the role is handed over",
                    ),
                    Some(_) => self.goes_on(SwitchoverState::Pending, "the primary is asked"),
                    None => self.goes_on(SwitchoverState::Pending, "no copy is primary; one is waited for"),
                }
            }
            Some(want) if !over(&want.record) => {
                let other = want.record.operation.0.clone();
                self.ends(
                    SwitchoverState::Refused,
                    format!("another operation is under way, {other}: ask again when it has ended"),
                )
            }
            _ => self.asks(reading, known.own),
        }
    }

    fn asks(mut self, reading: &Reading, own: &str) -> Next {
        if self.status.asked_at.is_some() {
            return self.ends(
                SwitchoverState::Expired,
                "how it ended is not known: another operation has ended since. See status.primary",
            );
        }
        let Time(not_after) = self.asked.not_after;
        if self.now > not_after {
            return self.ends(
                SwitchoverState::Expired,
                "the time until which it might begin had passed before the guards could be asked",
            );
        }
        if let Some(other) = asked::is_on_its_way(&reading.store) {
            let message = format!("another operation hands the store over, {}", other.0);
            return self.goes_on(SwitchoverState::Pending, message);
        }
        let (Some(era), Ok(to)) = (&reading.era, Site::try_from(self.asked.to.clone())) else {
            return self.goes_on(SwitchoverState::Pending, "no guard has asked the roles' etcd yet");
        };
        let want = Want {
            operation: OperationId(self.asked.id.clone()),
            change: WantedChange::Switchover,
            to,
            era: era.record.era,
            by: format!("the operator of {own}"),
            not_after: asked::until(not_after, self.now),
        };
        self.status.asked_at = Some(Time(self.now));
        let next = self.goes_on(SwitchoverState::Pending, "the primary is asked");
        Next {
            step: Some(Step::Ask {
                want: Box::new(want),
                replaced: reading.replaced(),
            }),
            ..next
        }
    }

    fn gives_up(self, asked: Revision) -> Next {
        let outcome = OutcomeRecord {
            operation: OperationId(self.asked.id.clone()),
            outcome: Outcome::Refused,
            message: "nobody began it in time".to_owned(),
        };
        let next = self.ends(
            SwitchoverState::Expired,
            "no primary began it in time; nothing was changed",
        );
        Next {
            step: Some(Step::GiveUp { asked, outcome }),
            ..next
        }
    }

    fn ended(mut self, ended: Ended, on_its_way: bool) -> Next {
        let Ended {
            outcome,
            holder,
            term,
        } = ended;
        match (outcome.outcome, holder) {
            (Outcome::Refused, _) => self.ends(SwitchoverState::Refused, outcome.message),
            (Outcome::Aborted, _) => self.ends(SwitchoverState::Aborted, outcome.message),
            (Outcome::Done, None) if on_its_way => {
                let message = format!("the role is handed over; {} takes it", self.asked.to);
                self.goes_on(SwitchoverState::Draining, message)
            }
            (Outcome::Done, None) => {
                let message = format!(
                    "{} was given the role and had not taken it when something else was decided. See status.primary",
                    self.asked.to
                );
                self.ends(SwitchoverState::Aborted, message)
            }
            (Outcome::Done, Some(site)) if site.as_str() == self.asked.to => {
                self.status.digest = Some(outcome.message).filter(|digest| !digest.is_empty());
                self.status.term = i64::try_from(term.0).ok();
                self.ends(SwitchoverState::Done, "")
            }
            (Outcome::Done, Some(site)) => {
                let message = format!(
                    "{} was given the role and did not take it: {site} has it again",
                    self.asked.to
                );
                self.ends(SwitchoverState::Aborted, message)
            }
        }
    }

    fn goes_on(mut self, state: SwitchoverState, message: impl Into<String>) -> Next {
        self.status.state = state;
        self.status.message = message.into();
        Next {
            step: None,
            status: self.status,
        }
    }

    fn ends(mut self, state: SwitchoverState, message: impl Into<String>) -> Next {
        self.status.finished_at = Some(Time(self.now));
        self.goes_on(state, message)
    }
}

#[cfg(test)]
pub(super) mod tests;

//! From what etcd has to the next step.

use govuc_api::{Failover, FailoverState, FailoverStatus};
use govuc_etcd::{Revision, roles::Reading};
use govuc_roles::{
    Era, Site,
    record::{Ended, EraRecord, OperationId, Outcome, OutcomeRecord, StateRecord, Want, WantedChange},
};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};

use super::{Known, Next, refusal};
use crate::mail_store::{
    asked::{self, Step},
    recorded::{lack, passed_over},
};

/// One failover, on its way.
pub struct Course<'a> {
    pub asked: &'a Failover,
    pub status: FailoverStatus,
    pub known: &'a Known<'a>,
    pub now: Timestamp,
}

impl Course<'_> {
    pub fn with(self, reading: &Reading) -> Next {
        let store = &reading.store;
        let state = store.state.as_ref().map(|state| &state.record);
        let mine = |operation: &OperationId| operation.0 == self.asked.id;
        let want = store.want.as_ref();
        let want_mine = want.filter(|want| mine(&want.record.operation));
        let era = want_mine.map(|want| want.record.era.0);
        let taken = state.filter(|state| self.is_taken(state, era));
        if let Some(Ended { outcome, .. }) = asked::end(&self.asked.id, store) {
            return match (outcome.outcome, taken) {
                // A site that had to begin twice no longer knows what it was for.
                (_, Some(state)) => self.done(state),
                (Outcome::Done, None) => self.was_done(state),
                (Outcome::Refused | Outcome::Aborted, None) => self.refused(outcome.message),
            };
        }
        match (want_mine, want) {
            (Some(want), _) if asked::is_over(&want.record, store, self.now) => {
                self.gives_up(want.revision, taken)
            }
            (Some(_), _) => self.waits(reading, taken),
            (None, Some(want)) if !asked::is_over(&want.record, store, self.now) => {
                let other = &want.record.operation.0;
                let message = format!(
                    "another operation is under way, {other}. Remedy: ask again when it has ended, a minute from now at \
                     the latest"
                );
                self.refused(message)
            }
            (None, _) => self.asks(reading),
        }
    }

    /// The site has the store by this decision: nothing else has given it that era.
    fn is_taken(&self, state: &StateRecord, era: Option<u64>) -> bool {
        let era = era.map(number).or(self.status.era);
        let to = state.holder.as_ref().map(|holder| holder.site.as_str());
        to == Some(&self.asked.to) && era.is_some_and(|era| number(state.era.0) >= era)
    }

    fn waits(mut self, reading: &Reading, taken: Option<&StateRecord>) -> Next {
        self.status.asked_at.get_or_insert(Time(self.now));
        let to = &self.asked.to;
        let message = match &reading.store.lease {
            _ if taken.is_some() => format!("{to} has the store, and begins to serve"),
            Some(lease) => format!(
                "{} is told to leave, or has not been heard for so long that its lease runs out",
                lease.record.site
            ),
            None => format!("{to} is told to take the store"),
        };
        self.goes_on(message)
    }

    fn asks(mut self, reading: &Reading) -> Next {
        let Time(not_after) = self.asked.not_after;
        if self.status.asked_at.is_some() {
            return self.ends(
                FailoverState::Expired,
                "how it ended is not known: another operation has ended since. See status.primary",
            );
        }
        if self.now > not_after {
            return self.ends(
                FailoverState::Expired,
                "the time until which it might begin had passed before the guards could be asked",
            );
        }
        let to = match refusal::of(&self.asked.to, self.known, reading) {
            Ok(to) => to,
            Err(message) => return self.refused(message),
        };
        let (Some(era), Some(state), Ok(site)) = (
            &reading.era,
            &reading.store.state,
            Site::try_from(self.asked.to.clone()),
        ) else {
            return self.goes_on("no guard has asked the roles' etcd yet");
        };
        let raised = EraRecord {
            era: Era(era.record.era.0.max(state.record.era.0) + 1),
            cluster: era.record.cluster.clone(),
        };
        let want = Want {
            operation: OperationId(self.asked.id.clone()),
            change: WantedChange::Force,
            to: site,
            era: raised.era,
            by: format!("a person, by the operator of {}", self.known.own.site),
            not_after: asked::until(not_after, self.now),
        };
        self.status.asked_at = Some(Time(self.now));
        self.status.era = Some(number(raised.era.0));
        self.status.lacks = Some(lack(self.known.recorded, Some(&to.volume)));
        let holder = state.record.holder.as_ref();
        self.status.from = holder.map(|holder| holder.site.to_string());
        let message = format!("{} is told to take the store", self.asked.to);
        let step = Step::Force {
            want: Box::new(want),
            replaced: reading.replaced(),
            era: raised,
            expected: era.revision,
        };
        Next {
            step: Some(step),
            ..self.goes_on(message)
        }
    }

    fn gives_up(self, asked: Revision, taken: Option<&StateRecord>) -> Next {
        let outcome = |outcome, message: &str| OutcomeRecord {
            operation: OperationId(self.asked.id.clone()),
            outcome,
            message: message.to_owned(),
        };
        let (outcome, next) = match taken {
            Some(state) => (outcome(Outcome::Done, ""), self.done(state)),
            None => (
                outcome(Outcome::Refused, "nobody began it in time"),
                self.ends(
                    FailoverState::Expired,
                    "the site did not take the store in time; the era was raised, and nothing else was changed",
                ),
            ),
        };
        Next {
            step: Some(Step::GiveUp { asked, outcome }),
            ..next
        }
    }

    fn done(mut self, state: &StateRecord) -> Next {
        self.status.era = Some(number(state.era.0));
        self.status.term = Some(number(state.term.0));
        self.status.passed_over = state.unmerged.as_ref().map(passed_over);
        self.ends(FailoverState::Done, "")
    }

    /// It was done, and by now any site may have the store.
    fn was_done(self, state: Option<&StateRecord>) -> Next {
        let holder = state.and_then(|state| state.holder.as_ref());
        if let (Some(state), Some(holder)) = (state, holder)
            && holder.site.as_str() == self.asked.to
        {
            return self.done(state);
        }
        let message = match holder {
            Some(holder) => format!("{} has taken the store since", holder.site),
            None => "the store was handed over since".to_owned(),
        };
        self.ends(FailoverState::Done, message)
    }

    pub fn goes_on(mut self, message: impl Into<String>) -> Next {
        self.status.message = message.into();
        Next {
            step: None,
            status: self.status,
        }
    }

    pub fn refused(self, message: impl Into<String>) -> Next {
        self.ends(FailoverState::Refused, message)
    }

    fn ends(mut self, state: FailoverState, message: impl Into<String>) -> Next {
        self.status.state = state;
        self.status.finished_at = Some(Time(self.now));
        self.goes_on(message)
    }
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;

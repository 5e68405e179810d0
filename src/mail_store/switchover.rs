//! A planned switchover, from what is asked of a MailStore to its end: pure.
//!
//! The guards carry it out; the operator passes on to them, through etcd, what was asked, and says how it goes. Everything
//! that ends it is in etcd, so both may be restarted at any time.

use govuc_api::{Switchover, SwitchoverState, SwitchoverStatus};
use govuc_etcd::{Revision, roles::Reading};
use govuc_roles::{
    Site,
    record::{OperationId, Outcome, OutcomeRecord, Want, WantedChange},
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

/// The site that took the store last, as etcd has it; `None` after a hand-over that nobody has taken yet.
pub fn holder(reading: &Reading) -> Option<String> {
    let state = reading.store.state.as_ref()?;
    let holder = state.record.holder.as_ref()?;
    Some(holder.site.to_string())
}

struct Course<'a> {
    asked: &'a Switchover,
    status: SwitchoverStatus,
    now: Timestamp,
}

impl Course<'_> {
    fn with(mut self, reading: &Reading, known: &Known<'_>) -> Next {
        let store = &reading.store;
        let holder = holder(reading);
        if self.status.from.is_none() {
            self.status.from.clone_from(&holder);
        }
        let mine = |operation: &OperationId| operation.0 == self.asked.id;
        if let Some(outcome) = &store.outcome
            && mine(&outcome.record.operation)
        {
            let term = store.state.as_ref().map(|state| state.record.term.0);
            return self.ended(&outcome.record, holder, term);
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
            other => {
                let replaced = other.as_ref().map_or(Revision::ABSENT, |want| want.revision);
                self.asks(reading, replaced, known.own)
            }
        }
    }

    fn asks(mut self, reading: &Reading, replaced: Revision, own: &str) -> Next {
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
                replaced,
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

    fn ended(mut self, outcome: &OutcomeRecord, holder: Option<String>, term: Option<u64>) -> Next {
        match (outcome.outcome, holder) {
            (Outcome::Refused, _) => self.ends(SwitchoverState::Refused, outcome.message.clone()),
            (Outcome::Aborted, _) => self.ends(SwitchoverState::Aborted, outcome.message.clone()),
            (Outcome::Done, None) => {
                let message = format!("the role is handed over; {} takes it", self.asked.to);
                self.goes_on(SwitchoverState::Draining, message)
            }
            (Outcome::Done, Some(site)) if site == self.asked.to => {
                self.status.digest = Some(outcome.message.clone()).filter(|digest| !digest.is_empty());
                self.status.term = term.and_then(|term| i64::try_from(term).ok());
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
pub(super) mod tests {
    use super::*;
    use govuc_etcd::roles::{StoreRecords, Versioned};
    use rstest::rstest;
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    pub const NOW: &str = "2026-11-24T00:00:00Z";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn asked() -> Switchover {
        Switchover {
            id: "sw-1".into(),
            to: "pdsa2".into(),
            not_after: Time(at("2026-11-24T00:00:30Z")),
        }
    }

    fn record<T: DeserializeOwned>(value: Value, revision: i64) -> Option<Versioned<T>> {
        Some(Versioned {
            record: serde_json::from_value(value).unwrap(),
            revision: Revision(revision),
        })
    }

    pub fn held_by(site: Option<&str>, term: u64) -> Reading {
        let holder = site.map(|site| json!({"site": site, "volume": "a", "session": "s"}));
        Reading {
            revision: Revision(9),
            era: record(json!({"era": 1, "cluster": "c"}), 1),
            lead_term: None,
            store: StoreRecords {
                state: record(
                    json!({"era": 1, "term": term, "holder": holder, "paired": true, "peer": null}),
                    5,
                ),
                ..Default::default()
            },
        }
    }

    pub fn want(operation: &str, not_after: &str) -> Option<Versioned<Want>> {
        let not_after = at(not_after).as_second();
        record(
            json!({"operation": operation, "change": "Switchover", "to": "pdsa2", "era": 1, "by": "t", "notAfter": not_after}),
            7,
        )
    }

    pub fn outcome(operation: &str, outcome: &str, message: &str) -> Option<Versioned<OutcomeRecord>> {
        record(
            json!({"operation": operation, "outcome": outcome, "message": message}),
            8,
        )
    }

    fn after(previous: Option<&SwitchoverStatus>, reading: &Reading, state: Option<&str>, now: &str) -> Next {
        let known = Known {
            own: "pdsa1",
            peer: "pdsa2",
            etcd: Heard::Reading(reading),
            primary_state: state,
        };
        next(&asked(), previous, &known, at(now))
    }

    /// What the status says once the guards have been asked.
    fn begun() -> SwitchoverStatus {
        after(None, &held_by(Some("pdsa1"), 4), Some("Paired"), NOW).status
    }

    #[test]
    fn the_guards_are_asked_once_and_not_for_longer_than_the_asker_or_a_minute() {
        let reading = held_by(Some("pdsa1"), 4);
        let first = after(None, &reading, Some("Paired"), NOW);
        let Some(Step::Ask {
            want: asking,
            replaced,
        }) = &first.step
        else {
            panic!("{first:?}");
        };
        assert_eq!(
            (asking.operation.0.as_str(), asking.to.as_str()),
            ("sw-1", "pdsa2")
        );
        assert_eq!(*replaced, Revision::ABSENT);
        let until = at("2026-11-24T00:00:30Z").as_second();
        assert_eq!(i64::try_from(asking.not_after).unwrap(), until);
        assert_eq!(first.status.from.as_deref(), Some("pdsa1"));
        assert_eq!(first.status.state, SwitchoverState::Pending);

        let mut there = reading.clone();
        there.store.want = want("sw-1", "2026-11-24T00:00:30Z");
        assert_eq!(after(Some(&first.status), &there, Some("Paired"), NOW).step, None);

        let early = after(None, &reading, Some("Paired"), "2026-11-23T00:00:00Z");
        let Some(Step::Ask { want: asking, .. }) = early.step else {
            panic!("it was not asked");
        };
        let minute = at("2026-11-23T00:01:00Z").as_second();
        assert_eq!(i64::try_from(asking.not_after).unwrap(), minute);
    }

    #[rstest]
    #[case::not_begun("Paired", SwitchoverState::Pending)]
    #[case::drains("Draining", SwitchoverState::Draining)]
    #[case::hands_over("Demoting", SwitchoverState::Draining)]
    fn what_the_primary_does_is_said(#[case] state: &str, #[case] says: SwitchoverState) {
        let mut reading = held_by(Some("pdsa1"), 4);
        reading.store.want = want("sw-1", "2026-11-24T00:00:30Z");
        let next = after(Some(&begun()), &reading, Some(state), NOW);
        assert_eq!((next.step, next.status.state), (None, says));
        assert_eq!(next.status.finished_at, None);
    }

    #[rstest]
    #[case::nobody_has_it_yet(None, 4, SwitchoverState::Draining)]
    #[case::the_other_site_has_it(Some("pdsa2"), 5, SwitchoverState::Done)]
    #[case::it_was_taken_back(Some("pdsa1"), 5, SwitchoverState::Aborted)]
    fn a_hand_over_is_done_when_the_other_site_has_taken_it(
        #[case] holder: Option<&str>,
        #[case] term: u64,
        #[case] says: SwitchoverState,
    ) {
        let mut reading = held_by(holder, term);
        reading.store.outcome = outcome("sw-1", "Done", "abcd");
        let status = after(Some(&begun()), &reading, None, NOW).status;
        assert_eq!(status.state, says);
        assert_eq!(status.from.as_deref(), Some("pdsa1"));
        let receipt = (status.digest.as_deref(), status.term);
        match says {
            SwitchoverState::Done => assert_eq!(receipt, (Some("abcd"), Some(5))),
            _ => assert_eq!(receipt, (None, None)),
        }
        assert_eq!(status.finished_at.is_some(), says.is_final());
    }

    #[rstest]
    #[case::refused("Refused", SwitchoverState::Refused)]
    #[case::aborted("Aborted", SwitchoverState::Aborted)]
    fn what_the_guard_answers_is_said_in_its_words(#[case] given: &str, #[case] says: SwitchoverState) {
        let mut reading = held_by(Some("pdsa1"), 4);
        reading.store.outcome = outcome("sw-1", given, "NotInStep: wait");
        let status = after(Some(&begun()), &reading, Some("Alone"), NOW).status;
        assert_eq!((status.state, status.message.as_str()), (says, "NotInStep: wait"));
    }

    #[test]
    fn what_has_ended_stays_so_whatever_comes_later() {
        let mut reading = held_by(Some("pdsa2"), 5);
        reading.store.outcome = outcome("sw-1", "Done", "abcd");
        let done = after(Some(&begun()), &reading, None, NOW).status;
        let back = held_by(Some("pdsa1"), 6);
        let later = after(Some(&done), &back, Some("Paired"), "2026-11-25T00:00:00Z");
        assert_eq!(
            later,
            Next {
                step: None,
                status: done
            }
        );
    }

    #[test]
    fn a_second_operation_is_refused_while_the_first_may_go_on_and_asked_afterwards() {
        let mut reading = held_by(Some("pdsa1"), 4);
        reading.store.want = want("sw-0", "2026-11-23T23:59:30Z");
        let refused = after(None, &reading, Some("Draining"), NOW).status;
        assert_eq!(refused.state, SwitchoverState::Refused);
        assert!(refused.message.contains("sw-0"), "{}", refused.message);

        let is_asked = |reading: &Reading| {
            let next = after(None, reading, Some("Paired"), NOW);
            matches!(next.step, Some(Step::Ask { .. }))
        };
        reading.store.outcome = outcome("sw-0", "Refused", "NotInStep");
        assert!(is_asked(&reading), "after a refusal");
        reading.store.outcome = outcome("sw-0", "Done", "abcd");
        assert!(is_asked(&reading), "after it was done");
        reading.store.state = held_by(None, 4).store.state;
        assert!(!is_asked(&reading), "handed over, and nobody has taken it");
        reading = held_by(Some("pdsa1"), 4);

        reading.store.want = want("sw-0", "2026-11-23T23:58:00Z");
        let next = after(None, &reading, Some("Paired"), NOW);
        assert!(
            matches!(
                next.step,
                Some(Step::Ask {
                    replaced: Revision(7),
                    ..
                })
            ),
            "{next:?}"
        );
    }

    #[test]
    fn what_nobody_began_is_given_up_once_it_can_no_longer_be_under_way() {
        let mut reading = held_by(Some("pdsa1"), 4);
        reading.store.want = want("sw-1", "2026-11-24T00:00:30Z");
        let waits = after(Some(&begun()), &reading, None, "2026-11-24T00:01:15Z");
        assert_eq!((waits.step, waits.status.state), (None, SwitchoverState::Pending));
        let over = after(Some(&begun()), &reading, None, "2026-11-24T00:01:21Z");
        assert!(
            matches!(
                over.step,
                Some(Step::GiveUp {
                    asked: Revision(7),
                    ..
                })
            ),
            "{over:?}"
        );
        assert_eq!(over.status.state, SwitchoverState::Expired);
    }

    #[test]
    fn nothing_is_asked_too_late_or_again() {
        let reading = held_by(Some("pdsa1"), 4);
        let late = after(None, &reading, Some("Paired"), "2026-11-24T00:00:31Z");
        assert_eq!((late.step, late.status.state), (None, SwitchoverState::Expired));
        let lost = after(Some(&begun()), &reading, Some("Paired"), NOW);
        assert_eq!((lost.step, lost.status.state), (None, SwitchoverState::Expired));
    }

    #[rstest]
    #[case::no_such_site("pdsa9", Heard::Nothing, SwitchoverState::Refused, "pdsa1 and pdsa2")]
    #[case::no_witness("pdsa2", Heard::TwoSite, SwitchoverState::Refused, "TwoSite")]
    #[case::etcd_is_silent("pdsa2", Heard::Nothing, SwitchoverState::Pending, "does not answer")]
    fn what_needs_no_etcd_to_be_told(
        #[case] to: &str,
        #[case] etcd: Heard<'static>,
        #[case] says: SwitchoverState,
        #[case] because: &str,
    ) {
        let asked = Switchover {
            to: to.into(),
            ..asked()
        };
        let known = Known {
            own: "pdsa1",
            peer: "pdsa2",
            etcd,
            primary_state: None,
        };
        let Next { step, status } = next(&asked, None, &known, at(NOW));
        assert_eq!((step, status.state), (None, says));
        assert!(status.message.contains(because), "{}", status.message);
    }
}

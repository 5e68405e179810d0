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
mod tests {
    use super::*;
    use govuc_etcd::roles::{Replaced, Versioned};
    use rstest::rstest;
    use serde_json::json;

    use super::super::{
        next,
        refusal::tests::{World, record},
    };

    const NOW: &str = "2026-11-24T00:00:00Z";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn asked() -> Failover {
        Failover {
            id: "fo-1".into(),
            to: "pdsa2".into(),
            not_after: Time(at("2026-11-24T00:00:30Z")),
        }
    }

    fn after(previous: Option<&FailoverStatus>, world: &World, now: &str) -> Next {
        let recorded = crate::mail_store::recorded::of(&world.reading.store, None, at(now));
        world.with(recorded.as_ref(), |known| {
            next(&asked(), previous, known, at(now))
        })
    }

    /// What the status says once the guards have been asked.
    fn begun() -> FailoverStatus {
        after(None, &World::lost(), NOW).status
    }

    fn want(operation: &str, not_after: &str) -> Option<Versioned<Want>> {
        let not_after = at(not_after).as_second();
        record(
            json!({"operation": operation, "change": "Force", "to": "pdsa2", "era": 2, "by": "t", "notAfter": not_after}),
            7,
        )
    }

    fn outcome(outcome: &str, message: &str) -> Option<Versioned<OutcomeRecord>> {
        record(
            json!({"operation": "fo-1", "outcome": outcome, "message": message}),
            8,
        )
    }

    #[test]
    fn the_era_is_raised_with_what_is_asked_and_what_will_be_missing_is_written_down() {
        let world = World::lost();
        let first = after(None, &world, NOW);
        let Some(Step::Force {
            want,
            replaced,
            era,
            expected,
        }) = &first.step
        else {
            panic!("{first:?}");
        };
        assert_eq!(
            (want.operation.0.as_str(), want.to.as_str(), want.change),
            ("fo-1", "pdsa2", WantedChange::Force)
        );
        assert_eq!((want.era, era.era, era.cluster.as_str()), (Era(2), Era(2), "c"));
        assert_eq!((replaced, *expected), (&Replaced::default(), Revision(1)));
        let until = at("2026-11-24T00:00:30Z").as_second();
        assert_eq!(i64::try_from(want.not_after).unwrap(), until);
        let status = &first.status;
        assert_eq!(
            (status.state, status.from.as_deref()),
            (FailoverState::Pending, Some("pdsa1"))
        );
        let lacks = status.lacks.as_ref().unwrap();
        assert!(
            lacks.message.contains("what pdsa1 has stored"),
            "{}",
            lacks.message
        );

        let mut there = world.clone();
        there.reading.store.want = self::want("fo-1", "2026-11-24T00:00:30Z");
        assert_eq!(after(Some(status), &there, NOW).step, None);
    }

    /// Of a raised era that nobody has taken the store in yet.
    #[rstest]
    #[case::the_platforms_is_higher(5, 1, 6)]
    #[case::the_stores_is_higher(1, 3, 4)]
    fn the_new_era_is_above_all_that_were(#[case] platform: u64, #[case] store: u64, #[case] raised: u64) {
        let mut world = World::lost();
        world.reading.era = record(json!({"era": platform, "cluster": "c"}), 1);
        world.reading.store.state.as_mut().unwrap().record.era = Era(store);
        let step = after(None, &world, NOW).step;
        let Some(Step::Force { want, era, .. }) = step else {
            panic!("{step:?}");
        };
        assert_eq!((want.era, era.era), (Era(raised), Era(raised)));
    }

    #[test]
    fn it_is_done_when_the_site_serves_and_says_whom_it_passed_over() {
        let mut world = World::lost();
        world.reading.store.want = want("fo-1", "2026-11-24T00:00:30Z");
        world.is_taken_by("pdsa2", 2);
        let waits = after(Some(&begun()), &world, NOW).status;
        assert_eq!(waits.state, FailoverState::Pending);
        world.reading.store.want = None;
        world.reading.store.outcome = outcome("Done", "");
        let done = after(Some(&begun()), &world, NOW).status;
        assert_eq!(
            (done.state, done.era, done.term),
            (FailoverState::Done, Some(2), Some(5))
        );
        let passed = done.passed_over.clone().unwrap();
        assert_eq!(
            (passed.site.as_str(), passed.volume.as_str(), passed.term),
            ("pdsa1", "a", 4)
        );
        assert!(done.lacks.is_some() && done.finished_at.is_some());

        // What has ended stays so.
        let later = after(Some(&done), &World::lost(), "2026-11-25T00:00:00Z");
        assert_eq!((later.step, later.status), (None, done));
    }

    /// Its engine did not come up the first time, and the second time it knows no more why it took the store.
    #[test]
    fn a_site_that_had_to_begin_twice_has_the_store_all_the_same() {
        let mut world = World::lost();
        world.is_taken_by("pdsa2", 2);
        world.reading.store.outcome = outcome("Refused", "it was asked in an era that has ended");
        let done = after(Some(&begun()), &world, NOW).status;
        assert_eq!(done.state, FailoverState::Done);
        world.reading.store.outcome = None;
        world.reading.store.want = want("fo-1", "2026-11-24T00:00:30Z");
        let next = after(Some(&begun()), &world, "2026-11-24T00:01:21Z");
        let Some(Step::GiveUp { outcome, .. }) = &next.step else {
            panic!("{next:?}");
        };
        assert_eq!(
            (outcome.outcome, next.status.state),
            (Outcome::Done, FailoverState::Done)
        );
    }

    /// Of two stores that are forced at once the era is raised for one, and the other is asked anew.
    #[test]
    fn what_could_not_be_passed_on_is_tried_again_and_known_if_it_was_done_all_the_same() {
        let mut world = World::lost();
        let untold = after(None, &world, NOW).not_passed_on(None);
        assert_eq!((untold.state, &untold.asked_at), (FailoverState::Pending, &None));
        let again = after(Some(&untold), &world, NOW);
        assert!(matches!(again.step, Some(Step::Force { .. })), "{again:?}");
        assert_eq!(again.not_passed_on(Some(&begun())), begun());

        world.is_taken_by("pdsa2", 2);
        world.reading.store.outcome = outcome("Done", "");
        let done = after(Some(&untold), &world, NOW).status;
        assert_eq!((done.state, done.term), (FailoverState::Done, Some(5)));
        world.is_taken_by("pdsa1", 2);
        let done = after(Some(&untold), &world, NOW).status;
        assert_eq!((done.state, done.term), (FailoverState::Done, None));
        assert!(done.message.contains("pdsa1"), "{}", done.message);
    }

    #[test]
    fn what_a_guard_refuses_is_said_in_its_words() {
        let mut world = World::lost();
        world.reading.store.outcome = outcome("Refused", "that site is the primary already");
        let status = after(Some(&begun()), &world, NOW).status;
        assert_eq!(
            (status.state, status.message.as_str()),
            (FailoverState::Refused, "that site is the primary already")
        );
    }

    #[test]
    fn a_second_operation_is_refused_while_the_first_may_go_on_and_asked_afterwards() {
        let mut world = World::lost();
        world.reading.store.want = want("sw-0", "2026-11-23T23:59:30Z");
        let refused = after(None, &world, NOW).status;
        assert_eq!(refused.state, FailoverState::Refused);
        assert!(refused.message.contains("sw-0"), "{}", refused.message);

        world.reading.store.want = want("sw-0", "2026-11-23T23:58:00Z");
        let step = after(None, &world, NOW).step;
        assert!(
            matches!(
                step,
                Some(Step::Force {
                    replaced: Replaced {
                        want: Revision(7),
                        ..
                    },
                    ..
                })
            ),
            "{step:?}"
        );
    }

    #[test]
    fn what_nobody_began_is_given_up_once_it_can_no_longer_be_under_way() {
        let mut world = World::lost();
        world.reading.store.want = want("fo-1", "2026-11-24T00:00:30Z");
        let waits = after(Some(&begun()), &world, "2026-11-24T00:01:15Z");
        assert_eq!((waits.step, waits.status.state), (None, FailoverState::Pending));
        let over = after(Some(&begun()), &world, "2026-11-24T00:01:21Z");
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
        assert_eq!(over.status.state, FailoverState::Expired);
    }

    #[test]
    fn nothing_is_asked_too_late_or_again() {
        let late = after(None, &World::lost(), "2026-11-24T00:00:31Z");
        assert_eq!((late.step, late.status.state), (None, FailoverState::Expired));
        let lost = after(Some(&begun()), &World::lost(), NOW);
        assert_eq!((lost.step, lost.status.state), (None, FailoverState::Expired));
    }
}

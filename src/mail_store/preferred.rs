//! A store follows its `spec.preferredSite` when that changes: pure.
//!
//! What was changed last is known from the status, so a store that a failover or a person has moved is not moved back.

use govuc_api::{PreferredSiteStatus, Switchover, SwitchoverState, SwitchoverStatus};
use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::Time,
    jiff::{SignedDuration, Timestamp},
};

use super::{
    asked::{BEGIN_WITHIN, Heard, Step},
    switchover::{self, Known},
};

/// After an attempt that came to nothing. A copy that is behind is in step again within minutes.
const AGAIN: SignedDuration = SignedDuration::from_mins(1);

/// How it goes on.
#[derive(Debug, PartialEq)]
pub struct Next {
    pub step: Option<Step>,
    /// What is to be said; once the step is done, if there is one.
    pub status: PreferredSiteStatus,
}

/// `preferred` is what the spec says now. An error of `may_begin` is why no move begins now, for people.
pub fn next(
    preferred: &str,
    previous: Option<&PreferredSiteStatus>,
    known: &Known<'_>,
    may_begin: Result<(), String>,
    now: Timestamp,
) -> Next {
    let Some(previous) = previous else {
        return at(preferred, None);
    };
    let last = previous.switchover.as_ref();
    // Whatever the spec says by now.
    if let Some(attempt) = last.filter(|attempt| !attempt.state.is_final()) {
        let asked = asked(attempt.id.clone(), attempt.to.clone(), now);
        return goes_on(previous, switchover::next(&asked, last, known, now));
    }
    if previous.site == preferred {
        return at(preferred, last);
    }
    let waits = |why: String| Next {
        step: None,
        status: PreferredSiteStatus {
            waiting: Some(why),
            ..previous.clone()
        },
    };
    let reading = match known.etcd {
        Heard::Reading(reading) => reading,
        Heard::Nothing => return waits("the roles' etcd does not answer".into()),
        Heard::TwoSite => {
            return waits(
                "Platform's spec.roles.mode is TwoSite: without a witness no store changes sides".into(),
            );
        }
    };
    if reading
        .store
        .holder()
        .is_some_and(|holder| holder.as_str() == preferred)
    {
        return at(preferred, last);
    }
    if let Some((attempt, Time(finished))) =
        last.and_then(|attempt| Some((attempt, attempt.finished_at.as_ref()?)))
        && attempt.to == preferred
        && now < *finished + AGAIN
    {
        let again = *finished + AGAIN;
        return waits(format!("{}; tried again at {again}", attempt.message));
    }
    if let Err(why) = may_begin {
        return waits(why);
    }
    let id = format!("preferred-{}-{}", known.own, now.as_second());
    let asked = asked(id, preferred.to_owned(), now);
    goes_on(previous, switchover::next(&asked, None, known, now))
}

/// Each attempt is passed on at once or not at all.
fn asked(id: String, to: String, now: Timestamp) -> Switchover {
    Switchover {
        id,
        to,
        not_after: Time(now + SignedDuration::from_secs(BEGIN_WITHIN)),
    }
}

fn at(site: &str, last: Option<&SwitchoverStatus>) -> Next {
    Next {
        step: None,
        status: PreferredSiteStatus {
            site: site.to_owned(),
            waiting: None,
            switchover: last.cloned(),
        },
    }
}

fn goes_on(previous: &PreferredSiteStatus, next: switchover::Next) -> Next {
    let switchover::Next { step, status } = next;
    let site = match status.state {
        SwitchoverState::Done => status.to.clone(),
        _ => previous.site.clone(),
    };
    Next {
        step,
        status: PreferredSiteStatus {
            site,
            waiting: None,
            switchover: Some(status),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::switchover::tests::{NOW, held_by, outcome, want};
    use super::*;
    use govuc_etcd::roles::Reading;
    use rstest::rstest;

    const LATER: &str = "2026-11-24T00:00:20Z";

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn after(
        preferred: &str,
        previous: Option<&PreferredSiteStatus>,
        etcd: Heard<'_>,
        may_begin: Result<(), String>,
        now: &str,
    ) -> Next {
        let known = Known {
            own: "pdsa1",
            peer: "pdsa2",
            etcd,
            primary_state: Some("Paired"),
        };
        next(preferred, previous, &known, may_begin, time(now))
    }

    /// As a store is first seen.
    fn first(site: &str) -> PreferredSiteStatus {
        let reading = held_by(Some("pdsa1"), 4);
        after(site, None, Heard::Reading(&reading), Ok(()), NOW).status
    }

    /// The guards have been asked to move it to pdsa2.
    fn begun(reading: &Reading) -> PreferredSiteStatus {
        let next = after(
            "pdsa2",
            Some(&first("pdsa1")),
            Heard::Reading(reading),
            Ok(()),
            NOW,
        );
        assert!(matches!(next.step, Some(Step::Ask { .. })), "{next:?}");
        next.status
    }

    fn id(status: &PreferredSiteStatus) -> &str {
        &status.switchover.as_ref().unwrap().id
    }

    #[test]
    fn a_change_asks_the_guards_once_and_is_over_when_the_other_site_has_the_store() {
        let mut reading = held_by(Some("pdsa1"), 4);
        let begun = begun(&reading);
        assert_eq!(begun.site, "pdsa1");

        reading.store.want = want(id(&begun), "2026-11-24T00:01:00Z");
        let under_way = after("pdsa2", Some(&begun), Heard::Reading(&reading), Ok(()), LATER);
        assert_eq!((under_way.step, &under_way.status), (None, &begun));

        let mut moved = held_by(Some("pdsa2"), 5);
        moved.store.outcome = outcome(id(&begun), "Done", "abcd");
        let done = after("pdsa2", Some(&begun), Heard::Reading(&moved), Ok(()), LATER).status;
        assert_eq!((done.site.as_str(), &done.waiting), ("pdsa2", &None));
        assert_eq!(done.switchover.as_ref().unwrap().term, Some(5));
        let still = after("pdsa2", Some(&done), Heard::Reading(&moved), Ok(()), LATER);
        assert_eq!((still.step, still.status), (None, done));
    }

    /// It was moved by a failover, or by a person who asked for that.
    #[test]
    fn a_store_that_is_elsewhere_is_left_there_while_nobody_changes_the_spec() {
        let reading = held_by(Some("pdsa2"), 7);
        let there = first("pdsa1");
        let next = after("pdsa1", Some(&there), Heard::Reading(&reading), Ok(()), NOW);
        assert_eq!((next.step, next.status), (None, there.clone()));
        // And where it is asked to be already, nothing is to be done.
        let next = after("pdsa2", Some(&there), Heard::Reading(&reading), Ok(()), NOW);
        assert_eq!((next.step, next.status.site.as_str()), (None, "pdsa2"));
    }

    #[test]
    fn what_came_to_nothing_is_tried_again_under_another_name_and_not_at_once() {
        let mut reading = held_by(Some("pdsa1"), 4);
        let begun = begun(&reading);
        reading.store.outcome = outcome(id(&begun), "Refused", "NotInStep");
        let refused = after("pdsa2", Some(&begun), Heard::Reading(&reading), Ok(()), LATER).status;
        assert_eq!(refused.site, "pdsa1");
        let waits = after("pdsa2", Some(&refused), Heard::Reading(&reading), Ok(()), LATER);
        assert_eq!(waits.step, None);
        let why = waits.status.waiting.clone().unwrap();
        assert!(why.contains("NotInStep") && why.contains("00:01:20"), "{why}");
        let again = after(
            "pdsa2",
            Some(&waits.status),
            Heard::Reading(&reading),
            Ok(()),
            "2026-11-24T00:01:20Z",
        );
        assert!(matches!(again.step, Some(Step::Ask { .. })), "{again:?}");
        assert_ne!(id(&again.status), id(&begun));
        // A change of mind is no attempt that came to nothing.
        let back = after(
            "pdsa1",
            Some(&waits.status),
            Heard::Reading(&reading),
            Ok(()),
            LATER,
        );
        assert_eq!((back.step, back.status.waiting), (None, None));
    }

    #[test]
    fn a_move_that_has_begun_is_seen_to_its_end_before_the_spec_is_looked_at_again() {
        let mut reading = held_by(Some("pdsa1"), 4);
        let begun = begun(&reading);
        reading.store.want = want(id(&begun), "2026-11-24T00:01:00Z");
        let next = after("pdsa1", Some(&begun), Heard::Reading(&reading), Ok(()), LATER);
        assert_eq!((next.step, &next.status), (None, &begun));

        let mut moved = held_by(Some("pdsa2"), 5);
        moved.store.outcome = outcome(id(&begun), "Done", "abcd");
        let done = after("pdsa1", Some(&begun), Heard::Reading(&moved), Ok(()), LATER).status;
        assert_eq!(done.site, "pdsa2");
        let back = after("pdsa1", Some(&done), Heard::Reading(&moved), Ok(()), LATER);
        assert!(
            matches!(&back.step, Some(Step::Ask { want, .. }) if want.to.as_str() == "pdsa1"),
            "{back:?}"
        );
    }

    #[rstest]
    #[case::etcd_is_silent(Heard::Nothing, "does not answer")]
    #[case::there_is_no_witness(Heard::TwoSite, "TwoSite")]
    fn nothing_is_asked_of_an_etcd_that_is_not_there(#[case] etcd: Heard<'static>, #[case] says: &str) {
        let next = after("pdsa2", Some(&first("pdsa1")), etcd, Ok(()), NOW);
        assert_eq!((next.step, next.status.site.as_str()), (None, "pdsa1"));
        let why = next.status.waiting.unwrap();
        assert!(why.contains(says), "{why}");
    }

    #[test]
    fn a_move_waits_for_a_window_and_is_not_stopped_by_its_end() {
        let reading = held_by(Some("pdsa1"), 4);
        let shut = || Err("this site's turn begins later".to_owned());
        let waits = after(
            "pdsa2",
            Some(&first("pdsa1")),
            Heard::Reading(&reading),
            shut(),
            NOW,
        );
        assert_eq!(waits.step, None);
        assert!(waits.status.waiting.unwrap().contains("turn begins later"));

        let begun = begun(&reading);
        let mut moved = held_by(Some("pdsa2"), 5);
        moved.store.outcome = outcome(id(&begun), "Done", "abcd");
        let done = after("pdsa2", Some(&begun), Heard::Reading(&moved), shut(), LATER).status;
        assert_eq!(done.site, "pdsa2");
    }
}

use super::*;
use govuc_etcd::roles::{Replaced, StoreRecords, Versioned};
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
    assert_eq!(*replaced, Replaced::default());
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
                replaced: Replaced {
                    want: Revision(7),
                    ..
                },
                ..
            })
        ),
        "{next:?}"
    );
}

#[test]
fn what_was_handed_over_is_taken_before_anything_else_is_asked() {
    let mut reading = held_by(None, 4);
    reading.store.outcome = outcome("sw-0", "Done", "abcd");
    let waits = after(None, &reading, None, NOW);
    assert_eq!((waits.step, waits.status.state), (None, SwitchoverState::Pending));
    assert!(waits.status.message.contains("sw-0"), "{}", waits.status.message);
    let late = after(None, &reading, None, "2026-11-24T00:00:31Z");
    assert_eq!((late.step, late.status.state), (None, SwitchoverState::Expired));
}

#[rstest]
#[case::done("Done", Some("pdsa2"), SwitchoverState::Done, "")]
#[case::taken_back("Done", Some("pdsa1"), SwitchoverState::Aborted, "pdsa1 has it again")]
#[case::forced_before_it_was_taken("Done", None, SwitchoverState::Aborted, "something else")]
#[case::refused("Refused", Some("pdsa1"), SwitchoverState::Refused, "abcd")]
fn how_it_ended_is_known_although_another_operation_has_ended_since(
    #[case] given: &str,
    #[case] holder: Option<&str>,
    #[case] says: SwitchoverState,
    #[case] message: &str,
) {
    let mut ended = held_by(holder, 5);
    ended.store.outcome = outcome("sw-1", given, "abcd");
    let kept = ended.replaced();
    assert_eq!((kept.want, kept.outcome), (Revision::ABSENT, Revision(8)));
    // By now the store is elsewhere again.
    let mut reading = held_by(Some("pdsa1"), 6);
    reading.store.outcome = outcome("sw-2", "Done", "ef01");
    reading.store.ended = kept.ended.0;
    let status = after(Some(&begun()), &reading, Some("Paired"), NOW).status;
    assert_eq!(status.state, says);
    assert!(status.message.contains(message), "{}", status.message);
    if says == SwitchoverState::Done {
        assert_eq!((status.digest.as_deref(), status.term), (Some("abcd"), Some(5)));
    }
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

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

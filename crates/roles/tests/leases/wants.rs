//! What people ask for.

use govuc_roles::{
    Action::*,
    Era, Event, Site, State, Term, Transaction,
    record::{OperationId, Outcome, OutcomeRecord, StateRecord, Want, WantedChange},
};
use rstest::rstest;

use crate::slot::*;

fn want(change: WantedChange, to: Site, era: u64) -> Want {
    Want {
        operation: OperationId("op".into()),
        change,
        to,
        era: Era(era),
        by: "ali".into(),
        not_after: 0,
    }
}

pub fn switchover(to: Site) -> Want {
    want(WantedChange::Switchover, to, 1)
}

/// A person raises the era with it.
fn force(to: Site) -> Want {
    want(WantedChange::Force, to, 2)
}

fn refused(state: StateRecord, message: &str) -> govuc_roles::Action {
    Commit(Transaction {
        state,
        hand_over: false,
        outcome: Some(OutcomeRecord {
            operation: OperationId("op".into()),
            outcome: Outcome::Refused,
            message: message.into(),
        }),
    })
}

#[rstest]
#[case::it_is_here(switchover(me()), "that site is the primary already")]
#[case::of_an_earlier_era(
    want(WantedChange::Switchover, peer(), 0),
    "it was asked in an era that has ended"
)]
#[case::nowhere(switchover(site("pdsa3")), "that site has no copy of this store")]
#[case::forced_to_where_it_is(force(me()), "that site is the primary already")]
#[case::forced_in_an_earlier_era(
    want(WantedChange::Force, peer(), 1),
    "it was asked in an era that has ended"
)]
fn what_can_not_be_done_is_refused_once(#[case] want: Want, #[case] message: &str) {
    let asked = Etcd::mine(my_paired_state()).wants(want);
    let state = State::Paired(peers_copy());
    let slot = paired().expect_read(&asked, &[refused(my_paired_state(), message)], state.clone());
    slot.expect_read(&asked, &[], state);
}

#[test]
fn a_switchover_is_refused_while_the_other_copy_lacks_something() {
    let asked = Etcd::mine(my_state()).wants(switchover(peer()));
    let message = "NotInStep: the other copy lacks something; wait until it is Replicated";
    alone().expect_read(&asked, &[refused(my_state(), message)], State::Alone);
}

#[test]
fn who_is_forced_away_shuts_its_gate_and_gives_the_lease_back() {
    let asked = Etcd::mine(my_paired_state()).wants(force(peer()));
    let actions = [&fence()[..], &[Release]].concat();
    paired().expect_read(&asked, &actions, State::Fenced);
}

/// As of two sites that were held by one operation.
#[test]
fn who_is_forced_away_by_a_name_that_it_knows_gives_way_all_the_same() {
    let taken_up = Etcd::mine(my_paired_state()).wants(switchover(me()));
    let mut slot = paired();
    slot.read(&taken_up);
    slot.read(&Etcd::mine(my_paired_state()).wants(force(peer())));
    assert_eq!(*slot.machine.state(), State::Fenced);
}

#[test]
fn who_was_forced_away_does_not_come_back_before_the_other() {
    let mut slot = paired();
    let asked = Etcd {
        lease: None,
        ..Etcd::mine(my_paired_state()).wants(force(peer()))
    };
    slot.read(&asked);
    slot.tell(Event::EngineDown);
    assert_eq!(*slot.machine.state(), State::Follower);
    let slot = slot.expect_read(&asked, &[], State::Follower);
    let lapsed = Etcd { want: None, ..asked };
    let state = StateRecord {
        era: Era(2),
        term: Term(6),
        ..my_state()
    };
    let actions = [CloseIncoming, Acquire { revision: 41, state }];
    slot.expect_read(&lapsed, &actions, State::Candidate);
}

fn forced(unmerged: Option<(&str, u64)>) -> StateRecord {
    StateRecord {
        era: Era(2),
        unmerged: unmerged.map(|(volume, term)| crate::slot::unmerged(peer(), volume, term)),
        ..my_state()
    }
}

#[test]
fn a_forced_copy_takes_what_nobody_holds_and_says_whom_it_passes_over() {
    let behind = Etcd::free().with(|state| state.paired = false).wants(force(me()));
    let actions = [
        CloseIncoming,
        Acquire {
            revision: 40,
            state: forced(Some(("theirs", 4))),
        },
    ];
    let mut slot = follower().expect_read(&behind, &actions, State::Candidate);
    slot.tell(Event::Acquired { sent: at(LATER) });
    slot.tell(Event::EngineDown);
    let actions = slot.tell(Event::EngineUp(govuc_roles::Role::Primary));
    let told = |action: &govuc_roles::Action| matches!(action, Commit(it) if it.outcome.as_ref().is_some_and(|it| it.outcome == Outcome::Done));
    assert!(actions.iter().any(told), "{actions:?}");
}

#[test]
fn a_forced_copy_waits_for_the_lease_to_run_out() {
    let asked = Etcd::of_the_peer().wants(force(me()));
    follower().expect_read(&asked, &[], State::Follower);
}

#[test]
fn a_forced_copy_that_is_named_passes_nobody_over() {
    let asked = Etcd::free().wants(force(me()));
    let actions = [
        CloseIncoming,
        Acquire {
            revision: 40,
            state: forced(None),
        },
    ];
    follower().expect_read(&asked, &actions, State::Candidate);
}

#[test]
fn a_named_copy_does_not_come_before_the_one_that_a_person_has_chosen() {
    let asked = Etcd::free().wants(force(peer()));
    follower().expect_read(&asked, &[], State::Follower);
}

/// Else nobody could be helped when the primary that passed it over is lost as well.
#[test]
fn a_person_may_choose_a_copy_in_quarantine() {
    let passed_over = |etcd: Etcd| {
        etcd.with(|state| {
            state.paired = false;
            state.unmerged = Some(unmerged(me(), "mine", 3));
        })
    };
    let slot = follower().expect_read(
        &passed_over(Etcd::of_the_peer()),
        &[CloseIncoming, StopEngine],
        State::Fenced,
    );
    let slot = slot.expect(
        Event::EngineDown,
        &[StartEngine(govuc_roles::Role::Quarantined)],
        State::Quarantine,
    );
    let asked = passed_over(Etcd::free()).wants(force(me()));
    let slot = slot.expect_read(&asked, &[CloseIncoming, StopEngine], State::Fenced);
    let slot = slot.expect(
        Event::EngineDown,
        &[StartEngine(govuc_roles::Role::Follower)],
        State::Follower,
    );
    let actions = [
        CloseIncoming,
        Acquire {
            revision: 40,
            state: forced(Some(("theirs", 4))),
        },
    ];
    slot.expect(Event::Tick, &actions, State::Candidate);
}

/// Neither the copy that gave the store nor the one it was given to is left.
#[test]
fn a_person_may_choose_a_new_copy_after_a_hand_over() {
    let given = Etcd::free().with(|state| {
        state.holder = None;
        state.hand_over = Some(hand_over(peer(), "theirs", me(), "emptied"));
    });
    follower().expect_read(&given, &[], State::Follower);
    let actions = [
        CloseIncoming,
        Acquire {
            revision: 40,
            state: forced(Some(("theirs", 4))),
        },
    ];
    follower().expect_read(&given.wants(force(me())), &actions, State::Candidate);
}

//! Draining and Demoting, and what becomes of what was handed over.

use govuc_roles::{
    Action::*,
    Commitment, Event, Role, State, Term, Transaction,
    record::{Outcome, OutcomeRecord, StateRecord},
};

use crate::{slot::*, wants::switchover};

fn receipt(operation: bool) -> StateRecord {
    let mut receipt = hand_over(me(), "mine", peer(), "theirs");
    if operation {
        receipt.operation = Some(switchover(peer()).operation);
    }
    StateRecord {
        holder: None,
        hand_over: Some(receipt),
        ..my_paired_state()
    }
}

fn outcome(outcome: Outcome, message: &str) -> OutcomeRecord {
    OutcomeRecord {
        operation: switchover(peer()).operation,
        outcome,
        message: message.to_owned(),
    }
}

fn draining() -> Slot {
    let asked = Etcd::mine(my_paired_state()).wants(switchover(peer()));
    paired().expect_read(&asked, &[Drain], State::Draining(peers_copy()))
}

fn leaving() -> Slot {
    paired().expect(Event::Terminate, &[Drain], State::Draining(peers_copy()))
}

fn drained() -> Event {
    Event::Drained { digest: "d".into() }
}

fn given_up(message: &str) -> [govuc_roles::Action; 2] {
    let told = Transaction {
        state: my_paired_state(),
        hand_over: false,
        outcome: Some(outcome(Outcome::Aborted, message)),
    };
    [Resume, Commit(told)]
}

#[test]
fn equal_copies_are_handed_over_with_the_receipt() {
    let transaction = Transaction {
        state: receipt(true),
        hand_over: true,
        outcome: Some(outcome(Outcome::Done, "d")),
    };
    let actions = [ShutGate, CloseRelay, Commit(transaction)];
    let slot = draining().expect(drained(), &actions, State::Demoting);
    let slot = slot.expect(
        Event::Committed(Commitment::Done),
        &[Release, StopEngine],
        State::Fenced,
    );
    slot.expect(Event::EngineDown, &[StartEngine(Role::Follower)], State::Follower);
}

#[test]
fn a_hand_over_of_which_nothing_is_heard_is_sent_again() {
    let mut slot = draining();
    let begun = slot.tell(drained());
    let again = slot.tell(Event::Committed(Commitment::Unknown));
    assert_eq!(again, begun[2..]);
    slot.expect(Event::Committed(Commitment::Superseded), &fence(), State::Fenced);
}

#[test]
fn what_is_given_up_leaves_everything_as_it_was() {
    let failed = Event::DrainFailed { reason: "no".into() };
    draining().expect(failed, &given_up("no"), State::Paired(peers_copy()));
}

#[test]
fn a_hand_over_is_given_up_in_time() {
    let mut slot = draining();
    for now in (3..45).step_by(3) {
        slot = slot.kept_until(LATER + now);
        slot.look_at(LATER + now);
    }
    assert_eq!(*slot.machine.state(), State::Draining(peers_copy()));
    let slot = slot.kept_until(LATER + 45);
    let [resume, told] = given_up("it was not done in time");
    slot.expect_at(
        LATER + 45,
        &[resume, KeepAlive, told],
        State::Paired(peers_copy()),
    );
}

#[test]
fn a_relay_that_fails_gives_it_up_and_withholds() {
    let mut slot = draining();
    let actions = slot.tell(Event::SyncFailed);
    assert!(
        matches!(&actions[..], [Resume, Commit(transaction)] if !transaction.state.paired
        && transaction.outcome.as_ref().is_some_and(|it| it.outcome == Outcome::Aborted))
    );
    assert_eq!(*slot.machine.state(), State::Withholding);
}

#[test]
fn sigterm_of_a_paired_primary_hands_over_and_exits() {
    let transaction = Transaction {
        state: receipt(false),
        hand_over: true,
        outcome: None,
    };
    let actions = [ShutGate, CloseRelay, Commit(transaction)];
    let slot = leaving().expect(drained(), &actions, State::Demoting);
    let slot = slot.expect(
        Event::Committed(Commitment::Done),
        &[Release, StopEngine],
        State::Fenced,
    );
    slot.expect(Event::EngineDown, &[Exit], State::Fenced);
}

#[test]
fn sigterm_ends_though_the_hand_over_does_not() {
    let failed = Event::DrainFailed { reason: "no".into() };
    for failure in [failed, Event::SyncFailed] {
        let slot = leaving().expect(failure, &fence(), State::Fenced);
        slot.expect(Event::EngineDown, &[Release, Exit], State::Fenced);
    }
}

#[test]
fn a_guard_that_was_told_to_end_waits_for_a_hand_over_no_longer_than_twenty_seconds() {
    let asked_for = {
        let mut slot = draining();
        slot.tell(Event::Terminate);
        slot
    };
    for mut slot in [leaving(), asked_for] {
        for now in (3..20).step_by(3) {
            slot = slot.kept_until(LATER + now);
            slot.look_at(LATER + now);
        }
        assert_eq!(*slot.machine.state(), State::Draining(peers_copy()));
        let slot = slot.kept_until(LATER + 20);
        slot.expect_at(LATER + 20, &fence(), State::Fenced);
    }
}

#[test]
fn what_is_handed_over_is_the_others_at_once_and_the_givers_after_fifteen_seconds() {
    let given = Etcd::free().with(|state| {
        state.holder = None;
        state.hand_over = Some(hand_over(peer(), "theirs", me(), "mine"));
    });
    let actions = [
        CloseIncoming,
        Acquire {
            revision: 40,
            state: my_state(),
        },
    ];
    follower().expect_read(&given, &actions, State::Candidate);
    let untaken = Etcd {
        revision: 41,
        ..Etcd::free().with(|state| {
            state.holder = None;
            state.hand_over = Some(hand_over(me(), "mine", peer(), "theirs"));
        })
    };
    let slot = follower().expect_read(&untaken, &[], State::Follower);
    let mut slot = slot.expect_at(LATER + 14, &[], State::Follower);
    assert_eq!(slot.read(&untaken), []);
    let state = StateRecord {
        term: Term(5),
        ..my_state()
    };
    let actions = [CloseIncoming, Acquire { revision: 41, state }];
    slot.expect_at(LATER + 15, &actions, State::Candidate);
}

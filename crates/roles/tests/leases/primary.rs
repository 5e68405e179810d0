//! Promoting, Alone, Pairing, Paired, Withholding, Fenced: keeping a store, and losing it in time.

use govuc_roles::{
    Action::*,
    Ballot, Commitment, Event, Role, SlotCopy, State,
    record::{Behind, StateRecord},
};
use rstest::rstest;

use crate::slot::*;

fn behind(state: StateRecord, seconds: u64) -> StateRecord {
    StateRecord {
        paired: false,
        behind: Some(Behind { seconds }),
        ..state
    }
}

fn every_serving_state() -> [Slot; 4] {
    [alone(), pairing(), paired(), withholding()]
}

#[test]
fn the_gate_opens_when_the_primarys_engine_greets_and_alone() {
    let open = OpenGate {
        deadline: Some(at(LATER + 11)),
    };
    promoting().expect(Event::EngineUp(Role::Primary), &[open, Pair], State::Alone);
}

#[test]
fn a_late_greeting_of_the_followers_engine_opens_nothing() {
    promoting().expect(Event::EngineUp(Role::Follower), &[], State::Promoting);
}

#[test]
fn an_engine_that_does_not_come_up_gives_the_lease_back() {
    let slot = promoting().kept_until(LATER + 10).kept_until(LATER + 19);
    let slot = slot.expect_at(LATER + 19, &[KeepAlive], State::Promoting);
    let actions = [&fence()[..], &[Release]].concat();
    slot.expect_at(LATER + 20, &actions, State::Fenced);
}

#[test]
fn an_engine_that_ends_while_it_is_promoted_is_started_again() {
    promoting().expect(Event::EngineDown, &[StartEngine(Role::Primary)], State::Promoting);
}

#[test]
fn a_full_sync_pairs_once_it_is_recorded() {
    let state = State::Pairing(peers_copy());
    let slot = alone().expect(Event::Synced(peers_copy()), &[commit(my_paired_state())], state);
    slot.expect(
        Event::Committed(Commitment::Done),
        &[],
        State::Paired(peers_copy()),
    );
}

#[test]
fn a_record_of_which_nothing_is_heard_is_sent_again() {
    let state = State::Pairing(peers_copy());
    pairing().expect(
        Event::Committed(Commitment::Unknown),
        &[commit(my_paired_state())],
        state,
    );
}

#[rstest]
#[case::sync_failed(Event::SyncFailed)]
#[case::another_copy_answers(Event::Relayed(copy("theirs", 6)))]
fn a_failure_on_the_relay_withholds_until_it_is_recorded(#[case] failure: Event) {
    let alone = behind(my_paired_state(), 0);
    let slot = paired().expect(failure, &[commit(alone)], State::Withholding);
    slot.expect(
        Event::Committed(Commitment::Done),
        &[CloseRelay, Pair],
        State::Alone,
    );
}

#[test]
fn the_copy_that_is_paired_may_open_more_connections() {
    paired().expect(Event::Relayed(peers_copy()), &[], State::Paired(peers_copy()));
}

/// It may have been recorded that the peer is in step.
#[test]
fn a_failure_while_pairing_withholds_too_and_waits_for_what_is_under_way() {
    let slot = pairing().expect(Event::SyncFailed, &[], State::Withholding);
    let alone = behind(my_paired_state(), 0);
    let slot = slot.expect(
        Event::Committed(Commitment::Done),
        &[commit(alone)],
        State::Withholding,
    );
    slot.expect(
        Event::Committed(Commitment::Done),
        &[CloseRelay, Pair],
        State::Alone,
    );
}

#[test]
fn what_can_not_be_recorded_in_time_shuts_the_gate() {
    let slot = withholding();
    let slot = slot.expect_at(LATER + 2, &[], State::Withholding);
    slot.expect_at(LATER + 3, &fence(), State::Fenced);
}

#[test]
fn how_far_the_peer_is_behind_is_recorded_every_five_seconds() {
    let mut slot = withholding();
    slot.tell(Event::Committed(Commitment::Done));
    let slot = slot.kept_until(LATER + 4);
    assert_eq!(*slot.machine.state(), State::Alone);
    let actions = [KeepAlive, commit(behind(my_paired_state(), 5))];
    slot.expect_at(LATER + 5, &actions, State::Alone);
}

#[test]
fn a_lease_is_kept_alive_every_three_seconds() {
    let slot = paired().expect_at(LATER + 2, &[], State::Paired(peers_copy()));
    let slot = slot.expect_at(LATER + 3, &[KeepAlive], State::Paired(peers_copy()));
    let extended = Extend {
        deadline: at(LATER + 14),
    };
    let kept = Event::Kept { sent: at(LATER + 3) };
    let slot = slot.expect(kept.clone(), &[extended], State::Paired(peers_copy()));
    slot.expect(kept, &[], State::Paired(peers_copy()));
}

#[test]
fn the_deadline_shuts_the_gate() {
    for slot in [alone(), pairing(), paired()] {
        let mut slot = slot;
        slot.look_at(LATER + 10);
        assert!(slot.machine.state().serves());
        slot.expect_at(LATER + 11, &fence(), State::Fenced);
    }
}

#[test]
fn a_lost_lease_shuts_the_gate_at_once() {
    for slot in every_serving_state() {
        let slot = slot.expect(Event::LeaseLost, &fence(), State::Fenced);
        slot.expect(Event::EngineDown, &[StartEngine(Role::Follower)], State::Follower);
    }
}

#[test]
fn a_state_that_is_another_processes_shuts_the_gate() {
    for slot in [pairing(), withholding()] {
        slot.expect(Event::Committed(Commitment::Superseded), &fence(), State::Fenced);
    }
}

#[test]
fn higher_evidence_shuts_the_gate_before_it_is_recorded() {
    for slot in every_serving_state() {
        let seen = govuc_roles::Evidence {
            ballot: Ballot::new(1, 9),
            holder: None,
        };
        slot.expect(Event::Seen(Ballot::new(1, 9)), &fence_for(seen), State::Fenced);
    }
}

#[test]
fn what_etcd_says_of_another_holder_shuts_the_gate() {
    let theirs = Etcd::of_the_peer().with(|state| state.term = govuc_roles::Term(6));
    let theirs = Etcd {
        revision: 50,
        ..theirs
    };
    paired().expect_read(&theirs, &fence_for(seen(6, peer())), State::Fenced);
}

#[test]
fn a_dead_engine_starts_again_under_the_same_term_and_as_alone() {
    let alone_again = commit(behind(my_paired_state(), 0));
    let actions = [ShutGate, CloseRelay, StartEngine(Role::Primary), alone_again];
    let mut slot = paired().expect(Event::EngineDown, &actions, State::Promoting);
    slot.tell(Event::EngineUp(Role::Primary));
    assert_eq!(*slot.machine.state(), State::Promoting, "it is not recorded yet");
    let open = OpenGate {
        deadline: Some(at(LATER + 11)),
    };
    slot.expect(Event::Committed(Commitment::Done), &[open, Pair], State::Alone);
}

#[test]
fn sigterm_of_a_primary_that_is_not_paired_gives_the_lease_back_last() {
    for slot in [promoting(), alone(), pairing(), withholding()] {
        let slot = slot.expect(Event::Terminate, &fence(), State::Fenced);
        slot.expect(Event::EngineDown, &[Release, Exit], State::Fenced);
    }
}

#[test]
fn a_copy_that_was_passed_over_is_not_in_step_by_a_sync() {
    let mut slot = follower();
    let etcd = Etcd::free().with(|state| state.unmerged = Some(unmerged(peer(), "theirs", 3)));
    slot.read(&etcd);
    slot.tell(Event::Acquired { sent: at(LATER) });
    slot.tell(Event::EngineDown);
    slot.tell(Event::EngineUp(Role::Primary));
    let slot = slot.expect(Event::Synced(peers_copy()), &[], State::Alone);
    let refilled: SlotCopy = copy("refilled", 1);
    let mut slot = slot;
    slot.tell(Event::Synced(refilled.clone()));
    assert_eq!(*slot.machine.state(), State::Pairing(refilled));
}

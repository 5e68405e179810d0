//! The merge of a copy that was passed over, at both of its ends.

use govuc_roles::{
    Action::*,
    Ballot, Commitment, Event, Refusal, Role, Stale, State, VolumeId,
    record::{MergeCounts, Merged, StateRecord},
};
use rstest::rstest;

use crate::slot::*;

fn merged(volume: &str) -> Merged {
    Merged {
        site: peer(),
        volume: VolumeId(volume.to_owned()),
        counts: MergeCounts {
            folders: 1,
            messages: 2,
            known: 3,
            expunged: 4,
        },
    }
}

/// The peer holds the store, and has passed this copy over.
fn passed_over() -> Etcd {
    Etcd::of_the_peer().with(|state| {
        state.paired = false;
        state.peer = None;
        state.unmerged = Some(unmerged(me(), "mine", 3));
    })
}

fn after_the_merge() -> Etcd {
    passed_over().with(|state| {
        state.unmerged = None;
        state.merged = Some(merged("mine"));
    })
}

fn quarantined() -> Slot {
    let mut slot = follower();
    slot.read(&passed_over());
    slot.tell(Event::EngineDown);
    slot.tell(Event::EngineUp(Role::Quarantined));
    assert_eq!(*slot.machine.state(), State::Quarantine);
    slot
}

fn offer(term: u64, volume: &str) -> Event {
    Event::MergeOffered {
        ballot: Ballot::new(1, term),
        peer: peer(),
        passed_over: VolumeId(volume.to_owned()),
    }
}

/// Alone after a promotion that passed the peer's copy over.
fn alone_with_unmerged() -> Slot {
    let mut slot = follower_near(30);
    slot.read(&Etcd::free().with(|state| {
        state.paired = false;
        state.behind = Some(govuc_roles::record::Behind { seconds: 30 });
    }));
    slot.tell(Event::Acquired { sent: at(LATER) });
    slot.tell(Event::EngineDown);
    slot
}

fn my_unmerged_state() -> StateRecord {
    StateRecord {
        unmerged: Some(unmerged(peer(), "theirs", 4)),
        ..my_state()
    }
}

fn my_merged_state() -> StateRecord {
    StateRecord {
        merged: Some(merged("theirs")),
        ..my_state()
    }
}

#[test]
fn a_copy_in_quarantine_is_read_by_who_has_passed_it_over_and_says_so() {
    quarantined().expect(offer(4, "mine"), &[Admit], State::Quarantine);
}

#[rstest]
#[case::an_earlier_primary(offer(3, "mine"), vec![Refuse(Stale::Older { claimed: Ballot::new(1, 3), seen: Ballot::new(1, 4) }.into())])]
#[case::another_copy(offer(4, "other"), vec![Refuse(Refusal::NotPassedOver)])]
#[case::a_primary_not_read_of(
    offer(5, "mine"),
    vec![CloseIncoming, Record(seen(5, peer())), Refuse(Refusal::Unread(Ballot::new(1, 5)))]
)]
fn nobody_else_reads_it(#[case] offer: Event, #[case] actions: Vec<govuc_roles::Action>) {
    quarantined().expect(offer, &actions, State::Quarantine);
}

#[test]
fn a_copy_that_was_not_passed_over_is_not_read() {
    let refusal = Refusal::NotQuarantined(State::Follower);
    follower().expect(offer(4, "mine"), &[Refuse(refusal)], State::Follower);
}

#[test]
fn a_copy_is_discarded_once_etcd_says_that_it_is_merged() {
    let slot = quarantined().expect_read(&after_the_merge(), &[CloseIncoming, StopEngine], State::Fenced);
    slot.expect(Event::EngineDown, &[Discard], State::Fenced);
}

#[test]
fn a_copy_that_was_away_during_its_merge_is_discarded_before_its_engine_starts() {
    Slot::new(seen(3, me()), 0).expect_read(
        &after_the_merge(),
        &[Record(seen(4, peer())), Discard],
        State::Boot,
    );
}

#[test]
fn a_copy_that_is_named_no_more_and_was_not_merged_is_kept() {
    let slot = quarantined().expect_read(
        &passed_over().with(|state| state.unmerged = None),
        &[CloseIncoming, StopEngine],
        State::Fenced,
    );
    slot.expect(Event::EngineDown, &[StartEngine(Role::Follower)], State::Follower);
}

#[test]
fn a_copy_that_a_person_forces_the_store_back_to_is_kept_though_it_was_merged() {
    let want = govuc_roles::record::Want {
        operation: govuc_roles::record::OperationId("op".into()),
        change: govuc_roles::record::WantedChange::Force,
        to: me(),
        era: govuc_roles::Era(2),
        by: "a test".into(),
        not_after: u64::MAX,
    };
    let slot = quarantined().expect_read(
        &after_the_merge().wants(want),
        &[CloseIncoming, StopEngine],
        State::Fenced,
    );
    slot.expect(Event::EngineDown, &[StartEngine(Role::Follower)], State::Follower);
}

#[test]
fn a_holder_does_not_forget_itself() {
    let mine = Etcd::free().with(|state| {
        *state = my_merged_state();
        state.merged = Some(merged("mine"));
        state.holder.as_mut().unwrap().session = govuc_roles::record::Session("earlier".into());
    });
    let mut slot = Slot::new(seen(5, me()), 0);
    slot.tell(Event::Registered);
    let state = StateRecord {
        term: govuc_roles::Term(6),
        ..my_state()
    };
    let actions = [
        StartEngine(Role::Follower),
        CloseIncoming,
        Acquire { revision: 40, state },
    ];
    slot.expect_read(&mine, &actions, State::Candidate);
}

#[test]
fn a_copy_in_quarantine_whose_engine_ends_starts_it_again_and_ends_by_way_of_its_end() {
    let slot = quarantined().expect(
        Event::EngineDown,
        &[StartEngine(Role::Quarantined)],
        State::Quarantine,
    );
    let slot = slot.expect(Event::Terminate, &[CloseIncoming, StopEngine], State::Fenced);
    slot.expect(Event::EngineDown, &[Exit], State::Fenced);
}

#[test]
fn a_primary_that_has_passed_a_copy_over_merges_it_before_it_pairs() {
    let actions = [
        OpenGate {
            deadline: Some(at(LATER + 11)),
        },
        Merge(unmerged(peer(), "theirs", 4)),
        Pair,
    ];
    let slot = alone_with_unmerged().expect(Event::EngineUp(Role::Primary), &actions, State::Alone);
    // In step it is not, whatever a sync says.
    slot.expect(Event::Synced(peers_copy()), &[], State::Alone);
}

#[test]
fn what_is_merged_is_recorded_once_and_until_it_is_known_to_be() {
    let mut slot = alone_with_unmerged();
    slot.tell(Event::EngineUp(Role::Primary));
    let slot = slot.expect(
        Event::Merged(merged("theirs")),
        &[commit(my_merged_state())],
        State::Alone,
    );
    let slot = slot.expect(
        Event::Committed(Commitment::Unknown),
        &[commit(my_merged_state())],
        State::Alone,
    );
    let slot = slot.expect(Event::Committed(Commitment::Done), &[], State::Alone);
    // The slot may have another copy by now.
    slot.expect(
        Event::Synced(copy("new", 1)),
        &[commit(StateRecord {
            paired: true,
            peer: Some(copy("new", 1)),
            ..my_merged_state()
        })],
        State::Pairing(copy("new", 1)),
    );
}

#[test]
fn the_merge_of_another_copy_is_not_recorded() {
    let mut slot = alone_with_unmerged();
    slot.tell(Event::EngineUp(Role::Primary));
    let slot = slot.expect(Event::Merged(merged("other")), &[], State::Alone);
    slot.expect(Event::Tick, &[], State::Alone);
    let mut slot = alone();
    assert_eq!(slot.tell(Event::Merged(merged("theirs"))), []);
}

#[test]
fn a_primary_that_starts_anew_goes_on_with_the_merge() {
    let mut slot = alone_with_unmerged();
    slot.tell(Event::EngineUp(Role::Primary));
    slot.tell(Event::EngineDown);
    let actions = slot.tell(Event::EngineUp(Role::Primary));
    assert!(
        actions.contains(&Merge(my_unmerged_state().unmerged.unwrap())),
        "{actions:?}"
    );
}

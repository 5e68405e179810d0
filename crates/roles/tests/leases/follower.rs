//! Boot, Follower, Candidate, Quarantine: who may take a store, and who takes sync.

use govuc_roles::{Action::*, Ballot, Event, Evidence, Refusal, Role, Stale, State, Term};
use rstest::rstest;

use crate::slot::*;

fn acquires(slot: Slot, etcd: &Etcd) -> Slot {
    let next = govuc_roles::record::StateRecord {
        term: Term(etcd.state.as_ref().unwrap().term.0 + 1),
        unmerged: etcd.state.as_ref().unwrap().unmerged.clone(),
        ..my_state()
    };
    let actions = [
        CloseIncoming,
        Acquire {
            revision: etcd.revision,
            state: next,
        },
    ];
    slot.expect_read(etcd, &actions, State::Candidate)
}

fn stays(slot: Slot, etcd: &Etcd) -> Slot {
    slot.expect_read(etcd, &[], State::Follower)
}

#[test]
fn a_guard_that_has_read_etcd_starts_as_a_follower() {
    let slot = Slot::new(seen(4, peer()), 0);
    slot.expect_read(
        &Etcd::of_the_peer(),
        &[StartEngine(Role::Follower)],
        State::Follower,
    );
}

#[test]
fn a_new_volume_records_what_etcd_knows_before_it_starts() {
    let slot = Slot::new(Evidence::NONE, 0);
    let actions = [Record(seen(4, peer())), StartEngine(Role::Follower)];
    slot.expect_read(&Etcd::of_the_peer(), &actions, State::Follower);
}

#[test]
fn etcd_behind_the_volume_is_distrusted_and_nothing_is_taken_from_it() {
    let mut slot = Slot::new(seen(6, peer()), 0);
    slot.now += 1;
    let stale = Stale::Older {
        claimed: Ballot::new(1, 4),
        seen: Ballot::new(1, 6),
    };
    let actions = [Distrust(stale), StartEngine(Role::Follower)];
    let mut slot = slot.expect_read(&Etcd::free(), &actions, State::Follower);
    assert!(slot.machine.is_regressed());
    slot.tell(Event::Registered);
    slot.expect_at(LATER, &[], State::Follower);
}

#[test]
fn a_store_that_nobody_has_held_is_the_preferred_sites_to_take() {
    let nothing = Etcd {
        state: None,
        revision: 0,
        ..Etcd::free()
    };
    let mut slot = Slot::new(Evidence::NONE, 0);
    slot.tell(Event::Registered);
    let mut state = my_state();
    state.term = Term(1);
    let actions = [
        StartEngine(Role::Follower),
        CloseIncoming,
        Acquire { revision: 0, state },
    ];
    slot.expect_read(&nothing, &actions, State::Candidate);
    let mut used = Slot::new(seen(4, peer()), 0);
    used.tell(Event::Registered);
    used.now += 1;
    let state = used.read(&nothing);
    assert!(
        matches!(state[..], [Distrust(_), StartEngine(_)]),
        "an etcd formed anew: {state:?}"
    );
}

#[test]
fn the_named_copy_takes_over_once_the_lease_is_gone() {
    stays(follower(), &Etcd::of_the_peer());
    acquires(follower(), &Etcd::free());
}

/// R4 names the volume and the start of its guard.
#[rstest]
#[case::of_an_earlier_start(copy("mine", 2))]
#[case::another_volume(copy("other", 3))]
fn a_copy_that_is_not_the_named_one_does_not(#[case] named: govuc_roles::SlotCopy) {
    stays(follower(), &Etcd::free().with(|state| state.peer = Some(named)));
}

#[test]
fn a_copy_that_is_behind_does_not() {
    let behind = |seconds| {
        Etcd::free().with(|state| {
            state.paired = false;
            state.behind = Some(govuc_roles::record::Behind { seconds });
        })
    };
    stays(follower(), &behind(0));
    stays(follower_near(30), &behind(31));
    let state = govuc_roles::record::StateRecord {
        unmerged: Some(unmerged(peer(), "theirs", 4)),
        ..my_state()
    };
    let actions = [CloseIncoming, Acquire { revision: 40, state }];
    follower_near(30).expect_read(&behind(30), &actions, State::Candidate);
}

#[test]
fn the_last_holders_volume_takes_the_store_back_at_once() {
    let mine = Etcd::free().with(|state| {
        *state = my_state();
        state.holder.as_mut().unwrap().session = govuc_roles::record::Session("earlier".into());
    });
    let mut slot = Slot::new(seen(5, me()), 0);
    slot.tell(Event::Registered);
    let state = govuc_roles::record::StateRecord {
        term: Term(6),
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
fn a_restarted_follower_is_quiet_first() {
    let mut slot = follower();
    slot.now = LATER - 1;
    let slot = stays(slot, &Etcd::free());
    let actions = [
        CloseIncoming,
        Acquire {
            revision: 40,
            state: my_state(),
        },
    ];
    slot.expect_at(LATER, &actions, State::Candidate);
}

#[test]
fn a_volume_that_etcd_does_not_know_as_the_slots_latest_acquires_nothing() {
    let mut slot = Slot::new(seen(4, peer()), 0);
    slot.read(&Etcd::free());
    slot.now = LATER;
    let slot = slot.expect_read(&Etcd::free(), &[], State::Follower);
    let actions = [
        CloseIncoming,
        Acquire {
            revision: 40,
            state: my_state(),
        },
    ];
    slot.expect(Event::Registered, &actions, State::Candidate);
}

#[test]
fn a_lease_that_was_free_when_etcd_fell_silent_is_not_asked_for() {
    let mut slot = follower();
    slot.now = LATER - 5;
    let slot = slot.expect_read(&Etcd::free(), &[], State::Follower);
    let mut slot = slot.expect_at(LATER, &[], State::Follower);
    assert_eq!(slot.read(&Etcd::of_the_peer()), []);
}

#[test]
fn a_copy_that_was_passed_over_goes_into_quarantine_until_it_is_merged() {
    let passed_over = Etcd::of_the_peer().with(|state| state.unmerged = Some(unmerged(me(), "mine", 3)));
    let slot = follower().expect_read(&passed_over, &[CloseIncoming, StopEngine], State::Fenced);
    let slot = slot.expect(
        Event::EngineDown,
        &[StartEngine(Role::Quarantined)],
        State::Quarantine,
    );
    let offer = Event::Offered {
        ballot: Ballot::new(1, 4),
        peer: peer(),
    };
    let refusal = Refusal::NotFollower(State::Quarantine);
    let slot = slot.expect(offer, &[Refuse(refusal)], State::Quarantine);
    let slot = slot.expect_read(&Etcd::of_the_peer(), &[CloseIncoming, StopEngine], State::Fenced);
    slot.expect(Event::EngineDown, &[StartEngine(Role::Follower)], State::Follower);
}

#[test]
fn sync_is_admitted_from_the_ballot_that_was_read() {
    let offer = |term| Event::Offered {
        ballot: Ballot::new(1, term),
        peer: peer(),
    };
    follower().expect(offer(4), &[Admit], State::Follower);
    let unread = Refuse(Refusal::Unread(Ballot::new(1, 5)));
    let actions = [CloseIncoming, Record(seen(5, peer())), unread];
    let slot = follower().expect(offer(5), &actions, State::Follower);
    let stale = Stale::Older {
        claimed: Ballot::new(1, 4),
        seen: Ballot::new(1, 5),
    };
    slot.expect(offer(4), &[Refuse(stale.into())], State::Follower);
}

#[test]
fn what_is_won_is_recorded_before_the_engine_changes() {
    let actions = [Record(seen(5, me())), StopEngine];
    candidate().expect(Event::Acquired { sent: at(LATER) }, &actions, State::Promoting);
}

#[test]
fn what_was_not_won_is_read_again() {
    let slot = candidate().expect(Event::NotAcquired, &[], State::Follower);
    let slot = slot.expect_at(LATER + 1, &[], State::Follower);
    acquires(slot, &Etcd::free());
}

#[test]
fn what_was_won_too_late_is_given_back() {
    let mut slot = candidate();
    slot.now = LATER + 11;
    slot.expect(Event::Acquired { sent: at(LATER) }, &[Release], State::Follower);
}

#[test]
fn what_was_outranked_meanwhile_is_given_back() {
    let seen_elsewhere = Evidence {
        ballot: Ballot::new(1, 7),
        holder: None,
    };
    let slot = candidate().expect(
        Event::Seen(Ballot::new(1, 7)),
        &[Record(seen_elsewhere)],
        State::Candidate,
    );
    slot.expect(Event::Acquired { sent: at(LATER) }, &[Release], State::Follower);
}

#[test]
fn a_candidate_takes_no_sync() {
    let offer = Event::Offered {
        ballot: Ballot::new(1, 4),
        peer: peer(),
    };
    let refusal = Refusal::NotFollower(State::Candidate);
    candidate().expect(offer, &[Refuse(refusal)], State::Candidate);
}

#[test]
fn sigterm_of_who_does_not_serve_stops_the_engine_and_exits() {
    for slot in [follower(), candidate()] {
        let slot = slot.expect(Event::Terminate, &[CloseIncoming, StopEngine], State::Fenced);
        slot.expect(Event::EngineDown, &[Exit], State::Fenced);
    }
}

#[test]
fn a_lease_that_comes_after_sigterm_is_given_back() {
    let slot = candidate().expect(Event::Terminate, &[CloseIncoming, StopEngine], State::Fenced);
    slot.expect(Event::Acquired { sent: at(LATER) }, &[Release], State::Fenced);
}

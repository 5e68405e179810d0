//! What one guard with a static assignment does, event by event.

// A test says what it found by panicking; clippy excuses that only inside #[test] functions.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use govuc_roles::{
    Action::{self, *},
    Assignment, Ballot, Event, Evidence, Identity, Machine, Refusal, Role, Site, SlotCopy, Source, Stale,
    State, VolumeId,
    record::Session,
    timing::Moment,
};

fn site(name: &str) -> Site {
    Site::try_from(name.to_owned()).unwrap()
}

const NOW: Moment = Moment::new(Duration::from_secs(100));

/// A slot whose role is a static assignment, on a volume that knows this.
fn slot(highest: Evidence) -> Machine {
    let identity = Identity {
        site: me(),
        peer: peer(),
        copy: SlotCopy {
            volume: VolumeId("mine".into()),
            incarnation: 1,
        },
        session: Session("s".into()),
    };
    Machine::new(identity, Source::Assignment, highest, NOW)
}

fn me() -> Site {
    site("pdsa1")
}

fn peer() -> Site {
    site("pdsa2")
}

fn held(term: u64, holder: Site) -> Evidence {
    Evidence {
        ballot: Ballot::new(1, term),
        holder: Some(holder),
    }
}

fn assigned(term: u64, primary: Site) -> Event {
    Event::Assigned(Assignment {
        ballot: Ballot::new(1, term),
        primary,
    })
}

fn offered(term: u64) -> Event {
    Event::Offered {
        ballot: Ballot::new(1, term),
        peer: peer(),
    }
}

fn copy(incarnation: u64) -> SlotCopy {
    SlotCopy {
        volume: VolumeId("a".into()),
        incarnation,
    }
}

/// A machine that has taken these events, on a volume that knew nothing.
fn after(events: impl IntoIterator<Item = Event>) -> Machine {
    let mut machine = slot(Evidence::NONE);
    for event in events {
        machine.step(NOW, event);
    }
    machine
}

fn follower() -> Machine {
    after([assigned(1, peer()), Event::EngineUp(Role::Follower)])
}

fn alone() -> Machine {
    after([assigned(1, me()), Event::EngineUp(Role::Primary)])
}

fn paired() -> Machine {
    let mut machine = alone();
    machine.step(NOW, Event::Synced(copy(1)));
    machine
}

#[track_caller]
fn expect(mut machine: Machine, event: Event, actions: &[Action], state: State) -> Machine {
    assert_eq!(machine.step(NOW, event), actions);
    assert_eq!(*machine.state(), state);
    machine
}

#[test]
fn a_new_slot_waits_for_its_role() {
    let machine = slot(Evidence::NONE);
    assert_eq!(*machine.state(), State::Boot);
    assert_eq!(machine.role(), Role::Follower);
}

#[test]
fn an_assigned_primary_records_its_term_before_its_engine_starts() {
    let actions = [Record(held(1, me())), StartEngine(Role::Primary)];
    expect(after([]), assigned(1, me()), &actions, State::Promoting);
}

#[test]
fn a_restarted_primary_needs_its_role_again_and_records_nothing_new() {
    let restarted = slot(held(1, me()));
    assert_eq!(restarted.role(), Role::Follower);
    expect(
        restarted,
        assigned(1, me()),
        &[StartEngine(Role::Primary)],
        State::Promoting,
    );
}

#[test]
fn the_gate_opens_when_the_primarys_engine_greets() {
    let promoting = after([assigned(1, me())]);
    expect(
        promoting,
        Event::EngineUp(Role::Primary),
        &[OpenGate { deadline: None }, Pair],
        State::Alone,
    );
}

#[test]
fn a_late_greeting_of_the_followers_engine_opens_nothing() {
    let mut promoting = follower();
    promoting.step(NOW, assigned(2, me()));
    expect(promoting, Event::EngineUp(Role::Follower), &[], State::Promoting);
}

#[test]
fn a_full_sync_pairs() {
    expect(alone(), Event::Synced(copy(1)), &[], State::Paired(copy(1)));
}

#[test]
fn a_failed_relay_unpairs_and_pairing_begins_anew() {
    expect(paired(), Event::SyncFailed, &[CloseRelay, Pair], State::Alone);
}

#[test]
fn a_failed_relay_of_an_unpaired_slot_changes_nothing() {
    expect(alone(), Event::SyncFailed, &[], State::Alone);
}

#[test]
fn another_copy_behind_the_relay_is_not_the_paired_one() {
    expect(paired(), Event::Relayed(copy(1)), &[], State::Paired(copy(1)));
    expect(
        paired(),
        Event::Relayed(copy(2)),
        &[CloseRelay, Pair],
        State::Alone,
    );
}

#[test]
fn a_dead_engine_shuts_the_gate_and_starts_again_under_the_same_term() {
    let actions = [ShutGate, CloseRelay, StartEngine(Role::Primary)];
    let machine = expect(paired(), Event::EngineDown, &actions, State::Promoting);
    assert_eq!(*machine.highest(), held(1, me()));
}

#[test]
fn a_followers_dead_engine_starts_again() {
    expect(
        follower(),
        Event::EngineDown,
        &[StartEngine(Role::Follower)],
        State::Follower,
    );
}

#[test]
fn a_follower_admits_the_term_it_knows() {
    expect(follower(), offered(1), &[Admit], State::Follower);
}

#[test]
fn a_follower_records_a_higher_term_before_it_admits_it() {
    let actions = [CloseIncoming, Record(held(2, peer())), Admit];
    expect(follower(), offered(2), &actions, State::Follower);
}

#[test]
fn a_follower_refuses_an_older_term() {
    let mut machine = follower();
    machine.step(NOW, offered(3));
    let stale = Stale::Older {
        claimed: Ballot::new(1, 2),
        seen: Ballot::new(1, 3),
    };
    expect(machine, offered(2), &[Refuse(stale.into())], State::Follower);
}

#[test]
fn a_follower_refuses_its_own_term_from_another() {
    let mut machine = slot(held(2, me()));
    machine.step(NOW, assigned(1, peer()));
    let stale = Stale::Taken {
        ballot: Ballot::new(1, 2),
        holder: me(),
    };
    expect(machine, offered(2), &[Refuse(stale.into())], State::Follower);
}

#[test]
fn a_primary_refuses_sync_of_its_own_term() {
    let refusal = Refusal::NotFollower(State::Paired(copy(1)));
    expect(paired(), offered(1), &[Refuse(refusal)], State::Paired(copy(1)));
}

#[test]
fn a_primary_that_is_offered_a_higher_term_shuts_its_gate_first() {
    let refusal = Refusal::NotFollower(State::Paired(copy(1)));
    let actions = [
        ShutGate,
        CloseRelay,
        Record(held(2, peer())),
        StopEngine,
        Refuse(refusal),
    ];
    let mut machine = expect(paired(), offered(2), &actions, State::Fenced);
    assert_eq!(
        machine.step(NOW, Event::EngineDown),
        [StartEngine(Role::Follower)]
    );
    assert_eq!(machine.step(NOW, offered(2)), [Admit]);
}

#[test]
fn a_primary_whose_peer_has_seen_more_is_fenced() {
    let seen = Evidence {
        ballot: Ballot::new(1, 5),
        holder: None,
    };
    let actions = [ShutGate, CloseRelay, Record(seen), StopEngine];
    expect(alone(), Event::Seen(Ballot::new(1, 5)), &actions, State::Fenced);
    expect(alone(), Event::Seen(Ballot::new(1, 1)), &[], State::Alone);
}

#[test]
fn a_primary_that_is_assigned_away_becomes_a_follower() {
    let actions = [ShutGate, CloseRelay, Record(held(2, peer())), StopEngine];
    let machine = expect(paired(), assigned(2, peer()), &actions, State::Fenced);
    expect(
        machine,
        Event::EngineDown,
        &[StartEngine(Role::Follower)],
        State::Follower,
    );
}

#[test]
fn a_primary_with_a_new_term_starts_over_unpaired() {
    let actions = [ShutGate, CloseRelay, Record(held(2, me())), StopEngine];
    let machine = expect(paired(), assigned(2, me()), &actions, State::Fenced);
    expect(
        machine,
        Event::EngineDown,
        &[StartEngine(Role::Primary)],
        State::Promoting,
    );
}

#[test]
fn a_promoting_follower_closes_incoming_sync_before_it_takes_its_term() {
    let actions = [CloseIncoming, Record(held(2, me())), StopEngine];
    let machine = expect(follower(), assigned(2, me()), &actions, State::Promoting);
    expect(
        machine,
        Event::EngineDown,
        &[StartEngine(Role::Primary)],
        State::Promoting,
    );
}

#[test]
fn a_follower_restarted_with_its_own_term_is_promoted_by_the_assignment_it_knew() {
    let mut machine = slot(held(2, me()));
    machine.step(NOW, assigned(1, me()));
    expect(machine, assigned(2, me()), &[StopEngine], State::Promoting);
}

#[test]
fn an_assignment_behind_the_volume_is_distrusted_and_the_slot_follows() {
    let stale = Stale::Older {
        claimed: Ballot::new(1, 1),
        seen: Ballot::new(1, 2),
    };
    let restarted = slot(held(2, peer()));
    let actions = [Distrust(stale.clone()), StartEngine(Role::Follower)];
    let machine = expect(restarted, assigned(1, me()), &actions, State::Follower);
    expect(machine, assigned(1, me()), &[Distrust(stale)], State::Follower);
}

#[test]
fn a_slot_without_a_role_remembers_what_it_is_offered() {
    let actions = [Record(held(1, peer())), Refuse(Refusal::NotFollower(State::Boot))];
    expect(after([]), offered(1), &actions, State::Boot);
}

#[test]
fn sigterm_shuts_the_gate_stops_the_engine_and_exits() {
    let actions = [ShutGate, CloseRelay, StopEngine];
    let machine = expect(paired(), Event::Terminate, &actions, State::Fenced);
    let machine = expect(machine, Event::Terminate, &[], State::Fenced);
    expect(machine, Event::EngineDown, &[Exit], State::Fenced);
    expect(
        follower(),
        Event::Terminate,
        &[CloseIncoming, StopEngine],
        State::Fenced,
    );
    expect(after([]), Event::Terminate, &[Exit], State::Boot);
}

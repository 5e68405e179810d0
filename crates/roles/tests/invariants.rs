//! What holds after every event in every state that can be reached, with a static assignment, in a small world: two sites, three ballots, two
//! copies of the peer, an engine that greets and dies whenever it may.

// A test says what it found by panicking; clippy excuses that only inside #[test] functions.
#![allow(clippy::unwrap_used)]

use std::{
    collections::{HashSet, VecDeque},
    time::Duration,
};

use govuc_roles::{
    Action, Assignment, Ballot, Event, Evidence, Identity, Machine, Role, Site, SlotCopy, Source, State,
    VolumeId, record::Session, timing::Moment,
};

/// A machine and what its actions have done to the world around it.
#[derive(Clone, PartialEq, Eq, Hash)]
struct World {
    machine: Machine,
    gate_open: bool,
    disk: Evidence,
    engine: Option<Role>,
    /// Ballots under which incoming sync connections are open.
    incoming: Option<Ballot>,
    pairing: bool,
    over: bool,
}

struct Step<'a> {
    before: &'a World,
    event: &'a Event,
    actions: &'a [Action],
    after: &'a World,
}

fn site(name: &str) -> Site {
    Site::try_from(name.to_owned()).unwrap()
}

const NOW: Moment = Moment::new(Duration::from_secs(100));

fn slot(highest: Evidence) -> Machine {
    let identity = Identity {
        site: site("pdsa1"),
        peer: site("pdsa2"),
        copy: SlotCopy {
            volume: VolumeId("a".into()),
            incarnation: 1,
        },
        session: Session("s".into()),
    };
    Machine::new(identity, Source::Assignment, highest, NOW)
}

fn ballots() -> [Ballot; 3] {
    [Ballot::new(1, 1), Ballot::new(1, 2), Ballot::new(2, 1)]
}

/// The volumes a guard may start on.
fn starts() -> Vec<World> {
    let known = ballots().into_iter().flat_map(|ballot| {
        [None, Some(site("pdsa1")), Some(site("pdsa2"))].map(|holder| Evidence { ballot, holder })
    });
    std::iter::once(Evidence::NONE)
        .chain(known)
        .map(|disk| World {
            machine: slot(disk.clone()),
            gate_open: false,
            disk,
            engine: None,
            incoming: None,
            pairing: false,
            over: false,
        })
        .collect()
}

fn events(world: &World) -> Vec<Event> {
    let copies = [1, 2].map(|incarnation| SlotCopy {
        volume: VolumeId("b".into()),
        incarnation,
    });
    let mut events = vec![Event::SyncFailed, Event::Terminate, Event::EngineDown];
    events.extend(copies.clone().map(Event::Relayed));
    events.extend(world.engine.map(Event::EngineUp));
    // The guard reports it only while the machine wants pairing and the engine runs.
    if world.pairing {
        events.extend(copies.map(Event::Synced));
    }
    for ballot in ballots() {
        events.push(Event::Seen(ballot));
        events.push(Event::Offered {
            ballot,
            peer: site("pdsa2"),
        });
        for primary in [site("pdsa1"), site("pdsa2")] {
            events.push(Event::Assigned(Assignment { ballot, primary }));
        }
    }
    events
}

fn carry_out(world: &World, event: &Event) -> (Vec<Action>, World) {
    let mut next = world.clone();
    let actions = next.machine.step(NOW, event.clone());
    if *event == Event::EngineDown {
        next.engine = None;
    }
    for action in &actions {
        match action {
            Action::ShutGate => next.gate_open = false,
            Action::OpenGate { .. } => next.gate_open = true,
            Action::Record(evidence) => next.disk = evidence.clone(),
            Action::StartEngine(role) => {
                assert_eq!(next.engine, None, "an engine is started beside another");
                next.engine = Some(*role);
            }
            // The engine is there until EngineDown says otherwise.
            Action::StopEngine => {}
            Action::CloseIncoming => next.incoming = None,
            Action::Admit => next.incoming = Some(next.disk.ballot),
            Action::CloseRelay => next.pairing = false,
            Action::Pair => next.pairing = true,
            Action::Refuse(_) | Action::Distrust(_) => {}
            Action::Exit => next.over = true,
            other => panic!("an assignment knows no {other:?}"),
        }
    }
    (actions, next)
}

/// Calls `check` for every event in every reachable world.
fn everywhere(check: impl Fn(Step)) {
    let mut seen: HashSet<World> = starts().into_iter().collect();
    let mut queue: VecDeque<World> = seen.iter().cloned().collect();
    while let Some(before) = queue.pop_front() {
        for event in events(&before) {
            let (actions, after) = carry_out(&before, &event);
            check(Step {
                before: &before,
                event: &event,
                actions: &actions,
                after: &after,
            });
            if !after.over && seen.insert(after.clone()) {
                queue.push_back(after);
            }
        }
    }
    assert!(seen.len() > 100, "only {} worlds were reached", seen.len());
}

#[test]
fn the_gate_is_open_exactly_while_a_state_serves() {
    everywhere(|step| assert_eq!(step.after.gate_open, step.after.machine.state().serves()));
}

#[test]
fn the_gate_is_open_only_for_the_assigned_primary_of_the_highest_ballot_with_its_engine() {
    everywhere(|Step { after, .. }| {
        if after.gate_open {
            assert_eq!(after.machine.role(), Role::Primary);
            assert_eq!(after.disk.holder, Some(site("pdsa1")));
            assert_eq!(after.engine, Some(Role::Primary));
        }
    });
}

#[test]
fn the_gate_shuts_before_anything_else_is_done() {
    everywhere(|step| {
        let shut = step.actions.iter().position(|action| *action == Action::ShutGate);
        assert!(matches!(shut, None | Some(0)), "{:?}", step.actions);
    });
}

#[test]
fn what_is_seen_is_durable_and_never_falls() {
    everywhere(|Step { before, after, .. }| {
        assert_eq!(after.disk, *after.machine.highest());
        assert!(after.disk.ballot >= before.disk.ballot);
        if after.disk.ballot == before.disk.ballot && before.disk.holder.is_some() {
            assert_eq!(after.disk, before.disk, "a ballot changed hands");
        }
    });
}

#[test]
fn a_record_is_made_before_an_engine_starts_a_gate_opens_or_sync_is_admitted() {
    everywhere(|step| {
        let Some(record) = step.actions.iter().position(|a| matches!(a, Action::Record(_))) else {
            return;
        };
        let acts = |a: &Action| {
            matches!(
                a,
                Action::StartEngine(_) | Action::OpenGate { .. } | Action::Admit
            )
        };
        assert!(!step.actions[..record].iter().any(acts), "{:?}", step.actions);
    });
}

#[test]
fn sync_is_admitted_by_a_follower_only_and_never_under_an_older_ballot() {
    everywhere(|step| {
        if step.actions.contains(&Action::Admit) {
            let Event::Offered { ballot, .. } = step.event else {
                panic!("{:?} admits", step.event);
            };
            assert_eq!(*step.before.machine.state(), State::Follower);
            assert!(*ballot >= step.before.disk.ballot);
        }
    });
}

#[test]
fn sync_under_an_old_ballot_is_open_nowhere() {
    everywhere(|Step { after, .. }| {
        if let Some(ballot) = after.incoming {
            assert_eq!(ballot, after.disk.ballot);
            assert_eq!(*after.machine.state(), State::Follower);
        }
    });
}

#[test]
fn every_offer_is_answered_once() {
    everywhere(|step| {
        let answers = step
            .actions
            .iter()
            .filter(|a| matches!(a, Action::Admit | Action::Refuse(_)));
        let offered = matches!(step.event, Event::Offered { .. });
        assert_eq!(answers.count(), usize::from(offered), "{:?}", step.actions);
    });
}

#[test]
fn pairing_goes_on_exactly_while_a_state_serves() {
    everywhere(|Step { after, .. }| assert_eq!(after.pairing, after.machine.state().serves()));
}

#[test]
fn only_a_full_sync_pairs() {
    everywhere(
        |Step {
             before, event, after, ..
         }| {
            if let State::Paired(copy) = after.machine.state() {
                let synced = *event == Event::Synced(copy.clone());
                assert!(synced || before.machine.state() == after.machine.state());
            }
        },
    );
}

#[test]
fn the_engine_that_runs_is_the_one_of_the_state() {
    everywhere(|Step { after, .. }| match after.machine.state() {
        State::Follower => assert_eq!(after.engine, Some(Role::Follower)),
        State::Alone | State::Paired(_) => assert_eq!(after.engine, Some(Role::Primary)),
        State::Boot => assert_eq!(after.engine, None),
        State::Promoting | State::Fenced => {}
        other => panic!("an assignment knows no {other}"),
    });
}

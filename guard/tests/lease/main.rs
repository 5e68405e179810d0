//! Real guards that hold a store by a lease in a real etcd. How long things take is the protocol's, so these tests are
//! slow; each has guards and an etcd of its own.

// A test says what it found by panicking; clippy excuses that only inside #[test] functions.
#![allow(clippy::unwrap_used)]

mod forced;
mod hold;
#[path = "../guard/support/mod.rs"]
#[allow(dead_code)] // The other tests use more of it.
mod support;

mod lead;

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use govuc_etcd::{
    Etcd,
    roles::{Roles, StoreRecords},
    testbed::Testbed,
};
use govuc_roles::{
    Era, StoreName,
    record::{EraRecord, OperationId, Outcome, StateRecord, Want, WantedChange},
    timing::Timing,
};
use govuc_wire::status::{ReplicationState, Role, Status};
use nix::sys::signal::Signal;
use support::{
    eventually,
    guard::{STORE, Slot, line, runtime, slots},
    pki::Authority,
};
use tokio::io::AsyncWriteExt;

/// Two guards of one store, and the etcd they ask.
struct World {
    runtime: tokio::runtime::Runtime,
    etcd: Testbed,
    roles: Roles,
    authority: Authority,
    one: Slot,
    two: Slot,
}

impl World {
    fn new() -> Self {
        let runtime = runtime();
        let etcd = runtime.block_on(Testbed::start(1));
        let roles = {
            let _entered = runtime.enter();
            Roles::new(Etcd::new(etcd.settings()).unwrap())
        };
        let authority = Authority::new();
        let (mut one, mut two) = slots(&authority);
        let address = etcd.endpoint(0).address;
        let tls = etcd.client_folder();
        for slot in [&mut one, &mut two] {
            // The own site's member first; pdsa2 has none.
            let mut members = [address.clone(), "127.0.0.1:1".to_owned()];
            if slot.site == "pdsa2" {
                members.reverse();
            }
            let [own, peer] = members;
            let arguments = [
                "--roles-address".to_owned(),
                own,
                "--roles-address".to_owned(),
                peer,
                "--roles-tls".to_owned(),
                tls.display().to_string(),
            ];
            slot.lease("pdsa1", arguments.into());
        }
        Self {
            runtime,
            etcd,
            roles,
            authority,
            one,
            two,
        }
    }

    /// The store at pdsa1, and paired.
    fn paired() -> Self {
        let mut world = Self::new();
        world.one.start();
        world.two.start();
        world.one.wait_for_state(&world.authority, "Paired");
        world
    }

    fn records(&self) -> StoreRecords {
        let store = StoreName::try_from(STORE).unwrap();
        self.runtime
            .block_on(self.roles.read(&store, Duration::from_secs(5)))
            .unwrap()
            .store
    }

    fn ask(&self, store: &StoreName, want: &Want) {
        let limit = Duration::from_secs(5);
        let before = self
            .runtime
            .block_on(self.roles.read(store, limit))
            .unwrap()
            .replaced();
        let asked = self.roles.put_want(store, want, &before, limit);
        self.runtime.block_on(asked).unwrap();
    }

    /// As a person does who gives up what the primary has alone: the era is raised with it.
    fn force(&self, operation: &str, to: &str) -> Want {
        let store = StoreName::try_from(STORE).unwrap();
        let limit = Duration::from_secs(5);
        let before = self.runtime.block_on(self.roles.read(&store, limit)).unwrap();
        let replaced = before.replaced();
        let read = before.era.unwrap();
        let era = EraRecord {
            era: Era(read.record.era.0 + 1),
            ..read.record
        };
        let want = Want {
            operation: OperationId(operation.into()),
            change: WantedChange::Force,
            to: to.to_owned().try_into().unwrap(),
            era: era.era,
            by: "a test".into(),
            not_after: u64::MAX,
        };
        let asked = self
            .roles
            .force(&store, &want, &replaced, &era, read.revision, limit);
        self.runtime.block_on(asked).unwrap();
        want
    }

    /// The store at pdsa1, which has stored something that pdsa2 lacks.
    fn behind() -> Self {
        let mut world = Self::paired();
        world.two.kill();
        world.one.sync();
        world.one.wait_for_state(&world.authority, "Alone");
        assert!(!world.state().paired);
        world
    }

    fn state(&self) -> StateRecord {
        self.records().state.unwrap().record
    }

    fn status(&self, slot: &Slot) -> Status {
        eventually("a status", || self.runtime.block_on(slot.status(&self.authority)))
    }
}

fn holder(state: &StateRecord) -> Option<&str> {
    state.holder.as_ref().map(|holder| holder.site.as_str())
}

#[test]
fn a_store_that_nobody_has_held_is_taken_by_the_preferred_site_and_recorded_in_step() {
    let mut world = World::new();
    world.two.start();
    sleep(Duration::from_secs(1));
    assert_eq!(world.status(&world.two).role, Role::Follower);
    assert_eq!(world.records().state, None);
    world.one.start();
    let status = world.one.wait_for_state(&world.authority, "Paired");
    assert_eq!((status.role, status.era, status.term), (Role::Primary, 1, 1));
    assert_eq!(status.replication.unwrap().state, ReplicationState::Paired);
    let state = world.state();
    assert_eq!(holder(&state), Some("pdsa1"));
    assert!(state.paired);
    let follower = world.status(&world.two);
    let peer = state.peer.unwrap();
    assert_eq!(
        (peer.volume.0, peer.incarnation),
        (follower.volume, follower.incarnation)
    );
    assert_eq!(world.one.durable(), (1, 1));
}

#[test]
fn a_lost_primarys_store_is_taken_by_the_follower_that_is_in_step() {
    let mut world = World::paired();
    world.one.kill();
    let status = world.two.wait_for_state(&world.authority, "Alone");
    assert_eq!((status.role, status.term), (Role::Primary, 2));
    assert_eq!(world.two.durable(), (1, 2));
    let state = world.state();
    assert_eq!((holder(&state), state.paired), (Some("pdsa2"), false));
    // What comes back has the lower term, and becomes the follower.
    world.one.start();
    world.two.wait_for_state(&world.authority, "Paired");
    let returned = world.status(&world.one);
    assert_eq!(
        (returned.role, returned.term, returned.gate_open),
        (Role::Follower, 2, false)
    );
}

#[test]
fn a_lost_follower_is_recorded_before_the_engine_is_told() {
    let mut world = World::paired();
    world.two.kill();
    // The engine writes: nothing passes until etcd says that the peer lacks it.
    let synced = world.one.sync();
    assert!(
        !synced,
        "the engine's sync was answered though the follower is gone"
    );
    assert!(!world.state().paired);
    world.one.wait_for_state(&world.authority, "Alone");
    // The follower that was behind when the primary was lost is not promoted.
    world.two.start();
    world.one.kill();
    sleep(Timing::PROTOCOL.ttl + Timing::PROTOCOL.quiet);
    assert_eq!(world.status(&world.two).role, Role::Follower);
}

#[test]
fn a_silent_etcd_stops_no_mail_while_the_follower_promises() {
    let mut world = World::paired();
    world.etcd.kill(0);
    let begun = Instant::now();
    while begun.elapsed() < Timing::PROTOCOL.ttl * 2 {
        let mut user = world.runtime.block_on(world.one.imap(&world.authority));
        assert_eq!(
            world.runtime.block_on(line(&mut user)),
            "* OK ready",
            "after {:?}",
            begun.elapsed()
        );
        sleep(Duration::from_millis(500));
    }
    world.etcd.start_member(0);
    world.runtime.block_on(world.etcd.ready(0));
    sleep(Timing::PROTOCOL.ttl);
    let status = world.status(&world.one);
    assert_eq!((status.state.as_str(), status.term), ("Paired", 1));
}

#[test]
fn without_etcd_and_without_its_follower_a_primary_stops_in_time() {
    let mut world = World::paired();
    let mut user = world.runtime.block_on(world.one.imap(&world.authority));
    assert_eq!(world.runtime.block_on(line(&mut user)), "* OK ready");
    world.etcd.freeze(0);
    world.two.kill();
    // Nobody has written, so nothing but the deadline ends it.
    assert_eq!(world.runtime.block_on(line(&mut user)), "");
    let status = world.status(&world.one);
    assert_eq!((status.role, status.gate_open), (Role::Follower, false));
    world.etcd.thaw(0);
    // Its own volume was the last holder.
    let status = world.one.wait_for_state(&world.authority, "Alone");
    assert_eq!(status.term, 2);
}

#[test]
fn a_guard_that_was_stopped_for_longer_than_its_lease_sends_nothing() {
    let world = World::paired();
    let mut user = world.runtime.block_on(world.one.imap(&world.authority));
    assert_eq!(world.runtime.block_on(line(&mut user)), "* OK ready");
    world.one.signal_alive(Signal::SIGSTOP);
    world.two.wait_for_state(&world.authority, "Alone");
    // The engine's word is in the guard's socket when it goes on.
    assert!(world.one.engine.say("* late\r\n"));
    world.one.signal_alive(Signal::SIGCONT);
    assert_eq!(world.runtime.block_on(line(&mut user)), "");
    world.one.wait_for_state(&world.authority, "Follower");
}

#[test]
fn a_volume_restored_from_a_snapshot_becomes_another_copy() {
    let mut world = World::paired();
    let status = world.status(&world.two);
    let file = world.two.volume.join("guard.json");
    let snapshot = std::fs::read_to_string(&file).unwrap();
    // One more start than the snapshot will be opened as.
    for incarnation in [2, 3] {
        world.two.kill();
        world.two.start();
        eventually("the registration", || {
            let slots = world.records().slots;
            let known = slots.iter().find(|(site, _)| site.as_str() == "pdsa2")?;
            (known.1.record.0.incarnation == incarnation).then_some(())
        });
    }
    world.two.kill();
    std::fs::write(&file, snapshot).unwrap();
    world.two.start();
    assert!(world.two.ended().success());
    world.two.start();
    let restored = eventually("another copy", || {
        world.runtime.block_on(world.two.status(&world.authority))
    });
    assert_ne!(restored.volume, status.volume);
    // What the primary knew of the old copy does not hold for the new one.
    world.one.sync();
    eventually("the new copy in step", || {
        let state = world.state();
        (state.paired && state.peer?.volume.0 == restored.volume).then_some(())
    });
}

#[test]
fn a_primary_that_is_told_to_end_hands_over() {
    let mut world = World::paired();
    let begun = Instant::now();
    assert!(world.one.signal(Signal::SIGTERM).success());
    world.two.wait_for_state(&world.authority, "Alone");
    // Nobody had to wait until a lease ran out.
    assert!(begun.elapsed() < Timing::PROTOCOL.ttl, "{:?}", begun.elapsed());
    let status = world.status(&world.two);
    assert_eq!((status.role, status.term), (Role::Primary, 2));
}

#[test]
fn a_wanted_switchover_leaves_a_receipt_and_is_answered() {
    let world = World::paired();
    let store = StoreName::try_from(STORE).unwrap();
    let want = Want {
        operation: OperationId("op-1".into()),
        change: WantedChange::Switchover,
        to: "pdsa2".to_owned().try_into().unwrap(),
        era: Era(1),
        by: "a test".into(),
        not_after: u64::MAX,
    };
    world.ask(&store, &want);
    let status = world.two.wait_for_state(&world.authority, "Paired");
    assert_eq!((status.role, status.term), (Role::Primary, 2));
    let outcome = world.records().outcome.unwrap().record;
    assert_eq!(
        (outcome.operation.0.as_str(), outcome.outcome),
        ("op-1", Outcome::Done)
    );
    assert_eq!(world.records().want, None);

    // To where it is already: refused, and nothing moves.
    world.ask(
        &store,
        &Want {
            operation: OperationId("op-2".into()),
            ..want
        },
    );
    let outcome = eventually("an answer", || {
        let outcome = world.records().outcome?.record;
        (outcome.operation.0 == "op-2").then_some(outcome)
    });
    assert_eq!(outcome.outcome, Outcome::Refused);
    assert_eq!(world.status(&world.two).term, 2);
}

#[test]
fn what_clients_say_under_a_lease_reaches_the_engine() {
    let world = World::paired();
    world.runtime.block_on(async {
        let mut user = world.one.imap(&world.authority).await;
        assert_eq!(line(&mut user).await, "* OK ready");
        user.write_all(b"a NOOP\r\n").await.unwrap();
        assert_eq!(line(&mut user).await, "OK a NOOP");
    });
}

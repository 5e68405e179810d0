//! A person has a site serve though etcd does not answer.

use govuc_wire::{
    names,
    preamble::{self, HoldAnswer, HoldOrder},
    status::Hold,
    tls,
};

use super::*;

const OPERATION: &str = "ho-1";

impl World {
    /// As the operator of a site tells the guard at pdsa1. None when the guard does not talk to it.
    fn hold(&self, operator_at: &str, store: &str) -> Option<HoldAnswer> {
        self.hold_at(&self.one, operator_at, store)
    }

    fn hold_at(&self, slot: &Slot, operator_at: &str, store: &str) -> Option<HoldAnswer> {
        let identity = [names::identity("operator", operator_at)];
        let order = HoldOrder {
            store: store.into(),
            operation: OPERATION.into(),
            not_after: u64::MAX / 2,
        };
        self.runtime.block_on(async {
            let dialled = slot.dial(&self.authority, &identity, Some(tls::ALPN_HOLD));
            let mut stream = dialled.await.unwrap();
            preamble::write(&mut stream, &order).await.ok()?;
            preamble::read(&mut stream).await.ok()
        })
    }

    /// pdsa1 was the primary, reaches nobody, and serves by a hold. The guard at pdsa2 stands still.
    fn held() -> Self {
        let mut world = Self::paired();
        world.two.signal_alive(Signal::SIGSTOP);
        world.etcd.kill(0);
        world.one.wait_for_state(&world.authority, "Follower");
        assert!(world.hold("pdsa1", STORE).unwrap().accepted);
        let status = world.one.wait_for_state(&world.authority, "Held");
        assert!(status.gate_open);
        assert_eq!((status.role, status.era, status.term), (Role::Primary, 1, 1));
        assert_eq!(status.hold, hold(true));
        let mut user = world.runtime.block_on(world.one.imap(&world.authority));
        assert_eq!(world.runtime.block_on(line(&mut user)), "* OK ready");
        world
    }

    fn etcd_is_back(&mut self) {
        self.etcd.start_member(0);
        self.runtime.block_on(self.etcd.ready(0));
    }
}

fn hold(open: bool) -> Option<Hold> {
    Some(Hold {
        operation: OPERATION.into(),
        open,
    })
}

#[test]
fn a_held_site_serves_over_restarts_and_takes_the_store_as_ever_when_etcd_is_back() {
    let mut world = World::held();
    world.one.kill();
    world.one.start();
    let status = world.one.wait_for_state(&world.authority, "Held");
    assert_eq!(status.hold, hold(true));

    world.etcd_is_back();
    let status = world.one.wait_for_state(&world.authority, "Alone");
    // Nobody had taken it: no era was decided on.
    assert_eq!((status.era, status.term), (1, 2));
    assert_eq!(status.hold, hold(false));
    assert_eq!(world.state().unmerged, None);
    world.two.signal_alive(Signal::SIGCONT);
    world.one.wait_for_state(&world.authority, "Paired");
    // What was carried out once is not begun again.
    assert!(world.hold("pdsa1", STORE).unwrap().accepted);
    world.two.signal_alive(Signal::SIGSTOP);
    world.etcd.kill(0);
    world.one.wait_for_state(&world.authority, "Follower");
    sleep(Timing::PROTOCOL.ttl + Duration::from_secs(2));
    assert_eq!(world.status(&world.one).state, "Follower");
}

#[test]
fn what_was_stored_in_a_hold_outranks_who_took_the_store_meanwhile_whose_copy_is_passed_over() {
    let mut world = World::held();
    world.one.kill();
    world.etcd_is_back();
    world.two.signal_alive(Signal::SIGCONT);
    let taken = world.two.wait_for_state(&world.authority, "Alone");
    assert_eq!((taken.era, taken.term), (1, 2));

    world.one.start();
    // It is read, and then begins anew as an empty one.
    assert!(world.two.ended().success());
    let status = world.one.wait_for_state(&world.authority, "Alone");
    assert_eq!((status.role, status.era, status.term), (Role::Primary, 2, 3));
    assert_eq!(status.hold, hold(false));
    assert_eq!(holder(&world.state()), Some("pdsa1"));
    let merged = eventually("the merge", || world.state().merged);
    assert_eq!((merged.site.as_str(), merged.volume.0), ("pdsa2", taken.volume));
}

#[test]
fn of_two_sites_that_were_both_held_one_takes_the_store_and_the_others_copy_is_merged() {
    let mut world = World::held();
    world.one.kill();
    world.two.signal_alive(Signal::SIGCONT);
    assert!(world.hold_at(&world.two, "pdsa2", STORE).unwrap().accepted);
    world.two.wait_for_state(&world.authority, "Held");
    world.one.start();
    world.one.wait_for_state(&world.authority, "Held");
    let volumes = [&world.one, &world.two].map(|slot| world.status(slot).volume);

    world.etcd_is_back();
    let merged = eventually("the merge", || world.records().state?.record.merged);
    let [winner, lost] = match merged.site.as_str() {
        "pdsa1" => [&mut world.two, &mut world.one],
        _ => [&mut world.one, &mut world.two],
    };
    assert!(volumes.contains(&merged.volume.0));
    assert!(lost.ended().success());
    lost.start();
    let paired = winner.wait_for_state(&world.authority, "Paired");
    assert_eq!(paired.hold, hold(false));
    assert!(volumes.contains(&paired.volume) && paired.volume != merged.volume.0);
    let filled = lost.wait_for_state(&world.authority, "Follower");
    assert!(!volumes.contains(&filled.volume));
    assert_eq!(filled.hold, None);
}

#[test]
fn a_hold_is_the_own_sites_and_waits_until_etcd_is_silent() {
    let world = World::paired();
    assert_eq!(world.hold("pdsa2", STORE), None);
    let refused = world.hold("pdsa1", "mail-9").unwrap();
    assert_eq!(
        refused.reason.as_deref(),
        Some("this is store mail-1, not mail-9")
    );
    assert!(world.hold("pdsa1", STORE).unwrap().accepted);
    sleep(Duration::from_secs(2));
    let status = world.status(&world.one);
    assert_eq!((status.state.as_str(), status.hold), ("Paired", None));
}

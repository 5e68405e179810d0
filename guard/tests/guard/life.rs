//! Starts and ends: of the guard, of its engine, of its volume.

use nix::sys::signal::{Signal, kill};

use crate::support::{
    eventually,
    guard::{line, runtime, slots},
    pki::Authority,
};

#[test]
fn a_restarted_guard_keeps_its_volume_and_an_emptied_one_is_another() {
    let authority = Authority::new();
    let (_, mut follower) = slots(&authority);
    follower.assign(1, 4, "pdsa1");
    follower.start();
    let first = follower.wait_for_state(&authority, "Follower");
    assert_eq!(first.incarnation, 1);
    assert!(follower.signal(Signal::SIGTERM).success());
    follower.start();
    let second = follower.wait_for_state(&authority, "Follower");
    assert_eq!(
        (&second.volume, second.incarnation, second.term),
        (&first.volume, 2, 4)
    );

    follower.kill();
    std::fs::remove_dir_all(&follower.volume).unwrap();
    follower.start();
    let third = follower.wait_for_state(&authority, "Follower");
    assert_ne!(third.volume, first.volume);
    assert_eq!(third.incarnation, 1);
}

#[test]
fn a_dead_engine_is_started_again_under_the_same_term() {
    let authority = Authority::new();
    let (mut primary, mut follower) = slots(&authority);
    for slot in [&mut primary, &mut follower] {
        slot.assign(1, 1, "pdsa1");
        slot.start();
    }
    primary.wait_for_state(&authority, "Paired");
    let runtime = runtime();
    let mut user = runtime.block_on(primary.imap(&authority));
    assert_eq!(runtime.block_on(line(&mut user)), "* OK ready");
    let first = primary.master();
    kill(first, Signal::SIGKILL).unwrap();
    assert_eq!(
        runtime.block_on(line(&mut user)),
        "",
        "the session outlived its engine"
    );
    eventually("another engine", || (primary.master() != first).then_some(()));
    let status = primary.wait_for_state(&authority, "Paired");
    assert_eq!((status.term, status.incarnation), (1, 1));
}

#[test]
fn sigterm_shuts_the_gate_and_stops_the_engine() {
    let authority = Authority::new();
    let (mut primary, _) = slots(&authority);
    primary.assign(1, 1, "pdsa1");
    primary.start();
    primary.wait_for_state(&authority, "Alone");
    let runtime = runtime();
    let mut user = runtime.block_on(primary.imap(&authority));
    assert_eq!(runtime.block_on(line(&mut user)), "* OK ready");
    assert!(primary.signal(Signal::SIGTERM).success());
    assert_eq!(runtime.block_on(line(&mut user)), "");
    let log = primary.log.lock().unwrap();
    assert!(log.contains("the engine stops"), "{log}");
}

#[test]
fn a_second_guard_on_a_volume_and_a_bad_configuration_are_refused() {
    let authority = Authority::new();
    let (mut one, mut two) = slots(&authority);
    one.assign(1, 1, "pdsa2");
    one.start();
    one.wait_for_state(&authority, "Follower");
    two.volume = one.volume.clone();
    two.assign(1, 1, "pdsa1");
    two.start();
    eventually("the refusal", || {
        two.log
            .lock()
            .unwrap()
            .contains("another guard runs on this volume")
            .then_some(())
    });
    // A running guard keeps its role when the file is spoilt, and says so.
    std::fs::write(one.path("store.json"), "{").unwrap();
    let said = eventually("the complaint", || {
        runtime().block_on(one.status(&authority))?.assignment_error
    });
    assert!(said.contains("store.json"), "{said}");
    one.wait_for_state(&authority, "Follower");
}

//! The lead's operator as the administrator of a store, and one that was replaced.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use govuc_etcd::roles::LeadReading;
use govuc_roles::{Site, Term, record::Session};
use govuc_wire::{
    names::OPERATOR_USER,
    token::{Purpose, SessionKey, Subject},
};

use super::{
    World,
    support::{
        eventually,
        guard::{KEY, STORE, Slot},
    },
};

/// Whether the guard lets the operator of the lead of this term sign in.
fn admits(slot: &Slot, term: u64) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let subject = Subject {
        purpose: Purpose::Admin,
        user: OPERATOR_USER,
        store: STORE,
        era: 1,
    };
    let token = SessionKey::new(&KEY).unwrap().mint_of_lead(subject, term, now);
    let mut socket = UnixStream::connect(slot.path("run/saslauthd/mux")).unwrap();
    for field in [OPERATOR_USER, &token, "imap", ""] {
        socket.write_all(&(field.len() as u16).to_be_bytes()).unwrap();
        socket.write_all(field.as_bytes()).unwrap();
    }
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    answer == b"\0\x02OK"
}

#[test]
fn an_older_leads_administration_is_refused_as_soon_as_etcd_knows_a_newer_one() {
    let mut world = World::new();
    world.one.start();
    world.one.wait_for_state(&world.authority, "Alone");
    assert!(admits(&world.one, 4));
    let (site, session) = (
        Site::try_from("pdsa2".to_owned()).unwrap(),
        Session("s".to_owned()),
    );
    let limit = Duration::from_secs(5);
    let reading = LeadReading::default();
    let taken = world
        .roles
        .take_lead(&reading, (&site, &session), Term(7), limit, || (), limit);
    world.runtime.block_on(taken).unwrap();
    // It reads etcd again within two seconds, whatever happens to the store.
    eventually("the older one is refused", || {
        (!admits(&world.one, 4)).then_some(())
    });
    assert!(!admits(&world.one, 6));
    assert!(admits(&world.one, 7));
    // What it knows it reads before it serves again.
    world.one.kill();
    world.one.start();
    world.one.wait_for_state(&world.authority, "Alone");
    assert!(!admits(&world.one, 6));
    assert!(admits(&world.one, 7));
}

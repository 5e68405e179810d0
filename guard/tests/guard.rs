//! Real guards on loopback, with engines of a few lines.

// A test says what it found by panicking; clippy excuses that only inside #[test] functions.
#![allow(clippy::unwrap_used)]

mod support;

use govuc_wire::{
    names,
    preamble::{self, SyncAnswer, SyncOffer},
    status::{ReplicationState, Role},
    tls,
    token::{Purpose, SessionKey, Subject},
};
use nix::sys::signal::Signal;
use support::{
    eventually,
    guard::{KEY, STORE, Slot, line, runtime, slots, user},
    pki::Authority,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn offer(era: u64, term: u64) -> SyncOffer {
    SyncOffer {
        store: STORE.into(),
        era,
        term,
        volume: "another".into(),
        incarnation: 1,
    }
}

/// What a follower answers the peer's guard.
fn offered(slot: &Slot, authority: &Authority, offer: &SyncOffer) -> SyncAnswer {
    let peer = [names::identity(STORE, "pdsa1")];
    runtime().block_on(async {
        let mut stream = slot.dial(authority, &peer, Some(tls::ALPN_SYNC)).await.unwrap();
        preamble::write(&mut stream, offer).await.unwrap();
        preamble::read(&mut stream).await.unwrap()
    })
}

#[test]
fn a_store_pairs_and_its_users_reach_the_engine() {
    let authority = Authority::new();
    let (mut primary, mut follower) = slots(&authority);
    for slot in [&mut primary, &mut follower] {
        slot.assign(1, 1, "pdsa1");
        slot.start();
    }
    let status = primary.wait_for_state(&authority, "Paired");
    assert_eq!((status.role, status.era, status.term), (Role::Primary, 1, 1));
    assert_eq!(status.primary.as_deref(), Some("pdsa1"));
    assert_eq!(status.replication.unwrap().state, ReplicationState::Paired);
    assert!(follower.engine.lines().contains(&"S1 full sync".to_owned()));
    let status = follower.wait_for_state(&authority, "Follower");
    assert_eq!((status.role, status.gate_open), (Role::Follower, false));
    assert_eq!(follower.durable(), (1, 1));

    runtime().block_on(async {
        let mut user = primary.imap(&authority).await;
        assert_eq!(line(&mut user).await, "* OK ready");
        user.write_all(b"a SELECT INBOX\r\n").await.unwrap();
        assert_eq!(line(&mut user).await, "OK a SELECT INBOX");
        // At the follower the gate is shut.
        let mut user = follower.imap(&authority).await;
        assert_eq!(line(&mut user).await, "");
        let mx = [names::identity("mx", "pdsa2")];
        let mut mx = primary.dial(&authority, &mx, None).await.unwrap();
        assert_eq!(line(&mut mx).await, "* OK ready");
    });
    for slot in [&primary, &follower] {
        assert_eq!(slot.probe("/livez").0, 200);
        assert_eq!(slot.probe("/readyz").0, 200);
    }
    let (_, metrics) = primary.probe("/metrics");
    for line in [
        "govuc_guard_gate_open 1",
        "govuc_guard_paired 1",
        "direction=\"FromEngine\"} 43",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }

    // No token is in any log, though the engine's configuration has one.
    let configuration = std::fs::read_to_string(primary.path("run/imapd.conf")).unwrap();
    let token = configuration
        .lines()
        .find_map(|line| line.strip_prefix("peer_sync_password: "))
        .unwrap();
    assert!(token.starts_with("v1.0."));
    for slot in [&primary, &follower] {
        assert!(!slot.log.lock().unwrap().contains(token));
    }
}

#[test]
fn a_primary_goes_on_alone_and_pairs_again() {
    let authority = Authority::new();
    let (mut primary, mut follower) = slots(&authority);
    for slot in [&mut primary, &mut follower] {
        slot.assign(1, 1, "pdsa1");
        slot.start();
    }
    let paired = primary.wait_for_state(&authority, "Paired");
    // An open relay is what tells the primary: the engine's next change would.
    let port = std::fs::read_to_string(primary.path("run/imapd.conf")).unwrap();
    let port: u16 = port
        .lines()
        .find_map(|line| line.strip_prefix("peer_sync_port: "))
        .unwrap()
        .parse()
        .unwrap();
    let mut sync = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut greeting = [0; 12];
    std::io::Read::read_exact(&mut sync, &mut greeting).unwrap();
    assert_eq!(&greeting, b"* OK ready\r\n");
    follower.kill();
    let alone = primary.wait_for_state(&authority, "Alone").replication.unwrap();
    assert_eq!(alone.state, ReplicationState::Alone);
    assert!(alone.last_error.is_some() && alone.since >= paired.replication.unwrap().since);
    // The engine's own connection has ended, and a new one is refused.
    assert!(matches!(
        std::io::Read::read(&mut sync, &mut greeting),
        Ok(0) | Err(_)
    ));
    let mut refused = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    assert!(matches!(
        std::io::Read::read(&mut refused, &mut greeting),
        Ok(0) | Err(_)
    ));

    follower.start();
    primary.wait_for_state(&authority, "Paired");
}

#[test]
fn sync_with_an_older_term_is_refused_and_a_higher_one_is_durable_before_the_answer() {
    let authority = Authority::new();
    let (_, mut follower) = slots(&authority);
    follower.assign(1, 3, "pdsa1");
    follower.start();
    follower.wait_for_state(&authority, "Follower");

    let answer = offered(&follower, &authority, &offer(1, 2));
    assert!(!answer.accepted);
    assert_eq!((answer.era, answer.term), (1, 3));
    assert!(answer.reason.unwrap().contains("older"));

    let answer = offered(&follower, &authority, &offer(1, 5));
    assert!(answer.accepted);
    assert_eq!(follower.durable(), (1, 5));

    // A power cut later it still knows.
    follower.kill();
    follower.start();
    let status = follower.wait_for_state(&authority, "Follower");
    assert_eq!((status.term, status.incarnation), (5, 2));
    assert!(status.assignment_error.unwrap().contains("older"));
    assert!(!offered(&follower, &authority, &offer(1, 4)).accepted);
}

#[test]
fn a_primary_that_sees_a_higher_term_shuts_its_gate() {
    let authority = Authority::new();
    let (mut primary, _) = slots(&authority);
    primary.assign(1, 1, "pdsa1");
    primary.start();
    primary.wait_for_state(&authority, "Alone");
    runtime().block_on(async {
        let mut user = primary.imap(&authority).await;
        assert_eq!(line(&mut user).await, "* OK ready");
        let peer = [names::identity(STORE, "pdsa2")];
        let mut stream = primary
            .dial(&authority, &peer, Some(tls::ALPN_SYNC))
            .await
            .unwrap();
        preamble::write(&mut stream, &offer(1, 2)).await.unwrap();
        let answer: SyncAnswer = preamble::read(&mut stream).await.unwrap();
        assert!(!answer.accepted);
        // The gate was shut before the answer was given: what the engine says now goes nowhere.
        primary.engine.say("a OK stored\r\n");
        let mut rest = Vec::new();
        let _ = user.read_to_end(&mut rest).await;
        assert_eq!(rest, b"");
    });
    assert_eq!(primary.durable(), (1, 2));
    let status = primary.wait_for_state(&authority, "Follower");
    assert_eq!(status.primary.as_deref(), Some("pdsa2"));
}

#[test]
fn a_store_is_assigned_to_the_other_site_and_back() {
    let authority = Authority::new();
    let (mut one, mut two) = slots(&authority);
    for slot in [&mut one, &mut two] {
        slot.assign(1, 1, "pdsa1");
        slot.start();
    }
    one.wait_for_state(&authority, "Paired");
    for slot in [&one, &two] {
        slot.assign(1, 2, "pdsa2");
    }
    two.wait_for_state(&authority, "Paired");
    assert_eq!(one.wait_for_state(&authority, "Follower").term, 2);
    assert_eq!((one.durable(), two.durable()), ((1, 2), (1, 2)));
    // An assignment without a higher term changes nothing.
    two.assign(1, 2, "pdsa1");
    let said = eventually("the refusal", || {
        runtime().block_on(two.status(&authority))?.assignment_error
    });
    assert!(said.contains("is pdsa2's already"), "{said}");
    assert_eq!(two.wait_for_state(&authority, "Paired").term, 2);
}

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
fn each_protocol_admits_its_own_identities_only() {
    let authority = Authority::new();
    let (mut primary, _) = slots(&authority);
    primary.assign(1, 1, "pdsa1");
    primary.start();
    primary.wait_for_state(&authority, "Alone");
    let parts = ["front-door", "operator", "mx", "submission", STORE];
    for (alpn, admitted) in [
        (Some(tls::ALPN_IMAP), &["front-door", "operator"][..]),
        (None, &["mx", "submission"]),
        (Some(tls::ALPN_SYNC), &[STORE]),
        (Some(tls::ALPN_STATUS), &["operator"]),
    ] {
        for part in parts {
            let served = runtime().block_on(async {
                let identity = [names::identity(part, "pdsa2")];
                let mut stream = primary.dial(&authority, &identity, alpn).await.unwrap();
                // Two protocols wait for a first line; the others don't mind one.
                let _ = match alpn == Some(tls::ALPN_SYNC) {
                    true => preamble::write(&mut stream, &offer(1, 1)).await,
                    false => preamble::write(&mut stream, &user()).await,
                };
                matches!(stream.read(&mut [0; 1]).await, Ok(1..))
            });
            assert_eq!(served, admitted.contains(&part), "{part} with {alpn:?}");
        }
    }
    let stranger = Authority::new();
    let refused = runtime().block_on(primary.status(&stranger));
    assert!(refused.is_none());
    // Of five parts at four protocols, six are admitted.
    let (_, metrics) = primary.probe("/metrics");
    assert!(metrics.contains("reason=\"Identity\"} 14"), "{metrics}");
}

#[test]
fn a_rotated_certificate_is_taken_up_without_a_restart() {
    let (old, new) = (Authority::new(), Authority::new());
    let (mut follower, _) = slots(&old);
    follower.assign(1, 1, "pdsa2");
    follower.start();
    let before = follower.wait_for_state(&old, "Follower");
    // A half-written pair changes nothing.
    std::fs::write(follower.tls().join("tls.crt"), "-----BEGIN CERT").unwrap();
    eventually("the refusal", || {
        let log = follower.log.lock().unwrap();
        log.contains("the changed certificate is not taken").then_some(())
    });
    follower.wait_for_state(&old, "Follower");
    new.issue(&follower.tls(), &follower.names());
    let after = follower.wait_for_state(&new, "Follower");
    assert_eq!(before.incarnation, after.incarnation);
    assert!(runtime().block_on(follower.status(&old)).is_none());
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
fn a_token_is_asked_for_by_the_engine_and_never_logged() {
    use std::io::{Read, Write};
    let authority = Authority::new();
    let (mut primary, _) = slots(&authority);
    primary.assign(1, 1, "pdsa1");
    primary.start();
    primary.wait_for_state(&authority, "Alone");
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let mint = |era| {
        let subject = Subject {
            purpose: Purpose::Session,
            user: "3f",
            store: STORE,
            era,
        };
        SessionKey::new(&KEY).unwrap().mint(subject, now)
    };
    let ask = |token: &str| {
        let mut socket = std::os::unix::net::UnixStream::connect(primary.path("run/saslauthd/mux")).unwrap();
        for field in ["3f", token, "imap", ""] {
            socket.write_all(&(field.len() as u16).to_be_bytes()).unwrap();
            socket.write_all(field.as_bytes()).unwrap();
        }
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).unwrap();
        answer
    };
    let (good, stale) = (mint(1), mint(2));
    assert_eq!(ask(&good), b"\0\x02OK");
    assert_eq!(ask(&stale), b"\0\x02NO");
    // The engine's own log is the other way by which one could get out.
    let log = std::os::unix::net::UnixDatagram::unbound().unwrap();
    let line = format!("<19>imap[7]: badlogin: 3f {good}");
    log.send_to(line.as_bytes(), primary.path("run/log")).unwrap();
    let logged = eventually("the engine's line", || {
        let log = primary.log.lock().unwrap().clone();
        log.contains("badlogin: 3f [token]").then_some(log)
    });
    for token in [good, stale] {
        assert!(!logged.contains(&token));
    }
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

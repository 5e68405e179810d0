//! Roles and replication: pairing, the fenced handshake, higher evidence, moves.

use govuc_wire::{
    names,
    preamble::{self, SyncAnswer, SyncOffer},
    status::{ReplicationState, Role},
    tls,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{
    eventually,
    guard::{STORE, Slot, line, offer, runtime, slots},
    pki::Authority,
};

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

/// As while an empty copy is filled: the engine's own syncs fail there until the mailbox above theirs has come.
#[test]
fn what_fails_while_a_copy_is_brought_in_step_costs_one_more_full_sync() {
    let authority = Authority::new();
    let (mut primary, mut follower) = slots(&authority);
    let (program, whole) = (
        primary.path("programs/sync_client"),
        primary.path("programs/whole"),
    );
    std::fs::rename(&program, &whole).unwrap();
    let failing = r#"#!/bin/bash
port=$(sed -n 's/^peer_sync_port: //p' "$2")
if [ "$4" = peer ] && ! [ -e "${2%/*}/failed" ]; then
    touch "${2%/*}/failed"
    exec 4<>/dev/tcp/127.0.0.1/$port && read -t 10 -r greeting <&4 && exec 4>&-
    sleep 0.5
fi
exec "${0%/*}/whole" "$@"
"#;
    std::fs::write(&program, failing).unwrap();
    std::fs::set_permissions(&program, std::fs::metadata(&whole).unwrap().permissions()).unwrap();
    follower.assign(1, 1, "pdsa1");
    follower.start();
    follower.wait_for_state(&authority, "Follower");
    primary.assign(1, 1, "pdsa1");
    primary.start();
    primary.wait_for_state(&authority, "Paired");
    let lines = follower.engine.lines();
    let passes = lines.iter().filter(|line| *line == "S1 full sync").count();
    // One that fills, one during which a sync failed, and the one that counts.
    assert_eq!(passes, 3, "{lines:?}");
    let log = primary.log.lock().unwrap().clone();
    assert!(!log.contains("the peer is not in step"), "{log}");
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
fn a_later_opening_of_the_relay_ends_the_connections_of_an_earlier_one() {
    let authority = Authority::new();
    let (_, mut follower) = slots(&authority);
    follower.assign(1, 1, "pdsa1");
    follower.start();
    follower.wait_for_state(&authority, "Follower");
    let opening = |number| SyncOffer {
        opening: number,
        ..offer(1, 1)
    };
    runtime().block_on(async {
        let peer = [names::identity(STORE, "pdsa1")];
        let mut first = follower
            .dial(&authority, &peer, Some(tls::ALPN_SYNC))
            .await
            .unwrap();
        preamble::write(&mut first, &opening(1)).await.unwrap();
        assert!(preamble::read::<SyncAnswer>(&mut first).await.unwrap().accepted);
        assert_eq!(line(&mut first).await, "* OK ready");
        let mut second = follower
            .dial(&authority, &peer, Some(tls::ALPN_SYNC))
            .await
            .unwrap();
        preamble::write(&mut second, &opening(2)).await.unwrap();
        assert!(preamble::read::<SyncAnswer>(&mut second).await.unwrap().accepted);
        // Its sender may be gone without a word; what it held in the engine must not wait for that.
        assert_eq!(line(&mut first).await, "");
        assert_eq!(line(&mut second).await, "* OK ready");
    });
    assert!(!offered(&follower, &authority, &opening(1)).accepted);
    assert!(offered(&follower, &authority, &opening(2)).accepted);
    let restarted = SyncOffer {
        incarnation: 2,
        ..opening(1)
    };
    assert!(offered(&follower, &authority, &restarted).accepted);
}

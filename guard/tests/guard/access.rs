//! Who may open what, and what proves it: certificates and tokens.

use govuc_wire::{
    names, preamble, tls,
    token::{Purpose, SessionKey, Subject},
};
use tokio::io::AsyncReadExt;

use crate::support::{
    eventually,
    guard::{KEY, STORE, offer, runtime, slots, user},
    pki::Authority,
};

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

//! Forced failovers, and the merge of the copy that was passed over.

use govuc_roles::record::MergeCounts;
use govuc_wire::{
    merge_report::Line,
    names,
    preamble::{self, MergeOffer, SyncAnswer},
    tls,
};
use tokio::io::AsyncReadExt;

use super::*;
use crate::support::guard::offer;

/// What the lost primary's engine has, and the other one lacks.
const FOLDER: &str = r#"MAILBOX %(UNIQUEID i MBOXNAME user.3f ACL "3f lrs " RECORD ())"#;

/// The store forced to pdsa2 while pdsa1 was lost, with something stored that only pdsa1 has; and the lost volume.
fn forced() -> (World, String) {
    let mut world = World::behind();
    let lost = world.status(&world.one).volume;
    for (asked, line) in [("LIST", r#"LIST () "/" user/3f"#), ("SYNCGET", FOLDER)] {
        world.one.engine.has(asked, line, "");
        if asked != "LIST" {
            world.two.engine.has(asked, line, "SYNCRESTORE");
        }
    }
    world.one.kill();
    world.two.start();
    let want = world.force("op-1", "pdsa2");
    let status = world.two.wait_for_state(&world.authority, "Alone");
    assert_eq!((status.role, status.era, status.term), (Role::Primary, 2, 2));
    assert_eq!(world.two.durable(), (2, 2));
    let outcome = eventually("an answer", || world.records().outcome).record;
    assert_eq!(
        (outcome.operation, outcome.outcome),
        (want.operation, Outcome::Done)
    );
    let state = world.state();
    assert_eq!(holder(&state), Some("pdsa2"));
    let unmerged = state.unmerged.unwrap();
    assert_eq!(
        (
            unmerged.site.as_str(),
            unmerged.volume.0.as_str(),
            unmerged.term.0
        ),
        ("pdsa1", lost.as_str(), 1)
    );
    (world, lost)
}

#[test]
fn a_lost_primary_that_was_passed_over_is_merged_when_it_is_back_and_filled_as_an_empty_copy() {
    let (mut world, lost) = forced();
    let spool = world.one.volume.join("cyrus/spool");
    assert!(spool.exists());
    let had = world.one.engine.lines().len();
    world.one.start();

    // It ends by itself, with nothing synced over what it had alone.
    assert!(world.one.ended().success());
    let heard = world.one.engine.lines().split_off(had);
    assert!(
        heard.iter().any(|line| line.contains("SYNCGET FULLMAILBOX")),
        "{heard:?}"
    );
    assert!(!heard.iter().any(|line| line.contains("full sync")), "{heard:?}");
    let told = world.two.engine.lines();
    let made = told.iter().filter(|line| line.contains("SYNCRESTORE MAILBOX"));
    assert_eq!(made.count(), 1, "{told:?}");
    let state = world.state();
    assert_eq!(
        (holder(&state), state.paired, &state.unmerged),
        (Some("pdsa2"), false, &None)
    );
    let merged = state.merged.unwrap();
    assert_eq!(
        (merged.site.as_str(), merged.volume.0.as_str()),
        ("pdsa1", lost.as_str())
    );
    let counts = MergeCounts {
        folders: 1,
        ..MergeCounts::default()
    };
    assert_eq!(merged.counts, counts);
    let report = std::fs::read_to_string(world.two.volume.join(format!("merges/{lost}.jsonl"))).unwrap();
    let last = report
        .lines()
        .last()
        .and_then(|line| serde_json::from_str(line).ok());
    let Some(Line::Ended { counts, at: Some(_) }) = last else {
        panic!("{report}");
    };
    assert_eq!((counts.folders, counts.messages), (1, 0), "{report}");

    std::fs::write(spool.join("old"), "mail").unwrap();
    world.one.start();
    let paired = world.two.wait_for_state(&world.authority, "Paired");
    assert_eq!(paired.term, 2);
    let returned = world.status(&world.one);
    assert_eq!((returned.state.as_str(), returned.gate_open), ("Follower", false));
    assert_ne!(returned.volume, lost);
    assert_eq!(world.state().peer.unwrap().volume.0, returned.volume);
    assert!(!spool.join("old").exists());
    let heard = world.one.engine.lines();
    assert!(heard.iter().any(|line| line.contains("full sync")), "{heard:?}");
}

#[test]
fn a_copy_in_quarantine_is_read_by_the_primary_alone_and_takes_nothing() {
    let (mut world, lost) = forced();
    world.two.kill();
    world.one.start();
    world.one.wait_for_state(&world.authority, "Quarantine");
    let had = world.one.engine.lines().len();
    let peer = [names::identity(STORE, "pdsa2")];
    let merge = |era, term, volume: &str| MergeOffer {
        store: STORE.into(),
        era,
        term,
        passed_over: volume.into(),
    };
    let asked = |names: &[String], offer: &MergeOffer| {
        world.runtime.block_on(async {
            let mut stream = world
                .one
                .dial(&world.authority, names, Some(tls::ALPN_MERGE))
                .await?;
            preamble::write(&mut stream, offer).await.ok()?;
            let answer: SyncAnswer = preamble::read(&mut stream).await.ok()?;
            Some((answer, stream))
        })
    };
    for (offer, reason) in [
        (
            merge(2, 2, "another"),
            "etcd does not say that this copy was passed over by who asks",
        ),
        (merge(1, 1, &lost), "era 1 term 1 is older"),
    ] {
        let (answer, _) = asked(&peer, &offer).unwrap();
        let told = answer.reason.unwrap_or_default();
        assert!(!answer.accepted && told.starts_with(reason), "{told}");
    }
    for other in ["operator", "front-door"] {
        let stranger = [names::identity(other, "pdsa2")];
        assert!(asked(&stranger, &merge(2, 2, &lost)).is_none(), "{other}");
    }
    let sync: SyncAnswer = world.runtime.block_on(async {
        let mut stream = world
            .one
            .dial(&world.authority, &peer, Some(tls::ALPN_SYNC))
            .await
            .unwrap();
        preamble::write(&mut stream, &offer(2, 2)).await.unwrap();
        preamble::read(&mut stream).await.unwrap()
    });
    assert!(!sync.accepted);
    assert_eq!(world.one.engine.lines().len(), had);

    let (answer, mut stream) = asked(&peer, &merge(2, 2, &lost)).unwrap();
    assert!(answer.accepted);
    assert_eq!(answer.volume, lost);
    world.runtime.block_on(async {
        assert_eq!(line(&mut stream).await, "* OK ready");
        stream.write_all(b"a LIST \"\" \"*\"\r\n").await.unwrap();
        assert_eq!(line(&mut stream).await, "* LIST () \"/\" user/3f");
        assert_eq!(line(&mut stream).await, "a OK");
        stream.write_all(b"b DELETE user/3f\r\n").await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        assert_eq!(rest, b"");
    });
    let heard = world.one.engine.lines().split_off(had);
    assert_eq!(heard, ["a LIST \"\" \"*\""]);
    assert!(world.one.signal(Signal::SIGTERM).success());
}

#[test]
fn a_primary_that_goes_on_when_its_store_is_forced_away_shuts_first() {
    let mut world = World::behind();
    let mut user = world.runtime.block_on(world.one.imap(&world.authority));
    assert_eq!(world.runtime.block_on(line(&mut user)), "* OK ready");
    // It is there and its peer can't reach it, as when the line between the sites is cut.
    world.one.signal_alive(Signal::SIGSTOP);
    world.two.start();
    sleep(Duration::from_secs(1));
    world.force("op-1", "pdsa2");
    world.one.signal_alive(Signal::SIGCONT);
    assert_eq!(world.runtime.block_on(line(&mut user)), "");
    let status = world.two.wait_for_state(&world.authority, "Alone");
    assert_eq!((status.era, status.term), (2, 2));
    // What it had stored alone is merged from where it is.
    assert!(world.one.ended().success());
    assert_eq!(world.state().unmerged, None);
}

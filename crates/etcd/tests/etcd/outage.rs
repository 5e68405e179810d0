//! Three members, of which some are killed or frozen.

use std::time::{Duration, Instant};

use govuc_etcd::{
    Change, Error, Etcd, LeaseId, Operation, Revision, Settings, Txn, Watch,
    roles::Roles,
    testbed::{SITES, Testbed},
};

use crate::{
    LIMIT, SHORT, eventually,
    line::Line,
    store::{begun, claim, of, paired, seen, store, take},
};

fn put(key: &str) -> Txn {
    Txn {
        then: vec![Operation::Put {
            key: key.to_owned(),
            value: b"x".to_vec(),
            lease: None,
        }],
        ..Txn::default()
    }
}

/// How a watch ends on which nothing changes any more.
async fn end(watch: &mut Watch) -> Error {
    match tokio::time::timeout(LIMIT * 3, watch.next()).await {
        Ok(ended) => ended.unwrap_err(),
        Err(_) => panic!("the watch did not end"),
    }
}

/// Asks until it is known that nothing was done: on a busy machine a member's no may come too late now and then.
async fn unsent<T: std::fmt::Debug>(mut ask: impl AsyncFnMut() -> Result<T, Error>) {
    let begun = Instant::now();
    loop {
        match ask().await {
            Err(Error::Unreachable(_)) => return,
            Err(Error::Unknown(_)) if begun.elapsed() < LIMIT => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn leader(bed: &Testbed, etcd: &Etcd) -> usize {
    for member in 0..SITES.len() {
        let status = etcd.status(&bed.endpoint(member), LIMIT).await.unwrap();
        if status.leader == Some(status.member) {
            return member;
        }
    }
    panic!("nobody leads");
}

#[tokio::test]
async fn a_killed_member_is_passed_over() {
    let mut bed = Testbed::start(3).await;
    let etcd = Etcd::connect(bed.settings(), LIMIT).await.unwrap();
    let lease = LeaseId::random();
    etcd.grant(lease, Duration::from_secs(600), LIMIT).await.unwrap();
    bed.kill(0);
    etcd.range("/", LIMIT).await.unwrap();
    etcd.txn(&put("/a"), LIMIT).await.unwrap();
    assert!(etcd.keep_alive_once(lease, LIMIT).await.unwrap().is_some());
    etcd.revoke(lease, LIMIT).await.unwrap();
    assert_eq!(etcd.members(LIMIT).await.unwrap().len(), 3);
    let dead = etcd.status(&bed.endpoint(0), LIMIT).await;
    assert!(matches!(dead, Err(Error::Unreachable(_))), "{dead:?}");
    // Nothing but that member is known: nothing is sent.
    let alone = Etcd::new(bed.settings_of(&[0])).unwrap();
    let unsent = alone.txn(&put("/b"), SHORT).await;
    assert!(matches!(unsent, Err(Error::Unreachable(_))), "{unsent:?}");
}

#[tokio::test]
async fn a_frozen_member_holds_up_one_attempt_and_no_more() {
    let bed = Testbed::start(3).await;
    let etcd = Etcd::connect(bed.settings(), LIMIT).await.unwrap();
    let lease = LeaseId::random();
    etcd.grant(lease, Duration::from_secs(600), LIMIT).await.unwrap();
    etcd.keep_alive_once(lease, LIMIT).await.unwrap();
    bed.freeze(0);
    // A change that was sent to it is not sent to another, though there is time.
    let unknown = etcd.txn(&put("/a"), SHORT * 4).await;
    assert!(matches!(unknown, Err(Error::Unknown(_))), "{unknown:?}");
    // From then on others are asked.
    for _ in 0..20 {
        etcd.range("/", SHORT).await.unwrap();
    }
    etcd.txn(&put("/b"), LIMIT).await.unwrap();
    assert!(etcd.keep_alive_once(lease, LIMIT).await.unwrap().is_some());
    bed.thaw(0);
    bed.ready(0).await;
}

#[tokio::test]
async fn a_read_and_a_keep_alive_go_on_to_the_next_member_by_themselves() {
    let bed = Testbed::start(3).await;
    let etcd = Etcd::connect(bed.settings(), LIMIT).await.unwrap();
    let lease = LeaseId::random();
    etcd.grant(lease, Duration::from_secs(600), LIMIT).await.unwrap();
    etcd.keep_alive_once(lease, LIMIT).await.unwrap();
    // Before the connection itself is found dead.
    let soon = SHORT * 4;
    bed.freeze(0);
    assert!(etcd.keep_alive_once(lease, soon).await.unwrap().is_some());
    bed.thaw(0);
    bed.ready(0).await;
    let fresh = Etcd::connect(bed.settings(), LIMIT).await.unwrap();
    bed.freeze(0);
    fresh.range("/", soon).await.unwrap();
    bed.thaw(0);
}

#[tokio::test]
async fn a_member_that_is_back_is_preferred_again() {
    let mut bed = Testbed::start(3).await;
    let line = Line::to(&bed.endpoint(0)).await;
    let settings = Settings {
        endpoints: vec![line.endpoint(), bed.endpoint(1), bed.endpoint(2)],
        ..bed.settings()
    };
    let etcd = Etcd::connect(settings, LIMIT).await.unwrap();
    // One that has failed is asked now and then; one that is preferred is asked every time.
    let is_preferred = async || {
        for _ in 0..10 {
            let before = line.said();
            etcd.range("/", LIMIT).await.unwrap();
            if line.said() == before {
                return false;
            }
        }
        true
    };
    assert!(is_preferred().await);
    bed.kill(0);
    etcd.range("/", LIMIT).await.unwrap();
    assert!(!is_preferred().await);
    bed.start_member(0);
    eventually("the first is preferred", is_preferred).await;
}

#[tokio::test]
async fn a_leaders_death_delays_requests_and_fails_none_that_may_be_repeated() {
    for frozen in [false, true] {
        let mut bed = Testbed::start(3).await;
        let etcd = Etcd::connect(bed.settings(), LIMIT).await.unwrap();
        let (roles, mail) = (begun(&etcd).await, store("mail-1"));
        let mine = claim("pdsa1", 1);
        let mut held = take(&roles, &mail, &mine).await.unwrap();
        let leader = leader(&bed, &etcd).await;
        if frozen {
            bed.freeze(leader);
        } else {
            bed.kill(leader);
        }
        assert!(etcd.keep_alive_once(held.lease, LIMIT).await.unwrap().is_some());
        roles
            .commit(&mut held, &of(paired(mine.clone())), LIMIT)
            .await
            .unwrap();
        assert_eq!(seen(&roles, &mail).await, (Some(paired(mine)), true));
    }
}

#[tokio::test]
async fn without_a_majority_nothing_is_done_and_each_member_says_so() {
    let mut bed = Testbed::start(3).await;
    let etcd = Etcd::connect(bed.settings(), LIMIT).await.unwrap();
    let (roles, mail) = (begun(&etcd).await, store("mail-1"));
    let mine = claim("pdsa1", 1);
    let mut held = take(&roles, &mail, &mine).await.unwrap();
    bed.kill(1);
    bed.kill(2);
    eventually("the last member has no leader", async || {
        etcd.status(&bed.endpoint(0), LIMIT)
            .await
            .unwrap()
            .leader
            .is_none()
    })
    .await;
    unsent(async || etcd.txn(&put("/a"), SHORT).await).await;
    unsent(async || etcd.keep_alive_once(held.lease, SHORT).await).await;
    unsent(async || roles.commit(&mut held, &of(paired(mine.clone())), SHORT).await).await;
    bed.start_member(1);
    bed.ready(1).await;
    roles.commit(&mut held, &of(paired(mine)), LIMIT).await.unwrap();
}

#[tokio::test]
async fn a_watch_ends_with_its_member_and_goes_on_at_another_without_a_gap() {
    for frozen in [false, true] {
        let mut bed = Testbed::start(3).await;
        let etcd = Etcd::connect(bed.settings(), LIMIT).await.unwrap();
        let first = etcd.txn(&put("/a"), LIMIT).await.unwrap().revision;
        let mut watch = etcd.watch("/", first, LIMIT).await.unwrap();
        let mut last = watch.next().await.unwrap().revision;
        assert_eq!(last, first);
        if frozen {
            bed.freeze(0);
        } else {
            bed.kill(0);
        }
        let broken = end(&mut watch).await;
        assert!(matches!(broken, Error::Unknown(_)), "{broken:?}");
        let others = Etcd::connect(bed.settings_of(&[1, 2]), LIMIT).await.unwrap();
        others.txn(&put("/b"), LIMIT).await.unwrap();
        let mut watch = etcd.watch("/", last.next(), LIMIT).await.unwrap();
        others.txn(&put("/c"), LIMIT).await.unwrap();
        let mut keys = Vec::new();
        while keys.len() < 2 {
            let changes = watch.next().await.unwrap();
            assert!(changes.revision > last);
            last = changes.revision;
            keys.extend(changes.changes.iter().map(Change::key).map(str::to_owned));
        }
        assert_eq!(keys, ["/b", "/c"]);
    }
}

#[tokio::test]
async fn a_watch_of_a_member_that_lost_its_majority_ends() {
    let mut bed = Testbed::start(3).await;
    let etcd = Etcd::connect(bed.settings(), LIMIT).await.unwrap();
    let mut watch = etcd.watch("/", Revision(1), LIMIT).await.unwrap();
    bed.kill(1);
    bed.kill(2);
    end(&mut watch).await;
}

#[tokio::test]
async fn a_store_is_taken_over_while_a_member_is_frozen() {
    let bed = Testbed::start(3).await;
    let settings = |order: &[usize]| Settings {
        ..bed.settings_of(order)
    };
    let one = Etcd::connect(settings(&[0, 1, 2]), LIMIT).await.unwrap();
    let two = Etcd::connect(settings(&[1, 0, 2]), LIMIT).await.unwrap();
    let (here, there, mail) = (begun(&one).await, Roles::new(two), store("mail-1"));
    let mut old = take(&here, &mail, &claim("pdsa1", 1)).await.unwrap();
    bed.freeze(0);
    there.release(old.lease, LIMIT).await.unwrap();
    take(&there, &mail, &claim("pdsa2", 2)).await.unwrap();
    let late = here.commit(&mut old, &of(paired(claim("pdsa1", 1))), LIMIT).await;
    assert!(matches!(late, Err(Error::Refused(_))), "{late:?}");
    bed.thaw(0);
    bed.ready(0).await;
    assert_eq!(seen(&here, &mail).await, (Some(claim("pdsa2", 2)), true));
}

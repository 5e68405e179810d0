//! What etcd does when all is well.

use std::time::Duration;

use govuc_etcd::{
    Change, Code, Compare, Error, Etcd, KeyValue, LeaseId, Operation, Revision, Txn, testbed::Testbed,
};

use crate::{LIMIT, eventually};

fn put(key: &str, value: &str, lease: Option<LeaseId>) -> Operation {
    Operation::Put {
        key: key.to_owned(),
        value: value.as_bytes().to_vec(),
        lease,
    }
}

fn read(key: &str) -> Operation {
    Operation::Read { key: key.to_owned() }
}

fn unchanged(key: &str, at: Revision) -> Compare {
    Compare::Modified {
        key: key.to_owned(),
        at,
    }
}

/// Puts without comparing.
async fn put_now(etcd: &Etcd, key: &str, value: &str, lease: Option<LeaseId>) -> Result<Revision, Error> {
    let txn = Txn {
        then: vec![put(key, value, lease)],
        ..Txn::default()
    };
    Ok(etcd.txn(&txn, LIMIT).await?.revision)
}

async fn keys(etcd: &Etcd, prefix: &str) -> Vec<String> {
    let answer = etcd.range(prefix, LIMIT).await.unwrap();
    answer
        .reads
        .into_iter()
        .flatten()
        .map(|found| found.key)
        .collect()
}

fn single(found: &[Vec<KeyValue>]) -> &KeyValue {
    let [reads] = found else { panic!("{found:?}") };
    let [found] = &reads[..] else { panic!("{reads:?}") };
    found
}

#[tokio::test]
async fn a_transaction_is_carried_out_only_on_what_was_read() {
    let bed = Testbed::start(1).await;
    let etcd = Etcd::connect(bed.settings(), LIMIT).await.unwrap();
    let txn = |at, value| Txn {
        compares: vec![unchanged("/a", at)],
        then: vec![put("/a", value, None)],
        otherwise: vec![read("/a")],
    };
    let first = etcd
        .txn(&txn(Revision::ABSENT, "1"), LIMIT)
        .await
        .unwrap()
        .revision;
    let second = etcd.txn(&txn(first, "2"), LIMIT).await.unwrap().revision;
    assert!(second > first);
    for at in [Revision::ABSENT, first] {
        let Err(Error::Refused(found)) = etcd.txn(&txn(at, "3"), LIMIT).await else {
            panic!("a transaction on something old was carried out");
        };
        let found = single(&found.reads);
        assert_eq!(
            (found.value.as_slice(), found.created, found.modified),
            (&b"2"[..], first, second)
        );
    }
}

#[tokio::test]
async fn a_range_has_what_begins_so_and_nothing_else() {
    let bed = Testbed::start(1).await;
    let etcd = Etcd::connect(bed.settings(), LIMIT).await.unwrap();
    for key in ["/a/1", "/a/2", "/a0", "/b/1"] {
        put_now(&etcd, key, "x", None).await.unwrap();
    }
    assert_eq!(keys(&etcd, "/a/").await, ["/a/1", "/a/2"]);
    assert_eq!(keys(&etcd, "/c/").await, [""; 0]);
}

#[tokio::test]
async fn a_key_ends_with_its_lease() {
    let bed = Testbed::start(1).await;
    let etcd = Etcd::connect(bed.settings(), LIMIT).await.unwrap();
    let ttl = Duration::from_secs(600);
    let lease = LeaseId::random();
    etcd.grant(lease, ttl, LIMIT).await.unwrap();
    // As when the first grant was not answered.
    etcd.grant(lease, ttl, LIMIT).await.unwrap();
    put_now(&etcd, "/a", "x", Some(lease)).await.unwrap();
    assert_eq!(etcd.keep_alive_once(lease, LIMIT).await.unwrap(), Some(ttl));
    let answer = etcd.range("/a", LIMIT).await.unwrap();
    assert_eq!(single(&answer.reads).lease, Some(lease));
    let held = |lease| Txn {
        compares: vec![Compare::Leased {
            key: "/a".to_owned(),
            lease,
        }],
        then: vec![put("/b", "x", None)],
        otherwise: Vec::new(),
    };
    etcd.txn(&held(lease), LIMIT).await.unwrap();
    let other = etcd.txn(&held(LeaseId::random()), LIMIT).await;
    assert!(matches!(other, Err(Error::Refused(_))), "{other:?}");

    etcd.revoke(lease, LIMIT).await.unwrap();
    assert_eq!(keys(&etcd, "/a").await, [""; 0]);
    assert_eq!(etcd.keep_alive_once(lease, LIMIT).await.unwrap(), None);
    let gone = etcd.txn(&held(lease), LIMIT).await;
    assert!(matches!(gone, Err(Error::Refused(_))), "{gone:?}");
    etcd.revoke(lease, LIMIT).await.unwrap();
}

#[tokio::test]
async fn nothing_is_put_on_a_lease_that_is_gone() {
    let bed = Testbed::start(1).await;
    let etcd = Etcd::connect(bed.settings(), LIMIT).await.unwrap();
    let txn = Txn {
        then: vec![put("/a", "x", None), put("/b", "x", Some(LeaseId::random()))],
        ..Txn::default()
    };
    let refused = etcd.txn(&txn, LIMIT).await;
    assert!(
        matches!(
            refused,
            Err(Error::Rejected {
                code: Code::NotFound,
                ..
            })
        ),
        "{refused:?}"
    );
    assert_eq!(keys(&etcd, "/").await, [""; 0]);
}

#[tokio::test]
async fn a_lease_that_nobody_keeps_ends_by_itself() {
    let bed = Testbed::start(1).await;
    let etcd = Etcd::connect(bed.settings(), LIMIT).await.unwrap();
    let (kept, left) = (LeaseId::random(), LeaseId::random());
    for (lease, key) in [(kept, "/kept"), (left, "/left")] {
        etcd.grant(lease, Duration::from_secs(3), LIMIT).await.unwrap();
        put_now(&etcd, key, "x", Some(lease)).await.unwrap();
    }
    eventually("the lease ends", async || {
        assert!(etcd.keep_alive_once(kept, LIMIT).await.unwrap().is_some());
        keys(&etcd, "/").await == ["/kept"]
    })
    .await;
    assert_eq!(etcd.keep_alive_once(left, LIMIT).await.unwrap(), None);
}

#[tokio::test]
async fn a_watch_tells_every_change_from_its_revision_on() {
    let bed = Testbed::start(1).await;
    let etcd = Etcd::connect(bed.settings(), LIMIT).await.unwrap();
    let before = put_now(&etcd, "/a/1", "0", None).await.unwrap();
    put_now(&etcd, "/a/1", "1", None).await.unwrap();
    let mut watch = etcd.watch("/a/", before.next(), LIMIT).await.unwrap();
    put_now(&etcd, "/b/1", "x", None).await.unwrap();
    let both = Txn {
        then: vec![
            put("/a/2", "2", None),
            Operation::Delete {
                key: "/a/1".to_owned(),
            },
        ],
        ..Txn::default()
    };
    let last = etcd.txn(&both, LIMIT).await.unwrap().revision;
    let three = async {
        let mut seen = Vec::new();
        while seen.len() < 3 {
            seen.extend(watch.next().await.unwrap().changes);
        }
        seen
    };
    let seen = tokio::time::timeout(LIMIT, three).await.unwrap();
    let told: Vec<String> = seen
        .iter()
        .map(|change| match change {
            Change::Put(found) => format!("{}={}", found.key, String::from_utf8_lossy(&found.value)),
            Change::Deleted { key, at } => {
                assert_eq!(*at, last);
                format!("{key} deleted")
            }
        })
        .collect();
    assert_eq!(told, ["/a/1=1", "/a/2=2", "/a/1 deleted"]);
}

#[tokio::test]
async fn members_say_who_they_are() {
    let bed = Testbed::start(1).await;
    let etcd = Etcd::connect(bed.settings(), LIMIT).await.unwrap();
    let members = etcd.members(LIMIT).await.unwrap();
    let [member] = &members[..] else {
        panic!("{members:?}")
    };
    assert_eq!(member.name, "pdsa1");
    assert!(!member.is_learner);
    let status = etcd.status(&bed.endpoint(0), LIMIT).await.unwrap();
    assert_eq!((status.member, status.leader), (member.id, Some(member.id)));
    assert_eq!(status.errors, [""; 0]);
    assert!(status.size > 0 && status.raft_applied > 0, "{status:?}");
}

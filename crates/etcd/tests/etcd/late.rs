//! Requests whose answer does not come, and that arrive when nobody waits for them any more.

use govuc_etcd::{
    Error, Etcd, Operation, Settings, Txn,
    roles::{Registered, Registration, Replaced, commitment},
    testbed::Testbed,
};
use govuc_roles::Commitment;

use crate::{
    LIMIT, SHORT, eventually,
    line::Line,
    store::{self, TTL, begun, claim, copy, handed_over, of, paired, seen, site, store, take, want},
};

/// A client that reaches the member by a line only, and one that reaches it directly.
async fn by_line_and_directly(bed: &Testbed) -> (Line, Etcd, Etcd) {
    let line = Line::to(&bed.endpoint(0)).await;
    let settings = Settings {
        endpoints: vec![line.endpoint()],
        ..bed.settings()
    };
    let by_line = Etcd::connect(settings, LIMIT).await.unwrap();
    let directly = Etcd::connect(bed.settings(), LIMIT).await.unwrap();
    (line, by_line, directly)
}

async fn answered(line: &Line) {
    eventually("what was held is answered", async || {
        line.is_answered_late().await
    })
    .await;
}

#[tokio::test]
async fn what_was_not_answered_may_be_done_later() {
    let bed = Testbed::start(1).await;
    let (line, by_line, directly) = by_line_and_directly(&bed).await;
    line.hold().await;
    let txn = Txn {
        then: vec![Operation::Put {
            key: "/a".to_owned(),
            value: b"x".to_vec(),
            lease: None,
        }],
        ..Txn::default()
    };
    let unknown = by_line.txn(&txn, SHORT).await;
    assert!(matches!(unknown, Err(Error::Unknown(_))), "{unknown:?}");
    let is_there = async || !directly.range("/a", LIMIT).await.unwrap().reads[0].is_empty();
    assert!(!is_there().await);
    line.release().await;
    eventually("it is done", is_there).await;
}

#[tokio::test]
async fn an_acquisition_that_was_given_up_can_not_come_true_later() {
    let bed = Testbed::start(1).await;
    let (line, by_line, directly) = by_line_and_directly(&bed).await;
    let (roles, mail) = (begun(&by_line).await, store("mail-1"));
    let expected = store::expected(&roles, &mail).await;
    line.hold_after_answer().await;
    let unknown = roles
        .acquire(&mail, expected, &claim("pdsa1", 1), TTL, || (), SHORT)
        .await;
    assert!(matches!(unknown, Err(Error::Unknown(_))), "{unknown:?}");
    // Its lease is given back by another connection meanwhile, which nothing shows here but the end.
    tokio::time::sleep(SHORT).await;
    line.release().await;
    answered(&line).await;
    let direct = govuc_etcd::roles::Roles::new(directly);
    assert_eq!(seen(&direct, &mail).await, (None, false));
}

#[tokio::test]
async fn an_acquisition_is_sent_again_when_it_was_not_answered() {
    let bed = Testbed::start(1).await;
    let (line, by_line, _) = by_line_and_directly(&bed).await;
    let (roles, mail) = (begun(&by_line).await, store("mail-1"));
    let expected = store::expected(&roles, &mail).await;
    line.hold_after_answer().await;
    let mine = claim("pdsa1", 1);
    let mut held = roles
        .acquire(&mail, expected, &mine, TTL, || (), LIMIT)
        .await
        .unwrap()
        .held;
    let before = roles.read(&mail, LIMIT).await.unwrap();
    line.release().await;
    answered(&line).await;
    assert_eq!(roles.read(&mail, LIMIT).await.unwrap(), before);
    roles.commit(&mut held, &of(paired(mine)), LIMIT).await.unwrap();
}

/// Lets a request arrive while it is waited for, and its answer be lost.
async fn lose_the_answer(line: &Line) {
    line.held().await;
    line.release().await;
}

#[tokio::test]
async fn an_acquisition_whose_answer_was_lost_is_known_by_its_lease() {
    let bed = Testbed::start(1).await;
    let (line, by_line, _) = by_line_and_directly(&bed).await;
    let (roles, mail) = (begun(&by_line).await, store("mail-1"));
    let expected = store::expected(&roles, &mail).await;
    line.hold_after_answer().await;
    let mine = claim("pdsa1", 1);
    let acquiring = roles.acquire(&mail, expected, &mine, TTL, || (), LIMIT);
    let (taken, ()) = tokio::join!(acquiring, lose_the_answer(&line));
    let mut held = taken.unwrap().held;
    assert_eq!(seen(&roles, &mail).await, (Some(mine.clone()), true));
    roles.commit(&mut held, &of(paired(mine)), LIMIT).await.unwrap();
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_known_by_what_stands_there() {
    let bed = Testbed::start(1).await;
    let (line, by_line, _) = by_line_and_directly(&bed).await;
    let (roles, mail) = (begun(&by_line).await, store("mail-1"));
    let mine = claim("pdsa1", 1);
    let mut held = take(&roles, &mail, &mine).await.unwrap();
    line.hold().await;
    let leaving = govuc_roles::Transaction {
        hand_over: true,
        ..of(handed_over(mine))
    };
    let (committed, ()) = tokio::join!(roles.commit(&mut held, &leaving, LIMIT), lose_the_answer(&line));
    committed.unwrap();
    assert_eq!(seen(&roles, &mail).await, (Some(leaving.state), false));
}

#[tokio::test]
async fn what_was_asked_and_registered_is_so_when_its_answer_was_lost() {
    let bed = Testbed::start(1).await;
    let (line, by_line, _) = by_line_and_directly(&bed).await;
    let (roles, mail) = (begun(&by_line).await, store("mail-1"));
    line.hold().await;
    let asked = want("one", "pdsa2");
    let nothing = Replaced::default();
    let asking = roles.put_want(&mail, &asked, &nothing, LIMIT);
    let (put, ()) = tokio::join!(asking, lose_the_answer(&line));
    put.unwrap();
    let mut registration = Registration::new(mail.clone(), site("pdsa1"), copy("a", 1));
    line.hold_after_answer().await;
    let registering = roles.register(&mut registration, LIMIT);
    let (registered, ()) = tokio::join!(registering, lose_the_answer(&line));
    assert_eq!(registered.unwrap(), Registered::Latest);
    let records = roles.read(&mail, LIMIT).await.unwrap().store;
    assert_eq!(records.want.unwrap().record, asked);
    assert_eq!(records.slots[&site("pdsa1")].record.0, copy("a", 1));
}

#[tokio::test]
async fn a_commit_is_sent_again_when_it_was_not_answered_and_done_once() {
    let bed = Testbed::start(1).await;
    let (line, by_line, _) = by_line_and_directly(&bed).await;
    let (roles, mail) = (begun(&by_line).await, store("mail-1"));
    let mine = claim("pdsa1", 1);
    let mut held = take(&roles, &mail, &mine).await.unwrap();
    line.hold().await;
    roles.commit(&mut held, &of(paired(mine)), LIMIT).await.unwrap();
    let before = roles.read(&mail, LIMIT).await.unwrap();
    line.release().await;
    answered(&line).await;
    assert_eq!(roles.read(&mail, LIMIT).await.unwrap(), before);
}

#[tokio::test]
async fn a_commit_that_came_true_late_does_not_hinder_the_next() {
    let bed = Testbed::start(1).await;
    let (line, by_line, directly) = by_line_and_directly(&bed).await;
    let (roles, mail) = (begun(&by_line).await, store("mail-1"));
    let direct = govuc_etcd::roles::Roles::new(directly);
    let mine = claim("pdsa1", 1);
    let mut held = take(&roles, &mail, &mine).await.unwrap();
    line.hold().await;
    let unknown = roles.commit(&mut held, &of(paired(mine.clone())), SHORT).await;
    assert_eq!(commitment(&unknown), Commitment::Unknown, "{unknown:?}");
    line.release().await;
    eventually("it comes true", async || {
        seen(&direct, &mail).await.0.unwrap().paired
    })
    .await;
    // The same again, another one, and a hand-over.
    roles
        .commit(&mut held, &of(paired(mine.clone())), LIMIT)
        .await
        .unwrap();
    roles.commit(&mut held, &of(mine.clone()), LIMIT).await.unwrap();
    let leaving = govuc_roles::Transaction {
        hand_over: true,
        ..of(handed_over(mine))
    };
    roles.commit(&mut held, &leaving, LIMIT).await.unwrap();
    assert_eq!(seen(&direct, &mail).await, (Some(leaving.state), false));
}

#[tokio::test]
async fn a_commit_does_not_come_true_after_a_later_one() {
    let bed = Testbed::start(1).await;
    let (line, by_line, directly) = by_line_and_directly(&bed).await;
    let (roles, mail) = (begun(&by_line).await, store("mail-1"));
    let direct = govuc_etcd::roles::Roles::new(directly);
    let mine = claim("pdsa1", 1);
    let mut held = take(&roles, &mail, &mine).await.unwrap();
    line.hold().await;
    let unknown = roles.commit(&mut held, &of(paired(mine.clone())), SHORT).await;
    assert_eq!(commitment(&unknown), Commitment::Unknown, "{unknown:?}");
    direct.commit(&mut held, &of(mine.clone()), LIMIT).await.unwrap();
    line.release().await;
    answered(&line).await;
    assert_eq!(seen(&direct, &mail).await, (Some(mine), true));
}

#[tokio::test]
async fn a_hand_over_that_was_not_answered_is_known_when_it_is_sent_again() {
    let bed = Testbed::start(1).await;
    let (line, by_line, directly) = by_line_and_directly(&bed).await;
    let (roles, mail) = (begun(&by_line).await, store("mail-1"));
    let direct = govuc_etcd::roles::Roles::new(directly);
    let mine = claim("pdsa1", 1);
    let mut held = take(&roles, &mail, &mine).await.unwrap();
    let leaving = govuc_roles::Transaction {
        hand_over: true,
        ..of(handed_over(mine))
    };
    line.hold().await;
    let unknown = roles.commit(&mut held, &leaving, SHORT).await;
    assert_eq!(commitment(&unknown), Commitment::Unknown, "{unknown:?}");
    line.release().await;
    eventually("it comes true", async || !seen(&direct, &mail).await.1).await;
    roles.commit(&mut held, &leaving, LIMIT).await.unwrap();
}

#[tokio::test]
async fn a_start_whose_registration_was_not_answered_is_no_restored_volume() {
    let bed = Testbed::start(1).await;
    let (line, by_line, directly) = by_line_and_directly(&bed).await;
    let (roles, mail) = (begun(&by_line).await, store("mail-1"));
    let direct = govuc_etcd::roles::Roles::new(directly);
    let start = || Registration::new(mail.clone(), site("pdsa1"), copy("a", 1));
    let mut registration = start();
    line.hold_after_answer().await;
    let unknown = roles.register(&mut registration, SHORT).await;
    assert!(matches!(unknown, Err(Error::Unknown(_))), "{unknown:?}");
    line.release().await;
    let slots = async || direct.read(&mail, LIMIT).await.unwrap().store.slots;
    eventually("it comes true", async || !slots().await.is_empty()).await;
    assert_eq!(
        roles.register(&mut registration, LIMIT).await.unwrap(),
        Registered::Latest
    );
    let known = copy("a", 1);
    let restored = roles.register(&mut start(), LIMIT).await.unwrap();
    assert_eq!(restored, Registered::Restored { known });
}

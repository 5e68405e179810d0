//! What a guard, the operator and people do with a store's records.

use std::{cell::Cell, time::Duration};

use govuc_etcd::{
    Error, Etcd, Revision,
    roles::{Registered, Registration, Replaced, commitment},
    testbed::Testbed,
};
use govuc_roles::{
    Commitment, Era, Term, Transaction,
    record::{Ended, Session, Want, WantedChange},
    timing::Moment,
};

use crate::{
    LIMIT, eventually,
    store::{
        self, TTL, begun, claim, copy, era, handed_over, of, paired, refused, seen, site, store, take, want,
    },
};

#[tokio::test]
async fn a_store_has_one_holder_at_a_time() {
    let bed = Testbed::start(1).await;
    let etcd = Etcd::connect(bed.settings(), LIMIT).await.unwrap();
    let (roles, mail) = (begun(&etcd).await, store("mail-1"));
    let expected = store::expected(&roles, &mail).await;
    let asked = Cell::new(0);
    let now = || {
        asked.set(asked.get() + 1);
        asked.get()
    };
    let first = claim("pdsa1", 1);
    let taken = roles
        .acquire(&mail, expected, &first, TTL, now, LIMIT)
        .await
        .unwrap();
    assert_eq!((taken.sent, asked.get()), (1, 1));
    // Made from the same reading, and from a later one.
    let rivals = claim("pdsa2", 1);
    let refusals = [
        roles
            .acquire(&mail, expected, &rivals, TTL, || (), LIMIT)
            .await
            .map(drop),
        take(&roles, &mail, &rivals).await.map(drop),
    ];
    for refusal in refusals {
        assert!(matches!(refusal, Err(Error::Refused(_))), "{refusal:?}");
    }
    let reading = roles.read(&mail, LIMIT).await.unwrap();
    let lease = reading.store.lease.as_ref().unwrap();
    assert_eq!(lease.lease, Some(taken.held.lease));
    assert_eq!(lease.record.session, Session("pdsa1-1".to_owned()));
    let pure = reading.for_roles(Moment::new(Duration::from_secs(5))).unwrap();
    assert_eq!((pure.state, pure.era), (Some(first), era(1).era));
    assert_eq!(Revision(pure.revision), reading.expected().state);

    roles.release(taken.held.lease, LIMIT).await.unwrap();
    let late = roles.acquire(&mail, expected, &rivals, TTL, || (), LIMIT).await;
    assert!(matches!(late, Err(Error::Refused(_))), "{late:?}");
    take(&roles, &mail, &claim("pdsa2", 2)).await.unwrap();
}

#[tokio::test]
async fn a_new_era_refuses_whoever_has_not_seen_it() {
    let bed = Testbed::start(1).await;
    let etcd = Etcd::connect(bed.settings(), LIMIT).await.unwrap();
    let (roles, mail) = (begun(&etcd).await, store("mail-1"));
    let before = store::expected(&roles, &mail).await;
    roles.put_era(&era(2), before.era, LIMIT).await.unwrap();
    let again = roles.put_era(&era(2), before.era, LIMIT).await;
    assert!(matches!(again, Err(Error::Refused(_))), "{again:?}");
    let late = roles
        .acquire(&mail, before, &claim("pdsa1", 1), TTL, || (), LIMIT)
        .await;
    assert!(matches!(late, Err(Error::Refused(_))), "{late:?}");
    assert_eq!(seen(&roles, &mail).await, (None, false));
}

#[tokio::test]
async fn a_holder_changes_its_state_until_its_lease_is_gone() {
    let bed = Testbed::start(1).await;
    let etcd = Etcd::connect(bed.settings(), LIMIT).await.unwrap();
    let (roles, mail) = (begun(&etcd).await, store("mail-1"));
    let mine = claim("pdsa1", 1);
    let mut held = take(&roles, &mail, &mine).await.unwrap();
    for state in [paired(mine.clone()), mine.clone(), mine.clone()] {
        roles.commit(&mut held, &of(state.clone()), LIMIT).await.unwrap();
        assert_eq!(seen(&roles, &mail).await, (Some(state), true));
    }
    roles.release(held.lease, LIMIT).await.unwrap();
    let late = roles.commit(&mut held, &of(paired(mine.clone())), LIMIT).await;
    assert_eq!(commitment(&late), Commitment::Superseded, "{late:?}");
    // Also when another has the store by then.
    take(&roles, &mail, &claim("pdsa2", 2)).await.unwrap();
    let late = roles.commit(&mut held, &of(paired(mine)), LIMIT).await;
    assert_eq!(commitment(&late), Commitment::Superseded, "{late:?}");
    assert_eq!(seen(&roles, &mail).await, (Some(claim("pdsa2", 2)), true));
}

#[tokio::test]
async fn a_lease_that_is_not_kept_lets_the_other_site_take_over() {
    let bed = Testbed::start(1).await;
    let etcd = Etcd::connect(bed.settings(), LIMIT).await.unwrap();
    let (roles, mail) = (begun(&etcd).await, store("mail-1"));
    let expected = store::expected(&roles, &mail).await;
    let short = Duration::from_secs(2);
    let mut old = roles
        .acquire(&mail, expected, &claim("pdsa1", 1), short, || (), LIMIT)
        .await
        .unwrap()
        .held;
    eventually("the lease ends", async || !seen(&roles, &mail).await.1).await;
    take(&roles, &mail, &claim("pdsa2", 2)).await.unwrap();
    assert_eq!(etcd.keep_alive_once(old.lease, LIMIT).await.unwrap(), None);
    let late = roles
        .commit(&mut old, &of(paired(claim("pdsa1", 1))), LIMIT)
        .await;
    assert_eq!(commitment(&late), Commitment::Superseded, "{late:?}");
}

#[tokio::test]
async fn a_hand_over_frees_the_store_and_answers_what_was_asked() {
    let bed = Testbed::start(1).await;
    let etcd = Etcd::connect(bed.settings(), LIMIT).await.unwrap();
    let (roles, mail) = (begun(&etcd).await, store("mail-1"));
    let mine = claim("pdsa1", 1);
    let mut held = take(&roles, &mail, &mine).await.unwrap();
    let asked = roles
        .put_want(&mail, &want("one", "pdsa2"), &Replaced::default(), LIMIT)
        .await
        .unwrap();
    let second = roles
        .put_want(&mail, &want("two", "pdsa2"), &Replaced::default(), LIMIT)
        .await;
    assert!(matches!(second, Err(Error::Refused(_))), "{second:?}");
    let leaving = Transaction {
        state: handed_over(paired(mine)),
        hand_over: true,
        outcome: Some(refused("one")),
    };
    roles.commit(&mut held, &leaving, LIMIT).await.unwrap();
    assert_eq!(seen(&roles, &mail).await, (Some(leaving.state), false));
    let records = roles.read(&mail, LIMIT).await.unwrap().store;
    assert_eq!(records.want, None);
    assert_eq!(records.outcome.unwrap().record, refused("one"));
    let again = roles.answer_want(&mail, asked, &refused("one"), LIMIT).await;
    assert!(matches!(again, Err(Error::Refused(_))), "{again:?}");
    take(&roles, &mail, &claim("pdsa2", 2)).await.unwrap();
}

#[tokio::test]
async fn an_answer_takes_away_only_what_it_answers() {
    let bed = Testbed::start(1).await;
    let etcd = Etcd::connect(bed.settings(), LIMIT).await.unwrap();
    let (roles, mail) = (begun(&etcd).await, store("mail-1"));
    let mine = claim("pdsa1", 1);
    let mut held = take(&roles, &mail, &mine).await.unwrap();
    let first = roles
        .put_want(&mail, &want("one", "pdsa2"), &Replaced::default(), LIMIT)
        .await
        .unwrap();
    roles
        .put_want(
            &mail,
            &want("two", "pdsa2"),
            &Replaced {
                want: first,
                ..Replaced::default()
            },
            LIMIT,
        )
        .await
        .unwrap();
    let answer = Transaction {
        outcome: Some(refused("one")),
        ..of(mine)
    };
    roles.commit(&mut held, &answer, LIMIT).await.unwrap();
    let records = roles.read(&mail, LIMIT).await.unwrap().store;
    assert_eq!(records.want.as_ref().unwrap().record, want("two", "pdsa2"));
    assert_eq!(records.outcome.unwrap().record, refused("one"));
    // Where no holder answers, the operator does.
    let asked = records.want.unwrap().revision;
    roles
        .answer_want(&mail, asked, &refused("two"), LIMIT)
        .await
        .unwrap();
    let records = roles.read(&mail, LIMIT).await.unwrap().store;
    assert_eq!(
        (records.want, records.outcome.unwrap().record),
        (None, refused("two"))
    );
}

#[tokio::test]
async fn how_something_ended_is_kept_when_the_next_is_asked_and_nothing_is_asked_past_an_unseen_end() {
    let bed = Testbed::start(1).await;
    let etcd = Etcd::connect(bed.settings(), LIMIT).await.unwrap();
    let (roles, mail) = (begun(&etcd).await, store("mail-1"));
    take(&roles, &mail, &claim("pdsa1", 1)).await.unwrap();
    let mut kept = Vec::new();
    for round in 0..10 {
        let operation = format!("op-{round}");
        let before = roles.read(&mail, LIMIT).await.unwrap().replaced();
        let asking = want(&operation, "pdsa2");
        let asked = roles.put_want(&mail, &asking, &before, LIMIT).await.unwrap();
        roles
            .answer_want(&mail, asked, &refused(&operation), LIMIT)
            .await
            .unwrap();
        let unseen = roles
            .put_want(&mail, &want("late", "pdsa2"), &before, LIMIT)
            .await;
        assert!(matches!(unseen, Err(Error::Refused(_))), "{unseen:?}");
        let records = roles.read(&mail, LIMIT).await.unwrap().store;
        assert_eq!(records.outcome.unwrap().record, refused(&operation));
        let ended = |end: &Ended| (end.outcome.clone(), end.holder.clone(), end.term);
        assert_eq!(records.ended.iter().map(ended).collect::<Vec<_>>(), kept);
        kept.insert(0, (refused(&operation), Some(site("pdsa1")), Term(1)));
        kept.truncate(8);
    }
}

#[tokio::test]
async fn a_restored_volume_is_found_out_when_it_registers() {
    let bed = Testbed::start(1).await;
    let etcd = Etcd::connect(bed.settings(), LIMIT).await.unwrap();
    let (roles, mail) = (begun(&etcd).await, store("mail-1"));
    let register = async |volume, incarnation| {
        let mut registration = Registration::new(mail.clone(), site("pdsa1"), copy(volume, incarnation));
        roles.register(&mut registration, LIMIT).await.unwrap()
    };
    assert_eq!(register("a", 1).await, Registered::Latest);
    assert_eq!(register("a", 2).await, Registered::Latest);
    for incarnation in [1, 2] {
        let known = copy("a", 2);
        assert_eq!(register("a", incarnation).await, Registered::Restored { known });
    }
    assert_eq!(register("a", 3).await, Registered::Latest);
    assert_eq!(register("b", 1).await, Registered::Latest);
    let slots = roles.read(&mail, LIMIT).await.unwrap().store.slots;
    assert_eq!(slots[&site("pdsa1")].record.0, copy("b", 1));
}

#[tokio::test]
async fn a_forced_failover_raises_the_era_and_refuses_whoever_decided_before() {
    let bed = Testbed::start(1).await;
    let etcd = Etcd::connect(bed.settings(), LIMIT).await.unwrap();
    let (roles, mail) = (begun(&etcd).await, store("mail-1"));
    let before = roles.read(&mail, LIMIT).await.unwrap();
    let era_put = before.era.unwrap().revision;
    let asked = Want {
        change: WantedChange::Force,
        era: Era(2),
        ..want("one", "pdsa2")
    };
    let expected = store::expected(&roles, &mail).await;
    roles
        .force(&mail, &asked, &Replaced::default(), &era(2), era_put, LIMIT)
        .await
        .unwrap();
    let after = roles.read(&mail, LIMIT).await.unwrap();
    assert_eq!(after.era.unwrap().record, era(2));
    assert_eq!(after.store.want.unwrap().record, asked);
    let late = roles
        .acquire(&mail, expected, &claim("pdsa1", 1), TTL, || (), LIMIT)
        .await;
    assert!(matches!(late, Err(Error::Refused(_))), "{late:?}");

    // Of another store, by whoever had read the era before: neither is done.
    let other = store("mail-2");
    let stale = roles
        .force(&other, &asked, &Replaced::default(), &era(2), era_put, LIMIT)
        .await;
    assert!(matches!(stale, Err(Error::Refused(_))), "{stale:?}");
    assert_eq!(roles.read(&other, LIMIT).await.unwrap().store.want, None);
}

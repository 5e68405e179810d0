//! The lead's lease, as two operators ask for it.

use std::time::Duration;

use govuc_etcd::{
    Error, Etcd, Settings,
    roles::{LeadReading, LeadTaken, Roles},
    testbed::Testbed,
};
use govuc_roles::{Term, record::Session};

use crate::{
    LIMIT, SHORT, eventually,
    line::Line,
    store::{TTL, begun, site, store},
};

async fn read(roles: &Roles) -> LeadReading {
    roles.read_lead(LIMIT).await.unwrap()
}

/// Who leads, and under which term.
async fn lead(roles: &Roles) -> Option<(String, u64)> {
    let lead = read(roles).await.lead?;
    Some((lead.site.as_str().to_owned(), lead.term.0))
}

async fn take_by(
    roles: &Roles,
    reading: &LeadReading,
    name: &str,
    ttl: Duration,
) -> Result<LeadTaken<()>, Error> {
    let session = Session(format!("of-{name}"));
    let term = reading.next_term(1);
    roles
        .take_lead(reading, (&site(name), &session), term, ttl, || (), LIMIT)
        .await
}

#[tokio::test]
async fn of_two_candidates_one_leads_and_gives_it_up_to_the_other() {
    let bed = Testbed::start(1).await;
    let roles = Roles::new(Etcd::connect(bed.settings(), LIMIT).await.unwrap());
    let nobody = read(&roles).await;
    assert_eq!(nobody, LeadReading::default());
    let mine = take_by(&roles, &nobody, "pdsa1", TTL).await.unwrap();
    assert_eq!(mine.term, Term(2));
    // Made from the same reading, and from a later one.
    for reading in [nobody, read(&roles).await] {
        let refused = take_by(&roles, &reading, "pdsa2", TTL).await;
        assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    }
    assert_eq!(lead(&roles).await, Some(("pdsa1".to_owned(), 2)));

    let before = read(&roles).await;
    roles.release(mine.lease, LIMIT).await.unwrap();
    assert_eq!(lead(&roles).await, None);
    let theirs = take_by(&roles, &read(&roles).await, "pdsa2", TTL).await.unwrap();
    assert_eq!(theirs.term, Term(3));
    roles.release(theirs.lease, LIMIT).await.unwrap();
    // Whoever read before somebody else led does not take it by what it read.
    let stale = take_by(&roles, &before, "pdsa1", TTL).await;
    assert!(matches!(stale, Err(Error::Refused(_))), "{stale:?}");
    let lower = LeadReading::default();
    let lower = take_by(&roles, &lower, "pdsa1", TTL).await;
    assert!(matches!(lower, Err(Error::Refused(_))), "{lower:?}");
}

#[tokio::test]
async fn a_lead_that_is_not_kept_ends_and_its_term_stays() {
    let bed = Testbed::start(1).await;
    let roles = Roles::new(Etcd::connect(bed.settings(), LIMIT).await.unwrap());
    let short = Duration::from_secs(2);
    let mine = take_by(&roles, &read(&roles).await, "pdsa1", short)
        .await
        .unwrap();
    eventually("the lease runs out", async || lead(&roles).await.is_none()).await;
    let kept = roles.etcd().keep_alive_once(mine.lease, LIMIT).await.unwrap();
    assert_eq!(kept, None);
    assert_eq!(read(&roles).await.next_term(1), Term(3));
}

#[tokio::test]
async fn a_lead_that_was_given_up_before_it_was_answered_does_not_come_true_later() {
    let bed = Testbed::start(1).await;
    let line = Line::to(&bed.endpoint(0)).await;
    let settings = Settings {
        endpoints: vec![line.endpoint()],
        ..bed.settings()
    };
    let by_line = Roles::new(Etcd::connect(settings, LIMIT).await.unwrap());
    let direct = Roles::new(Etcd::connect(bed.settings(), LIMIT).await.unwrap());
    let reading = read(&by_line).await;
    line.hold_after_answer().await;
    let session = Session("of-pdsa1".to_owned());
    let unknown = by_line
        .take_lead(&reading, (&site("pdsa1"), &session), Term(2), TTL, || (), SHORT)
        .await;
    assert!(matches!(unknown, Err(Error::Unknown(_))), "{unknown:?}");
    // Its lease is given back by another connection meanwhile, which nothing shows here but the end.
    tokio::time::sleep(SHORT).await;
    let theirs = take_by(&direct, &read(&direct).await, "pdsa2", TTL)
        .await
        .unwrap();
    line.release().await;
    eventually("what was held is answered", async || {
        line.is_answered_late().await
    })
    .await;
    assert_eq!(lead(&direct).await, Some(("pdsa2".to_owned(), theirs.term.0)));
}

#[tokio::test]
async fn who_reads_a_store_hears_of_the_leads_term() {
    let bed = Testbed::start(1).await;
    let etcd = Etcd::connect(bed.settings(), LIMIT).await.unwrap();
    let (roles, mail) = (begun(&etcd).await, store("mail-1"));
    assert_eq!(roles.read(&mail, LIMIT).await.unwrap().lead_term, None);
    take_by(&roles, &read(&roles).await, "pdsa1", TTL).await.unwrap();
    assert_eq!(roles.read(&mail, LIMIT).await.unwrap().lead_term, Some(Term(2)));
}

//! Against the slapd of `images/openldap`: what the schema, its rules and two replicating providers really do.

// Helpers of tests are tests too.
#![allow(clippy::unwrap_used)]

mod outage;
mod password;

use std::time::{Duration, Instant};

use govuc_directory::{
    Account, Agency, Bootstrapped, Conflict, Directory, Error, Lead, PasswordPolicy, Store, StoreUse,
    UniqueAttribute, testbed::Testbed,
};
use uuid::Uuid;

/// A tree as the lead of term 1 makes it.
async fn bootstrapped(bed: &Testbed) -> Lead {
    let lead = bed.directory("pdsa1", "operator").as_lead(1);
    assert_eq!(
        lead.bootstrap(&PasswordPolicy::default()).await.unwrap(),
        Bootstrapped::Made
    );
    lead
}

fn account(name: &str) -> Account {
    Account {
        id: Uuid::new_v4(),
        agency: "kkr".into(),
        mailbox: format!("kkr/{name}"),
        name: format!("{name} bin Ahmad"),
        address: format!("{name}@kkr.gov.my"),
        aliases: vec![format!("{name}.ahmad@kkr.gov.my")],
        store: "mail-1".into(),
        quota: 524_288_000,
        staff_number: Some(format!("KKR-{name}")),
        grade: Some(41),
        spec_hash: Some("3:ab".into()),
    }
}

fn agency(name: &str, domain: &str) -> Agency {
    Agency {
        name: name.into(),
        domains: vec![domain.into()],
        store: None,
        preferred_site: "pdsa1".into(),
    }
}

/// Waits until something is so; replication takes moments.
async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !condition().await {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "{what}: not within 30 s"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn arrived(directory: &Directory, id: Uuid) {
    eventually("the account arrives at the peer", async || {
        matches!(directory.account_by_id(id).await, Ok(Some(_)))
    })
    .await;
}

#[tokio::test]
async fn a_tree_is_made_once_and_a_second_time_writes_nothing() {
    let bed = Testbed::start();
    let directory = bed.directory("pdsa1", "operator");
    assert!(matches!(directory.agencies().await, Err(Error::Empty)));
    let lead = bootstrapped(&bed).await;
    let before = directory.context_csn().await.unwrap();
    assert_eq!(
        lead.bootstrap(&PasswordPolicy::default()).await.unwrap(),
        Bootstrapped::Unchanged
    );
    assert_eq!(directory.context_csn().await.unwrap(), before);
    let stricter = PasswordPolicy {
        min_length: 14,
        ..PasswordPolicy::default()
    };
    assert_eq!(lead.bootstrap(&stricter).await.unwrap(), Bootstrapped::Made);
}

#[tokio::test]
async fn what_the_lead_writes_is_read_at_the_peer() {
    let bed = Testbed::start();
    let lead = bootstrapped(&bed).await;
    let store = Store {
        name: "mail-1".into(),
        usage: StoreUse::Mail,
        preferred_site: "pdsa1".into(),
        primary_site: "pdsa1".into(),
        era: 1,
    };
    let kkr = agency("kkr", "kkr.gov.my");
    let ali = account("ali");
    lead.put_store(&store).await.unwrap();
    lead.put_agency(&kkr).await.unwrap();
    let kkr = Agency {
        store: Some("mail-1".into()),
        ..kkr
    };
    lead.put_agency(&kkr).await.unwrap();
    lead.add_account(&ali).await.unwrap();
    lead.add_account(&ali).await.unwrap();

    let peer = bed.directory("pdsa2", "mx");
    arrived(&peer, ali.id).await;
    assert_eq!(peer.store("mail-1").await.unwrap(), Some(store.clone()));
    assert_eq!(peer.stores().await.unwrap(), [store]);
    assert_eq!(peer.agency("kkr").await.unwrap(), Some(kkr.clone()));
    assert_eq!(
        peer.agency_of_domain("KKR.gov.my").await.unwrap(),
        Some(kkr.clone())
    );
    assert_eq!(peer.agencies().await.unwrap(), [kkr]);
    for record in [
        peer.account_by_address("Ali.Ahmad@kkr.gov.my").await.unwrap(),
        peer.account_by_address("ali@kkr.gov.my").await.unwrap(),
        peer.account_by_mailbox("kkr/ali").await.unwrap(),
        peer.account_by_staff_number("KKR-ali").await.unwrap(),
    ] {
        assert_eq!(record.unwrap().account, ali);
    }
    assert_eq!(peer.accounts_of("kkr").await.unwrap().len(), 1);
    assert_eq!(peer.accounts_of("kpt").await.unwrap(), []);
    assert_eq!(peer.accounts().await.unwrap().len(), 1);
    let lead_csn = bed.directory("pdsa1", "operator").context_csn().await.unwrap();
    assert!(peer.context_csn().await.unwrap().reaches(&lead_csn));

    let until = "2027-01-01T00:00:00Z".parse().unwrap();
    lead.retain(ali.id, until).await.unwrap();
    let own = bed.directory("pdsa1", "operator");
    assert_eq!(
        own.account_by_id(ali.id).await.unwrap().unwrap().retain_until,
        Some(until)
    );
    lead.restore(ali.id).await.unwrap();
    assert_eq!(
        own.account_by_id(ali.id).await.unwrap().unwrap().retain_until,
        None
    );
}

#[tokio::test]
async fn what_belongs_to_another_is_refused_and_the_holder_named() {
    let bed = Testbed::start();
    let lead = bootstrapped(&bed).await;
    let ali = account("ali");
    lead.add_account(&ali).await.unwrap();
    lead.put_agency(&agency("kkr", "kkr.gov.my")).await.unwrap();

    let abu = account("abu");
    for (attribute, value, thief) in [
        (
            UniqueAttribute::Address,
            "ali@kkr.gov.my",
            Account {
                aliases: vec!["ali@kkr.gov.my".into()],
                ..abu.clone()
            },
        ),
        (
            UniqueAttribute::Address,
            "ali.ahmad@kkr.gov.my",
            Account {
                address: "ali.ahmad@kkr.gov.my".into(),
                ..abu.clone()
            },
        ),
        (
            UniqueAttribute::StaffNumber,
            "KKR-ali",
            Account {
                staff_number: Some("KKR-ali".into()),
                ..abu.clone()
            },
        ),
        (
            UniqueAttribute::Mailbox,
            "kkr/ali",
            Account {
                mailbox: "kkr/ali".into(),
                ..abu.clone()
            },
        ),
    ] {
        let refusal = lead.add_account(&thief).await.unwrap_err();
        let Error::Taken(conflict) = refusal else {
            panic!("{attribute:?}: {refusal:?}");
        };
        let want = Conflict {
            attribute,
            value: value.into(),
            holder: "kkr/ali".into(),
        };
        assert_eq!(conflict, want);
    }

    lead.add_account(&abu).await.unwrap();
    let renamed = Account {
        address: "ali@kkr.gov.my".into(),
        ..abu
    };
    assert!(matches!(
        lead.update_account(&renamed).await,
        Err(Error::Taken(_))
    ));
    let refusal = lead.put_agency(&agency("kpt", "kkr.gov.my")).await.unwrap_err();
    assert_eq!(refusal.to_string(), "the domain kkr.gov.my belongs to kkr");
}

#[tokio::test]
async fn an_older_lead_writes_nothing_once_a_newer_one_has_written() {
    let bed = Testbed::start();
    let old = bootstrapped(&bed).await;
    let ali = account("ali");
    old.add_account(&ali).await.unwrap();
    let new = bed.directory("pdsa1", "operator").as_lead(2);
    new.update_account(&ali).await.unwrap();
    assert!(matches!(
        old.update_account(&ali).await,
        Err(Error::NewerLead { term: 1 })
    ));
    assert!(matches!(
        old.set_first_password(ali.id, "pertama-Rahsia-1", "pdsa1").await,
        Err(Error::NewerLead { .. })
    ));
    old.add_account(&account("abu")).await.unwrap();
    assert_eq!(
        new.bootstrap(&PasswordPolicy::default()).await.unwrap(),
        Bootstrapped::Made
    );
    assert!(matches!(
        old.add_account(&account("siti")).await,
        Err(Error::NewerLead { .. })
    ));
    assert!(matches!(
        old.bootstrap(&PasswordPolicy::default()).await,
        Ok(Bootstrapped::Unchanged)
    ));
}

#[tokio::test]
async fn a_new_lead_at_the_other_site_begins_with_its_own_provider_and_the_old_one_adds_nothing_more() {
    let bed = Testbed::start();
    let old = bootstrapped(&bed).await;
    let (one, two) = (
        bed.directory("pdsa1", "operator"),
        bed.directory("pdsa2", "operator"),
    );
    assert!(matches!(two.lead_term().await, Err(Error::Empty) | Ok(Some(1))));
    let newest = one.context_csn().await.unwrap();
    eventually(
        "the other provider has come as far",
        async || matches!(two.context_csn().await, Ok(csn) if csn.reaches(&newest)),
    )
    .await;
    assert_eq!(two.lead_term().await.unwrap(), Some(1));
    assert_eq!(
        two.as_lead(2)
            .bootstrap(&PasswordPolicy::default())
            .await
            .unwrap(),
        Bootstrapped::Made
    );
    eventually("its term arrives", async || {
        matches!(one.lead_term().await, Ok(Some(2)))
    })
    .await;
    assert!(matches!(
        old.add_account(&account("ali")).await,
        Err(Error::NewerLead { term: 1 })
    ));
}

#[tokio::test]
async fn services_read_and_only_the_operator_writes() {
    let bed = Testbed::start();
    let lead = bootstrapped(&bed).await;
    let ali = account("ali");
    lead.add_account(&ali).await.unwrap();
    for part in ["front-door", "mx", "submission"] {
        let service = bed.directory("pdsa1", part);
        assert!(service.account_by_id(ali.id).await.unwrap().is_some(), "{part}");
        let refused = service.as_lead(9).update_account(&ali).await.unwrap_err();
        assert!(
            matches!(refused, Error::Answer { code: 50, .. }),
            "{part}: {refused:?}"
        );
    }
    for part in ["mail-1", "gateway"] {
        let stranger = bed.directory("pdsa1", part);
        assert!(stranger.account_by_id(ali.id).await.is_err(), "{part}");
    }
}

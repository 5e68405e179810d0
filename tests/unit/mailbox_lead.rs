//! Which site does for a mailbox what must be done once, as the lead goes from one to the other.

use std::sync::Arc;

use govuc::{
    directory::Registry,
    mailbox::{
        observe::Caches,
        reconcile::{Error, Mailboxes, reconcile},
        takeover,
    },
};
use govuc_api::{
    Mailbox, NEW_FIRST_PASSWORD,
    conditions::{reasons, types},
};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use crate::{
    fixtures::{Site, ali},
    mailboxes::{NAMESPACE, condition, pass, secret, site, status, with_agency},
};

#[tokio::test]
async fn two_leads_that_know_nothing_of_each_other_make_the_same_account() {
    let (one, two) = (site().await, site().await);
    for site in [&one, &two] {
        site.server.put(&ali());
        pass(site, "ali-ahmad").await.unwrap();
    }
    let id = |site: &Site| site.directory.account().account.id;
    assert_eq!(id(&one), id(&two));
}

#[tokio::test]
async fn the_other_site_shows_what_the_lead_made_and_makes_nothing() {
    let lead = site().await;
    let other = lead.other();
    with_agency(&other).await;
    other.server.put(&ali());
    pass(&other, "ali-ahmad").await.unwrap();
    assert_eq!(
        condition(&other, "ali-ahmad", types::READY).0,
        reasons::AWAITING_LEAD
    );

    lead.server.put(&ali());
    pass(&lead, "ali-ahmad").await.unwrap();
    pass(&other, "ali-ahmad").await.unwrap();
    let (here, there) = (status(&lead, "ali-ahmad"), status(&other, "ali-ahmad"));
    assert_eq!(here.granted, there.granted);
    assert_eq!(there.first_password.unwrap().site, "pdsa1");
    assert!(secret(&other).is_none());
}

/// Both sites have the mailbox, and the first one, which leads, has made it.
async fn made_at_both() -> (Site, Site) {
    let one = site().await;
    let two = one.other();
    with_agency(&two).await;
    for site in [&one, &two] {
        site.server.put(&ali());
        pass(site, "ali-ahmad").await.unwrap();
    }
    (one, two)
}

/// The lead goes from the one to the other.
fn moves(from: &Site, to: &Site, term: u64) {
    to.leads(term);
    from.follows(to.context.site.as_str());
}

#[tokio::test]
async fn what_must_be_done_once_is_done_by_whoever_leads_now() {
    let (one, two) = made_at_both().await;
    moves(&one, &two, 3);
    let mut changed = ali();
    changed.spec.individual.as_mut().unwrap().grade = 48;
    for site in [&one, &two] {
        site.server.put(&changed);
    }
    pass(&one, "ali-ahmad").await.unwrap();
    assert_eq!(
        condition(&one, "ali-ahmad", types::READY).0,
        reasons::AWAITING_LEAD
    );
    assert_eq!(one.directory.account().account.grade, Some(44));
    pass(&two, "ali-ahmad").await.unwrap();
    assert_eq!(one.directory.account().account.grade, Some(48));
    pass(&one, "ali-ahmad").await.unwrap();
    assert_eq!(condition(&one, "ali-ahmad", types::READY).0, reasons::READY);

    // The first one has not heard of it yet: what the newer one has written refuses it.
    one.leads(2);
    changed.spec.individual.as_mut().unwrap().grade = 52;
    one.server.put(&changed);
    assert!(matches!(
        pass(&one, "ali-ahmad").await,
        Err(Error::Directory(govuc_directory::Error::NewerLead { term: 2 }))
    ));
    assert_eq!(one.directory.account().account.grade, Some(48));
}

#[tokio::test]
async fn while_nobody_leads_nothing_is_made_and_nothing_goes() {
    let one = site().await;
    one.is_without_lead();
    one.server.put(&ali());
    pass(&one, "ali-ahmad").await.unwrap();
    assert_eq!(
        condition(&one, "ali-ahmad", types::READY).0,
        reasons::AWAITING_LEAD
    );
    one.leads(3);
    pass(&one, "ali-ahmad").await.unwrap();
    one.is_without_lead();
    one.server.delete::<Mailbox>(NAMESPACE, "ali-ahmad");
    pass(&one, "ali-ahmad").await.unwrap();
    assert!(one.server.get::<Mailbox>(NAMESPACE, "ali-ahmad").is_some());
    assert!(one.directory.account().retain_until.is_none());
    one.leads(4);
    pass(&one, "ali-ahmad").await.unwrap();
    assert!(one.server.get::<Mailbox>(NAMESPACE, "ali-ahmad").is_none());
    assert!(one.directory.account().retain_until.is_some());
}

#[tokio::test]
async fn a_mailbox_that_is_deleted_where_nobody_leads_goes_and_its_account_stays() {
    let (one, two) = made_at_both().await;
    two.server.delete::<Mailbox>(NAMESPACE, "ali-ahmad");
    pass(&two, "ali-ahmad").await.unwrap();
    assert!(two.server.get::<Mailbox>(NAMESPACE, "ali-ahmad").is_none());
    assert!(one.directory.account().retain_until.is_none());
}

#[tokio::test]
async fn a_new_lead_mints_no_second_password_while_the_first_one_waits() {
    let (one, two) = made_at_both().await;
    let (minted, written) = one.directory.written();
    moves(&one, &two, 3);
    for site in [&two, &one, &two] {
        pass(site, "ali-ahmad").await.unwrap();
        assert_eq!(status(site, "ali-ahmad").first_password.unwrap().site, "pdsa1");
    }
    assert!(secret(&one).is_some() && secret(&two).is_none());
    assert_eq!(one.directory.written(), (minted, written));

    // Its holder chooses one: the Secret goes where it is, though that site does not lead.
    one.directory.change_password(one.directory.account().account.id);
    for site in [&two, &one] {
        pass(site, "ali-ahmad").await.unwrap();
        assert!(status(site, "ali-ahmad").first_password.is_none());
    }
    assert!(secret(&one).is_none());
}

#[tokio::test]
async fn a_person_may_have_another_first_password_minted_in_the_place_of_a_lost_sites() {
    let (one, two) = made_at_both().await;
    moves(&one, &two, 3);
    let mut given_up = two.server.get::<Mailbox>(NAMESPACE, "ali-ahmad").unwrap();
    given_up
        .metadata
        .annotations
        .get_or_insert_default()
        .insert(NEW_FIRST_PASSWORD.into(), "pdsa1".into());
    two.server.put(&given_up);
    for _ in 0..2 {
        pass(&two, "ali-ahmad").await.unwrap();
    }
    let id = one.directory.account().account.id;
    let valid = || one.directory.entries.lock().unwrap().passwords[&id].clone();
    let kept = |site: &Site| secret(site).unwrap().data.unwrap().remove("password").unwrap().0;
    assert_eq!(kept(&two), valid().as_bytes());
    assert_eq!(status(&two, "ali-ahmad").first_password.unwrap().site, "pdsa2");
    // The site that was lost comes back, and then leads again.
    pass(&one, "ali-ahmad").await.unwrap();
    assert!(secret(&one).is_none());
    moves(&two, &one, 4);
    for site in [&one, &two] {
        pass(site, "ali-ahmad").await.unwrap();
    }
    assert_eq!(kept(&two), valid().as_bytes());
    assert!(secret(&one).is_none());
}

#[tokio::test]
async fn a_password_that_was_chosen_is_not_replaced_whatever_is_asked() {
    let (one, two) = made_at_both().await;
    moves(&one, &two, 3);
    one.directory.change_password(one.directory.account().account.id);
    let mut given_up = two.server.get::<Mailbox>(NAMESPACE, "ali-ahmad").unwrap();
    given_up
        .metadata
        .annotations
        .get_or_insert_default()
        .insert(NEW_FIRST_PASSWORD.into(), "pdsa1".into());
    two.server.put(&given_up);
    let minted = one.directory.entries.lock().unwrap().passwords.clone();
    pass(&two, "ali-ahmad").await.unwrap();
    assert!(secret(&two).is_none());
    assert_eq!(one.directory.entries.lock().unwrap().passwords, minted);
}

#[tokio::test]
async fn a_former_address_stays_when_the_lead_moves() {
    let (one, two) = made_at_both().await;
    let mut renamed = ali();
    renamed.spec.address = "ali.rahman@kkr.gov.my".into();
    let passes = async || {
        for site in [&one, &two, &one, &two] {
            pass(site, "ali-ahmad").await.unwrap();
        }
    };
    for site in [&one, &two] {
        site.server.put(&renamed);
    }
    passes().await;
    moves(&one, &two, 3);
    renamed.spec.individual.as_mut().unwrap().grade = 48;
    for site in [&one, &two] {
        site.server.put(&renamed);
    }
    passes().await;
    let account = one.directory.account().account;
    assert_eq!(account.grade, Some(48));
    assert_eq!(account.aliases, ["ali.ahmad@kkr.gov.my", "ali@works.gov.my"]);
}

#[tokio::test]
async fn a_takeover_of_a_thousand_mailboxes_writes_nothing_to_the_directory_and_looks_at_none() {
    let one = site().await;
    let two = one.other();
    with_agency(&two).await;
    let names: Vec<String> = (0..1000).map(|number| format!("user-{number}")).collect();
    for name in &names {
        let mut mailbox = ali();
        mailbox.metadata.name = Some(name.clone());
        mailbox.spec.address = format!("{name}@kkr.gov.my");
        mailbox.spec.aliases.clear();
        mailbox.spec.individual.as_mut().unwrap().staff_number = format!("KKR-{name}");
        one.server.put(&mailbox);
        two.server.put(&mailbox);
    }
    let all = async |site: &Site, names: &[String]| {
        let shared = Mailboxes {
            context: site.context.clone(),
            caches: Caches {
                platforms: site.cache(),
                agencies: site.cache(),
            },
        };
        for name in names {
            let mailbox: Mailbox = site.server.get(NAMESPACE, name).unwrap();
            reconcile(&mailbox, &shared).await.unwrap();
        }
    };
    all(&one, &names).await;
    // Everybody has chosen a password.
    let ids: Vec<_> = one
        .directory
        .entries
        .lock()
        .unwrap()
        .accounts
        .keys()
        .copied()
        .collect();
    for id in &ids {
        one.directory.change_password(*id);
    }
    all(&two, &names).await;
    two.server.writes();
    let (before, written) = one.directory.written();

    moves(&one, &two, 3);
    let now = Timestamp::now();
    let accounts = one.directory.accounts().await.unwrap();
    let looked_at = |site: &Site| {
        let mailboxes = site.server.list::<Mailbox>().into_iter().map(Arc::new).collect();
        takeover::unlike(mailboxes, &accounts, now)
            .iter()
            .map(|mailbox| mailbox.name_any())
            .collect::<Vec<_>>()
    };
    assert_eq!(looked_at(&two), Vec::<String>::new());
    // Whatever is looked at nevertheless, sooner or later: nothing is to be done.
    all(&two, &names).await;
    assert_eq!(two.server.writes(), Vec::<String>::new());
    assert_eq!(one.directory.written(), (before, written));

    let mut changed: Mailbox = two.server.get(NAMESPACE, "user-7").unwrap();
    changed.spec.individual.as_mut().unwrap().grade = 48;
    two.server.put(&changed);
    assert_eq!(looked_at(&two), ["user-7"]);
}

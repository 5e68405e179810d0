//! Mailboxes against an API server, a directory and a mail store in memory.

use std::sync::{Arc, atomic::Ordering};

use govuc::{
    agency,
    directory::Registry,
    mailbox::{
        observe::Caches,
        reconcile::{Error, Mailboxes, reconcile},
        takeover,
    },
};
use govuc_api::{
    Mailbox, MailboxStatus, NEW_FIRST_PASSWORD,
    conditions::{reasons, types},
};
use k8s_openapi::{api::core::v1::Secret, jiff::Timestamp};
use kube::ResourceExt;

use crate::fixtures::{Site, ali, kkr};

const NAMESPACE: Option<&str> = Some("agency-kkr");

async fn site() -> Site {
    let site = Site::lead();
    with_agency(&site).await;
    site
}

async fn with_agency(site: &Site) {
    site.server.put(&kkr());
    let caches = agency::observe::Caches {
        platforms: site.cache(),
        stores: site.cache(),
        agencies: site.cache(),
    };
    let shared = agency::reconcile::Agencies::new(site.context.clone(), caches);
    let object = site.server.get(None, "kkr").unwrap();
    agency::reconcile::reconcile(&object, &shared).await.unwrap();
    site.server.writes();
    site.server.requests();
}

async fn pass(site: &Site, name: &str) -> Result<(), Error> {
    let shared = Mailboxes {
        context: site.context.clone(),
        caches: Caches {
            platforms: site.cache(),
            agencies: site.cache(),
        },
    };
    let mailbox: Mailbox = site.server.get(NAMESPACE, name).unwrap();
    reconcile(&mailbox, &shared).await.map(drop)
}

fn status(site: &Site, name: &str) -> MailboxStatus {
    site.server
        .get::<Mailbox>(NAMESPACE, name)
        .unwrap()
        .status
        .unwrap()
}

fn condition(site: &Site, name: &str, type_: &str) -> (String, String) {
    let conditions = status(site, name).conditions;
    let found = conditions
        .into_iter()
        .find(|condition| condition.type_ == type_)
        .unwrap_or_else(|| panic!("no condition {type_}"));
    (found.reason, found.message)
}

fn secret(site: &Site) -> Option<Secret> {
    site.server.get(NAMESPACE, "ali-ahmad-first-password")
}

#[tokio::test]
async fn a_mailbox_converges_in_three_requests_and_then_nothing_is_written() {
    let site = site().await;
    site.server.put(&ali());
    pass(&site, "ali-ahmad").await.unwrap();
    assert_eq!(site.server.requests(), 3);
    let record = site.directory.account();
    assert_eq!(record.account.store, "mail-1");
    assert_eq!(record.account.quota, 1 << 30);
    assert!(record.password.must_change);
    assert_eq!(
        site.mail.trees.lock().unwrap()[&record.account.id].0.primary,
        "pdsa1"
    );
    let kept = secret(&site).unwrap().data.unwrap().remove("password").unwrap();
    let entries = site.directory.entries.lock().unwrap().passwords.clone();
    assert_eq!(entries[&record.account.id].as_bytes(), kept.0);
    let now = status(&site, "ali-ahmad");
    assert_eq!(now.granted.unwrap().account_id, record.account.id.to_string());
    assert_eq!(now.first_password.unwrap().site, "pdsa1");

    site.server.writes();
    let written = site.directory.entries.lock().unwrap().writes;
    pass(&site, "ali-ahmad").await.unwrap();
    assert_eq!(site.server.writes(), Vec::<String>::new());
    assert_eq!(site.directory.entries.lock().unwrap().writes, written);
}

#[tokio::test]
async fn whatever_write_fails_the_next_pass_ends_with_one_account_and_a_password_that_works() {
    for write in 1..=3 {
        let site = site().await;
        site.server.put(&ali());
        site.directory.fail_at(write);
        assert!(pass(&site, "ali-ahmad").await.is_err(), "write {write}");
        assert_eq!(condition(&site, "ali-ahmad", types::READY).0, reasons::FAILED);
        pass(&site, "ali-ahmad").await.unwrap();
        let id = site.directory.account().account.id;
        let kept = secret(&site).unwrap().data.unwrap().remove("password").unwrap();
        let entries = site.directory.entries.lock().unwrap().passwords.clone();
        assert_eq!(entries[&id].as_bytes(), kept.0, "write {write}");
        assert_eq!(condition(&site, "ali-ahmad", types::READY).0, reasons::READY);
    }
}

#[tokio::test]
async fn a_store_that_fails_is_asked_again_before_a_password_is_given() {
    let site = site().await;
    site.server.put(&ali());
    site.mail.fail_once();
    assert!(pass(&site, "ali-ahmad").await.is_err());
    assert!(secret(&site).is_none());
    pass(&site, "ali-ahmad").await.unwrap();
    assert!(secret(&site).is_some());
    assert_eq!(site.mail.trees.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn the_first_password_goes_once_it_was_used() {
    let site = site().await;
    site.server.put(&ali());
    pass(&site, "ali-ahmad").await.unwrap();
    site.directory
        .change_password(site.directory.account().account.id);
    pass(&site, "ali-ahmad").await.unwrap();
    assert!(secret(&site).is_none());
    assert!(status(&site, "ali-ahmad").first_password.is_none());
    site.server.writes();
    pass(&site, "ali-ahmad").await.unwrap();
    assert_eq!(site.server.writes(), Vec::<String>::new());
}

#[tokio::test]
async fn a_lost_secret_gets_a_new_password() {
    let site = site().await;
    site.server.put(&ali());
    pass(&site, "ali-ahmad").await.unwrap();
    let first = secret(&site).unwrap().data;
    site.server
        .delete::<Secret>(NAMESPACE, "ali-ahmad-first-password");
    pass(&site, "ali-ahmad").await.unwrap();
    assert_ne!(secret(&site).unwrap().data, first);
}

#[tokio::test]
async fn a_deleted_mailbox_is_kept_and_comes_back_only_when_asked_for() {
    let site = site().await;
    site.server.put(&ali());
    pass(&site, "ali-ahmad").await.unwrap();
    let id = site.directory.account().account.id;
    site.server.delete::<Mailbox>(NAMESPACE, "ali-ahmad");
    pass(&site, "ali-ahmad").await.unwrap();
    assert!(site.server.get::<Mailbox>(NAMESPACE, "ali-ahmad").is_none());
    assert!(site.directory.account().retain_until.is_some());

    site.server.put(&ali());
    pass(&site, "ali-ahmad").await.unwrap();
    let (reason, message) = condition(&site, "ali-ahmad", types::STALLED);
    assert_eq!(reason, reasons::ACCOUNT_RETAINED);
    assert!(message.contains(&id.to_string()), "{message}");
    assert!(site.directory.account().retain_until.is_some());

    let mut restored = ali();
    restored.spec.restore = Some(id.to_string());
    site.server.put(&restored);
    pass(&site, "ali-ahmad").await.unwrap();
    assert_eq!(site.directory.account().account.id, id);
    assert!(site.directory.account().retain_until.is_none());
    assert_eq!(condition(&site, "ali-ahmad", types::READY).0, reasons::READY);
}

#[tokio::test]
async fn a_kept_account_comes_back_under_another_name() {
    let site = site().await;
    site.server.put(&ali());
    pass(&site, "ali-ahmad").await.unwrap();
    let id = site.directory.account().account.id;
    site.server.delete::<Mailbox>(NAMESPACE, "ali-ahmad");
    pass(&site, "ali-ahmad").await.unwrap();
    let mut renamed = ali();
    renamed.metadata.name = Some("ali".into());
    renamed.spec.restore = Some(id.to_string());
    site.server.put(&renamed);
    pass(&site, "ali").await.unwrap();
    let record = site.directory.account();
    assert_eq!(
        (record.account.id, record.account.mailbox.as_str()),
        (id, "kkr/ali")
    );
    assert!(record.retain_until.is_none());
}

#[tokio::test]
async fn a_new_address_leaves_the_old_one_as_an_alias_for_good() {
    let site = site().await;
    site.server.put(&ali());
    pass(&site, "ali-ahmad").await.unwrap();
    let id = site.directory.account().account.id;
    let mut renamed = ali();
    renamed.spec.address = "ali.rahman@kkr.gov.my".into();
    site.server.put(&renamed);
    for _ in 0..3 {
        pass(&site, "ali-ahmad").await.unwrap();
    }
    let account = site.directory.account().account;
    assert_eq!(
        (account.id, account.address.as_str()),
        (id, "ali.rahman@kkr.gov.my")
    );
    assert_eq!(account.aliases, ["ali.ahmad@kkr.gov.my", "ali@works.gov.my"]);

    renamed.spec.aliases.clear();
    site.server.put(&renamed);
    pass(&site, "ali-ahmad").await.unwrap();
    assert_eq!(site.directory.account().account.aliases, ["ali.ahmad@kkr.gov.my"]);
}

#[tokio::test]
async fn an_address_of_another_stalls_naming_whose_it_is() {
    let site = site().await;
    site.server.put(&ali());
    pass(&site, "ali-ahmad").await.unwrap();
    let mut twin = ali();
    twin.metadata.name = Some("twin".into());
    twin.spec.individual.as_mut().unwrap().staff_number = "KKR-9".into();
    site.server.put(&twin);
    pass(&site, "twin").await.unwrap();
    let (reason, message) = condition(&site, "twin", types::STALLED);
    assert_eq!(reason, reasons::ADDRESS_TAKEN);
    assert!(message.contains("kkr/ali-ahmad"), "{message}");
    assert_eq!(site.directory.entries.lock().unwrap().accounts.len(), 1);
}

#[tokio::test]
async fn a_staff_number_of_another_stalls_naming_whose_it_is() {
    let site = site().await;
    site.server.put(&ali());
    pass(&site, "ali-ahmad").await.unwrap();
    let mut twin = ali();
    twin.metadata.name = Some("twin".into());
    twin.spec.address = "twin@kkr.gov.my".into();
    twin.spec.aliases.clear();
    site.server.put(&twin);
    pass(&site, "twin").await.unwrap();
    assert_eq!(
        condition(&site, "twin", types::STALLED).0,
        reasons::STAFF_NUMBER_TAKEN
    );
}

#[tokio::test]
async fn an_ended_account_is_kept_and_taken_up_again_when_the_end_is_taken_back() {
    let site = site().await;
    site.server.put(&ali());
    pass(&site, "ali-ahmad").await.unwrap();
    let mut ended = ali();
    ended.spec.termination = serde_json::from_str(r#"{"reason": "Retirement", "on": "2020-01-01"}"#).unwrap();
    site.server.put(&ended);
    pass(&site, "ali-ahmad").await.unwrap();
    assert!(site.directory.account().retain_until.is_some());
    assert_eq!(condition(&site, "ali-ahmad", types::READY).0, reasons::TERMINATED);
    assert!(secret(&site).is_none());
    site.server.writes();
    pass(&site, "ali-ahmad").await.unwrap();
    assert_eq!(site.server.writes(), Vec::<String>::new());

    site.server.put(&ali());
    pass(&site, "ali-ahmad").await.unwrap();
    assert!(site.directory.account().retain_until.is_none());
    assert_eq!(condition(&site, "ali-ahmad", types::READY).0, reasons::READY);
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

#[tokio::test]
async fn a_mailbox_that_is_ready_stays_so_while_the_directory_cannot_be_asked() {
    let site = site().await;
    site.server.put(&ali());
    pass(&site, "ali-ahmad").await.unwrap();
    site.server.writes();
    site.directory.closed.store(true, Ordering::SeqCst);
    pass(&site, "ali-ahmad").await.unwrap();
    assert_eq!(site.server.writes(), Vec::<String>::new());

    let mut changed = ali();
    changed.spec.individual.as_mut().unwrap().grade = 48;
    site.server.put(&changed);
    pass(&site, "ali-ahmad").await.unwrap();
    assert_eq!(
        condition(&site, "ali-ahmad", types::READY).0,
        reasons::PEER_UNKNOWN
    );
}

#[tokio::test]
async fn a_status_stays_small() {
    let site = site().await;
    site.server.put(&ali());
    pass(&site, "ali-ahmad").await.unwrap();
    let size = serde_json::to_vec(&status(&site, "ali-ahmad")).unwrap().len();
    assert!(size <= 600, "{size} bytes");
}

//! Mailboxes against an API server, a directory and a mail store in memory.

use std::sync::atomic::Ordering;

use govuc_api::{
    Mailbox,
    conditions::{reasons, types},
};
use k8s_openapi::api::core::v1::Secret;
use uuid::Uuid;

use crate::{
    fixtures::{Site, ali},
    mailboxes::{NAMESPACE, condition, pass, secret, site, status},
};

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

/// Makes `ali-ahmad`, deletes it, and takes its account up again as `ali`.
async fn made_and_renamed(site: &Site) -> Uuid {
    site.server.put(&ali());
    pass(site, "ali-ahmad").await.unwrap();
    let id = site.directory.account().account.id;
    site.server.delete::<Mailbox>(NAMESPACE, "ali-ahmad");
    pass(site, "ali-ahmad").await.unwrap();
    let mut renamed = ali();
    renamed.metadata.name = Some("ali".into());
    renamed.spec.restore = Some(id.to_string());
    site.server.put(&renamed);
    pass(site, "ali").await.unwrap();
    id
}

#[tokio::test]
async fn a_kept_account_comes_back_under_another_name() {
    let site = site().await;
    let id = made_and_renamed(&site).await;
    let record = site.directory.account();
    assert_eq!(
        (record.account.id, record.account.mailbox.as_str()),
        (id, "kkr/ali")
    );
    assert!(record.retain_until.is_none());
}

#[tokio::test]
async fn a_new_object_does_not_get_the_account_that_has_moved_on_to_another() {
    let site = site().await;
    let id = made_and_renamed(&site).await;

    let mut another = ali();
    another.spec.address = "ali.ahmad2@kkr.gov.my".into();
    another.spec.aliases.clear();
    another.spec.individual.as_mut().unwrap().staff_number = "KKR-2".into();
    site.server.put(&another);
    pass(&site, "ali-ahmad").await.unwrap();
    let entries = site.directory.entries.lock().unwrap();
    assert_eq!(entries.accounts.len(), 2);
    assert_eq!(entries.accounts[&id].account.mailbox, "kkr/ali");
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

/// The directory is asked twice, and the other site's work may arrive in between.
#[tokio::test]
async fn the_own_account_that_has_just_arrived_is_not_anothers() {
    let site = site().await;
    site.server.put(&ali());
    pass(&site, "ali-ahmad").await.unwrap();
    let mut edited = ali();
    edited.spec.aliases.clear();
    site.server.put(&edited);
    site.directory.behind.store(true, Ordering::SeqCst);
    pass(&site, "ali-ahmad").await.unwrap();
    assert_eq!(
        condition(&site, "ali-ahmad", types::READY).0,
        reasons::AWAITING_LEAD
    );
    pass(&site, "ali-ahmad").await.unwrap();
    assert_eq!(condition(&site, "ali-ahmad", types::READY).0, reasons::READY);
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

//! Agencies against an API server and a directory in memory.

use govuc::agency::{
    observe::Caches,
    reconcile::{Agencies, reconcile},
};
use govuc_api::{
    Agency, MailStore,
    conditions::{reasons, types},
};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::ResourceExt;

use crate::fixtures::{Site, approved, example, kkr};

async fn pass(site: &Site, name: &str) {
    let shared = Agencies::new(
        site.context.clone(),
        Caches {
            platforms: site.cache(),
            stores: site.cache(),
            agencies: site.cache(),
        },
    );
    let agency: Agency = site.server.get(None, name).unwrap();
    reconcile(&agency, &shared).await.unwrap();
}

fn reason(site: &Site, name: &str, type_: &str) -> (String, String, String) {
    let agency: Agency = site.server.get(None, name).unwrap();
    let conditions = agency.status.unwrap().conditions;
    let found = conditions
        .into_iter()
        .find(|condition| condition.type_ == type_)
        .unwrap_or_else(|| panic!("no condition {type_}"));
    (found.status, found.reason, found.message)
}

#[tokio::test]
async fn nothing_exists_before_approval() {
    let site = Site::lead();
    site.server.put(&example::<Agency>("agencies/kkr.yaml"));
    pass(&site, "kkr").await;
    assert_eq!(site.server.writes().len(), 1, "only the status");
    assert!(site.server.list::<Namespace>().is_empty());
    assert!(site.server.list::<MailStore>().is_empty());
    assert_eq!(site.directory.entries.lock().unwrap().writes, 0);
    assert_eq!(
        reason(&site, "kkr", types::APPROVED).1,
        reasons::AWAITING_APPROVAL
    );
}

#[tokio::test]
async fn an_approved_agency_converges_in_two_passes_and_then_nothing_is_written() {
    let site = Site::lead();
    site.server.put(&kkr());
    pass(&site, "kkr").await;
    pass(&site, "kkr").await;
    let namespace: Namespace = site.server.get(None, "agency-kkr").unwrap();
    assert_eq!(
        namespace.labels()["pod-security.kubernetes.io/enforce"],
        "restricted"
    );
    let policy: ConfigMap = site.server.get(Some("agency-kkr"), "govuc-policy").unwrap();
    assert_eq!(policy.data.unwrap()["domains"], "kkr.gov.my,works.gov.my");
    let store: MailStore = site.server.get(None, "mail-1").unwrap();
    assert_eq!(store.spec.preferred_site, "pdsa1");

    let written = site.directory.entries.lock().unwrap().writes;
    site.server.writes();
    pass(&site, "kkr").await;
    assert_eq!(site.server.writes(), Vec::<String>::new());
    assert_eq!(site.directory.entries.lock().unwrap().writes, written);
}

#[tokio::test]
async fn the_other_site_waits_for_the_lead_and_then_makes_the_same() {
    let lead = Site::lead();
    let other = lead.other();
    other.server.put(&kkr());
    pass(&other, "kkr").await;
    assert_eq!(reason(&other, "kkr", types::READY).1, reasons::AWAITING_LEAD);
    assert!(other.server.list::<Namespace>().is_empty());
    assert_eq!(other.directory.entries.lock().unwrap().writes, 0);

    lead.server.put(&kkr());
    pass(&lead, "kkr").await;
    pass(&other, "kkr").await;
    let store = |site: &Site| site.server.get::<MailStore>(None, "mail-1").unwrap().spec;
    assert_eq!(store(&lead), store(&other));
    assert!(other.server.get::<Namespace>(None, "agency-kkr").is_some());
}

#[tokio::test]
async fn a_domain_of_another_agency_stalls_naming_it_and_makes_nothing() {
    let site = Site::lead();
    site.server.put(&kkr());
    pass(&site, "kkr").await;
    let mut thief = kkr();
    thief.metadata.name = Some("thief".into());
    site.server.put(&thief);
    pass(&site, "thief").await;
    let (state, reason, message) = reason(&site, "thief", types::STALLED);
    assert_eq!((state.as_str(), reason.as_str()), ("True", reasons::DOMAIN_TAKEN));
    assert!(message.contains("agency kkr's"), "{message}");
    assert!(site.server.get::<Namespace>(None, "agency-thief").is_none());
}

#[tokio::test]
async fn a_site_that_does_not_exist_stalls() {
    let site = Site::lead();
    let mut agency = kkr();
    agency.spec.preferred_site = "pdsa9".into();
    site.server.put(&agency);
    pass(&site, "kkr").await;
    let (_, reason, message) = reason(&site, "kkr", types::STALLED);
    assert_eq!(reason, reasons::SITE_UNKNOWN);
    assert!(message.contains("pdsa1 and pdsa2"), "{message}");
}

#[tokio::test]
async fn agencies_of_one_site_share_a_store_and_those_of_another_have_theirs() {
    let site = Site::lead();
    site.server.put(&kkr());
    pass(&site, "kkr").await;
    let mut second = kkr();
    second.metadata.name = Some("second".into());
    second.spec.domains = serde_json::from_str(r#"[{"name": "second.gov.my", "primary": true}]"#).unwrap();
    site.server.put(&second);
    pass(&site, "second").await;
    site.server.put(&approved(example("agencies/jpa.yaml")));
    pass(&site, "jpa").await;
    let stores: Vec<(String, Option<String>)> = {
        let entries = site.directory.entries.lock().unwrap();
        entries
            .agencies
            .values()
            .map(|a| (a.name.clone(), a.store.clone()))
            .collect()
    };
    let on = |name: &str, store: &str| (name.to_owned(), Some(store.to_owned()));
    assert_eq!(
        stores,
        [on("jpa", "mail-2"), on("kkr", "mail-1"), on("second", "mail-1")]
    );
}

#[tokio::test]
async fn a_withdrawn_approval_keeps_what_is_there() {
    let site = Site::lead();
    site.server.put(&kkr());
    pass(&site, "kkr").await;
    site.server.put(&example::<Agency>("agencies/kkr.yaml"));
    pass(&site, "kkr").await;
    assert_eq!(
        reason(&site, "kkr", types::APPROVED).1,
        reasons::APPROVAL_WITHDRAWN
    );
    assert!(site.server.get::<Namespace>(None, "agency-kkr").is_some());
    let agency: Agency = site.server.get(None, "kkr").unwrap();
    assert_eq!(agency.status.unwrap().stores[0].name, "mail-1");
}

#[tokio::test]
async fn an_agency_with_mailboxes_does_not_go() {
    let site = Site::lead();
    site.server.put(&kkr());
    pass(&site, "kkr").await;
    site.server.put(&crate::fixtures::ali());
    site.server.delete::<Agency>(None, "kkr");
    pass(&site, "kkr").await;
    assert_eq!(reason(&site, "kkr", types::STALLED).1, reasons::HAS_MAILBOXES);
    site.server
        .delete::<govuc_api::Mailbox>(Some("agency-kkr"), "ali-ahmad");
    assert!(site.server.get::<Namespace>(None, "agency-kkr").is_some());
    pass(&site, "kkr").await;
    assert!(site.server.get::<Agency>(None, "kkr").is_none());
    assert!(site.server.get::<Namespace>(None, "agency-kkr").is_none());
    assert!(
        site.directory
            .entries
            .lock()
            .unwrap()
            .agencies
            .contains_key("kkr"),
        "its data stays"
    );
}

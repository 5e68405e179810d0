//! A site with an agency, and passes over its mailboxes.

use govuc::{
    agency,
    mailbox::{
        observe::Caches,
        reconcile::{Error, Mailboxes, reconcile},
    },
};
use govuc_api::{Mailbox, MailboxStatus};
use k8s_openapi::api::core::v1::Secret;

use crate::fixtures::{Site, kkr};

pub const NAMESPACE: Option<&str> = Some("agency-kkr");

pub async fn site() -> Site {
    let site = Site::lead();
    with_agency(&site).await;
    site
}

pub async fn with_agency(site: &Site) {
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

pub async fn pass(site: &Site, name: &str) -> Result<(), Error> {
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

pub fn status(site: &Site, name: &str) -> MailboxStatus {
    site.server
        .get::<Mailbox>(NAMESPACE, name)
        .unwrap()
        .status
        .unwrap()
}

pub fn condition(site: &Site, name: &str, type_: &str) -> (String, String) {
    let conditions = status(site, name).conditions;
    let found = conditions
        .into_iter()
        .find(|condition| condition.type_ == type_)
        .unwrap_or_else(|| panic!("no condition {type_}"));
    (found.reason, found.message)
}

pub fn secret(site: &Site) -> Option<Secret> {
    site.server.get(NAMESPACE, "ali-ahmad-first-password")
}

//! Platform against an API server in memory, as long as the site has no peer.

use std::sync::Arc;

use govuc::{conditions::is_true, pki::kept::AUTHORITY_SECRET, platform::reconcile};
use govuc_api::{
    PLATFORM, Platform,
    conditions::{reasons, types},
};
use govuc_wire::names::SYSTEM_NAMESPACE;
use k8s_openapi::{
    api::{
        apps::v1::StatefulSet,
        core::v1::{Namespace, Secret},
        networking::v1::NetworkPolicy,
    },
    apimachinery::pkg::apis::meta::v1::Time,
    jiff::Timestamp,
};

use crate::fixtures::Site;

async fn pass(site: &Site) -> Platform {
    let platform: Platform = site.server.get(None, PLATFORM).unwrap();
    reconcile(Arc::new(platform), site.context.clone()).await.unwrap();
    site.server.get(None, PLATFORM).unwrap()
}

#[tokio::test]
async fn a_site_without_its_peer_gets_its_authority_and_its_fences_and_no_more() {
    let site = Site::lead();
    let status = pass(&site).await.status.unwrap();
    let ready = status
        .conditions
        .iter()
        .find(|condition| condition.type_ == types::READY)
        .unwrap();
    assert_eq!(
        (ready.status.as_str(), ready.reason.as_str()),
        ("False", reasons::PEER_UNKNOWN)
    );
    assert!(is_true(&status.conditions, types::STALLED));
    assert_eq!(status.lead.as_deref(), Some("pdsa1"));
    assert_eq!(site.server.list::<Namespace>().len(), 2);
    assert_eq!(site.server.list::<NetworkPolicy>().len(), 2);
    assert_eq!(site.server.list::<Secret>().len(), 1);
    assert!(site.server.list::<StatefulSet>().is_empty());
}

#[tokio::test]
async fn a_second_pass_writes_nothing_and_an_authority_is_never_replaced() {
    let site = Site::lead();
    pass(&site).await;
    let authority =
        |site: &Site| -> Secret { site.server.get(Some(SYSTEM_NAMESPACE), AUTHORITY_SECRET).unwrap() };
    let made = authority(&site);
    assert!(!site.server.writes().is_empty());
    pass(&site).await;
    assert_eq!(site.server.writes(), Vec::<String>::new());
    assert_eq!(authority(&site).data, made.data);
}

#[tokio::test]
async fn an_operator_of_a_site_that_is_not_the_services_says_so_and_makes_nothing() {
    let site = Site::lead();
    let mut platform: Platform = site.server.get(None, PLATFORM).unwrap();
    platform.spec.sites[0].name = "pdsa9".into();
    site.server.put(&platform);
    let status = pass(&site).await.status.unwrap();
    assert!(
        status
            .conditions
            .iter()
            .any(|condition| condition.reason == reasons::SITE_UNKNOWN)
    );
    assert!(site.server.list::<Namespace>().is_empty());
}

/// As while the API server orphans what it owns: an owner put back would take that along.
#[tokio::test]
async fn a_platform_that_goes_is_left_alone() {
    let site = Site::lead();
    let mut platform: Platform = site.server.get(None, PLATFORM).unwrap();
    platform.metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
    site.server.put(&platform);
    site.server.writes();
    pass(&site).await;
    assert_eq!(site.server.writes(), Vec::<String>::new());
}

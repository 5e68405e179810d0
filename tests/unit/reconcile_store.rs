//! A store against an API server in memory: which engine it gets. Its guards are nowhere, so it is never ready.

use std::sync::Arc;

use govuc::mail_store::{engine, reconcile};
use govuc_api::{
    MailStore, MailStoreStatus,
    conditions::{reasons, types},
};
use govuc_wire::names::MAIL_NAMESPACE;
use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{PersistentVolumeClaim, Secret},
};
use serde_json::json;

use crate::fixtures::Site;

/// What the operator brings, by the fixtures.
const OWN: &str = "localhost/govuc/cyrus:dev";

/// A site that is connected to its peer, and does not lead.
fn connected() -> Site {
    let site = Site::lead().other();
    site.connect("pdsa1");
    site
}

/// One pass over the store with this version in its spec.
async fn pass(site: &Site, version: Option<&str>) -> MailStoreStatus {
    let store: MailStore = serde_json::from_value(json!({
        "apiVersion": "1govuc.gov.my/v1alpha1", "kind": "MailStore", "metadata": {"name": "mail-1"},
        "spec": {"preferredSite": "pdsa1", "version": version},
    }))
    .unwrap();
    site.server.put(&store);
    let store: MailStore = site.server.get(None, "mail-1").unwrap();
    reconcile(Arc::new(store), site.context.clone()).await.unwrap();
    let store: MailStore = site.server.get(None, "mail-1").unwrap();
    store.status.unwrap()
}

fn image(site: &Site) -> Option<String> {
    let set: StatefulSet = site.server.get(Some(MAIL_NAMESPACE), "mail-1")?;
    engine::image(&set).map(str::to_owned)
}

/// The pod is made of this image from now on, as an earlier operator would have had it.
fn runs(site: &Site, image: &str) {
    let mut set: StatefulSet = site.server.get(Some(MAIL_NAMESPACE), "mail-1").unwrap();
    let template = &mut set.spec.as_mut().unwrap().template;
    template.spec.as_mut().unwrap().containers[0].image = Some(image.to_owned());
    site.server.put(&set);
}

fn reason<'a>(status: &'a MailStoreStatus, type_: &str) -> Option<&'a str> {
    let found = status.conditions.iter().find(|it| it.type_ == type_)?;
    Some(&found.reason)
}

#[tokio::test]
async fn a_store_of_an_unknown_version_is_not_begun() {
    let site = connected();
    let status = pass(&site, Some("9.9")).await;
    assert_eq!(reason(&status, types::STALLED), Some(reasons::UNKNOWN_VERSION));
    assert_eq!(image(&site), None);
    assert!(site.server.list::<PersistentVolumeClaim>().is_empty());
    let certificate = site.server.get::<Secret>(Some(MAIL_NAMESPACE), "tls-mail-1");
    assert!(certificate.is_none());
}

#[tokio::test]
async fn a_store_that_runs_keeps_its_engine_as_long_as_it_is_pinned_to_it_or_to_an_unknown_one() {
    let site = connected();
    let status = pass(&site, None).await;
    assert_eq!(image(&site).as_deref(), Some(OWN));
    assert_eq!((status.version.as_deref(), status.withheld), (Some("dev"), None));

    runs(&site, "localhost/govuc/cyrus:3.10.1-4");
    for (version, why, withheld) in [
        ("3.10.1-4", reasons::PINNED, "dev"),
        ("9.9", reasons::UNKNOWN_VERSION, "9.9"),
    ] {
        let status = pass(&site, Some(version)).await;
        assert_eq!(
            image(&site).as_deref(),
            Some("localhost/govuc/cyrus:3.10.1-4"),
            "{why}"
        );
        assert_eq!(reason(&status, types::UPGRADE_PENDING), Some(why));
        assert_eq!(reason(&status, types::STALLED), None);
        assert_eq!(status.version.as_deref(), Some("3.10.1-4"));
        assert_eq!(status.withheld.unwrap().version, withheld);
        assert!(status.pending.is_empty());
    }

    let status = pass(&site, None).await;
    assert_eq!(image(&site).as_deref(), Some(OWN));
    assert_eq!((status.version.as_deref(), status.withheld), (Some("dev"), None));
}

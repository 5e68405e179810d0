//! The metric of when certificates end, as the operator's own code says it.

use std::{collections::BTreeMap, sync::Arc};

use govuc::{mail_store, names::SiteName, peer, pki::OwnCertificate, platform, telemetry::Metrics};
use govuc_api::{MailStore, PLATFORM, Platform};
use govuc_wire::names::SYSTEM_NAMESPACE;
use k8s_openapi::{api::core::v1::ConfigMap, jiff::Timestamp};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::fixtures::Site;

const DAY: i64 = 86_400;

/// Days left, by part.
fn days(metrics: &Metrics) -> BTreeMap<String, i64> {
    let now = Timestamp::now().as_second();
    let text = metrics.text().unwrap();
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("govuc_certificate_expiry_seconds{part=\""));
    lines
        .map(|line| {
            let (part, end) = line.split_once("\"} ").unwrap();
            // A moment has passed since it was made.
            let left = end.parse::<i64>().unwrap() - now + 60;
            (part.to_owned(), left / DAY)
        })
        .collect()
}

/// One look of a replica, whether it acts or not.
async fn look(site: &Site, own: &Arc<OwnCertificate>) {
    let stop = CancellationToken::new();
    stop.cancel();
    let name: SiteName = site.context.site.clone();
    let expiry = site.context.metrics.expiry().clone();
    peer::keep(site.context.cluster.clone(), own.clone(), name, expiry, stop).await;
}

async fn pass(site: &Site) {
    let platform: Platform = site.server.get(None, PLATFORM).unwrap();
    platform::reconcile(Arc::new(platform), site.context.clone())
        .await
        .unwrap();
}

#[tokio::test]
async fn every_replica_tells_of_the_authorities_and_of_its_own_certificate() {
    let site = Site::lead();
    let own = Arc::new(OwnCertificate::default());
    site.connect("pdsa2");
    govuc::pki::kept::joined(
        &site.context.cluster,
        &OwnCertificate::default(),
        "pdsa1",
        Timestamp::now(),
    )
    .await
    .unwrap();
    look(&site, &own).await;
    let ends = [("authority", 3650), ("operator", 365), ("peer-authority", 3650)];
    assert_eq!(
        days(&site.context.metrics),
        ends.map(|(part, days)| (part.to_owned(), days)).into()
    );
    site.server
        .delete::<ConfigMap>(Some(SYSTEM_NAMESPACE), govuc::pki::kept::PEER_CONFIG_MAP);
    look(&site, &own).await;
    assert_eq!(
        days(&site.context.metrics),
        [("authority".to_owned(), 3650)].into()
    );
}

#[tokio::test]
async fn the_replica_that_acts_tells_of_every_certificate_it_keeps() {
    let site = Site::lead().other();
    site.connect("pdsa1");
    pass(&site).await;
    let mut parts = [
        ("directory", 365),
        ("filter", 365),
        ("front-door", 365),
        ("mx", 365),
        ("roles", 365),
        ("roles-authority", 3650),
        ("roles-client", 365),
        ("submission", 365),
    ]
    .map(|(part, days)| (part.to_owned(), days))
    .into();
    assert_eq!(days(&site.context.metrics), parts);

    let store: MailStore = serde_json::from_value(json!({
        "apiVersion": "1govuc.gov.my/v1alpha1", "kind": "MailStore", "metadata": {"name": "mail-1"},
        "spec": {"preferredSite": "pdsa1"},
    }))
    .unwrap();
    site.server.put(&store);
    let store: MailStore = site.server.get(None, "mail-1").unwrap();
    mail_store::reconcile(Arc::new(store), site.context.clone())
        .await
        .unwrap();
    parts.insert("store".to_owned(), 365);
    assert_eq!(days(&site.context.metrics), parts);

    let mut platform: Platform = site.server.get(None, PLATFORM).unwrap();
    platform.spec.roles = serde_json::from_value(json!({"mode": "TwoSite"})).unwrap();
    site.server.put(&platform);
    pass(&site).await;
    parts.retain(|part, _| !part.starts_with("roles"));
    assert_eq!(days(&site.context.metrics), parts, "there is no etcd any more");
}

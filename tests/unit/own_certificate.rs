//! The operator's own certificate at a replica that does not act: as good as that of the one that does, and nothing written.

use govuc::pki::{OwnCertificate, kept};
use govuc_wire::names::SYSTEM_NAMESPACE;
use k8s_openapi::{api::core::v1::ConfigMap, jiff::Timestamp};

use crate::fixtures::Site;

async fn renewed(site: &Site, own: &OwnCertificate) {
    let name = site.context.site.as_str();
    kept::renewed(&site.context.cluster, own, name, Timestamp::now())
        .await
        .unwrap();
}

#[tokio::test]
async fn every_replica_has_one_and_only_the_one_that_acts_writes() {
    let site = Site::lead();
    let standby = OwnCertificate::default();
    renewed(&site, &standby).await;
    assert!(standby.current().is_none(), "there is no authority yet");
    site.connect("pdsa2");
    renewed(&site, &standby).await;
    assert!(standby.current().is_none(), "it is not for a standby to make one");
    assert!(site.server.writes().is_empty());

    let (acting, now) = (&site.context.certificate, Timestamp::now());
    kept::joined(&site.context.cluster, acting, "pdsa1", now)
        .await
        .unwrap();
    site.server.writes();
    renewed(&site, &standby).await;
    assert!(standby.current().is_some());
    assert!(site.server.writes().is_empty());
}

#[tokio::test]
async fn none_is_shown_once_the_peers_authority_was_taken_away() {
    let site = Site::lead();
    site.connect("pdsa2");
    let (cluster, own, now) = (&site.context.cluster, &site.context.certificate, Timestamp::now());
    kept::joined(cluster, own, "pdsa1", now).await.unwrap();
    assert!(own.current().is_some());
    site.server
        .delete::<ConfigMap>(Some(SYSTEM_NAMESPACE), kept::PEER_CONFIG_MAP);
    renewed(&site, own).await;
    assert!(own.current().is_none());
    site.connect("pdsa2");
    renewed(&site, own).await;
    assert!(own.current().is_some());
}

//! That the roles' etcd was formed: what a cluster keeps of it, so that no member with an empty volume begins another one.
//!
//! It is kept twice, and what is lost in one place comes back from the other: in `govuc-mail`, where the member's pod reads it,
//! and beside the root secret in `govuc-system`. It outlives Platform, the member's volume and either namespace. A data centre
//! that is set up from nothing gets it with the root secret, from the other one (`kubectl govuc connect`).

use std::collections::BTreeMap;

use govuc_wire::names::{MAIL_NAMESPACE, SYSTEM_NAMESPACE};
use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::ObjectMeta};

use super::{FORMED_CONFIG_MAP, FORMED_KEY};
use crate::{
    cluster::{self, Cluster},
    part::common_labels,
};

const KEPT_IN: [&str; 2] = [MAIL_NAMESPACE, SYSTEM_NAMESPACE];

/// etcd's id of the cluster that was formed, in hexadecimal digits, and in both places from then on. None if none was.
pub async fn recall(cluster: &Cluster) -> Result<Option<String>, cluster::Error> {
    let mut known = None;
    let mut lacking = Vec::new();
    for namespace in KEPT_IN {
        match cluster.read(Some(namespace), FORMED_CONFIG_MAP).await? {
            Some(map) => known = known.or(Some(id(map))),
            None => lacking.push(namespace),
        }
    }
    if let Some(known) = &known {
        for namespace in lacking {
            cluster.create(&evidence(namespace, known)).await?;
        }
    }
    Ok(known)
}

/// Writes down that it was formed.
pub async fn remember(cluster: &Cluster, id: &str) -> Result<(), cluster::Error> {
    for namespace in KEPT_IN {
        cluster.create(&evidence(namespace, id)).await?;
    }
    tracing::info!(cluster = id, "the roles' etcd is formed");
    Ok(())
}

/// Not owned by Platform: it has to outlive it, as the volume does of which it tells.
pub fn evidence(namespace: &str, id: &str) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(FORMED_CONFIG_MAP.to_owned()),
            namespace: Some(namespace.to_owned()),
            labels: Some(common_labels()),
            ..Default::default()
        },
        data: Some(BTreeMap::from([(FORMED_KEY.to_owned(), id.to_owned())])),
        ..Default::default()
    }
}

/// What it says. It may be spoilt, and tells of a cluster all the same.
pub fn id(map: ConfigMap) -> String {
    map.data
        .and_then(|mut data| data.remove(FORMED_KEY))
        .unwrap_or_default()
}

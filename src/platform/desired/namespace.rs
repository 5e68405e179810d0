//! The namespaces of the parts, and the fence around each.

use govuc_wire::names;
use k8s_openapi::{
    api::{core::v1::Namespace, networking::v1::NetworkPolicy},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use crate::part::{Owner, common_labels, network, pairs};

/// Not owned by Platform: the volumes in them outlive it.
pub fn namespaces() -> Vec<Namespace> {
    vec![
        namespace(names::MAIL_NAMESPACE, "restricted"),
        // Postfix needs UID 0, in a user namespace.
        namespace(names::MTA_NAMESPACE, "baseline"),
    ]
}

pub fn fences(owner: Owner<'_>) -> Vec<NetworkPolicy> {
    [names::MAIL_NAMESPACE, names::MTA_NAMESPACE]
        .map(|namespace| network::deny_all(namespace, owner))
        .into()
}

fn namespace(name: &str, level: &str) -> Namespace {
    let mut labels = common_labels();
    labels.extend(pairs([
        ("pod-security.kubernetes.io/enforce", level),
        ("pod-security.kubernetes.io/audit", level),
        ("pod-security.kubernetes.io/warn", level),
    ]));
    Namespace {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(labels),
            ..Default::default()
        },
        ..Default::default()
    }
}

//! Nothing in an agency's namespace talks to anything.

use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicySpec};

use super::{Tenant, metadata};

pub fn deny_all(tenant: &Tenant) -> NetworkPolicy {
    NetworkPolicy {
        metadata: metadata(tenant, "deny-all"),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(Default::default()),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ..Default::default()
        }),
    }
}

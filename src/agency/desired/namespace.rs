//! Where the agency's mailboxes live.

use k8s_openapi::api::core::v1::Namespace;

use super::{Tenant, labelled};

pub fn namespace(tenant: &Tenant) -> Namespace {
    let mut metadata = labelled(tenant, &tenant.name.namespace());
    metadata.labels.get_or_insert_default().insert(
        "pod-security.kubernetes.io/enforce".to_owned(),
        "restricted".to_owned(),
    );
    Namespace {
        metadata,
        ..Default::default()
    }
}

//! No program runs in an agency's namespace, and nobody's mistake fills the API server.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{ResourceQuota, ResourceQuotaSpec},
    apimachinery::pkg::api::resource::Quantity,
};

use super::{Tenant, metadata};

pub fn resource_quota(tenant: &Tenant) -> ResourceQuota {
    // As many again as expected, for those that come and go; a Secret at most for each, and Kubernetes' own few.
    let mailboxes = u64::from(tenant.expected_users) * 2;
    let limits = [
        ("count/mailboxes.1govuc.gov.my", mailboxes),
        ("count/secrets", mailboxes + 20),
        ("count/configmaps", 20),
        ("count/services", 0),
        ("persistentvolumeclaims", 0),
        ("pods", 0),
    ];
    ResourceQuota {
        metadata: metadata(tenant, "govuc"),
        spec: Some(ResourceQuotaSpec {
            hard: Some(BTreeMap::from(
                limits.map(|(name, limit)| (name.to_owned(), Quantity(limit.to_string()))),
            )),
            ..Default::default()
        }),
        ..Default::default()
    }
}

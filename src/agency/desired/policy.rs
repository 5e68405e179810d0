//! What the admission policies of mailboxes read.

use govuc_api::POLICY_CONFIG_MAP;
use k8s_openapi::api::core::v1::ConfigMap;

use super::{Tenant, metadata};
use crate::{names::MailDomain, part::pairs};

pub fn config_map(tenant: &Tenant, quota_ceiling: &str) -> ConfigMap {
    let domains: Vec<&str> = tenant.domains.iter().map(MailDomain::as_str).collect();
    ConfigMap {
        metadata: metadata(tenant, POLICY_CONFIG_MAP),
        data: Some(pairs([
            ("domains", &domains.join(",")),
            ("quotaCeiling", quota_ceiling),
        ])),
        ..Default::default()
    }
}

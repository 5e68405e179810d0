//! What an approved agency has in each cluster.

mod namespace;
mod network_policy;
mod policy;
mod quota;
pub mod roles;

use k8s_openapi::{
    api::{
        core::v1::{ConfigMap, Namespace, ResourceQuota},
        networking::v1::NetworkPolicy,
        rbac::v1::{ClusterRole, ClusterRoleBinding, RoleBinding},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use super::Tenant;
use crate::part::common_labels;

/// On everything that is an agency's.
pub const AGENCY_LABEL: &str = "1govuc.gov.my/agency";

/// In the order in which they are applied: what admission reads is there before anybody may write a mailbox.
#[derive(Clone, Debug, PartialEq)]
pub struct Objects {
    pub namespace: Namespace,
    pub policy: ConfigMap,
    pub quota: ResourceQuota,
    pub network_policy: NetworkPolicy,
    pub cluster_role: ClusterRole,
    pub cluster_role_binding: ClusterRoleBinding,
    pub role_bindings: Vec<RoleBinding>,
}

/// `quota_ceiling` is the largest size a mailbox may have.
pub fn objects(tenant: &Tenant, quota_ceiling: &str) -> Objects {
    Objects {
        namespace: namespace::namespace(tenant),
        policy: policy::config_map(tenant, quota_ceiling),
        quota: quota::resource_quota(tenant),
        network_policy: network_policy::deny_all(tenant),
        cluster_role: roles::cluster_role(tenant),
        cluster_role_binding: roles::cluster_role_binding(tenant),
        role_bindings: roles::role_bindings(tenant),
    }
}

/// Metadata of an object in the agency's namespace, and of the namespace. Not owned: with a foreground deletion the
/// garbage collector would take them before the operator has said that the agency may go. The namespace goes last.
fn metadata(tenant: &Tenant, name: &str) -> ObjectMeta {
    ObjectMeta {
        namespace: Some(tenant.name.namespace()),
        ..labelled(tenant, name)
    }
}

/// Metadata of an object outside any namespace, which goes with the Agency.
fn owned(tenant: &Tenant, name: &str) -> ObjectMeta {
    ObjectMeta {
        owner_references: Some(vec![tenant.owner.clone()]),
        ..labelled(tenant, name)
    }
}

fn labelled(tenant: &Tenant, name: &str) -> ObjectMeta {
    let mut labels = common_labels();
    labels.insert(AGENCY_LABEL.to_owned(), tenant.name.to_string());
    ObjectMeta {
        name: Some(name.to_owned()),
        labels: Some(labels),
        ..Default::default()
    }
}

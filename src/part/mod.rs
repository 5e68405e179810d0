//! What every part of a site is made of: names and labels, hardened pods, Services, and who may talk to whom.
//!
//! Pure builders, shared by the kinds that make parts (`platform`, `mail_store`).

pub mod arrows;
pub mod network;
pub mod objects;
pub mod pod;
#[cfg(test)]
pub mod pod_security;
pub mod service;
pub mod template;
pub mod workload;

use std::collections::BTreeMap;

use govuc_wire::names;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};

/// What a part is for. A site has one of each, and any number of stores; the member of the roles' etcd only where there is a
/// witness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    Directory,
    Filter,
    FrontDoor,
    Gateway,
    Mx,
    Submission,
    Roles,
    Store,
}

/// One part of the own site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub role: Role,
    /// What its workload, Service, certificate and identity are called.
    pub name: String,
}

/// Whom an object belongs to: deleting the owner deletes it, and a change of it calls the owner's reconcile.
pub type Owner<'a> = &'a OwnerReference;

/// The role of a pod, on pods and their controllers.
pub const ROLE_LABEL: &str = "app.kubernetes.io/component";
/// Which part a pod belongs to.
pub const PART_LABEL: &str = "app.kubernetes.io/instance";
/// On everything the operator makes.
pub const MANAGED_LABEL: &str = "app.kubernetes.io/managed-by";
/// The value of [`MANAGED_LABEL`], and the name of the whole.
pub const GOVUC: &str = "govuc";

impl Role {
    /// What every site has.
    pub const SHARED: [Role; 6] = [
        Role::Directory,
        Role::Filter,
        Role::FrontDoor,
        Role::Gateway,
        Role::Mx,
        Role::Submission,
    ];

    pub fn label(self) -> &'static str {
        match self {
            Role::Directory => "directory",
            Role::Filter => "filter",
            Role::FrontDoor => "front-door",
            Role::Gateway => "gateway",
            Role::Mx => "mx",
            Role::Submission => "submission",
            Role::Roles => names::ROLES,
            Role::Store => "store",
        }
    }

    pub fn namespace(self) -> &'static str {
        match self {
            Role::Mx | Role::Submission => names::MTA_NAMESPACE,
            _ => names::MAIL_NAMESPACE,
        }
    }
}

impl Part {
    /// The one part of a shared role.
    pub fn shared(role: Role) -> Self {
        Self {
            role,
            name: role.label().to_owned(),
        }
    }

    pub fn store(name: &str) -> Self {
        Self {
            role: Role::Store,
            name: name.to_owned(),
        }
    }

    /// Its `tls-<part>` Secret.
    pub fn certificate_secret(&self) -> String {
        format!("tls-{}", self.name)
    }

    pub fn labels(&self) -> BTreeMap<String, String> {
        let mut labels = self.pod_labels();
        labels.extend(common_labels());
        labels
    }

    /// What selects its pods. Never changes: a selector is immutable.
    pub fn pod_labels(&self) -> BTreeMap<String, String> {
        pairs([(ROLE_LABEL, self.role.label()), (PART_LABEL, &self.name)])
    }

    pub fn selector(&self) -> LabelSelector {
        LabelSelector {
            match_labels: Some(self.pod_labels()),
            ..Default::default()
        }
    }

    /// Metadata of an object of this part that is called `name`.
    pub fn metadata(&self, name: &str, owner: Owner<'_>) -> ObjectMeta {
        ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(self.role.namespace().to_owned()),
            labels: Some(self.labels()),
            owner_references: Some(vec![owner.clone()]),
            ..Default::default()
        }
    }
}

/// The labels of objects that belong to no part.
pub fn common_labels() -> BTreeMap<String, String> {
    pairs([("app.kubernetes.io/part-of", GOVUC), (MANAGED_LABEL, GOVUC)])
}

/// A map of texts as Kubernetes wants it.
pub fn pairs<const N: usize>(items: [(&str, &str); N]) -> BTreeMap<String, String> {
    items
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub fn owner() -> OwnerReference {
        OwnerReference {
            api_version: "1govuc.gov.my/v1alpha1".into(),
            kind: "Platform".into(),
            name: "platform".into(),
            uid: "3f".into(),
            controller: Some(true),
            ..Default::default()
        }
    }

    #[test]
    fn two_stores_select_different_pods() {
        assert_ne!(
            Part::store("mail-1").pod_labels(),
            Part::store("mail-2").pod_labels()
        );
    }
}

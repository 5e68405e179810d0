//! The kinds that are mirrored.

use std::fmt::Debug;

use govuc_api::{Agency, Mailbox};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{
    Resource,
    core::object::{HasSpec, HasStatus},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::conditions::Status;

/// A kind whose specs are the same in both clusters.
pub trait Mirrored:
    Resource<DynamicType = ()>
    + HasSpec<Spec: Serialize + Clone + Debug + PartialEq + Send + Sync>
    + HasStatus<Status: Status>
    + Clone
    + Debug
    + Serialize
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
    /// In logs, and in the names of what is put aside.
    const LABEL: &'static str;
    /// What its reconciles are called in metrics.
    const TIMED: &'static str;

    /// A new object with this spec.
    fn made(name: &str, namespace: Option<&str>, spec: Self::Spec) -> Self;

    fn conditions_mut(&mut self) -> Option<&mut Vec<Condition>>;
}

macro_rules! mirrored {
    ($kind:ident, $label:literal, $timed:literal) => {
        impl Mirrored for $kind {
            const LABEL: &'static str = $label;
            const TIMED: &'static str = $timed;

            fn made(name: &str, namespace: Option<&str>, spec: Self::Spec) -> Self {
                let mut object = Self::new(name, spec);
                object.metadata.namespace = namespace.map(str::to_owned);
                object
            }

            fn conditions_mut(&mut self) -> Option<&mut Vec<Condition>> {
                self.status.as_mut().map(|status| &mut status.conditions)
            }
        }
    };
}

mirrored!(Agency, "agency", "AgencyMirror");
mirrored!(Mailbox, "mailbox", "MailboxMirror");

/// Their labels.
pub const KINDS: [&str; 2] = [Agency::LABEL, Mailbox::LABEL];

/// Where the name of one object is unique: also its key in queues and caches.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub namespace: Option<String>,
    pub name: String,
}

impl Key {
    pub fn of(object: &impl Resource) -> Self {
        let meta = object.meta();
        Self {
            namespace: meta.namespace.clone(),
            // The API server gives none without.
            name: meta.name.clone().unwrap_or_default(),
        }
    }
}

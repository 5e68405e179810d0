//! A MailStore, parsed.

use govuc_api::{MailStore, StoreUse};
use k8s_openapi::apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::OwnerReference};
use kube::{Resource, ResourceExt};

use crate::{part::Part, platform::Installation};

/// A store, as every site has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Store {
    pub part: Part,
    pub usage: StoreUse,
    pub preferred_site: String,
    pub size: Quantity,
    /// The cluster's default class when there is none.
    pub class: Option<String>,
    /// The MailStore, which owns what is made for it.
    pub owner: OwnerReference,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the MailStore has no uid: it was not read from a cluster")]
    NoUid,
    #[error(
        "spec.preferredSite is {site:?}, which is none of the Platform's sites: make the store anew at {sites}"
    )]
    SiteUnknown { site: String, sites: String },
}

impl Store {
    pub fn of(object: &MailStore, installation: &Installation) -> Result<Self, Error> {
        let (own, peer) = (&installation.own.name, &installation.peer.name);
        let preferred_site = object.spec.preferred_site.clone();
        if preferred_site != *own && preferred_site != *peer {
            return Err(Error::SiteUnknown {
                site: preferred_site,
                sites: format!("{own} or {peer}"),
            });
        }
        Ok(Self {
            part: Part::store(&object.name_any()),
            usage: object.spec.usage,
            preferred_site,
            size: object.spec.storage.size.clone(),
            class: object.spec.storage.class_name.clone(),
            owner: object.controller_owner_ref(&()).ok_or(Error::NoUid)?,
        })
    }
}

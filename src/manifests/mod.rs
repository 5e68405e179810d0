//! The installation of one site, as Kubernetes objects made from Rust values.

mod admission;
mod operator;
mod permissions;
mod rbac;
mod reference;

pub use permissions::page as permissions;
pub use rbac::OPERATOR;

use std::collections::BTreeMap;

use govuc_api::{Agency, MailStore, Mailbox, Platform};
use k8s_openapi::{api::core::v1::Namespace, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{CustomResourceExt, Resource};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    mail_store::engine::Engines,
    names::SiteName,
    operator::Images,
    part::{common_labels, pairs},
};
use govuc_wire::names::{MAIL_NAMESPACE, MTA_NAMESPACE, SYSTEM_NAMESPACE};

/// Objects that belong in one file.
pub struct File {
    pub name: &'static str,
    pub objects: Vec<Value>,
}

/// What differs between installations.
#[derive(Clone, Debug)]
pub struct Installation {
    pub site: SiteName,
    /// The operator's own image.
    pub operator: String,
    pub images: Images,
    /// The engines that stores can run.
    pub engines: Engines,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("an object can't be written as JSON")]
    Json(#[from] serde_json::Error),
    #[error("an object can't be written as YAML")]
    Yaml(#[from] serde_yaml::ser::Error),
}

impl Installation {
    /// `images` by name; those left out are what `images/` builds. `engines` are images that stores may be pinned to beside.
    ///
    /// # Errors
    /// Two images of the engine have one version.
    pub fn new(
        site: SiteName,
        images: Vec<(String, String)>,
        engines: &[String],
    ) -> Result<Self, crate::operator::Error> {
        let mut map: BTreeMap<String, String> = Images::NAMES
            .into_iter()
            .chain(["operator"])
            .map(|name| (name.to_uppercase(), format!("localhost/govuc/{name}:dev")))
            .collect();
        map.extend(
            images
                .into_iter()
                .map(|(name, reference)| (name.to_uppercase(), reference)),
        );
        let images = Images::from_map(&map)?;
        Ok(Self {
            site,
            engines: Engines::of(&images.cyrus, engines)?,
            images,
            operator: map.remove("OPERATOR").unwrap_or_default(),
        })
    }
}

impl File {
    /// One YAML stream.
    pub fn yaml(&self) -> Result<String, Error> {
        let options = serde_yaml::ser_options! { prefer_block_scalars: false };
        let mut text = String::new();
        for object in &self.objects {
            text.push_str("---\n");
            text.push_str(&serde_yaml::to_string_with_options(object, options.clone())?);
        }
        Ok(text)
    }
}

/// The kinds: one file each.
pub fn crds() -> Result<Vec<File>, Error> {
    [
        ("agency.yaml", Agency::crd()),
        ("mailbox.yaml", Mailbox::crd()),
        ("mailstore.yaml", MailStore::crd()),
        ("platform.yaml", Platform::crd()),
    ]
    .into_iter()
    .map(|(name, crd)| {
        Ok(File {
            name,
            objects: vec![value(&crd)?],
        })
    })
    .collect()
}

/// The reference of the kinds: names of files, and pages.
pub fn reference() -> [(&'static str, String); 4] {
    [
        ("agency.md", Agency::crd()),
        ("mailbox.md", Mailbox::crd()),
        ("mailstore.md", MailStore::crd()),
        ("platform.md", Platform::crd()),
    ]
    .map(|(name, crd)| (name, reference::page(&crd)))
}

/// Everything beside the kinds, in the order in which it is applied.
pub fn installation(wanted: &Installation) -> Result<Vec<File>, Error> {
    Ok(vec![
        File {
            name: "namespaces.yaml",
            objects: namespaces().iter().map(value).collect::<Result<_, _>>()?,
        },
        File {
            name: "rbac.yaml",
            objects: rbac::objects()?,
        },
        File {
            name: "admission.yaml",
            objects: admission::objects()?,
        },
        File {
            name: "operator.yaml",
            objects: operator::objects(wanted)?,
        },
    ])
}

fn namespaces() -> [Namespace; 3] {
    [
        (SYSTEM_NAMESPACE, "restricted"),
        (MAIL_NAMESPACE, "restricted"),
        (MTA_NAMESPACE, "baseline"),
    ]
    .map(|(name, level)| {
        let mut labels = common_labels();
        labels.extend(pairs([("pod-security.kubernetes.io/enforce", level)]));
        Namespace {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                labels: Some(labels),
                ..Default::default()
            },
            ..Default::default()
        }
    })
}

/// Metadata of an object of the operator itself.
fn metadata(name: &str, namespace: Option<&str>) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: namespace.map(str::to_owned),
        labels: Some(common_labels()),
        ..Default::default()
    }
}

fn value<K: Resource<DynamicType = ()> + Serialize>(object: &K) -> Result<Value, Error> {
    let mut value = serde_json::to_value(object)?;
    value["apiVersion"] = json!(K::api_version(&()));
    value["kind"] = json!(K::kind(&()));
    Ok(value)
}

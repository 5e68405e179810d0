//! What the site is to have: pure.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};

use super::{
    Installation,
    desired::{self, Blueprint},
};
use crate::{
    mail_store::SESSION_SECRET,
    part::{Part, Role, common_labels, objects::Objects, template},
    pki::Wanted,
};

/// What the parts stand in. It needs nothing of the peer.
pub fn ground(installation: &Installation) -> Objects {
    Objects {
        namespaces: desired::namespaces(),
        network_policies: desired::fences(&installation.owner),
        ..Default::default()
    }
}

/// The certificates of the shared parts. The gateway has none: it ends no TLS.
pub fn certificates(installation: &Installation, trusted: &str) -> Vec<(Part, Wanted)> {
    let site = &installation.own.name;
    Role::SHARED
        .into_iter()
        .filter(|role| *role != Role::Gateway)
        .map(|role| {
            let public = desired::public_names(role, site, &installation.domain);
            let part = Part::shared(role);
            let wanted = Wanted::part(&part.name, site, role.namespace(), public, trusted);
            (part, wanted)
        })
        .collect()
}

/// The shared parts themselves, and the key their tokens are signed with.
pub fn parts(blueprint: Blueprint<'_>, session_key: &[u8; 32]) -> Result<Objects, template::Error> {
    let mut objects = Objects {
        secrets: vec![session_secret(blueprint.installation, session_key)],
        ..Default::default()
    };
    for part in desired::parts(blueprint)? {
        objects.extend(part);
    }
    Ok(objects)
}

fn session_secret(installation: &Installation, key: &[u8; 32]) -> Secret {
    Secret {
        metadata: ObjectMeta {
            name: Some(SESSION_SECRET.to_owned()),
            namespace: Some(govuc_wire::names::MAIL_NAMESPACE.to_owned()),
            labels: Some(common_labels()),
            owner_references: Some(vec![installation.owner.clone()]),
            ..Default::default()
        },
        type_: Some("Opaque".to_owned()),
        data: Some(BTreeMap::from([("key".to_owned(), ByteString(key.to_vec()))])),
        ..Default::default()
    }
}

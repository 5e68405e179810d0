//! The certificates of this site's member and of its clients.

use std::sync::Arc;

use govuc_wire::{
    names::{MAIL_NAMESPACE, MTA_NAMESPACE, SYSTEM_NAMESPACE},
    tls::Material,
};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::ObjectMeta, jiff::Timestamp};

use super::CLIENT_SECRET;
use crate::{
    cluster::Cluster,
    part::{Owner, Part, Role, common_labels},
    pki::{self, kept},
    platform::Installation,
};

/// Where other clients than the operator are: guards and routers.
const CLIENTS: [&str; 2] = [MAIL_NAMESPACE, MTA_NAMESPACE];

/// What came of it.
pub struct Certificates {
    /// What the operator shows to the members.
    pub client: Arc<Material>,
    /// When the first of them is due.
    pub renewal: Option<Timestamp>,
}

/// Has every certificate of this site, issued anew where that is due.
pub async fn ensure(
    cluster: &Cluster,
    installation: &Installation,
    joined: &kept::Joined,
    now: Timestamp,
) -> Result<Certificates, kept::Fault> {
    let authority = pki::roles_authority(&joined.root, joined.since, now)?;
    let (site, trusted) = (&installation.own.name, authority.certificate());
    let owner = &installation.owner;
    let member = Part::shared(Role::Roles);
    let held = kept::ensure(
        cluster,
        &authority,
        &member,
        &pki::member(site, trusted),
        owner,
        now,
    )
    .await?;
    let wanted = pki::client(site, trusted);
    let own = kept::ensure_in(cluster, &authority, client(SYSTEM_NAMESPACE, owner), &wanted, now).await?;
    let mut renewals = vec![held.renewal, pki::renewal(&own)];
    for namespace in CLIENTS {
        let leaf = kept::ensure_in(cluster, &authority, client(namespace, owner), &wanted, now).await?;
        renewals.push(pki::renewal(&leaf));
    }
    let material = Material::from_pem(&own.certificate, &own.key, &own.trusted).map_err(pki::Error::from)?;
    Ok(Certificates {
        client: Arc::new(material),
        renewal: renewals.into_iter().flatten().min(),
    })
}

fn client(namespace: &str, owner: Owner<'_>) -> ObjectMeta {
    ObjectMeta {
        name: Some(CLIENT_SECRET.to_owned()),
        namespace: Some(namespace.to_owned()),
        labels: Some(common_labels()),
        owner_references: Some(vec![owner.clone()]),
        ..Default::default()
    }
}

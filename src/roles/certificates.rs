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
    expiry::Holder,
    part::{Owner, Part, Role, common_labels},
    pki::{self, Leaf, Reading, kept},
    platform::Installation,
};

/// Where other clients than the operator are: guards and routers.
const CLIENTS: [&str; 2] = [MAIL_NAMESPACE, MTA_NAMESPACE];

/// What came of it.
pub struct Certificates {
    /// What the operator shows to the members where they serve.
    pub client: Arc<Material>,
    /// What it shows to the witness, which can be reached only where members speak with each other.
    pub member: Arc<Material>,
    /// When the first of them is due.
    pub renewal: Option<Timestamp>,
    /// When the authority's, the member's, and the first of the clients' end.
    pub ends: [(Holder, Option<Timestamp>); 3],
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
    let metadata = member.metadata(&member.certificate_secret(), owner);
    let held = kept::ensure_in(cluster, &authority, metadata, &pki::member(site, trusted), now).await?;
    let wanted = pki::client(site, trusted);
    let own = kept::ensure_in(cluster, &authority, client(SYSTEM_NAMESPACE, owner), &wanted, now).await?;
    let mut renewals = vec![pki::renewal(&held), pki::renewal(&own)];
    let mut ends = vec![pki::end(&own)];
    for namespace in CLIENTS {
        let leaf = kept::ensure_in(cluster, &authority, client(namespace, owner), &wanted, now).await?;
        renewals.push(pki::renewal(&leaf));
        ends.push(pki::end(&leaf));
    }
    Ok(Certificates {
        client: material(&own)?,
        member: material(&held)?,
        renewal: renewals.into_iter().flatten().min(),
        ends: [
            (
                Holder::RolesAuthority,
                Reading::of(trusted).map(|read| read.until),
            ),
            (Holder::Part(Role::Roles), pki::end(&held)),
            (Holder::RolesClient, ends.into_iter().flatten().min()),
        ],
    })
}

fn material(leaf: &Leaf) -> Result<Arc<Material>, pki::Error> {
    Ok(Arc::new(Material::from_pem(
        &leaf.certificate,
        &leaf.key,
        &leaf.trusted,
    )?))
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

//! What a plan can't know: the authorities, the parts' certificates, and what the directory says.

use std::collections::BTreeMap;

use govuc_directory::{Credentials, Directory, Endpoint, Error as DirectoryError};
use govuc_wire::{names, tls::Material};
use k8s_openapi::{api::core::v1::PersistentVolumeClaim, jiff::Timestamp};
use std::sync::Arc;

use super::{Installation, desired::SIGNATURES, plan};
use crate::{
    cluster::{self, Cluster},
    controller::chain,
    expiry::{Expiry, Holder},
    lead::Lead,
    part::Role,
    pki::kept,
    roles,
};

/// The certificates of the shared parts.
#[derive(Debug)]
pub struct Certificates {
    /// Part to digest.
    pub digests: BTreeMap<String, String>,
    /// Part to when its certificate is good no longer.
    pub ends: BTreeMap<String, Timestamp>,
    /// When the first of them is due.
    pub renewal: Option<Timestamp>,
}

impl Certificates {
    /// Into the metric, with those of the roles' etcd: without a witness there are none.
    pub fn tell(&self, roles: Option<&roles::certificates::Certificates>, expiry: &Expiry) {
        for role in Role::SHARED {
            expiry.say(Holder::Part(role), self.ends.get(role.label()).copied());
        }
        let none = [
            Holder::RolesAuthority,
            Holder::Part(Role::Roles),
            Holder::RolesClient,
        ]
        .map(|of| (of, None));
        for (holder, end) in roles.map_or(none, |roles| roles.ends) {
            expiry.say(holder, end);
        }
    }
}

/// Has every shared part's certificate, issued anew where that is due.
pub async fn certificates(
    cluster: &Cluster,
    installation: &Installation,
    joined: &kept::Joined,
    now: Timestamp,
) -> Result<Certificates, kept::Fault> {
    let mut certificates = Certificates {
        digests: BTreeMap::new(),
        ends: BTreeMap::new(),
        renewal: None,
    };
    for (part, wanted) in plan::certificates(installation, &joined.trusted) {
        let held = kept::ensure(
            cluster,
            &joined.authority,
            &part,
            &wanted,
            &installation.owner,
            now,
        )
        .await?;
        certificates
            .ends
            .extend(held.end.map(|end| (part.name.clone(), end)));
        certificates.digests.insert(part.name, held.digest);
        certificates.renewal = [certificates.renewal, held.renewal].into_iter().flatten().min();
    }
    Ok(certificates)
}

/// Whether somebody keeps signatures for the filter.
pub async fn own_signatures(cluster: &Cluster) -> Result<bool, cluster::Error> {
    let claim: Option<PersistentVolumeClaim> = cluster.read(Some(names::MAIL_NAMESPACE), SIGNATURES).await?;
    Ok(claim.is_some())
}

/// The directory of the own site, as the operator.
pub fn directory(installation: &Installation, site: &str, material: Arc<Material>) -> Directory {
    Directory::new(
        Endpoint::of_site(site),
        Credentials::Material(material),
        installation.suffix.clone(),
    )
}

/// Whether the own directory answers and has the tree. At the lead its password rules are kept, and the tree is made, but never
/// beside a tree that the peer has already: then it is about to arrive. A lead by lease has made it before it acts.
pub async fn tree(installation: &Installation, lead: &Lead, material: &Arc<Material>) -> Result<(), String> {
    let own = directory(installation, &installation.own.name, material.clone());
    let said = match (own.context_csn().await, lead.term) {
        (Err(DirectoryError::Empty), Some(term)) if !installation.leases() => {
            let peer = directory(installation, &installation.peer.name, material.clone());
            match peer.context_csn().await {
                Ok(_) => Err(DirectoryError::Empty),
                Err(_) => bootstrap(installation, &own, term).await,
            }
        }
        (Ok(_), Some(term)) => bootstrap(installation, &own, term).await,
        (other, _) => other.map(|_| ()),
    };
    said.map_err(|error| chain(&error))
}

/// Whether the other site serves, as far as this one can see: its directory answers, and with a witness the etcd that holds
/// roles has every member. Stores are seen one by one, by the reconcile of each.
pub async fn peer(
    cluster: &Cluster,
    installation: &Installation,
    material: &Arc<Material>,
    roles: Option<&roles::certificates::Certificates>,
) -> Result<(), String> {
    let site = &installation.peer.name;
    directory(installation, site, material.clone())
        .context_csn()
        .await
        .map_err(|error| format!("the directory at {site} does not answer: {}", chain(&error)))?;
    let Some(roles) = roles else { return Ok(()) };
    let members = roles::observe::look(cluster, installation, roles)
        .await
        .map_err(|error| chain(&error))?
        .word();
    if members.is_true() {
        Ok(())
    } else {
        Err(members.message)
    }
}

/// Makes what is missing of the tree, and has it say that this term has begun.
pub async fn bootstrap(
    installation: &Installation,
    own: &Directory,
    term: u64,
) -> Result<(), DirectoryError> {
    let done = own.as_lead(term).bootstrap(&installation.password).await?;
    tracing::debug!(?done, "the directory's first entries");
    Ok(())
}

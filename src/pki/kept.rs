//! What the cluster keeps of a site's trust: its own authority, what `kubectl govuc connect` brought, the parts' leaves.

use std::{collections::BTreeMap, sync::Arc};

use govuc_wire::{names, tls::Material};
use k8s_openapi::{
    ByteString,
    api::core::v1::{ConfigMap, Secret},
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
    jiff::Timestamp,
};

use super::{
    Authority, Decision, Error, Leaf, OwnCertificate, Pair, Reading, Root, Wanted, decide, end, renewal,
    trusted,
};
use crate::{
    cluster::{self, Cluster},
    controller::Label,
    part::{Owner, Part, common_labels, pod},
};

/// The authority's Secret: `tls.crt` and `tls.key`. It never leaves the cluster.
pub const AUTHORITY_SECRET: &str = "govuc-ca";
/// The peer's certificate, `ca.crt`, in a ConfigMap.
pub const PEER_CONFIG_MAP: &str = "govuc-peer-ca";
/// The Secret with the root of derived keys, `root`: the same in both clusters.
pub const ROOT_SECRET: &str = "govuc-root";
/// The key in [`ROOT_SECRET`].
pub const ROOT_KEY: &str = "root";

const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";
const TRUSTED: &str = "ca.crt";

/// What a site acts with once it is connected to its peer.
pub struct Joined {
    /// The site's own.
    pub authority: Authority,
    /// Both authorities, as PEM.
    pub trusted: String,
    pub root: Root,
    /// When this cluster got the root.
    pub since: Timestamp,
    /// The operator's own certificate.
    pub material: Arc<Material>,
}

/// A part's certificate as its pods will find it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Changes with the certificate.
    pub digest: String,
    /// When it is to be renewed.
    pub renewal: Option<Timestamp>,
    /// When it is good no longer.
    pub end: Option<Timestamp>,
}

#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    #[error(transparent)]
    Pki(#[from] Error),
    #[error("{object} has no {key} that is text")]
    Key { object: &'static str, key: &'static str },
}

impl Joined {
    /// When the site's own authority ends, and when the peer's does: if that has several, the first of them.
    pub fn ends(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        let mut ends = Reading::all(&self.trusted)
            .into_iter()
            .flatten()
            .map(|read| read.until);
        (ends.next(), ends.min())
    }
}

impl Label for Fault {
    fn label(&self) -> &'static str {
        match self {
            Fault::Cluster(error) => error.label(),
            Fault::Pki(_) | Fault::Key { .. } => "certificates",
        }
    }
}

/// Makes the site's authority where there is none, so that the sites can be connected before anything else is there, and
/// keeps the operator's own certificate good. `None` until `kubectl govuc connect` has brought what the peer has.
pub async fn joined(
    cluster: &Cluster,
    own: &OwnCertificate,
    site: &str,
    now: Timestamp,
) -> Result<Option<Joined>, Fault> {
    let authority = authority(cluster, site, now).await?;
    connected(cluster, own, authority, site, now).await
}

/// As [`joined`], but writes nothing: for replicas that do not act.
pub async fn renewed(
    cluster: &Cluster,
    own: &OwnCertificate,
    site: &str,
    now: Timestamp,
) -> Result<Option<Joined>, Fault> {
    let system = Some(names::SYSTEM_NAMESPACE);
    match cluster.read(system, AUTHORITY_SECRET).await? {
        Some(secret) => connected(cluster, own, authority_of(&secret)?, site, now).await,
        None => {
            own.forget();
            Ok(None)
        }
    }
}

async fn connected(
    cluster: &Cluster,
    own: &OwnCertificate,
    authority: Authority,
    site: &str,
    now: Timestamp,
) -> Result<Option<Joined>, Fault> {
    let system = Some(names::SYSTEM_NAMESPACE);
    let peer: Option<ConfigMap> = cluster.read(system, PEER_CONFIG_MAP).await?;
    let root: Option<Secret> = cluster.read(system, ROOT_SECRET).await?;
    let peer = peer.and_then(|map| map.data?.remove(TRUSTED));
    let since = root
        .as_ref()
        .and_then(|secret| secret.metadata.creation_timestamp.clone());
    let root = root.and_then(|secret| secret.data?.remove(ROOT_KEY));
    let (Some(peer), Some(ByteString(root))) = (peer, root) else {
        // Whoever took the peer's authority away wants it to be out now.
        own.forget();
        return Ok(None);
    };
    let trusted = trusted(authority.certificate(), &peer);
    Ok(Some(Joined {
        root: Root::new(&root)?,
        since: since.map_or(now, |Time(since)| since),
        material: own.renew(&authority, site, &trusted, now)?,
        authority,
        trusted,
    }))
}

/// The site's own authority, made when there is none. Of two replicas that race one makes it and both use it.
async fn authority(cluster: &Cluster, site: &str, now: Timestamp) -> Result<Authority, Fault> {
    let found: Option<Secret> = cluster
        .read(Some(names::SYSTEM_NAMESPACE), AUTHORITY_SECRET)
        .await?;
    let kept = match found {
        Some(secret) => secret,
        None => {
            let pair = Authority::generate(site, now)?;
            cluster.create(&authority_secret(&pair)).await?
        }
    };
    authority_of(&kept)
}

fn authority_of(secret: &Secret) -> Result<Authority, Fault> {
    let text = |key| {
        text(secret.data.as_ref(), key).ok_or(Fault::Key {
            object: AUTHORITY_SECRET,
            key,
        })
    };
    Ok(Authority::from_pair(Pair {
        certificate: text(CERTIFICATE)?,
        key: text(KEY)?,
    })?)
}

/// Keeps a part's certificate good: issues it when the decision says so, and writes nothing otherwise.
pub async fn ensure(
    cluster: &Cluster,
    authority: &Authority,
    part: &Part,
    wanted: &Wanted,
    owner: Owner<'_>,
    now: Timestamp,
) -> Result<Held, Fault> {
    let metadata = part.metadata(&part.certificate_secret(), owner);
    let leaf = ensure_in(cluster, authority, metadata, wanted, now).await?;
    Ok(Held {
        digest: pod::digest([leaf.certificate.as_str(), leaf.trusted.as_str()]),
        renewal: renewal(&leaf),
        end: end(&leaf),
    })
}

/// As [`ensure`], in a Secret with this metadata.
pub async fn ensure_in(
    cluster: &Cluster,
    authority: &Authority,
    metadata: ObjectMeta,
    wanted: &Wanted,
    now: Timestamp,
) -> Result<Leaf, Fault> {
    let name = metadata.name.as_deref().unwrap_or_default();
    let seen: Option<Secret> = cluster.read(metadata.namespace.as_deref(), name).await?;
    let existing = seen.as_ref().and_then(leaf);
    match (decide(existing.as_ref(), wanted, now), existing) {
        (Decision::Keep, Some(leaf)) => Ok(leaf),
        (decision, _) => {
            if let Decision::Issue(reason) = decision {
                tracing::info!(secret = name, reason = reason.label(), "issuing a certificate");
            }
            let leaf = authority.issue(wanted, now)?;
            cluster.apply_seen(&leaf_secret(metadata, &leaf), seen).await?;
            Ok(leaf)
        }
    }
}

fn authority_secret(pair: &Pair) -> Secret {
    Secret {
        metadata: ObjectMeta {
            name: Some(AUTHORITY_SECRET.to_owned()),
            namespace: Some(names::SYSTEM_NAMESPACE.to_owned()),
            labels: Some(common_labels()),
            ..Default::default()
        },
        type_: Some("kubernetes.io/tls".to_owned()),
        data: Some(bytes([(CERTIFICATE, &pair.certificate), (KEY, &pair.key)])),
        ..Default::default()
    }
}

fn leaf_secret(metadata: ObjectMeta, leaf: &Leaf) -> Secret {
    Secret {
        metadata,
        type_: Some("kubernetes.io/tls".to_owned()),
        data: Some(bytes([
            (CERTIFICATE, &leaf.certificate),
            (KEY, &leaf.key),
            (TRUSTED, &leaf.trusted),
        ])),
        ..Default::default()
    }
}

fn leaf(secret: &Secret) -> Option<Leaf> {
    let [certificate, key, trusted] = texts(secret);
    Some(Leaf {
        certificate: certificate?,
        key: key?,
        trusted: trusted?,
    })
}

/// The certificate, the key and the trusted authorities of a Secret, as far as they are there.
pub fn texts(secret: &Secret) -> [Option<String>; 3] {
    [CERTIFICATE, KEY, TRUSTED].map(|key| text(secret.data.as_ref(), key))
}

fn bytes<const N: usize>(items: [(&str, &String); N]) -> BTreeMap<String, ByteString> {
    items
        .into_iter()
        .map(|(key, value)| (key.to_owned(), ByteString(value.clone().into_bytes())))
        .collect()
}

fn text(data: Option<&BTreeMap<String, ByteString>>, key: &str) -> Option<String> {
    String::from_utf8(data?.get(key)?.0.clone()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::part::{Role, tests::owner};

    #[test]
    fn a_certificate_comes_back_from_its_secret_as_it_went_in() {
        let went = Leaf {
            certificate: "C".into(),
            key: "K".into(),
            trusted: "T".into(),
        };
        let part = Part::shared(Role::Mx);
        let metadata = part.metadata(&part.certificate_secret(), &owner());
        let secret = leaf_secret(metadata, &went);
        assert_eq!(secret.metadata.name.as_deref(), Some("tls-mx"));
        assert_eq!(secret.metadata.namespace.as_deref(), Some("govuc-mta"));
        assert_eq!(leaf(&secret), Some(went));
    }

    #[test]
    fn half_a_secret_is_no_certificate() {
        let secret = Secret {
            data: Some(bytes([(CERTIFICATE, &"C".to_owned())])),
            ..Default::default()
        };
        assert_eq!(leaf(&secret), None);
    }
}

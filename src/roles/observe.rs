//! What the members say, and what the cluster keeps of them.

use std::{collections::BTreeMap, time::Duration};

use govuc_etcd::{Endpoint, Error, Etcd, MemberStatus, peer};
use govuc_wire::{
    names::{MAIL_NAMESPACE, WITNESS},
    tls::Material,
};
use k8s_openapi::{
    api::core::v1::{ConfigMap, Pod},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use super::{
    FORMED_CONFIG_MAP, FORMED_KEY,
    certificates::Certificates,
    said::Refusal,
    seen::{Answer, Heard, Seen},
};
use crate::{
    cluster::{self, Cluster},
    controller::chain,
    part::{Part, Role, common_labels},
    platform::Installation,
};

/// How long anything may take that is asked of the members.
pub(super) const LIMIT: Duration = Duration::from_secs(5);

/// How the members are, seen from this site. That there is a cluster is written down before anything else.
pub async fn look(
    cluster: &Cluster,
    installation: &Installation,
    roles: &Certificates,
) -> Result<Seen, cluster::Error> {
    let formed: Option<ConfigMap> = cluster.read(Some(MAIL_NAMESPACE), FORMED_CONFIG_MAP).await?;
    let pod: Option<Pod> = cluster.read(Some(MAIL_NAMESPACE), &pod_name()).await?;
    let sites = [installation.own.name.clone(), installation.peer.name.clone()];
    let endpoints = sites.each_ref().map(|site| Endpoint::of_site(site));
    let mut seen = Seen {
        sites,
        formed: formed.is_some(),
        cluster: formed.as_ref().and_then(cluster_of),
        members: None,
        answers: [Heard::Silence, Heard::Silence],
        witness: Heard::Silence,
        refusal: pod.as_ref().and_then(Refusal::of),
        lost_witness: installation.lost_witness,
    };
    let etcd = match Etcd::with_material(endpoints.to_vec(), &roles.client) {
        Ok(etcd) => etcd,
        Err(error) => {
            tracing::warn!(error = chain(&error), "the roles' etcd can't be asked");
            return Ok(seen);
        }
    };
    let (members, own, peer, witness) = tokio::join!(
        etcd.members(LIMIT),
        answer(&etcd, &endpoints[0]),
        answer(&etcd, &endpoints[1]),
        greet_witness(&roles.member),
    );
    match members {
        Ok(members) => seen.members = Some(members),
        // It is different words at every look, so it is none for a status.
        Err(error) => tracing::info!(error = chain(&error), "no majority of the roles' etcd answers"),
    }
    seen.answers = [own, peer];
    seen.witness = witness;
    if !seen.formed
        && let Some(found) = seen.formed_cluster()
    {
        cluster.create(&evidence(found)).await?;
        tracing::info!(cluster = format!("{found:x}"), "the roles' etcd is formed");
        seen.formed = true;
        seen.cluster = Some(found);
    }
    Ok(seen)
}

async fn answer(etcd: &Etcd, endpoint: &Endpoint) -> Heard<Answer> {
    heard(endpoint, etcd.status(endpoint, LIMIT).await.map(Answer::from))
}

async fn greet_witness(member: &Material) -> Heard<u64> {
    let endpoint = Endpoint::of_peer(WITNESS);
    heard(&endpoint, peer::greet(&endpoint, member, LIMIT).await)
}

fn heard<T>(endpoint: &Endpoint, asked: Result<T, Error>) -> Heard<T> {
    match asked {
        Ok(word) => Heard::Word(word),
        Err(error @ Error::Unauthorised(_)) => Heard::Distrust(chain(&error)),
        Err(error @ Error::Malformed { .. }) => Heard::Stranger(chain(&error)),
        Err(error) => {
            tracing::debug!(member = %endpoint, error = chain(&error), "a member does not answer");
            Heard::Silence
        }
    }
}

impl From<MemberStatus> for Answer {
    fn from(status: MemberStatus) -> Self {
        Self {
            cluster: status.cluster,
            member: status.member,
            leader: status.leader,
        }
    }
}

/// Of this site's member.
fn pod_name() -> String {
    format!("{}-0", Part::shared(Role::Roles).name)
}

fn cluster_of(formed: &ConfigMap) -> Option<u64> {
    u64::from_str_radix(formed.data.as_ref()?.get(FORMED_KEY)?, 16).ok()
}

/// Not owned by Platform: it has to outlive it, as the volume does of which it tells.
fn evidence(cluster: u64) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(FORMED_CONFIG_MAP.to_owned()),
            namespace: Some(MAIL_NAMESPACE.to_owned()),
            labels: Some(common_labels()),
            ..Default::default()
        },
        data: Some(BTreeMap::from([(FORMED_KEY.to_owned(), format!("{cluster:x}"))])),
        ..Default::default()
    }
}

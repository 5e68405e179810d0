//! What the members say, and what the cluster keeps of them.

use std::time::Duration;

use govuc_etcd::{Endpoint, Error, Etcd, MemberStatus, peer};
use govuc_wire::{
    names::{MAIL_NAMESPACE, WITNESS},
    tls::Material,
};
use k8s_openapi::api::core::v1::Pod;

use super::{
    certificates::Certificates,
    formation,
    said::Refusal,
    seen::{Answer, Heard, Seen},
};
use crate::{
    cluster::{self, Cluster},
    controller::chain,
    part::{Part, Role},
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
    let formed = formation::recall(cluster).await?;
    let pod: Option<Pod> = cluster.read(Some(MAIL_NAMESPACE), &pod_name()).await?;
    let sites = [installation.own.name.clone(), installation.peer.name.clone()];
    let endpoints = sites.each_ref().map(|site| Endpoint::of_site(site));
    let mut seen = Seen {
        sites,
        formed: formed.is_some(),
        cluster: formed.and_then(|id| u64::from_str_radix(&id, 16).ok()),
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
        formation::remember(cluster, &format!("{found:x}")).await?;
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

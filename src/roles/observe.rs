//! What the members say, and what the cluster keeps of them.

use std::{collections::BTreeMap, time::Duration};

use govuc_etcd::{Endpoint, Etcd, MemberStatus, peer};
use govuc_wire::{
    names::{MAIL_NAMESPACE, WITNESS},
    tls::Material,
};
use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::ObjectMeta};

use super::{
    FORMED_CONFIG_MAP, FORMED_KEY,
    certificates::Certificates,
    health::{Answer, Seen, record},
};
use crate::{
    cluster::{self, Cluster},
    controller::chain,
    part::common_labels,
    platform::Installation,
};

/// How long anything may take that is asked of the members.
pub(super) const LIMIT: Duration = Duration::from_secs(5);

/// How the members are, seen from this site. Once this site's own member is one of a formed cluster that is written down,
/// before anything else.
pub async fn look(
    cluster: &Cluster,
    installation: &Installation,
    roles: &Certificates,
) -> Result<Seen, cluster::Error> {
    let formed: Option<ConfigMap> = cluster.read(Some(MAIL_NAMESPACE), FORMED_CONFIG_MAP).await?;
    let sites = [installation.own.name.clone(), installation.peer.name.clone()];
    let endpoints = sites.each_ref().map(|site| Endpoint::of_site(site));
    let mut seen = Seen {
        sites,
        formed: formed.is_some(),
        members: None,
        answers: [None, None],
        witness: false,
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
    seen.witness = witness;
    if !seen.formed
        && let (Some(members), Some(own)) = (&seen.members, &own)
        && record(members, &seen.sites[0]).is_some_and(|member| {
            member.id == own.member && !member.is_learner && !member.client_urls.is_empty()
        })
    {
        cluster.create(&evidence(own.cluster)).await?;
        tracing::info!(
            cluster = format!("{:x}", own.cluster),
            "the roles' etcd is formed"
        );
        seen.formed = true;
    }
    seen.answers = [own, peer].map(|status| status.map(Answer::from));
    Ok(seen)
}

async fn answer(etcd: &Etcd, endpoint: &Endpoint) -> Option<MemberStatus> {
    let asked = etcd.status(endpoint, LIMIT).await;
    asked.inspect_err(|error| silent(endpoint, error)).ok()
}

async fn greet_witness(member: &Material) -> bool {
    let endpoint = Endpoint::of_peer(WITNESS);
    let asked = peer::greet(&endpoint, member, LIMIT).await;
    asked.inspect_err(|error| silent(&endpoint, error)).is_ok()
}

fn silent(endpoint: &Endpoint, error: &govuc_etcd::Error) {
    tracing::debug!(member = %endpoint, error = chain(error), "a member does not answer");
}

impl From<MemberStatus> for Answer {
    fn from(status: MemberStatus) -> Self {
        Self {
            member: status.member,
            leader: status.leader,
        }
    }
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

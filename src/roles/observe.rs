//! What the members say, and what the cluster keeps of them.

use std::{collections::BTreeMap, collections::BTreeSet, time::Duration};

use govuc_etcd::{Endpoint, Etcd, MemberId};
use govuc_wire::{names::MAIL_NAMESPACE, tls::Material};
use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::ObjectMeta};

use super::{
    FORMED_CONFIG_MAP, FORMED_KEY,
    health::{Seen, record},
};
use crate::{
    cluster::{self, Cluster},
    controller::chain,
    part::common_labels,
    platform::Installation,
};

/// How long anything may take that is asked of the members.
const LIMIT: Duration = Duration::from_secs(5);

/// A member's own word of itself.
struct Word {
    cluster: u64,
    member: MemberId,
    connected: BTreeSet<MemberId>,
}

/// How the members are, seen from this site. Once this site's own member is one of a formed cluster that is written down,
/// before anything else.
pub async fn look(
    cluster: &Cluster,
    installation: &Installation,
    client: &Material,
) -> Result<Seen, cluster::Error> {
    let formed: Option<ConfigMap> = cluster.read(Some(MAIL_NAMESPACE), FORMED_CONFIG_MAP).await?;
    let sites = [installation.own.name.clone(), installation.peer.name.clone()];
    let endpoints = sites.each_ref().map(|site| Endpoint::of_site(site));
    let mut seen = Seen {
        sites,
        formed: formed.is_some(),
        members: None,
        present: BTreeSet::new(),
    };
    let etcd = match Etcd::with_material(endpoints.to_vec(), client) {
        Ok(etcd) => etcd,
        Err(error) => {
            tracing::warn!(error = chain(&error), "the roles' etcd can't be asked");
            return Ok(seen);
        }
    };
    let (members, own, peer) = tokio::join!(
        etcd.members(LIMIT),
        word(&etcd, &endpoints[0]),
        word(&etcd, &endpoints[1]),
    );
    match members {
        Ok(members) => seen.members = Some(members),
        // It is different words at every look, so it is none for a status.
        Err(error) => tracing::info!(error = chain(&error), "no majority of the roles' etcd answers"),
    }
    seen.present = present(own.iter().chain(&peer));
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
    Ok(seen)
}

async fn word(etcd: &Etcd, endpoint: &Endpoint) -> Option<Word> {
    let asked = tokio::try_join!(etcd.status(endpoint, LIMIT), etcd.connected(endpoint, LIMIT));
    match asked {
        Ok((status, connected)) => Some(Word {
            cluster: status.cluster,
            member: status.member,
            connected,
        }),
        Err(error) => {
            tracing::debug!(member = %endpoint, error = chain(&error), "a member does not answer");
            None
        }
    }
}

/// Members that every member which answered is, or is connected with: so that a line that is cut for one of them shows.
fn present<'a>(words: impl Iterator<Item = &'a Word>) -> BTreeSet<MemberId> {
    let words: Vec<&Word> = words.collect();
    words
        .iter()
        .flat_map(|word| word.connected.iter().copied().chain([word.member]))
        .filter(|id| {
            words
                .iter()
                .all(|word| word.member == *id || word.connected.contains(id))
        })
        .collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn word(member: u64, connected: &[u64]) -> Word {
        Word {
            cluster: 1,
            member: MemberId(member),
            connected: connected.iter().copied().map(MemberId).collect(),
        }
    }

    #[rstest]
    #[case::all(&[word(1, &[2, 3]), word(2, &[1, 3])], &[1, 2, 3])]
    #[case::the_witness_is_away(&[word(1, &[2]), word(2, &[1])], &[1, 2])]
    #[case::one_line_to_the_witness_is_cut(&[word(1, &[2]), word(2, &[1, 3])], &[1, 2])]
    #[case::one_site_is_away(&[word(1, &[3])], &[1, 3])]
    #[case::nobody(&[], &[])]
    fn who_is_there(#[case] words: &[Word], #[case] want: &[u64]) {
        let want = want.iter().copied().map(MemberId).collect();
        assert_eq!(present(words.iter()), want);
    }
}

//! The sites meet at their gateways alone, so that networks behind them may be the same; but a gateway has to be outside of the other
//! site's.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Check, Cluster, Subject, Verdict, both};

pub fn check(one: &Cluster, other: &Cluster) -> Check {
    let check = Subject::Networks;
    for (cluster, peer) in [(one, other), (other, one)] {
        if let Some((gateway, network)) = unreachable(cluster, peer) {
            return Check::new(
                check,
                Verdict::Warning,
                format!(
                    "the gateway {gateway} of {} is in {network}, a network of pods or Services of {}: what is sent to it there stays in that \
                     cluster. Remedy: give the gateway an address outside of it (spec.sites of Platform)",
                    peer.context, cluster.context
                ),
            );
        }
    }
    let (a, b) = match both(
        check,
        "network of pods or Services that is told",
        (&one.context, &one.networks),
        (&other.context, &other.networks),
    ) {
        Ok(networks) => networks,
        Err(not_checked) => return not_checked,
    };
    let shared = a.iter().find_map(|one| {
        let overlaps = |other: &&IpNet| one.contains(*other) || other.contains(one);
        b.iter().find(overlaps).map(|other| (one, other))
    });
    match shared {
        None => Check::new(check, Verdict::Good, "those of pods and Services are apart"),
        Some((network, peer)) => Check::new(
            check,
            Verdict::Warning,
            format!(
                "{network} of {} and {peer} of {} overlap. The service does not mind: its sites meet at their gateways alone",
                one.context, other.context
            ),
        ),
    }
}

/// The peer's gateway, and the network of this cluster that it is in.
fn unreachable(cluster: &Cluster, peer: &Cluster) -> Option<(String, IpNet)> {
    let (Ok(Some(platform)), Ok(Some(networks)), Ok(Some(operator))) =
        (&cluster.platform, &cluster.networks, &peer.operator)
    else {
        return None;
    };
    let site = platform
        .spec
        .sites
        .iter()
        .find(|site| site.name == operator.site)?;
    let (host, _) = site.gateway.rsplit_once(':')?;
    // A name is what DNS says at the other end; only an address can be told.
    let address: IpAddr = host.trim_matches(['[', ']']).parse().ok()?;
    let network = networks.iter().find(|network| network.contains(&address))?;
    Some((site.gateway.clone(), *network))
}

//! One rule of a policy as lines of nft that let its packets return to the caller.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::cluster::{Cluster, Number, Peer, Pod, Policy, Port, Rule};

/// Which way a packet goes, seen from the pod a policy selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Ingress,
    Egress,
}

impl Direction {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }

    /// The address of the packet that is the peer's.
    fn peer(self) -> &'static str {
        match self {
            Self::Ingress => "saddr",
            Self::Egress => "daddr",
        }
    }

    /// What `policy` allows in this direction; `None` when it does not isolate in it.
    pub(super) fn of(self, policy: &Policy) -> Option<&[Rule]> {
        match self {
            Self::Ingress => policy.ingress.as_deref(),
            Self::Egress => policy.egress.as_deref(),
        }
    }
}

/// The lines that let through what `rule` of `policy` allows to or from the pods `selected`.
pub(super) fn lines(
    cluster: &Cluster,
    policy: &Policy,
    direction: Direction,
    rule: &Rule,
    selected: &[&Pod],
) -> Vec<String> {
    let peers = match &rule.peers {
        None => vec![String::new()],
        Some(peers) => peer_matches(cluster, policy, direction, peers),
    };
    let ports = match &rule.ports {
        None => vec![String::new()],
        Some(ports) => ports
            .iter()
            .flat_map(|port| port_matches(cluster, direction, port, selected))
            .collect(),
    };
    peers
        .iter()
        .flat_map(|peer| ports.iter().map(move |port| format!("{peer}{port}return")))
        .collect()
}

fn peer_matches(cluster: &Cluster, policy: &Policy, direction: Direction, peers: &[Peer]) -> Vec<String> {
    let field = direction.peer();
    let mut addresses: Vec<Ipv4Addr> = peers
        .iter()
        .flat_map(|peer| cluster.peers(peer, &policy.namespace))
        .map(|pod| pod.address)
        .collect();
    addresses.sort();
    addresses.dedup();
    let pods = (!addresses.is_empty()).then(|| format!("ip {field} {} ", set(&addresses)));
    let blocks = peers.iter().filter_map(|peer| match peer {
        Peer::Pods { .. } => None,
        Peer::Block { cidr, except } => {
            let but: String = except
                .iter()
                .map(|cidr| format!("ip {field} != {cidr} "))
                .collect();
            Some(format!("ip {field} {cidr} {but}"))
        }
    });
    pods.into_iter().chain(blocks).collect()
}

/// A named port is a number of the pod that listens: the selected pods' for ingress, any pod's for egress.
fn port_matches(cluster: &Cluster, direction: Direction, port: &Port, selected: &[&Pod]) -> Vec<String> {
    let protocol = port.protocol;
    match &port.number {
        Number::Any => vec![format!("meta l4proto {protocol} ")],
        Number::Range(first, last) if first == last => vec![format!("{protocol} dport {first} ")],
        Number::Range(first, last) => vec![format!("{protocol} dport {first}-{last} ")],
        Number::Named(name) => {
            let listeners: Vec<&Pod> = match direction {
                Direction::Ingress => selected.to_vec(),
                Direction::Egress => cluster.pods.values().collect(),
            };
            let mut by_number: BTreeMap<u16, Vec<Ipv4Addr>> = BTreeMap::new();
            for pod in listeners {
                for port in pod
                    .ports
                    .iter()
                    .filter(|p| p.name == *name && p.protocol == protocol)
                {
                    by_number.entry(port.number).or_default().push(pod.address);
                }
            }
            let line =
                |(number, pods): (u16, Vec<_>)| format!("ip daddr {} {protocol} dport {number} ", set(&pods));
            by_number.into_iter().map(line).collect()
        }
    }
}

fn set(addresses: &[Ipv4Addr]) -> String {
    let list: Vec<String> = addresses.iter().map(Ipv4Addr::to_string).collect();
    format!("{{ {} }}", list.join(", "))
}

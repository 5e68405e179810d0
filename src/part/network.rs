//! The NetworkPolicies that follow from who may talk to whom.

use govuc_wire::names;
use k8s_openapi::{
    api::networking::v1::{
        IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
        NetworkPolicyPort, NetworkPolicySpec,
    },
    apimachinery::pkg::{
        apis::meta::v1::{LabelSelector, ObjectMeta},
        util::intstr::IntOrString,
    },
};

use super::{
    Owner, Part, ROLE_LABEL,
    arrows::{ARROWS, End},
    common_labels, pairs,
};
use crate::platform::Endpoint;

const DNS_PORT: u16 = 53;

/// A namespace in which nothing may talk to anything, until a part's own policy says so.
pub fn deny_all(namespace: &str, owner: Owner<'_>) -> NetworkPolicy {
    NetworkPolicy {
        metadata: ObjectMeta {
            // No store can be called so: their names begin with a letter.
            name: Some("0-deny-all".to_owned()),
            namespace: Some(namespace.to_owned()),
            labels: Some(common_labels()),
            owner_references: Some(vec![owner.clone()]),
            ..Default::default()
        },
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector::default()),
            policy_types: Some(both()),
            ..Default::default()
        }),
    }
}

/// What is dialled outside of the cluster. Where it is known by name only it may be at any address: policies know none but
/// numbers.
#[derive(Clone, Copy, Debug)]
pub struct Outside<'a> {
    pub peer_gateway: &'a Endpoint,
    pub witness: Option<&'a Endpoint>,
}

/// What a part may take and dial.
pub fn policy(part: &Part, outside: Outside<'_>, owner: Owner<'_>) -> NetworkPolicy {
    let here = End::Part(part.role);
    let ingress = ARROWS
        .iter()
        .filter(|arrow| arrow.to == here)
        .map(|arrow| NetworkPolicyIngressRule {
            from: peer(arrow.from, outside).map(|peer| vec![peer]),
            ports: Some(vec![port("TCP", arrow.port)]),
        })
        .collect();
    let mut egress = vec![dns()];
    egress.extend(
        ARROWS
            .iter()
            .filter(|arrow| arrow.from == here)
            .filter(|arrow| arrow.to != End::Witness || outside.witness.is_some())
            .map(|arrow| NetworkPolicyEgressRule {
                to: peer(arrow.to, outside).map(|peer| vec![peer]),
                ports: Some(vec![port(
                    "TCP",
                    endpoint(arrow.to, outside).map_or(arrow.port, |endpoint| endpoint.port),
                )]),
            }),
    );
    NetworkPolicy {
        metadata: part.metadata(&part.name, owner),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(part.selector()),
            policy_types: Some(both()),
            ingress: Some(ingress),
            egress: Some(egress),
        }),
    }
}

/// Not only to the pods of a cluster's DNS: some clusters answer on each node, or from outside any pod.
fn dns() -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule {
        to: None,
        ports: Some(vec![port("UDP", DNS_PORT), port("TCP", DNS_PORT)]),
    }
}

fn endpoint(end: End, outside: Outside<'_>) -> Option<&Endpoint> {
    match end {
        End::PeerGateway => Some(outside.peer_gateway),
        End::Witness => outside.witness,
        End::Part(_) | End::Operator | End::Anywhere => None,
    }
}

/// The pods of this role in this namespace.
pub fn pods(namespace: &str, role: &str) -> NetworkPolicyPeer {
    let labelled = |key: &str, value: &str| LabelSelector {
        match_labels: Some(pairs([(key, value)])),
        ..Default::default()
    };
    NetworkPolicyPeer {
        // Kubernetes sets this label itself.
        namespace_selector: Some(labelled("kubernetes.io/metadata.name", namespace)),
        pod_selector: Some(labelled(ROLE_LABEL, role)),
        ..Default::default()
    }
}

/// `None` is any address.
fn peer(end: End, outside: Outside<'_>) -> Option<NetworkPolicyPeer> {
    match end {
        End::Anywhere => None,
        End::Part(role) => Some(pods(role.namespace(), role.label())),
        End::Operator => Some(pods(names::SYSTEM_NAMESPACE, names::OPERATOR)),
        End::PeerGateway | End::Witness => endpoint(end, outside)?.address().map(|address| {
            let length = if address.is_ipv4() { 32 } else { 128 };
            NetworkPolicyPeer {
                ip_block: Some(IPBlock {
                    cidr: format!("{address}/{length}"),
                    ..Default::default()
                }),
                ..Default::default()
            }
        }),
    }
}

fn port(protocol: &str, number: u16) -> NetworkPolicyPort {
    NetworkPolicyPort {
        protocol: Some(protocol.to_owned()),
        port: Some(IntOrString::Int(number.into())),
        ..Default::default()
    }
}

fn both() -> Vec<String> {
    vec!["Ingress".to_owned(), "Egress".to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::part::{Role, tests::owner};
    use std::collections::BTreeSet;

    const PEER_GATEWAY: &str = "198.19.1.2";
    const WITNESS: &str = "192.0.2.3";
    const WITNESS_PORT: u16 = 2380;

    /// `docs/architecture.md` §1 and §2 in words: who dials whom, and where.
    const ALLOWED: &[(&str, &str, u16)] = &[
        ("outside", "front-door", 1993),
        ("outside", "front-door", 1465),
        ("outside", "front-door", 1443),
        ("outside", "mx", 1025),
        ("outside", "gateway", 8443),
        ("gateway", "peer", 8443),
        ("gateway", "witness", WITNESS_PORT),
        ("gateway", "roles", 8443),
        ("gateway", "roles", 8445),
        ("gateway", "directory", 8443),
        ("gateway", "store", 8443),
        ("gateway", "operator", 8443),
        ("front-door", "gateway", 8444),
        ("front-door", "directory", 8443),
        ("front-door", "store", 8443),
        ("front-door", "submission", 8443),
        ("mx", "gateway", 8444),
        ("mx", "directory", 8443),
        ("mx", "filter", 8443),
        ("mx", "store", 8443),
        ("submission", "gateway", 8444),
        ("submission", "directory", 8443),
        ("submission", "filter", 8443),
        ("submission", "store", 8443),
        ("submission", "outside", 25),
        ("mx", "outside", 25),
        ("directory", "gateway", 8444),
        ("store", "gateway", 8444),
        ("operator", "gateway", 8444),
        ("operator", "directory", 8443),
        ("operator", "store", 8443),
        ("roles", "gateway", 8444),
        ("store", "roles", 8443),
        ("front-door", "roles", 8443),
        ("mx", "roles", 8443),
        ("submission", "roles", 8443),
        ("operator", "roles", 8443),
    ];

    /// A party as a policy sees it: namespace and role of a pod, or an address.
    #[derive(Clone, Copy)]
    struct Party {
        name: &'static str,
        pod: Option<(&'static str, &'static str)>,
        address: &'static str,
    }

    fn parties() -> Vec<Party> {
        let pod = |name, namespace| Party {
            name,
            pod: Some((namespace, name)),
            address: "10.41.0.9",
        };
        let mut all: Vec<Party> = roles().map(|role| pod(role.label(), role.namespace())).collect();
        all.push(pod("operator", "govuc-system"));
        // Pods that wear a part's label where the part does not live.
        all.push(Party {
            name: "impostor",
            pod: Some(("agency-kkr", "front-door")),
            address: "10.41.0.10",
        });
        all.push(Party {
            name: "outside",
            pod: None,
            address: "203.0.113.9",
        });
        for (name, address) in [("peer", PEER_GATEWAY), ("witness", WITNESS)] {
            all.push(Party {
                name,
                pod: None,
                address,
            });
        }
        all
    }

    fn roles() -> impl Iterator<Item = Role> {
        Role::SHARED.into_iter().chain([Role::Store, Role::Roles])
    }

    fn policy_of(role: Role) -> NetworkPolicySpec {
        policy_with(role, true)
    }

    fn policy_with(role: Role, witness: bool) -> NetworkPolicySpec {
        let part = Part {
            role,
            name: role.label().to_owned(),
        };
        let endpoint = |host: &str, port| Endpoint {
            host: host.into(),
            port,
        };
        let third = endpoint(WITNESS, WITNESS_PORT);
        let outside = Outside {
            peer_gateway: &endpoint(PEER_GATEWAY, 8443),
            witness: witness.then_some(&third),
        };
        policy(&part, outside, &owner()).spec.unwrap()
    }

    fn matches(peers: Option<&Vec<NetworkPolicyPeer>>, party: Party) -> bool {
        peers.is_none_or(|peers| {
            peers.iter().any(|peer| {
                let has = |selector: Option<&LabelSelector>, key: &str, value: &str| {
                    selector
                        .and_then(|s| s.match_labels.as_ref()?.get(key))
                        .is_some_and(|v| v == value)
                };
                match (&peer.ip_block, party.pod) {
                    (Some(block), _) => block.cidr == format!("{}/32", party.address),
                    (None, Some((namespace, role))) => {
                        has(
                            peer.namespace_selector.as_ref(),
                            "kubernetes.io/metadata.name",
                            namespace,
                        ) && has(peer.pod_selector.as_ref(), ROLE_LABEL, role)
                    }
                    (None, None) => false,
                }
            })
        })
    }

    fn open(ports: Option<&Vec<NetworkPolicyPort>>, number: u16) -> bool {
        ports.is_none_or(|ports| {
            ports.iter().any(|port| {
                port.protocol.as_deref() == Some("TCP") && port.port == Some(IntOrString::Int(number.into()))
            })
        })
    }

    fn may(from: Party, to: Party, number: u16) -> bool {
        let role = |party: Party| roles().find(|role| party.pod == Some((role.namespace(), role.label())));
        let leaves = role(from).is_none_or(|role| {
            policy_of(role)
                .egress
                .unwrap()
                .iter()
                .any(|rule| matches(rule.to.as_ref(), to) && open(rule.ports.as_ref(), number))
        });
        let enters = role(to).is_none_or(|role| {
            policy_of(role)
                .ingress
                .unwrap()
                .iter()
                .any(|rule| matches(rule.from.as_ref(), from) && open(rule.ports.as_ref(), number))
        });
        leaves && enters
    }

    #[test]
    fn each_arrow_of_the_architecture_is_allowed_and_nothing_else() {
        let ports: BTreeSet<u16> = ARROWS
            .iter()
            .map(|arrow| arrow.port)
            .chain([WITNESS_PORT, 25, 143, 389, 1143, 2003, 8080, 9000, 9001])
            .collect();
        let governed =
            |party: &Party| roles().any(|role| party.pod == Some((role.namespace(), role.label())));
        // "Outside" is whoever no policy of ours governs: an impostor or the peer gets what anybody gets.
        let known_as = |party: &Party| match governed(party) {
            true => vec![party.name],
            false => vec![party.name, "outside"],
        };
        for from in parties() {
            for to in parties() {
                // Between two that no policy of ours governs there is nothing to check.
                if !governed(&from) && !governed(&to) {
                    continue;
                }
                for &port in &ports {
                    let expected = ALLOWED.iter().any(|&(source, target, number)| {
                        known_as(&from).contains(&source) && known_as(&to).contains(&target) && number == port
                    });
                    assert_eq!(
                        may(from, to, port),
                        expected,
                        "{} -> {}:{port}",
                        from.name,
                        to.name
                    );
                }
            }
        }
    }

    #[test]
    fn without_a_witness_the_gateway_dials_its_peer_and_parts_alone() {
        let dialled = |witness| policy_with(Role::Gateway, witness).egress.unwrap().len();
        assert_eq!(dialled(false) + 1, dialled(true));
        let rules = policy_with(Role::Gateway, false).egress.unwrap();
        assert!(!rules.iter().any(|rule| open(rule.ports.as_ref(), WITNESS_PORT)));
    }

    #[test]
    fn every_part_may_ask_dns() {
        for role in roles() {
            let egress = policy_of(role).egress.unwrap();
            assert!(egress.iter().any(|rule| {
                rule.to.is_none()
                    && rule.ports.iter().flatten().any(|port| {
                        port.protocol.as_deref() == Some("UDP") && port.port == Some(IntOrString::Int(53))
                    })
            }));
        }
    }

    #[test]
    fn what_has_no_policy_of_its_own_may_nothing() {
        let spec = deny_all(names::MAIL_NAMESPACE, &owner()).spec.unwrap();
        assert_eq!(spec.pod_selector, Some(LabelSelector::default()));
        assert_eq!(spec.policy_types, Some(both()));
        assert_eq!((spec.ingress, spec.egress), (None, None));
    }
}

//! What a rule set is compiled from: pods, namespaces and policies, parsed.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Namespace, Pod as ApiPod};
use k8s_openapi::api::networking::v1::{self as api, NetworkPolicy};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::core::{PartialObjectMeta, Selector, SelectorExt};
use kube::{Resource, ResourceExt};
use tracing::warn;

pub(super) type Labels = BTreeMap<String, String>;

/// All that decides who may talk to whom.
#[derive(Debug, Default)]
pub(super) struct Cluster {
    pub pods: BTreeMap<Ipv4Addr, Pod>,
    pub namespaces: BTreeMap<String, Labels>,
    /// By namespace and name.
    pub policies: Vec<Policy>,
}

/// A pod with an address of its own.
#[derive(Debug)]
pub(super) struct Pod {
    pub address: Ipv4Addr,
    pub namespace: String,
    pub labels: Labels,
    pub ports: Vec<NamedPort>,
}

#[derive(Debug)]
pub(super) struct NamedPort {
    pub name: String,
    pub protocol: Protocol,
    pub number: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

#[derive(Debug)]
pub(super) struct Policy {
    pub namespace: String,
    pub name: String,
    pub selects: Selector,
    /// `None` when the policy says nothing about this direction; an empty list allows nothing.
    pub ingress: Option<Vec<Rule>>,
    pub egress: Option<Vec<Rule>>,
}

/// Allows what comes from (or goes to) any of `peers` and is for any of `ports`. `None` is everything.
#[derive(Debug)]
pub(super) struct Rule {
    pub peers: Option<Vec<Peer>>,
    pub ports: Option<Vec<Port>>,
}

#[derive(Debug)]
pub(super) enum Peer {
    /// Pods of the namespaces selected, or of the policy's own when none is named.
    Pods {
        namespaces: Option<Selector>,
        pods: Selector,
    },
    Block {
        cidr: Cidr,
        except: Vec<Cidr>,
    },
}

#[derive(Debug)]
pub(super) struct Port {
    pub protocol: Protocol,
    pub number: Number,
}

#[derive(Debug)]
pub(super) enum Number {
    Any,
    Range(u16, u16),
    Named(String),
}

/// An IPv4 block; pods of the lab have no other addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cidr {
    address: Ipv4Addr,
    prefix: u8,
}

/// A policy that the API server let through and that still can't be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("selector: {0}")]
    Selector(String),
    #[error("protocol {0:?} is not TCP, UDP or SCTP")]
    Protocol(String),
    #[error("port {0} is not in 1 to 65535")]
    Port(i32),
    #[error("{0:?} is no CIDR block")]
    Cidr(String),
}

impl Cluster {
    pub(super) fn of(
        pods: &[Arc<ApiPod>],
        namespaces: &[Arc<PartialObjectMeta<Namespace>>],
        policies: &[Arc<NetworkPolicy>],
    ) -> Self {
        let mut oldest_first: Vec<_> = pods.iter().collect();
        // An address that changed hands belongs to the younger pod.
        oldest_first.sort_by_key(|pod| (pod.creation_timestamp(), pod.uid()));
        let mut policies: Vec<_> = policies.iter().map(|policy| Policy::of(policy)).collect();
        policies.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        Self {
            pods: oldest_first
                .into_iter()
                .filter_map(|pod| Pod::of(pod))
                .map(|pod| (pod.address, pod))
                .collect(),
            namespaces: namespaces
                .iter()
                .map(|ns| (ns.name_any(), ns.labels().clone()))
                .collect(),
            policies,
        }
    }

    /// Pods that `peer` of a policy in `namespace` means; none for a block.
    pub(super) fn peers<'a>(&'a self, peer: &'a Peer, namespace: &'a str) -> impl Iterator<Item = &'a Pod> {
        self.pods.values().filter(move |pod| match peer {
            Peer::Block { .. } => false,
            Peer::Pods { namespaces, pods } => {
                pods.matches(&pod.labels)
                    && match namespaces {
                        None => pod.namespace == namespace,
                        Some(selector) => self
                            .namespaces
                            .get(&pod.namespace)
                            .is_some_and(|l| selector.matches(l)),
                    }
            }
        })
    }
}

impl Pod {
    /// `None` for a pod without an address of its own: not started, over, or on the node's network.
    fn of(pod: &ApiPod) -> Option<Self> {
        let spec = pod.spec.as_ref()?;
        let status = pod.status.as_ref()?;
        let over = matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"));
        if over || spec.host_network == Some(true) {
            return None;
        }
        // A sidecar is an init container that goes on running.
        let sidecars = spec
            .init_containers
            .iter()
            .flatten()
            .filter(|c| c.restart_policy.as_deref() == Some("Always"));
        let ports = spec
            .containers
            .iter()
            .chain(sidecars)
            .flat_map(|container| container.ports.iter().flatten());
        let named = ports.filter_map(|port| {
            Some(NamedPort {
                name: port.name.clone()?,
                protocol: Protocol::of(port.protocol.as_deref()).ok()?,
                number: u16::try_from(port.container_port).ok()?,
            })
        });
        Some(Self {
            address: status.pod_ip.as_ref()?.parse().ok()?,
            namespace: pod.namespace()?,
            labels: pod.labels().clone(),
            ports: named.collect(),
        })
    }
}

impl Policy {
    /// A policy that can't be read allows nothing to anyone of its namespace: closed is the safe mistake.
    fn of(policy: &NetworkPolicy) -> Self {
        Self::parse(policy).unwrap_or_else(|error| {
            let (namespace, name) = (policy.namespace().unwrap_or_default(), policy.name_any());
            warn!(namespace, name, %error, "network policy can't be read; its namespace is closed");
            let selects = Selector::default();
            Self {
                namespace,
                name,
                selects,
                ingress: Some(Vec::new()),
                egress: Some(Vec::new()),
            }
        })
    }

    fn parse(policy: &NetworkPolicy) -> Result<Self, Error> {
        let spec = policy.spec.clone().unwrap_or_default();
        let ingress = spec.ingress.unwrap_or_default();
        let egress = spec.egress.unwrap_or_default();
        // The default of policyTypes: ingress always, egress when there are rules for it.
        let covers = |direction: &str, default: bool| match &spec.policy_types {
            Some(types) if !types.is_empty() => types.iter().any(|t| t == direction),
            _ => default,
        };
        let egress_covered = covers("Egress", !egress.is_empty());
        let ingress_rules = ingress.into_iter().map(|rule| Rule::parse(rule.from, rule.ports));
        let egress_rules = egress.into_iter().map(|rule| Rule::parse(rule.to, rule.ports));
        Ok(Self {
            namespace: policy.namespace().unwrap_or_default(),
            name: policy.meta().name.clone().unwrap_or_default(),
            selects: selector(spec.pod_selector.unwrap_or_default())?,
            ingress: covers("Ingress", true)
                .then(|| ingress_rules.collect())
                .transpose()?,
            egress: egress_covered.then(|| egress_rules.collect()).transpose()?,
        })
    }

    pub(super) fn selects(&self, pod: &Pod) -> bool {
        pod.namespace == self.namespace && self.selects.matches(&pod.labels)
    }
}

impl Rule {
    /// Absent and empty lists both mean everything.
    fn parse(
        peers: Option<Vec<api::NetworkPolicyPeer>>,
        ports: Option<Vec<api::NetworkPolicyPort>>,
    ) -> Result<Self, Error> {
        let peers = peers.filter(|peers| !peers.is_empty());
        let ports = ports.filter(|ports| !ports.is_empty());
        Ok(Self {
            peers: peers
                .map(|peers| peers.into_iter().map(Peer::parse).collect())
                .transpose()?,
            ports: ports
                .map(|ports| ports.into_iter().map(Port::parse).collect())
                .transpose()?,
        })
    }
}

impl Peer {
    fn parse(peer: api::NetworkPolicyPeer) -> Result<Self, Error> {
        if let Some(block) = peer.ip_block {
            let except = block.except.unwrap_or_default();
            return Ok(Self::Block {
                cidr: block.cidr.parse()?,
                except: except.iter().map(|cidr| cidr.parse()).collect::<Result<_, _>>()?,
            });
        }
        Ok(Self::Pods {
            namespaces: peer.namespace_selector.map(selector).transpose()?,
            pods: selector(peer.pod_selector.unwrap_or_default())?,
        })
    }
}

impl Port {
    fn parse(port: api::NetworkPolicyPort) -> Result<Self, Error> {
        let number = |n: i32| u16::try_from(n).map_err(|_| Error::Port(n));
        Ok(Self {
            protocol: Protocol::of(port.protocol.as_deref())?,
            number: match port.port {
                None => Number::Any,
                Some(IntOrString::String(name)) => Number::Named(name),
                Some(IntOrString::Int(first)) => {
                    Number::Range(number(first)?, number(port.end_port.unwrap_or(first))?)
                }
            },
        })
    }
}

impl Protocol {
    fn of(name: Option<&str>) -> Result<Self, Error> {
        match name {
            None | Some("TCP") => Ok(Self::Tcp),
            Some("UDP") => Ok(Self::Udp),
            Some("SCTP") => Ok(Self::Sctp),
            Some(other) => Err(Error::Protocol(other.into())),
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

impl FromStr for Cidr {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parsed = text.split_once('/').and_then(|(address, prefix)| {
            let prefix = prefix.parse().ok().filter(|prefix| *prefix <= 32)?;
            Some(Self {
                address: address.parse().ok()?,
                prefix,
            })
        });
        parsed.ok_or_else(|| Error::Cidr(text.into()))
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

fn selector(selector: LabelSelector) -> Result<Selector, Error> {
    Selector::try_from(selector).map_err(|error| Error::Selector(error.to_string()))
}

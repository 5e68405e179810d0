//! The Services by which a part is reached, called the same in both clusters.

use std::net::IpAddr;

use govuc_wire::names;
use k8s_openapi::{
    api::core::v1::{Service, ServicePort, ServiceSpec},
    apimachinery::pkg::util::intstr::IntOrString,
};

use super::{Owner, Part, Role};

/// A port the public dials, and the unprivileged one a container listens on for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Public {
    pub name: &'static str,
    pub port: u16,
    pub target: u16,
}

/// `<part>-<site>` in the own cluster: selects the part.
pub fn own(part: &Part, site: &str, owner: Owner<'_>) -> Service {
    own_port(part, &part.name, names::TLS_PORT, site, owner)
}

/// `<name>-<site>` in the own cluster: selects another port of the part's containers.
pub fn own_port(part: &Part, name: &str, target: u16, site: &str, owner: Owner<'_>) -> Service {
    // A guard that is not ready still tells its status, and still takes what its primary sends it; members of the roles'
    // etcd get ready by talking to each other.
    let before_ready = matches!(part.role, Role::Store | Role::Roles);
    Service {
        metadata: part.metadata(&names::service(name, site), owner),
        spec: Some(ServiceSpec {
            selector: Some(part.pod_labels()),
            ports: Some(vec![tls_port(target)]),
            publish_not_ready_addresses: before_ready.then_some(true),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// `<part>-<site>` of the peer's part: selects the own gateway, which passes the stream on. A Service selects in its
/// own namespace, so only parts in the gateway's have one; nothing dials the others across the line.
pub fn peer(part: &Part, peer: &str, owner: Owner<'_>) -> Service {
    away(part, &part.name, peer, owner)
}

/// As [`peer`], for `<name>-<place>`.
pub fn away(part: &Part, name: &str, place: &str, owner: Owner<'_>) -> Service {
    Service {
        metadata: part.metadata(&names::service(name, place), owner),
        spec: Some(ServiceSpec {
            selector: Some(Part::shared(Role::Gateway).pod_labels()),
            ports: Some(vec![tls_port(names::EGRESS_PORT)]),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// A part's public address. Policy `Local` keeps the client's address, which rate limits, logs and sender checks need.
pub fn public(part: &Part, address: Option<IpAddr>, ports: &[Public], owner: Owner<'_>) -> Service {
    let ports = ports
        .iter()
        .map(|public| ServicePort {
            name: Some(public.name.to_owned()),
            port: public.port.into(),
            target_port: Some(IntOrString::Int(public.target.into())),
            ..Default::default()
        })
        .collect();
    Service {
        metadata: part.metadata(&part.name, owner),
        spec: Some(ServiceSpec {
            type_: Some("LoadBalancer".to_owned()),
            selector: Some(part.pod_labels()),
            ports: Some(ports),
            external_traffic_policy: Some("Local".to_owned()),
            load_balancer_ip: address.map(|address| address.to_string()),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn tls_port(target: u16) -> ServicePort {
    ServicePort {
        name: Some("tls".to_owned()),
        port: names::TLS_PORT.into(),
        target_port: Some(IntOrString::Int(target.into())),
        ..Default::default()
    }
}

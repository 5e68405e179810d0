//! The gateway: the one port between the sites. It passes TLS on by server name and ends none.

use govuc_wire::names;
use k8s_openapi::api::core::v1::Probe;

use super::{Blueprint, Files, rendered};
use crate::part::{
    Part, Role, arrows,
    objects::Objects,
    pod::{self, Needs},
    service::{self, Public},
    template, workload,
};
use crate::platform::Endpoint;

const USER: i64 = 65532;
const REPLICAS: i32 = 2;
const NEEDS: Needs = Needs { cpu: 20, memory: 48 };
/// Longer than its `hard-stop-after`.
const GRACE_SECONDS: i64 = 30;
const TEMPLATE: &str = include_str!("../../../images/haproxy/gateway.cfg.in");

pub fn gateway(blueprint: Blueprint<'_>) -> Result<Objects, template::Error> {
    let part = Part::shared(Role::Gateway);
    let (own, peer) = (&blueprint.installation.own, &blueprint.installation.peer);
    let owner = blueprint.owner();
    let peer_gateway = peer.gateway.to_string();
    let witness = blueprint.installation.witness.as_ref();
    let witness = witness.map(Endpoint::to_string).unwrap_or_default();
    let witness_name = names::server_name(names::ROLES_PEER, names::WITNESS, names::MAIL_NAMESPACE);
    let values = [
        ("site", own.name.as_str()),
        ("peer", &peer.name),
        ("peer_gateway", &peer_gateway),
        ("witness", &witness),
        ("witness_name", &witness_name),
    ];
    let files = Files::from([("haproxy.cfg".to_owned(), rendered(TEMPLATE, &values)?)]);

    let mut haproxy = pod::container("haproxy", &blueprint.images.haproxy, NEEDS);
    haproxy.ports = Some(vec![
        pod::port("inbound", names::TLS_PORT),
        pod::port("outbound", names::EGRESS_PORT),
        pod::port("http", names::PROBE_PORT),
    ]);
    haproxy.liveness_probe = Some(pod::http_probe("/livez"));
    haproxy.readiness_probe = Some(Probe {
        period_seconds: Some(5),
        ..pod::http_probe("/readyz")
    });
    haproxy.volume_mounts = Some(vec![pod::read_only("config", "/etc/govuc/haproxy")]);
    let volumes = vec![pod::config_volume("config", &part.name)];
    let mut spec = pod::spec(&part, USER, vec![haproxy], volumes);
    spec.termination_grace_period_seconds = Some(GRACE_SECONDS);
    let restarts_with = blueprint.restarts_with(&part, &[&files]);
    let port = Public {
        port: own.gateway.port,
        ..arrows::GATEWAY
    };
    Ok(Objects {
        services: vec![
            service::public(&part, own.gateway.address(), &[port], owner),
            // The peer's operator has no part here of whose Services it could be one.
            service::away(&part, names::OPERATOR, &peer.name, owner),
        ],
        config_maps: vec![workload::config_map(&part, &part.name, files, owner)],
        deployments: vec![workload::deployment(&part, REPLICAS, spec, &restarts_with, owner)],
        ..blueprint.surroundings(&part)
    })
}

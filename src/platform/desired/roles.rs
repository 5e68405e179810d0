//! This site's member of the etcd that holds roles. There is one only where there is a witness.

use govuc_wire::names;
use k8s_openapi::{
    api::core::v1::{ConfigMapVolumeSource, Probe, Volume},
    apimachinery::pkg::api::resource::Quantity,
};

use super::{Blueprint, Files};
use crate::{
    part::{
        Part, Role,
        arrows::ROLES_PEERS,
        objects::Objects,
        pod::{self, Needs},
        service, template,
        workload::{self, Claim},
    },
    roles::{
        FORMED_CONFIG_MAP, FORMED_KEY, TLS_PATH,
        member::{self, Place},
    },
};

const USER: i64 = 65532;
const NEEDS: Needs = Needs { cpu: 30, memory: 96 };
/// Some hundred MiB of log beside the database, which may take 256 MiB.
const VOLUME: &str = "2Gi";
const FORMED_PATH: &str = "/etc/govuc/formed";

pub fn roles(blueprint: Blueprint<'_>) -> Result<Objects, template::Error> {
    let part = Part::shared(Role::Roles);
    let owner = blueprint.owner();
    let (own, peer) = (
        &blueprint.installation.own.name,
        &blueprint.installation.peer.name,
    );
    let files = files(blueprint)?;

    let mut etcd = pod::container("etcd", &blueprint.images.etcd, NEEDS);
    etcd.ports = Some(vec![
        pod::port("tls", names::TLS_PORT),
        pod::port("peer", ROLES_PEERS),
        pod::port("http", names::PROBE_PORT),
    ]);
    // It reads its own copy only: a member without a majority is no better for being started again.
    etcd.liveness_probe = Some(Probe {
        initial_delay_seconds: Some(30),
        timeout_seconds: Some(10),
        failure_threshold: Some(6),
        ..pod::http_probe("/livez")
    });
    // It asks the majority.
    etcd.readiness_probe = Some(Probe {
        period_seconds: Some(5),
        timeout_seconds: Some(5),
        ..pod::http_probe("/readyz")
    });
    etcd.volume_mounts = Some(vec![
        pod::mount("data", "/var/lib/etcd"),
        pod::read_only("config", "/etc/govuc/etcd"),
        pod::read_only("formed", FORMED_PATH),
        pod::read_only("roles", TLS_PATH),
    ]);
    let volumes = vec![
        pod::claimed_volume("data", &part.name),
        pod::config_volume("config", &part.name),
        formed_volume(),
        pod::secret_volume("roles", &part.certificate_secret()),
    ];
    let spec = pod::spec(&part, USER, vec![etcd], volumes);
    // Not with its certificate: etcd reads that at every handshake.
    let restarts_with = pod::digest(
        files
            .iter()
            .flat_map(|(name, text)| [name.as_str(), text.as_str()]),
    );
    Ok(Objects {
        services: vec![
            service::own(&part, own, owner),
            service::own_port(&part, names::ROLES_PEER, ROLES_PEERS, own, owner),
            service::peer(&part, peer, owner),
            service::away(&part, names::ROLES_PEER, peer, owner),
            service::away(&part, names::ROLES_PEER, names::WITNESS, owner),
        ],
        config_maps: vec![workload::config_map(&part, &part.name, files, owner)],
        volume_claims: vec![workload::volume_claim(
            &part,
            Claim {
                size: Quantity(VOLUME.to_owned()),
                class: None,
            },
        )],
        stateful_sets: vec![workload::stateful_set(&part, spec, &restarts_with, owner)],
        // There is one pod, so a budget could only forbid what a drain needs, and the others are a majority without it.
        disruption_budgets: Vec::new(),
        ..blueprint.surroundings(&part)
    })
}

fn files(blueprint: Blueprint<'_>) -> Result<Files, template::Error> {
    let site = &blueprint.installation.own.name;
    let everywhere = |scheme: &str, port: u16| format!("{scheme}://0.0.0.0:{port}");
    let place = Place {
        data: "/var/lib/etcd/roles",
        tls: TLS_PATH,
        listen_peers: everywhere("https", ROLES_PEERS),
        listen_clients: everywhere("https", names::TLS_PORT),
        listen_metrics: everywhere("http", names::PROBE_PORT),
        client_url: member::client_url(site),
        asks: vec![&blueprint.installation.peer.name],
        formed_file: &format!("{FORMED_PATH}/{FORMED_KEY}"),
        cluster: "",
    };
    let settings = member::settings(blueprint.installation, blueprint.roles_token, site, &place)?;
    Ok(Files::from([(member::FILE.to_owned(), settings)]))
}

/// Empty until the cluster was formed.
fn formed_volume() -> Volume {
    Volume {
        name: "formed".to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name: FORMED_CONFIG_MAP.to_owned(),
            optional: Some(true),
            ..Default::default()
        }),
        ..Default::default()
    }
}

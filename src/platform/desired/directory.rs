//! The directory: one OpenLDAP provider per site, each replicating from the other.

use govuc_wire::names;
use k8s_openapi::{api::core::v1::Probe, apimachinery::pkg::api::resource::Quantity};

use super::{Blueprint, Files, rendered};
use crate::part::{
    Part, Role,
    objects::Objects,
    pod::{self, Medium, Needs},
    service, template,
    workload::{self, Claim},
};

const USER: i64 = 901;
const NEEDS: Needs = Needs { cpu: 30, memory: 128 };
/// Above the database's largest size (`maxsize` in its configuration), which a map of memory must not meet the end of.
const VOLUME: &str = "10Gi";
const TEMPLATE: &str = include_str!("../../../images/openldap/slapd.conf.in");

pub fn directory(blueprint: Blueprint<'_>) -> Result<Objects, template::Error> {
    let part = Part::shared(Role::Directory);
    let installation = blueprint.installation;
    let owner = blueprint.owner();
    let files = files(blueprint)?;

    let mut slapd = pod::container("slapd", &blueprint.images.openldap, NEEDS);
    slapd.ports = Some(vec![pod::port("tls", names::TLS_PORT)]);
    let whoami = [
        "ldapwhoami",
        "-Q",
        "-Y",
        "EXTERNAL",
        "-H",
        "ldapi://%2Frun%2Fslapd%2Fldapi/",
    ];
    // It answers before the tree is there: who makes the tree has to reach it.
    slapd.readiness_probe = Some(Probe {
        period_seconds: Some(5),
        ..pod::command_probe(&whoami)
    });
    slapd.liveness_probe = Some(Probe {
        failure_threshold: Some(6),
        ..pod::command_probe(&whoami)
    });
    slapd.volume_mounts = Some(vec![
        pod::mount("data", "/var/lib/ldap"),
        pod::mount("run", "/run/slapd"),
        pod::mount("tmp", "/tmp"),
        pod::read_only("config", "/etc/govuc/directory"),
        pod::tls_mount(),
    ]);
    let volumes = vec![
        pod::claimed_volume("data", &part.name),
        pod::scratch_volume("run", Medium::Memory),
        pod::scratch_volume("tmp", Medium::Memory),
        pod::config_volume("config", &part.name),
        pod::tls_volume(&part),
    ];
    let spec = pod::spec(&part, USER, vec![slapd], volumes);
    let restarts_with = blueprint.restarts_with(&part, &[&files]);
    Ok(Objects {
        services: vec![
            blueprint.own_service(&part),
            service::peer(&part, &installation.peer.name, owner),
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
        ..blueprint.surroundings(&part)
    })
}

fn files(blueprint: Blueprint<'_>) -> Result<Files, template::Error> {
    let installation = blueprint.installation;
    let peer = names::server_name("directory", &installation.peer.name, names::MAIL_NAMESPACE);
    let values = [
        ("suffix", installation.suffix.dn()),
        // A number of each provider's own, in every change it writes, whoever leads.
        ("server-id", installation.place.number()),
        ("peer-server", peer.as_str()),
    ];
    Ok(Files::from([(
        "slapd.conf".to_owned(),
        rendered(TEMPLATE, &values)?,
    )]))
}

//! The filter: rspamd and clamd, behind a tunnel that lets this site's Postfix in.

use govuc_wire::names;
use k8s_openapi::api::core::v1::Volume;

use super::{Blueprint, Files, tunnel};
use crate::part::{
    Part, Role,
    objects::Objects,
    pod::{self, Medium, Needs},
    template, workload,
};

const USER: i64 = 65532;
const RSPAMD: Needs = Needs { cpu: 50, memory: 192 };
const CLAMD: Needs = Needs { cpu: 20, memory: 96 };
/// The ConfigMap with the signature by which anybody can test a scanner.
const TEST_SIGNATURE: &str = include_str!("../../../images/filter/test.ndb");

/// A claim of this name in `govuc-mail`, kept current by whoever made it, takes the place of the test signature.
pub const SIGNATURES: &str = "filter-signatures";

pub fn filter(blueprint: Blueprint<'_>) -> Result<Objects, template::Error> {
    let part = Part::shared(Role::Filter);
    let owner = blueprint.owner();
    let tunnel_files = tunnel::files(blueprint, &[tunnel::Way::FromMta])?;

    let mut rspamd = pod::container("rspamd", &blueprint.images.filter, RSPAMD);
    rspamd.volume_mounts = Some(vec![
        pod::mount("rspamd", "/var/lib/rspamd"),
        pod::mount("run", "/run/rspamd"),
        pod::mount("tmp", "/tmp"),
    ]);
    let mut clamd = pod::container("clamd", &blueprint.images.filter, CLAMD);
    clamd.command = Some(vec!["/usr/sbin/clamd".to_owned()]);
    clamd.volume_mounts = Some(vec![
        pod::read_only("signatures", "/var/lib/clamav"),
        pod::mount("tmp", "/tmp"),
    ]);
    let mut tunnel = tunnel::container(blueprint);
    tunnel
        .ports
        .get_or_insert_default()
        .push(pod::port("tls", names::TLS_PORT));

    let volumes = vec![
        pod::scratch_volume("rspamd", Medium::Disk),
        pod::scratch_volume("run", Medium::Memory),
        pod::scratch_volume("tmp", Medium::Disk),
        signatures(blueprint.own_signatures),
        tunnel::volume(&part),
        pod::tls_volume(&part),
    ];
    let spec = pod::spec(&part, USER, vec![rspamd, clamd, tunnel], volumes);
    let restarts_with = blueprint.restarts_with(&part, &[&tunnel_files]);
    let test_signature = Files::from([("test.ndb".to_owned(), TEST_SIGNATURE.to_owned())]);
    Ok(Objects {
        services: vec![blueprint.own_service(&part)],
        config_maps: vec![
            workload::config_map(&part, SIGNATURES, test_signature, owner),
            tunnel::config_map(blueprint, &part, tunnel_files),
        ],
        stateful_sets: vec![workload::stateful_set(&part, spec, &restarts_with, owner)],
        ..blueprint.surroundings(&part)
    })
}

fn signatures(claimed: bool) -> Volume {
    if claimed {
        pod::claimed_volume("signatures", SIGNATURES)
    } else {
        pod::config_volume("signatures", SIGNATURES)
    }
}

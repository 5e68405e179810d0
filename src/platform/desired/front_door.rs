//! The front door: nginx ends people's TLS, the router beside it checks the password and carries the bytes to the store.

use k8s_openapi::api::core::v1::Probe;

use super::{Blueprint, Files, rendered, router};
use crate::part::{
    Part, Role, arrows,
    objects::Objects,
    pod::{self, Medium, Needs},
    service, template, workload,
};

const USER: i64 = 65532;
const REPLICAS: i32 = 2;
const NEEDS: Needs = Needs { cpu: 30, memory: 64 };
/// Longer than `worker_shutdown_timeout` in nginx' configuration.
const GRACE_SECONDS: i64 = 30;
const STATUS_PORT: u16 = 8081;
const TEMPLATE: &str = include_str!("../../../images/nginx/nginx.conf.in");

pub fn front_door(blueprint: Blueprint<'_>) -> Result<Objects, template::Error> {
    let part = Part::shared(Role::FrontDoor);
    let own = &blueprint.installation.own;
    let owner = blueprint.owner();
    let [public_name, hostname] = names(&own.name, &blueprint.installation.domain);
    let values = [("hostname", hostname.as_str()), ("public_name", &public_name)];
    let files = Files::from([("nginx.conf".to_owned(), rendered(TEMPLATE, &values)?)]);

    let public = [arrows::IMAPS, arrows::SUBMISSIONS, arrows::HTTPS];
    let mut nginx = pod::container("nginx", &blueprint.images.nginx, NEEDS);
    nginx.ports = Some(
        public
            .iter()
            .map(|public| pod::port(public.name, public.target))
            .chain([pod::port("status", STATUS_PORT)])
            .collect(),
    );
    nginx.liveness_probe = Some(pod::http_probe_at(STATUS_PORT, "/livez"));
    nginx.readiness_probe = Some(Probe {
        period_seconds: Some(5),
        ..pod::http_probe_at(STATUS_PORT, "/livez")
    });
    nginx.volume_mounts = Some(vec![
        pod::read_only("config", "/etc/govuc/nginx"),
        pod::mount("run", "/run/nginx"),
        pod::tls_mount(),
    ]);
    let mut volumes = vec![
        pod::config_volume("config", &part.name),
        // Never on a disk: a request's body holds a password.
        pod::scratch_volume("run", Medium::Memory),
        pod::tls_volume(&part),
    ];
    volumes.extend(router::volumes(&part));
    volumes.extend(router::roles_volume(blueprint));
    let router = router::container(blueprint, router::Beside::Nginx);
    let mut spec = pod::spec(&part, USER, vec![nginx, router], volumes);
    spec.termination_grace_period_seconds = Some(GRACE_SECONDS);
    let engine = blueprint.restarts_with(&part, &[&files]);
    let restarts_with = pod::digest([engine.as_str(), blueprint.session]);
    Ok(Objects {
        services: vec![service::public(&part, own.front_door, &public, owner)],
        config_maps: vec![
            workload::config_map(&part, &part.name, files, owner),
            router::rules(blueprint, &part),
        ],
        deployments: vec![workload::deployment(&part, REPLICAS, spec, &restarts_with, owner)],
        ..blueprint.surroundings(&part)
    })
}

/// What people's programs call it: the service's name, then this site's.
pub fn names(site: &str, domain: &str) -> [String; 2] {
    [format!("mail.{domain}"), format!("mail.{site}.{domain}")]
}

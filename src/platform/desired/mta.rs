//! Postfix in its two roles: mx takes mail for the agencies, submission takes mail from the people.

use govuc_wire::names;
use k8s_openapi::{
    api::core::v1::{Container, PodSpec},
    apimachinery::pkg::api::resource::Quantity,
};

use super::{
    Blueprint, Files, rendered, router,
    tunnel::{self, Way},
};
use crate::part::{
    Part, Role, arrows,
    objects::Objects,
    pod::{self, Medium, Needs},
    service, template,
    workload::{self, Claim},
};

/// Which Postfix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    Mx,
    Submission,
}

/// Router and tunnel; root's group, because the queue's volume can't belong to a group of the pod's.
const USER: i64 = 65532;
const ROOT_GROUP: i64 = 0;
const NEEDS: Needs = Needs { cpu: 30, memory: 96 };
const PREPARE: Needs = Needs { cpu: 10, memory: 32 };
/// Accepted mail that waits for a store or another site.
const QUEUE: &str = "10Gi";
const MAIN: &str = include_str!("../../../images/postfix/main.cf.in");
const MASTER: &str = include_str!("../../../images/postfix/master.cf.in");

impl Duty {
    pub fn role(self) -> Role {
        match self {
            Duty::Mx => Role::Mx,
            Duty::Submission => Role::Submission,
        }
    }

    /// What it calls itself to others.
    pub fn host_name(self, site: &str, domain: &str) -> String {
        format!("{}.{site}.{domain}", self.role().label())
    }

    fn main(self) -> &'static str {
        match self {
            Duty::Mx => include_str!("../../../images/postfix/main.mx.cf.in"),
            Duty::Submission => include_str!("../../../images/postfix/main.submission.cf.in"),
        }
    }

    fn master(self) -> &'static str {
        match self {
            Duty::Mx => include_str!("../../../images/postfix/master.mx.cf.in"),
            Duty::Submission => include_str!("../../../images/postfix/master.submission.cf.in"),
        }
    }

    fn ways(self) -> &'static [Way] {
        match self {
            Duty::Mx => &[Way::ToFilter],
            Duty::Submission => &[Way::ToFilter, Way::FromFrontDoor],
        }
    }
}

pub fn mta(blueprint: Blueprint<'_>, duty: Duty) -> Result<Objects, template::Error> {
    let part = Part::shared(duty.role());
    let owner = blueprint.owner();
    let files = files(blueprint, duty)?;
    let tunnel_files = tunnel::files(blueprint, duty.ways())?;

    let mut postfix = postfix(blueprint);
    let mut tunnel = tunnel::container(blueprint);
    let service = match duty {
        Duty::Mx => {
            postfix.ports = Some(vec![pod::port("smtp", arrows::SMTP.target)]);
            postfix.readiness_probe = Some(pod::tcp_probe(arrows::SMTP.target));
            service::public(&part, blueprint.installation.own.mx, &[arrows::SMTP], owner)
        }
        Duty::Submission => {
            let ports = tunnel.ports.get_or_insert_default();
            ports.push(pod::port("tls", names::TLS_PORT));
            blueprint.own_service(&part)
        }
    };
    let router = router::container(blueprint, router::Beside::Postfix);
    let mut spec = spec(&part, vec![prepare(blueprint)], vec![postfix, router, tunnel]);
    let volumes = spec.volumes.get_or_insert_default();
    volumes.extend(router::roles_volume(blueprint));
    let restarts_with = blueprint.restarts_with(&part, &[&files, &tunnel_files]);
    Ok(Objects {
        services: vec![service],
        config_maps: vec![
            workload::config_map(&part, &part.name, files, owner),
            tunnel::config_map(blueprint, &part, tunnel_files),
        ],
        volume_claims: vec![workload::volume_claim(
            &part,
            Claim {
                size: Quantity(QUEUE.to_owned()),
                class: None,
            },
        )],
        stateful_sets: vec![workload::stateful_set(&part, spec, &restarts_with, owner)],
        ..blueprint.surroundings(&part)
    })
}

fn files(blueprint: Blueprint<'_>, duty: Duty) -> Result<Files, template::Error> {
    let installation = blueprint.installation;
    let hostname = duty.host_name(&installation.own.name, &installation.domain);
    let values = [("hostname", hostname.as_str()), ("domain", &installation.domain)];
    Ok(Files::from([
        (
            "main.cf".to_owned(),
            rendered(&format!("{MAIN}\n{}", duty.main()), &values)?,
        ),
        (
            "master.cf".to_owned(),
            rendered(&format!("{MASTER}\n{}", duty.master()), &[])?,
        ),
    ]))
}

/// Without a liveness probe: its master is process 1, and a master that ended is a container that ended.
///
/// Postfix starts as root only, and hands its processes to other users: three capabilities, in a user namespace.
fn postfix(blueprint: Blueprint<'_>) -> Container {
    let mut container = pod::container("postfix", &blueprint.images.postfix, NEEDS);
    pod::as_root(&mut container, &["SETUID", "SETGID", "DAC_OVERRIDE"]);
    container.volume_mounts = Some(mounts());
    container
}

/// Gives the queue its folders and their owners, so that Postfix need not.
fn prepare(blueprint: Blueprint<'_>) -> Container {
    let mut container = pod::container("prepare", &blueprint.images.postfix, PREPARE);
    container.command = Some(vec!["/usr/lib/govuc/prepare".to_owned()]);
    pod::as_root(&mut container, &["CHOWN", "FOWNER", "DAC_OVERRIDE"]);
    container.volume_mounts = Some(mounts());
    container
}

fn mounts() -> Vec<k8s_openapi::api::core::v1::VolumeMount> {
    vec![
        pod::mount("queue", "/var/spool/postfix"),
        pod::mount("state", "/var/lib/postfix"),
        // File by file: the folder has others, and Postfix complains of symbolic links.
        pod::file("config", "main.cf", "/etc/postfix/main.cf"),
        pod::file("config", "master.cf", "/etc/postfix/master.cf"),
        pod::tls_mount(),
    ]
}

fn spec(part: &Part, init: Vec<Container>, containers: Vec<Container>) -> PodSpec {
    let volumes = vec![
        pod::claimed_volume("queue", &part.name),
        pod::scratch_volume("state", Medium::Disk),
        pod::config_volume("config", &part.name),
        tunnel::volume(part),
        pod::tls_volume(part),
    ];
    let mut spec = pod::spec(part, USER, containers, volumes);
    spec.init_containers = Some(init);
    spec.host_users = Some(false);
    let security = spec.security_context.get_or_insert_default();
    security.run_as_group = Some(ROOT_GROUP);
    // The queue's files have owners of their own, which a group of the pod's would take from them.
    security.fs_group = None;
    security.fs_group_change_policy = None;
    spec
}

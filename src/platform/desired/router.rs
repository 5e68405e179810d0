//! The router beside nginx or Postfix: it knows which store an account is on.

use govuc_wire::names;
use k8s_openapi::api::core::v1::{Container, Probe};

use super::{Blueprint, arguments};
use crate::{
    mail_store::SESSION_SECRET,
    part::pod::{self, Needs, TLS_PATH},
};

/// Beside which engine it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    Nginx,
    Postfix,
}

const NEEDS: Needs = Needs { cpu: 20, memory: 32 };
const SESSION_PATH: &str = "/etc/govuc/session";

pub fn container(blueprint: Blueprint<'_>, beside: Beside) -> Container {
    let installation = blueprint.installation;
    let mut router = pod::container("router", &blueprint.images.router, NEEDS);
    let common = [
        "--site",
        &installation.own.name,
        "--peer",
        &installation.peer.name,
        "--domain",
        &installation.domain,
        "--tls",
        TLS_PATH,
    ];
    let key = format!("{SESSION_PATH}/key");
    let mut mounts = vec![pod::tls_mount()];
    match beside {
        Beside::Nginx => {
            let words: Vec<&str> = ["front-door"]
                .into_iter()
                .chain(common)
                .chain(["--session-key", &key])
                .collect();
            arguments(&mut router, &words);
            mounts.push(pod::read_only("session", SESSION_PATH));
        }
        Beside::Postfix => {
            let words: Vec<&str> = ["mta"].into_iter().chain(common).collect();
            arguments(&mut router, &words);
        }
    }
    router.ports = Some(vec![pod::port("http", names::PROBE_PORT)]);
    router.liveness_probe = Some(pod::http_probe("/livez"));
    router.readiness_probe = Some(Probe {
        period_seconds: Some(5),
        ..pod::http_probe("/readyz")
    });
    router.volume_mounts = Some(mounts);
    router
}

/// The volume that [`container`] mounts beside nginx.
pub fn session_volume() -> k8s_openapi::api::core::v1::Volume {
    pod::secret_volume("session", SESSION_SECRET)
}

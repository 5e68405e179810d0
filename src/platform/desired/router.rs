//! The router beside nginx or Postfix: it knows which store an account is on.

use govuc_wire::{names, password::Rules};
use k8s_openapi::api::core::v1::{ConfigMap, Container, Probe, Volume};
use serde_json::json;

use super::{Blueprint, Files, arguments};
use crate::{
    mail_store::SESSION_SECRET,
    part::{
        Part,
        pod::{self, Needs, TLS_PATH},
        workload,
    },
    roles,
};

/// Beside which engine it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    Nginx,
    Postfix,
}

const NEEDS: Needs = Needs { cpu: 20, memory: 32 };
const SESSION_PATH: &str = "/etc/govuc/session";
const RULES_PATH: &str = "/etc/govuc/password";
const RULES_FILE: &str = "rules.json";

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
    let rules = format!("{RULES_PATH}/{RULES_FILE}");
    let mut mounts = vec![pod::tls_mount()];
    let mut leased = Vec::new();
    if installation.leases() {
        mounts.push(roles::client_mount());
        leased = vec!["--roles-tls", roles::TLS_PATH];
    }
    match beside {
        Beside::Nginx => {
            let words: Vec<&str> = ["front-door"]
                .into_iter()
                .chain(common)
                .chain(["--session-key", &key, "--password-rules", &rules])
                .chain(leased)
                .collect();
            arguments(&mut router, &words);
            mounts.push(pod::read_only("session", SESSION_PATH));
            mounts.push(pod::read_only("password", RULES_PATH));
        }
        Beside::Postfix => {
            let words: Vec<&str> = ["mta"].into_iter().chain(common).chain(leased).collect();
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

/// What [`container`] mounts beside either engine, where stores are held by lease.
pub fn roles_volume(blueprint: Blueprint<'_>) -> Option<Volume> {
    blueprint.installation.leases().then(roles::client_volume)
}

/// The volumes that [`container`] mounts beside nginx.
pub fn volumes(part: &Part) -> Vec<Volume> {
    vec![
        pod::secret_volume("session", SESSION_SECRET),
        pod::config_volume("password", &rules_name(part)),
    ]
}

/// What people are told about passwords. The router follows it: other rules end nobody's session.
pub fn rules(blueprint: Blueprint<'_>, part: &Part) -> ConfigMap {
    let policy = &blueprint.installation.password;
    let rules = Rules {
        min_length: policy.min_length,
        lockout_seconds: policy.lockout_seconds,
    };
    let files = Files::from([(RULES_FILE.to_owned(), json!(rules).to_string())]);
    workload::config_map(part, &rules_name(part), files, blueprint.owner())
}

fn rules_name(part: &Part) -> String {
    format!("{}-password", part.name)
}

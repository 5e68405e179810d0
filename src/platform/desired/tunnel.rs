//! HAProxy beside an engine that speaks no mutual TLS.

use k8s_openapi::api::core::v1::{Container, Probe, Volume};

use super::{Blueprint, Files, rendered};
use crate::part::{
    Part,
    pod::{self, Needs},
    template, workload,
};

/// Which ways lead through a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From Postfix to the filter.
    ToFilter,
    /// From Postfix, at the filter.
    FromMta,
    /// From the front door, at submission.
    FromFrontDoor,
}

const NEEDS: Needs = Needs { cpu: 10, memory: 32 };
const STATUS_PORT: u16 = 8082;
const COMMON: &str = include_str!("../../../images/haproxy/tunnel.cfg.in");
const TO_FILTER: &str = include_str!("../../../images/haproxy/tunnel-client.cfg.in");
const FROM_MTA: &str = include_str!("../../../images/haproxy/tunnel-filter.cfg.in");
const FROM_FRONT_DOOR: &str = include_str!("../../../images/haproxy/tunnel-submission.cfg.in");

impl Way {
    fn template(self) -> &'static str {
        match self {
            Way::ToFilter => TO_FILTER,
            Way::FromMta => FROM_MTA,
            Way::FromFrontDoor => FROM_FRONT_DOOR,
        }
    }
}

/// The configuration of a tunnel with these ways.
pub fn files(blueprint: Blueprint<'_>, ways: &[Way]) -> Result<Files, template::Error> {
    let site = ("site", blueprint.installation.own.name.as_str());
    let peer = ("peer", blueprint.installation.peer.name.as_str());
    let mut text = rendered(COMMON, &[])?;
    for way in ways {
        let values = match way {
            Way::ToFilter | Way::FromMta => &[site][..],
            Way::FromFrontDoor => &[site, peer],
        };
        text.push_str(&rendered(way.template(), values)?);
    }
    Ok(Files::from([("haproxy.cfg".to_owned(), text)]))
}

pub fn container(blueprint: Blueprint<'_>) -> Container {
    let mut haproxy = pod::container("tunnel", &blueprint.images.haproxy, NEEDS);
    haproxy.ports = Some(vec![pod::port("status", STATUS_PORT)]);
    haproxy.liveness_probe = Some(pod::http_probe_at(STATUS_PORT, "/livez"));
    haproxy.readiness_probe = Some(Probe {
        period_seconds: Some(5),
        ..pod::http_probe_at(STATUS_PORT, "/readyz")
    });
    haproxy.volume_mounts = Some(vec![
        pod::read_only("tunnel", "/etc/govuc/haproxy"),
        pod::tls_mount(),
    ]);
    haproxy
}

/// The ConfigMap of a part's tunnel.
pub fn config_map_name(part: &Part) -> String {
    format!("{}-tunnel", part.name)
}

pub fn volume(part: &Part) -> Volume {
    pod::config_volume("tunnel", &config_map_name(part))
}

pub fn config_map(
    blueprint: Blueprint<'_>,
    part: &Part,
    files: Files,
) -> k8s_openapi::api::core::v1::ConfigMap {
    workload::config_map(part, &config_map_name(part), files, blueprint.owner())
}

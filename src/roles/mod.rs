//! The etcd that holds roles: a member at each site, and one at the witness.

pub mod certificates;
mod client;
pub mod formation;
pub mod health;
pub mod lack;
pub mod leader;
pub mod member;
pub mod observe;
pub mod replace;
pub mod replacement;
pub mod said;
pub mod seen;
pub mod witness;

pub use client::Client;

use k8s_openapi::api::core::v1::{Volume, VolumeMount};

use crate::part::pod;

/// Where a container finds the certificate for it: a member its own, everybody else a client's.
pub const TLS_PATH: &str = "/etc/govuc/roles";
/// The Secret with a client's certificate, in each namespace that has clients.
pub const CLIENT_SECRET: &str = "tls-roles-client";
/// The ConfigMap that tells that the etcd was formed, for as long as it lives.
pub const FORMED_CONFIG_MAP: &str = "roles-formed";
/// The key in [`FORMED_CONFIG_MAP`]: etcd's id of the cluster, in hexadecimal digits.
pub const FORMED_KEY: &str = "cluster";

/// For a client's container, with [`client_volume`] for its pod.
pub fn client_mount() -> VolumeMount {
    pod::read_only("roles", TLS_PATH)
}

pub fn client_volume() -> Volume {
    pod::secret_volume("roles", CLIENT_SECRET)
}

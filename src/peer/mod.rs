//! The way from one site's operator to the other cluster's API.
//!
//! No token crosses, and no API server is open to the other site. Each operator serves a TLS port at which only the other
//! site's operator is let in, and passes what that one reads on to its own API server, with its own rights:
//!
//! ```text
//!  operator ──> own gateway ──> peer's gateway ──> peer's operator ──> its API server
//!   client        8444             8443               8443 serve
//! ```

mod asked;
mod client;
mod serve;
#[cfg(test)]
mod tests;
mod trust;

pub use client::{Error, about, client};
pub use serve::{Served, serve};
pub use trust::keep;

use govuc_mirror::Mark;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Serialize};

/// What an operator says of its cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// The uid of the namespace `kube-system`: another one is another cluster, whatever it is called.
    pub cluster: String,
    pub site: String,
    /// Its [`govuc_api::SCHEMA`].
    pub schema: u32,
    /// The operator's own.
    pub version: String,
    /// By its clock.
    pub now: Time,
    /// The last one that its mirror has made; an earlier one than before means that the cluster was restored from a backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
}

/// The namespace that is there as long as its cluster, and once: its uid is the cluster's.
pub const CLUSTER: &str = "kube-system";
/// Where [`About`] is.
pub const ABOUT: &str = "/govuc/v1/cluster";

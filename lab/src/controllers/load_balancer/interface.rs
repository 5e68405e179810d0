//! The addresses of one interface, by the `ip` command.

use std::collections::BTreeSet;
use std::io;
use std::net::Ipv4Addr;

use serde::Deserialize;
use tokio::process::Command;

use super::plan::Pool;

/// Why the interface's addresses could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("cannot run ip; run: apt-get install iproute2")]
    Start(#[source] io::Error),
    #[error("ip {arguments}: {message}")]
    Refused { arguments: String, message: String },
    #[error("ip printed no JSON")]
    Format(#[source] serde_json::Error),
}

/// The interface that answers for the pool's addresses.
pub(super) struct Interface {
    name: String,
}

#[derive(Deserialize)]
struct Link {
    #[serde(default)]
    addr_info: Vec<Address>,
}

#[derive(Deserialize)]
struct Address {
    local: Option<Ipv4Addr>,
    prefixlen: Option<u8>,
}

impl Interface {
    pub(super) fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
        }
    }

    /// The single addresses (/32) of `pool` on the interface: whoever put them there, they are this controller's.
    pub(super) async fn addresses(&self, pool: Pool) -> Result<BTreeSet<Ipv4Addr>, Error> {
        let printed = ip(&["-json", "-4", "address", "show", "dev", &self.name]).await?;
        let links: Vec<Link> = serde_json::from_slice(&printed).map_err(Error::Format)?;
        let single = links
            .iter()
            .flat_map(|link| &link.addr_info)
            .filter(|address| address.prefixlen == Some(32));
        Ok(single
            .filter_map(|address| address.local)
            .filter(|address| pool.contains(*address))
            .collect())
    }

    pub(super) async fn add(&self, address: Ipv4Addr) -> Result<(), Error> {
        self.change("replace", address).await
    }

    pub(super) async fn remove(&self, address: Ipv4Addr) -> Result<(), Error> {
        self.change("delete", address).await
    }

    async fn change(&self, verb: &str, address: Ipv4Addr) -> Result<(), Error> {
        ip(&["address", verb, &format!("{address}/32"), "dev", &self.name])
            .await
            .map(drop)
    }
}

async fn ip(arguments: &[&str]) -> Result<Vec<u8>, Error> {
    let output = Command::new("ip")
        .args(arguments)
        .kill_on_drop(true)
        .output()
        .await
        .map_err(Error::Start)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::Refused {
        arguments: arguments.join(" "),
        message,
    })
}

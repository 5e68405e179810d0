//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};

/// Where a user's mail lives: asked by the front door and by Postfix.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Cli {
    #[command(subcommand)]
    pub role: Role,
}

#[derive(Debug, Subcommand)]
pub enum Role {
    /// Beside nginx: says who may come in, and carries their bytes.
    FrontDoor(FrontDoor),
    /// Beside Postfix: says which domains, addresses and stores there are.
    Mta(Mta),
}

#[derive(Debug, Args)]
pub struct FrontDoor {
    #[command(flatten)]
    pub common: Common,
    /// File with the 32 bytes that router and guards share.
    #[arg(long, default_value = "/etc/govuc/session/key", value_name = "FILE")]
    pub session_key: PathBuf,
    /// JSON file with what people are told about passwords; may change while the router runs.
    #[arg(long, default_value = "/etc/govuc/password/rules.json", value_name = "FILE")]
    pub password_rules: PathBuf,
    /// Where nginx asks.
    #[arg(long, default_value = "127.0.0.1:9000", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// Port, on every loopback address, to which nginx connects for those who were let in.
    #[arg(long, default_value_t = 9143, value_name = "PORT")]
    pub relay_port: u16,
}

#[derive(Debug, Args)]
pub struct Mta {
    #[command(flatten)]
    pub common: Common,
    /// Where Postfix asks.
    #[arg(long, default_value = "127.0.0.1:9001", value_name = "ADDRESS")]
    pub listen: SocketAddr,
}

#[derive(Debug, Args)]
pub struct Common {
    /// The own site.
    #[arg(long, env = "GOVUC_SITE")]
    pub site: String,
    /// The other site.
    #[arg(long, env = "GOVUC_PEER")]
    pub peer: String,
    /// Domain of the platform, for example 1govuc.gov.my.
    #[arg(long, env = "GOVUC_DOMAIN")]
    pub domain: String,
    /// Folder with tls.crt, tls.key and ca.crt.
    #[arg(long, default_value = "/etc/govuc/tls", value_name = "FOLDER")]
    pub tls: PathBuf,
    /// Folder with tls.crt, tls.key and ca.crt for the roles' etcd, where stores are held by lease. Without it the directory
    /// says where a store's primary is.
    #[arg(long, value_name = "FOLDER")]
    pub roles_tls: Option<PathBuf>,
    /// Where the kubelet and Prometheus ask.
    #[arg(long, default_value = "0.0.0.0:8080", value_name = "ADDRESS")]
    pub probes: SocketAddr,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}

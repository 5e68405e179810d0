//! Where everything is. The defaults are those of the pod.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Parser, Subcommand};
use govuc_wire::merge_report::COMMAND;

/// Guards one copy of a mail store, or tells of one that is guarded.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Arguments {
    /// Without it: guards.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Which store this is, and who holds it.
    #[arg(long, value_name = "FILE", default_value = "/etc/govuc/store/store.json")]
    pub config: PathBuf,
    /// Folder of tls.crt, tls.key and ca.crt.
    #[arg(long, value_name = "DIR", default_value = "/etc/govuc/tls")]
    pub tls: PathBuf,
    /// Folder of tls.crt, tls.key and ca.crt for the roles' etcd, if roles are held there.
    #[arg(long, value_name = "DIR", default_value = "/etc/govuc/roles")]
    pub roles_tls: PathBuf,
    /// The 32 bytes that router, operator and guards share.
    #[arg(long, value_name = "FILE", default_value = "/etc/govuc/session/key")]
    pub session_key: PathBuf,
    /// What lasts.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/govuc")]
    pub volume: PathBuf,
    /// What need not last: sockets, locks, the engine's configuration.
    #[arg(long, value_name = "DIR", default_value = "/run/cyrus")]
    pub run: PathBuf,
    /// The TLS port.
    #[arg(long, value_name = "ADDRESS", default_value = "[::]:8443")]
    pub listen: SocketAddr,
    /// Probes and metrics.
    #[arg(long, value_name = "ADDRESS", default_value = "[::]:8080")]
    pub probes: SocketAddr,
    /// Where the peer's guard is dialled, if not by its Service's name.
    #[arg(long, value_name = "HOST:PORT")]
    pub peer_address: Option<String>,
    /// Where the members of the roles' etcd are dialled, the own site's first, if not by their Services' names.
    #[arg(long, value_name = "HOST:PORT")]
    pub roles_address: Vec<String>,
    /// The engine's programs.
    #[arg(long, value_name = "DIR", default_value = "/usr/lib/cyrus/bin")]
    pub engine: PathBuf,
    /// Where the engine takes IMAP and sync.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:1143")]
    pub imap: SocketAddr,
    /// Where the engine takes deliveries.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:2003")]
    pub lmtp: SocketAddr,
}

/// What is asked beside a guard that runs. Nothing of it is changed.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print the report of a merge that was done here: a line of JSON for each folder and message. Without VOLUME: the volumes of
    /// which there is one, a line each, the last one written to at the end.
    #[command(name = COMMAND)]
    Merges {
        /// The volume that was merged.
        #[arg(value_name = "VOLUME")]
        merged: Option<String>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_pod_needs_no_argument() {
        Arguments::command().debug_assert();
        let arguments = Arguments::parse_from(["govuc-guard"]);
        assert_eq!(arguments.volume, PathBuf::from("/var/lib/govuc"));
        assert_eq!(arguments.peer_address, None);
        assert!(arguments.command.is_none());
    }

    #[test]
    fn of_merges_it_tells_by_a_command() {
        let arguments = Arguments::parse_from(["govuc-guard", "--volume", "/v", "merges", "0c4e"]);
        assert_eq!(arguments.volume, PathBuf::from("/v"));
        let Some(Command::Merges { merged }) = arguments.command else {
            panic!("{arguments:?}");
        };
        assert_eq!(merged.as_deref(), Some("0c4e"));
    }
}

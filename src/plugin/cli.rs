//! The command line of `kubectl govuc`.

use clap::{Parser, Subcommand};

use super::{approve, connect, failover, hold, merge, mirror, plan, switchover, witness};
use crate::controller::chain;

/// Decide on agencies, tell what is planned, decide where stores are served, connect the sites, and set up their witness.
#[derive(Parser)]
#[command(name = "kubectl-govuc", bin_name = "kubectl govuc", version)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Approve or reject an agency's application, or withdraw the decision, under your own name.
    Approve(approve::Arguments),
    /// Make two sites know each other: one root secret in both, and each site's CA certificate in the other.
    Connect(connect::Arguments),
    /// Show what the merge of a copy has brought that a failover had passed over.
    Merge(merge::Arguments),
    /// Answer what the mirror of the two clusters asks a person.
    Mirror(mirror::Arguments),
    /// Tell what waits for a maintenance window, why, and when it will happen.
    Plan(plan::Arguments),
    /// Make a site primary although its copy may lack something: when the primary is lost. Says first what that is.
    Failover(failover::Arguments),
    /// Have a site serve though the roles' etcd does not answer it: when the line and the witness are lost. Says first what is at
    /// risk.
    Hold(hold::Arguments),
    /// Move stores to the other site, losing nothing: one store, an agency's, or all.
    Switchover(switchover::Arguments),
    /// Write what the witness needs: a folder with settings, a certificate, a systemd unit and how to install them.
    Witness(witness::Arguments),
}

impl Arguments {
    /// # Errors
    /// What was refused, or failed, for people.
    pub async fn run(self) -> Result<(), String> {
        match self.command {
            Command::Approve(arguments) => approve::run(arguments).await.map_err(|error| chain(&error)),
            Command::Connect(arguments) => connect::run(arguments).await.map_err(|error| chain(&error)),
            Command::Merge(arguments) => merge::run(arguments).await.map_err(|error| chain(&error)),
            Command::Mirror(arguments) => mirror::run(arguments).await.map_err(|error| chain(&error)),
            Command::Plan(arguments) => plan::run(arguments).await.map_err(|error| chain(&error)),
            Command::Failover(arguments) => failover::run(arguments).await.map_err(|error| chain(&error)),
            Command::Hold(arguments) => hold::run(arguments).await.map_err(|error| chain(&error)),
            Command::Switchover(arguments) => switchover::run(arguments).await.map_err(|error| chain(&error)),
            Command::Witness(arguments) => witness::run(arguments).await.map_err(|error| chain(&error)),
        }
    }
}

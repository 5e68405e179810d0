//! The command line of `kubectl govuc`.

use clap::{Parser, Subcommand};

use super::{
    approve, certificates, connect, diff, disconnect, failover, hold, merge, mirror, plan, switchover,
    witness,
};
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
    /// Show every certificate of the service: who signed it, when it ends, when it is renewed, and what is wrong with it.
    ///
    /// The exit code is 0 when none has expired or ends within 7 days, 1 when one has, or can't be read, and greater when the
    /// clusters can't be asked. It takes `get` on secrets in govuc-system, govuc-mail and govuc-mta, on configmaps in govuc-system and
    /// on platforms, and `list` on mailstores, which no role of the service has together. Kubernetes gives a Secret as a
    /// whole: of a private key nothing is shown or kept, but whether it fits its certificate.
    Certificates(certificates::Arguments),
    /// Make two sites know each other: one root secret in both, and each site's CA certificate in the other.
    ///
    /// First it checks whether the two fit: the operators' versions and sites, Platforms, clocks, networks, and what each has of
    /// the other already. What can't be checked is said so.
    Connect(connect::Arguments),
    /// Take the other site's authority out of a cluster: neither operator lets the other one in then. Says first what that means.
    Disconnect(disconnect::Arguments),
    /// Show in what the agencies and mailboxes of the two clusters differ.
    ///
    /// As with kubectl diff, the exit code is 0 when nothing differs, 1 when something does, and greater when it can't be told.
    Diff(diff::Arguments),
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

/// How a command ended that neither was refused nor failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Done,
    /// Of `diff`: there are differences.
    Differs,
    /// Of `certificates`: one has expired, is about to end, or can't be read.
    Ending,
}

/// A command that was refused, or failed.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    /// For people.
    pub message: String,
    /// With which the program ends.
    pub code: u8,
}

/// Refused or failed.
const FAILED: u8 = 1;
/// The same of `diff` and `certificates`, where 1 is what they have to say.
const NOT_TOLD: u8 = 2;

impl Arguments {
    /// # Errors
    /// What was refused, or failed.
    pub async fn run(self) -> Result<End, Failure> {
        let done = match self.command {
            Command::Diff(arguments) => return told(diff::run(arguments).await, End::Differs),
            Command::Certificates(arguments) => {
                return told(certificates::run(arguments).await, End::Ending);
            }
            Command::Approve(arguments) => approve::run(arguments).await.map_err(|error| chain(&error)),
            Command::Connect(arguments) => connect::run(arguments).await.map_err(|error| chain(&error)),
            Command::Disconnect(arguments) => disconnect::run(arguments).await.map_err(|error| chain(&error)),
            Command::Merge(arguments) => merge::run(arguments).await.map_err(|error| chain(&error)),
            Command::Mirror(arguments) => mirror::run(arguments).await.map_err(|error| chain(&error)),
            Command::Plan(arguments) => plan::run(arguments).await.map_err(|error| chain(&error)),
            Command::Failover(arguments) => failover::run(arguments).await.map_err(|error| chain(&error)),
            Command::Hold(arguments) => hold::run(arguments).await.map_err(|error| chain(&error)),
            Command::Switchover(arguments) => switchover::run(arguments).await.map_err(|error| chain(&error)),
            Command::Witness(arguments) => witness::run(arguments).await.map_err(|error| chain(&error)),
        };
        match done {
            Ok(()) => Ok(End::Done),
            Err(message) => Err(Failure {
                message,
                code: FAILED,
            }),
        }
    }
}

/// `found` is how a command ends that has found what a program asks it for.
fn told(is_so: Result<bool, impl std::error::Error>, found: End) -> Result<End, Failure> {
    match is_so {
        Ok(true) => Ok(found),
        Ok(false) => Ok(End::Done),
        Err(error) => Err(Failure {
            message: chain(&error),
            code: NOT_TOLD,
        }),
    }
}

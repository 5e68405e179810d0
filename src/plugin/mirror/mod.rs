//! `kubectl govuc mirror`: what the mirror asks a person.

mod accept;
mod decision;
mod receipt;
mod take;

use clap::{Args, Subcommand};

#[derive(Args, Debug)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Let deletions at the other site through that were stopped because they were many.
    ///
    /// For ten minutes as many are deleted here as were deleted there. Look first what that is: kubectl get
    /// agencies,mailboxes -A -o wide shows the reason MassDeletion.
    Accept(accept::Arguments),
    /// Have what one site has of an object stand at both: when the sites' people disagree. Shows first what that changes.
    ///
    /// What is at both sites gets the spec of --from at the other one. What is only at --from is made at the other one by the
    /// mirror, and what is only at the other one is deleted there. A spec that goes is kept in a Secret.
    Take(take::Arguments),
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Accept(#[from] accept::Error),
    #[error(transparent)]
    Take(#[from] take::Error),
}

pub async fn run(arguments: Arguments) -> Result<(), Error> {
    match arguments.command {
        Command::Accept(arguments) => accept::run(arguments).await?,
        Command::Take(arguments) => take::run(arguments).await?,
    }
    Ok(())
}

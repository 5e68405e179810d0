//! Two data centres on one machine: `cargo lab …`.

mod agent;
mod artifact;
mod certificates;
mod cli;
mod command;
mod controllers;
mod kubeconfig;
mod lab;
mod machine;
mod network;
mod oci;
mod paths;
mod preflight;
mod site;
mod up;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use cli::{Cli, Command};
use lab::Lab;

/// Exit codes: 0 it was done, 1 it failed, 2 it was asked for wrongly.
#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Up => up::up(&cli.lab).await?,
        Command::Down => up::down(&cli.lab)?,
        Command::Exec { site, command } => {
            let words: Vec<&str> = command.iter().map(String::as_str).collect();
            let machine = site::machine(&Lab::open(&cli.lab)?, site)?;
            let status = machine.command(&words).status().context("nsenter")?;
            return Ok(ExitCode::from(
                status
                    .code()
                    .and_then(|code| u8::try_from(code).ok())
                    .unwrap_or(1),
            ));
        }
        Command::Kubeconfig { user, group } => {
            let lab = Lab::open(&cli.lab)?;
            let path = match user {
                None => lab.folder.kubeconfig(),
                Some(user) => {
                    let path = lab.folder.user_kubeconfig(&user);
                    kubeconfig::write(&path, &site::contexts(&lab, &user, group.as_deref())?)?;
                    path
                }
            };
            println!("{}", path.display());
        }
        Command::Agent { site } => agent::run(&cli.lab, site).await?,
    }
    Ok(ExitCode::SUCCESS)
}

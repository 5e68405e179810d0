//! Two data centres on one machine: `cargo lab …`.

mod agent;
mod api_only;
mod artifact;
mod cargo;
mod certificates;
mod cli;
mod command;
mod controllers;
mod demo;
mod fault;
mod host;
mod images;
mod kubeconfig;
mod lab;
mod loopback;
mod machine;
mod network;
mod oci;
mod paths;
mod preflight;
mod service;
mod shell;
mod site;
mod status;
mod stock;
mod suites;
mod up;

use std::io::Write;
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

use anyhow::Context;
use clap::Parser;

use cli::{Cli, Command, Format, Place};
use lab::{Lab, LabName};

/// Exit codes: 0 it was done, 1 it failed, 2 it was asked for wrongly; `exec` and `shell` have those of what they ran.
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

async fn run(Cli { lab: name, command }: Cli) -> anyhow::Result<ExitCode> {
    let open = || Lab::open(&name);
    match command {
        Command::Up { api_only: false } => up::up(&name).await?,
        Command::Up { api_only: true } => api_only::stay().await?,
        Command::Down => up::down(&name)?,
        Command::Status { output, window } => show(&open()?, output, window).await?,
        Command::Cut { line } => fault::change(&open()?, |faults| faults.cut(line))?,
        Command::Heal { line } => fault::change(&open()?, |faults| faults.heal(line))?,
        Command::Loss { line, percent } => fault::change(&open()?, |faults| faults.lose(line, percent))?,
        Command::Delay { site, milliseconds } => {
            fault::change(&open()?, |faults| faults.slow(site, milliseconds))?
        }
        Command::Kill { site, program: None } => site::machine(&open()?, site)?.kill()?,
        Command::Kill {
            site,
            program: Some(program),
        } => site::kill_program(&open()?, site, &program)?,
        Command::Revive { site, program: None } => up::revive(&open()?, site).await?,
        Command::Revive {
            site,
            program: Some(program),
        } => site::revive_program(&open()?, site, &program)?,
        Command::Freeze { site } => site::machine(&open()?, site)?.cgroups().freeze()?,
        Command::Thaw { site } => site::machine(&open()?, site)?.cgroups().thaw()?,
        Command::Exec { site, command } => {
            let words: Vec<&str> = command.iter().map(String::as_str).collect();
            let status = site::machine(&open()?, site)?
                .command(&words)
                .status()
                .context("nsenter")?;
            return Ok(exit_code(status));
        }
        Command::Shell { site, place: None } => return Ok(exit_code(shell::machine(&open()?, site)?)),
        Command::Shell {
            site,
            place: Some(Place::Store { name: store }),
        } => return Ok(exit_code(shell::store(&open()?, site, &store)?)),
        Command::Kubeconfig { user, group } => println!("{}", kubeconfig(&name, user, group)?),
        Command::Images { names } => stock::bring(&open()?, &names)?,
        Command::Demo => demo::demo(&name).await?,
        Command::Test { choice } => return suites::run(&choice).await,
        Command::Campaign { campaign } => suites::campaign(campaign).await?,
        Command::Bench { bench } => suites::bench(bench).await?,
        Command::ApiOnly { command } => return Ok(exit_code(api_only::beside(&command).await?)),
        Command::Agent { site } => agent::run(&name, site).await?,
        Command::Relay { site, milliseconds } => {
            fault::run_relay(site, Duration::from_millis(milliseconds.into()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(lab: &Lab, output: Format, window: u16) -> anyhow::Result<()> {
    let status = status::of(lab, Duration::from_secs(window.into())).await?;
    let mut out = std::io::stdout();
    // Whoever has read enough, as `head` does, is no failure of ours.
    let _ = match output {
        Format::Table => writeln!(out, "{status}"),
        Format::Wide => writeln!(out, "{status}\n\n{}", status::by_program(&status)),
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(&status)?),
    };
    Ok(())
}

fn kubeconfig(name: &LabName, user: Option<String>, group: Option<String>) -> anyhow::Result<String> {
    let lab = Lab::open(name)?;
    let path = match user {
        None => lab.folder.kubeconfig(),
        Some(user) => {
            let path = lab.folder.user_kubeconfig(&user);
            kubeconfig::write(&path, &site::contexts(&lab, &user, group.as_deref())?)?;
            path
        }
    };
    Ok(path.display().to_string())
}

/// What a shell would make of it: a signal is 128 and its number.
fn exit_code(status: ExitStatus) -> ExitCode {
    use std::os::unix::process::ExitStatusExt;
    let code = status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

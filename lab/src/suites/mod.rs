//! The tests of the project, by suite.

mod cargo;
mod delivery;
mod engines;
mod faults;
mod gitops;
mod journal;
mod lab;
mod mail;
mod mirror;
mod model;
mod network_policy;
mod permissions;
mod report;

use std::process::ExitCode;

use clap::ValueEnum;
use nix::unistd::geteuid;

pub use report::Report;

use crate::lab::{Lab, LabName};
use crate::network::Site;
use crate::service::Service;
use crate::up;

/// A part of the tests that runs by itself, in the order of their cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Suite {
    /// Everything that needs no cluster
    Unit,
    /// Formatting, clippy, licences and advisories
    Lint,
    /// Who may write a mail store, through every order of so many faults, and without each of its rules
    Model,
    /// Against two real API servers without nodes
    Api,
    /// The lab itself: pods, volumes, network policy, faults, and that nothing is left
    Lab,
    /// Cyrus' patches and the directory's rules, against the images' own engines
    Engines,
    /// The main job from end to end: two agencies, real mail, faults
    Mail,
    /// One set of agencies and mailboxes in two clusters: written at either, cut, changed at both, deleted
    Mirror,
    /// Agencies and mailboxes by GitOps: Flux's controllers and Argo CD's packages beside two API servers; only when named
    Gitops,
    /// What happens to mail in a fault, seen from outside: lines, sites, stores, the roles' etcd; only when named
    Faults,
}

impl Suite {
    fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// The faults take longer than all the others together; what gitops runs takes long to build.
    fn is_run_unasked(self) -> bool {
        !matches!(self, Suite::Gitops | Suite::Faults)
    }

    /// Why it can't run here, if it can't.
    fn obstacle(self) -> Option<&'static str> {
        let needs_root = matches!(
            self,
            Suite::Lab | Suite::Engines | Suite::Mail | Suite::Mirror | Suite::Faults
        );
        (needs_root && !geteuid().is_root())
            .then_some("it needs root: `sudo -E env PATH=$PATH cargo lab test`")
    }
}

/// Something that takes hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Campaign {
    /// Every fault of the suite of that name, five times, into docs/reliability.md
    Faults,
    /// Every bound of the suite `model`, and those that take hours, into docs/protocol.md
    Model,
}

/// Runs a campaign, or what of it is still missing.
pub async fn campaign(campaign: Campaign) -> anyhow::Result<()> {
    match campaign {
        Campaign::Faults => faults::campaign().await,
        Campaign::Model => model::campaign(),
    }
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Bench {
    /// What gate and relay add to a delivery, against engines that are each other's peers, into benches/delivery.md
    Delivery,
    /// What people wait for in a switchover and when a site or a store's guard is lost, ten times, into benches/faults.md
    Faults,
    /// How fast 10 000 mailboxes come to an empty cluster, and what each costs, into benches/mirror.md
    Mirror,
    /// What 500 stores cost the etcd that holds roles, into benches/leases.md
    Leases,
    /// How long until 50 stores of a lost site are served by the other one, ten times, into benches/promotions.md
    Promotions,
}

/// Measures, or goes on measuring.
pub async fn bench(bench: Bench) -> anyhow::Result<()> {
    match bench {
        Bench::Delivery => delivery::bench(),
        Bench::Faults => faults::bench().await,
        Bench::Leases => cargo::leases(),
        Bench::Mirror => cargo::mirror().await,
        Bench::Promotions => faults::bench_promotions().await,
    }
}

/// What of the tests is run.
#[derive(Debug, clap::Args)]
pub struct Choice {
    #[arg(value_enum)]
    suites: Vec<Suite>,
    /// Of the suites mail, mirror, gitops and faults, only checks whose names contain this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Begin with the lab of the suite as the last run left it, and leave it: for whoever writes a check
    #[arg(long)]
    keep: bool,
}

impl Choice {
    /// # Errors
    /// What can't be chosen so, for the user.
    fn check(&self) -> anyhow::Result<()> {
        let within = |more: &[Suite]| {
            let known = [&[Suite::Mail, Suite::Mirror, Suite::Faults], more].concat();
            !self.suites.is_empty() && self.suites.iter().all(|suite| known.contains(suite))
        };
        anyhow::ensure!(
            self.only.is_none() || within(&[Suite::Gitops]),
            "--only is of the suites mail, mirror, gitops and faults. Remedy: cargo lab test mail --only TEXT"
        );
        anyhow::ensure!(
            !self.keep || within(&[]),
            "--keep is of the suites mail, mirror and faults. Remedy: cargo lab test mail --only TEXT --keep"
        );
        Ok(())
    }
}

/// Runs what is chosen, or all that is run unasked, to the last line `N passed, N failed`.
pub async fn run(choice: &Choice) -> anyhow::Result<ExitCode> {
    choice.check()?;
    let suites = &choice.suites;
    let mut suites = if suites.is_empty() {
        Suite::value_variants()
            .iter()
            .copied()
            .filter(|suite| suite.is_run_unasked())
            .collect()
    } else {
        suites.clone()
    };
    suites.sort();
    suites.dedup();
    let mut report = choice.only.as_deref().map(Report::only).unwrap_or_default();
    for suite in suites {
        if let Some(obstacle) = suite.obstacle() {
            report.leave_out(&suite.name(), obstacle);
            continue;
        }
        println!("suite {}", suite.name());
        match suite {
            Suite::Unit => cargo::unit(&mut report)?,
            Suite::Lint => cargo::lint(&mut report).await?,
            Suite::Model => model::run(&mut report)?,
            Suite::Api => cargo::api(&mut report).await?,
            Suite::Lab => lab::run(&mut report).await?,
            Suite::Engines => engines::run(&mut report)?,
            Suite::Mail => mail::run(&mut report, choice.keep).await?,
            Suite::Mirror => mirror::run(&mut report, choice.keep).await?,
            Suite::Gitops => gitops::run(&mut report).await?,
            Suite::Faults => faults::run(&mut report, choice.keep).await?,
        }
    }
    println!("{}", report.summary());
    Ok(if report.has_failures() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Runs checks one after the other, each told by its own name, with what it saw.
macro_rules! checks {
    ($report:expr, $service:expr, [$($check:path),* $(,)?]) => {
        $($report.observe(&sentence(stringify!($check)), $check(&$service)).await;)*
    };
}
use checks;

/// Brings up a lab with the service in it, agencies and mailboxes given to these data centres. None if that failed, which is told.
async fn populated(
    report: &mut Report,
    name: &LabName,
    title: &str,
    given: &[Site],
) -> anyhow::Result<Option<Service>> {
    up::up(name).await?;
    let lab = Lab::open(name)?;
    let mut service = None;
    let installed = async {
        let installed = Service::install(&lab).await?;
        installed.populate_by(given).await?;
        service = Some(installed);
        Ok(())
    };
    report.prepare(title, installed).await;
    Ok(service)
}

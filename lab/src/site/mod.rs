//! A site: its machine and everything that runs in it, from certificates to a Ready node.

mod cluster;
mod control_plane;
mod dns;
mod node;
mod pki;

use std::fs;

use anyhow::Context;

pub use cluster::{client, is_ready, wait_for_api};
pub use node::CNI_PLUGINS;
pub use pki::contexts;

use crate::artifact::Programs;
use crate::lab::Lab;
use crate::lab::LabName;
use crate::machine::{self, Daemon, Machine, Role};
use crate::network::{Network, Site};
use crate::paths::SiteFolder;

/// The image of the pause container, under the name that containerd is told.
pub const PAUSE_IMAGE: &str = "lab.local/pause:1";

/// What every part of a site is made from.
pub struct Plan<'a> {
    pub lab: LabName,
    pub site: Site,
    pub network: Network,
    pub folder: SiteFolder,
    pub programs: &'a Programs,
}

/// Starts `site`: on an empty folder a new one, otherwise what was there before the power cut. Returns when its
/// node is Ready and pods can be made; the witness has nothing to wait for.
pub async fn start(lab: &Lab, site: Site, programs: &Programs, wan: &Machine) -> anyhow::Result<()> {
    let plan = Plan {
        lab: lab.name.clone(),
        site,
        network: lab.network,
        folder: lab.folder.site(site),
        programs,
    };
    for folder in plan.folder.folders() {
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    if site.is_data_centre() {
        pki::create(&plan).with_context(|| format!("certificates of {site}"))?;
    }
    let machine =
        machine::start_site(lab, site, &programs.pause, wan).with_context(|| format!("machine {site}"))?;
    if site.is_data_centre() {
        run(&plan, &machine)
            .await
            .with_context(|| format!("{site}, whose logs are in {}", plan.folder.join("log").display()))?;
    }
    machine.complete()?;
    Ok(())
}

async fn run(plan: &Plan<'_>, machine: &Machine) -> anyhow::Result<()> {
    for daemon in control_plane::first(plan)? {
        machine.spawn(&daemon)?;
    }
    machine.spawn(&node::containerd(plan)?)?;
    let client = client(&plan.folder.kubeconfig("admin")).await?;
    wait_for_api(&client).await?;
    // The rest only after /readyz: until then the API server has no roles for them, and the controller manager ends.
    for daemon in control_plane::second(plan) {
        machine.spawn(&daemon)?;
    }
    node::import_pause(plan, machine)?;
    for daemon in node::daemons(plan)? {
        machine.spawn(&daemon)?;
    }
    cluster::install(plan, &client).await?;
    machine.spawn(&dns::daemon(plan)?)?;
    machine.spawn(&agent(plan)?)?;
    cluster::wait_until_ready(plan, &client).await
}

/// The lab's own controllers: volumes, LoadBalancer addresses, network policy.
fn agent(plan: &Plan) -> anyhow::Result<Daemon> {
    let program = std::env::current_exe().context("where this program is")?;
    // A rebuild while this one runs leaves the kernel's mark on its name.
    let program = program
        .to_string_lossy()
        .trim_end_matches(" (deleted)")
        .to_owned();
    Ok(Daemon {
        program: std::path::PathBuf::from(program),
        arguments: ["agent", "--lab", plan.lab.as_str(), plan.site.name()]
            .map(str::to_owned)
            .to_vec(),
        log: plan.folder.log("agent"),
        path: None,
    })
}

/// The machine of a site that must be running.
pub fn machine(lab: &Lab, site: Site) -> Result<Machine, machine::Error> {
    Machine::running(&lab.name, Role::Site(site))
}

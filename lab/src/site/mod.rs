//! A site: its machine and everything that runs in it, from certificates to a Ready node.

mod cluster;
mod control_plane;
mod dns;
mod node;
mod pki;
pub mod witness;

use std::fs;
use std::net::Ipv4Addr;

use anyhow::{Context as _, bail};

pub use cluster::{client, is_ready, wait_for_api};
use control_plane::USUAL_PORTS;
pub use control_plane::{ControlPlane, Ports};
pub use node::{CNI_PLUGINS, CONTAINERD_SOCKET};
pub use pki::{MASTERS, context, create as create_pki};

use crate::artifact::{self, Programs};
use crate::fault;
use crate::kubeconfig::Context;
use crate::lab::Lab;
use crate::lab::LabName;
use crate::machine::{self, Daemon, Machine, Role};
use crate::network::{Network, Site};
use crate::paths::{SiteFolder, this_program};

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

impl Plan<'_> {
    fn control_plane(&self) -> ControlPlane {
        let (site, network) = (self.site, self.network);
        ControlPlane {
            site,
            folder: self.folder.clone(),
            kubernetes: self.programs.kubernetes.clone(),
            services: network.services(site),
            bind: Ipv4Addr::UNSPECIFIED,
            address: network.machine(site),
            aliases: vec![network.wan(site), network.api_service(site)],
            ports: USUAL_PORTS,
            has_nodes: true,
        }
    }
}

/// Contexts `pdsa1` and `pdsa2` of one user, who may be anybody.
pub fn contexts(lab: &Lab, user: &str, group: Option<&str>) -> anyhow::Result<Vec<Context<'static>>> {
    let programs = artifact::programs()?;
    let each = |site| context(&plan(lab, site, &programs).control_plane(), user, group);
    Site::DATA_CENTRES.into_iter().map(each).collect()
}

fn plan<'a>(lab: &Lab, site: Site, programs: &'a Programs) -> Plan<'a> {
    Plan {
        lab: lab.name.clone(),
        site,
        network: lab.network,
        folder: lab.folder.site(site),
        programs,
    }
}

/// Starts `site`: on an empty folder a new one, otherwise what was there before the power cut. Returns when its
/// node is Ready and pods can be made; the witness has nothing to wait for, and its member starts if it was set up.
pub async fn start(lab: &Lab, site: Site, programs: &Programs, wan: &Machine) -> anyhow::Result<()> {
    let plan = plan(lab, site, programs);
    for folder in plan.folder.folders() {
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    if site.is_data_centre() {
        pki::create(&plan.control_plane()).with_context(|| format!("certificates of {site}"))?;
    }
    let machine =
        machine::start_site(lab, site, &programs.pause, wan).with_context(|| format!("machine {site}"))?;
    // A fault of the site's line outlives a power cut.
    fault::apply(lab, wan)?;
    if site.is_data_centre() {
        run(&plan, &machine)
            .await
            .with_context(|| format!("{site}, whose logs are in {}", plan.folder.join("log").display()))?;
    } else {
        witness::start(&plan.folder, &machine)?;
    }
    machine.complete()?;
    Ok(())
}

async fn run(plan: &Plan<'_>, machine: &Machine) -> anyhow::Result<()> {
    for daemon in plan.control_plane().first()? {
        machine.spawn(&daemon)?;
    }
    machine.spawn(&node::containerd(plan)?)?;
    let client = client(&plan.folder.kubeconfig("admin")).await?;
    wait_for_api(&client).await?;
    // The rest only after /readyz: until then the API server has no roles for them, and the controller manager ends.
    for daemon in plan.control_plane().second() {
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
    Ok(Daemon {
        program: this_program().context("where this program is")?,
        arguments: ["agent", "--lab", plan.lab.as_str(), plan.site.name()]
            .map(str::to_owned)
            .to_vec(),
        log: plan.folder.log("agent"),
        path: None,
    })
}

/// Every program of a data centre, in the order in which they start.
pub const PROGRAMS: [&str; 9] = [
    "etcd",
    "kube-apiserver",
    "containerd",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "coredns",
    "agent",
];

/// Starts one program of a running site again, after it was killed.
pub fn revive_program(lab: &Lab, site: Site, name: &str) -> anyhow::Result<()> {
    let machine = machine(lab, site)?;
    if machine.programs().iter().any(|process| process.program() == name) {
        bail!("{name} runs in {site}");
    }
    if !site.is_data_centre() {
        if name != witness::PROGRAM {
            bail!(unknown_program(site, name));
        }
        return witness::start(&lab.folder.site(site), &machine);
    }
    let programs = artifact::programs()?;
    let plan = plan(lab, site, &programs);
    let control_plane = [plan.control_plane().first()?, plan.control_plane().second()].concat();
    let rest = vec![node::containerd(&plan)?, dns::daemon(&plan)?, agent(&plan)?];
    let daemon = [control_plane, node::daemons(&plan)?, rest]
        .concat()
        .into_iter()
        .find(|daemon| daemon.name() == name);
    machine.spawn(&daemon.with_context(|| unknown_program(site, name))?)?;
    Ok(())
}

/// Kills one program of a running site, and none of a pod that happens to be called the same.
pub fn kill_program(lab: &Lab, site: Site, name: &str) -> anyhow::Result<()> {
    if !programs_of(site).contains(&name) {
        bail!(unknown_program(site, name));
    }
    let found: Vec<_> = machine(lab, site)?
        .programs()
        .into_iter()
        .filter(|p| p.program() == name)
        .collect();
    if found.is_empty() {
        bail!("{name} does not run in {site}");
    }
    for process in found {
        process.kill()?;
    }
    Ok(())
}

fn programs_of(site: Site) -> &'static [&'static str] {
    if site.is_data_centre() {
        &PROGRAMS
    } else {
        &[witness::PROGRAM]
    }
}

fn unknown_program(site: Site, name: &str) -> String {
    format!(
        "{name:?} is no program of {site}; there are {}",
        programs_of(site).join(", ")
    )
}

/// The machine of a site that must be running.
pub fn machine(lab: &Lab, site: Site) -> Result<Machine, machine::Error> {
    Machine::running(&lab.name, Role::Site(site))
}

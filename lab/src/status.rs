//! What a lab looks like now: sites, pods, what is cut, and what it all takes.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Node, Pod};
use kube::Api;
use kube::api::ListParams;
use serde::Serialize;

use crate::fault::Faults;
use crate::lab::Lab;
use crate::machine::{Machine, Process, Role, Usage};
use crate::network::Site;
use crate::site;

/// How long a site may take to answer before it counts as silent.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug, Serialize)]
pub struct Status {
    pub lab: String,
    pub index: u8,
    pub sites: Vec<SiteStatus>,
    pub total: Figures,
    pub faults: Faults,
}

#[derive(Debug, Serialize)]
pub struct SiteStatus {
    pub site: Site,
    pub state: State,
    /// For programs outside the lab; the API server is at port 6443.
    pub address: Ipv4Addr,
    /// On the line between the sites.
    pub wan: Ipv4Addr,
    /// Absent where no API server answers.
    pub pods: Option<Pods>,
    pub figures: Figures,
    pub programs: BTreeMap<String, Figures>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The machine runs, and its node is Ready.
    Ready,
    /// The machine runs and has no Kubernetes.
    Up,
    /// The machine runs, and its node is not Ready or its API server does not answer.
    Degraded,
    /// Its start was broken off, or goes on.
    Starting,
    Frozen,
    Off,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Pods {
    pub ready: usize,
    pub all: usize,
}

/// What processes take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Part of one core, over the window.
    pub cores: f64,
    /// Proportional set size.
    pub pss_mib: f64,
}

impl std::ops::AddAssign for Figures {
    fn add_assign(&mut self, other: Figures) {
        self.cores += other.cores;
        self.pss_mib += other.pss_mib;
    }
}

/// Looks at a lab for `window`, which is what the use of the processors is measured over.
pub async fn of(lab: &Lab, window: Duration) -> anyhow::Result<Status> {
    let machines: Vec<Option<Machine>> = Site::ALL
        .iter()
        .map(|site| Machine::find(&lab.name, Role::Site(*site)))
        .collect();
    let before: Vec<_> = machines
        .iter()
        .map(|machine| machine.as_ref().map(usages).unwrap_or_default())
        .collect();
    let start = Instant::now();
    tokio::time::sleep(window).await;
    let elapsed = start.elapsed();
    let mut sites = Vec::new();
    for ((site, machine), before) in Site::ALL.into_iter().zip(&machines).zip(before) {
        let mut programs: BTreeMap<String, Figures> = BTreeMap::new();
        for (pid, (process, usage)) in machine.as_ref().map(usages).unwrap_or_default() {
            let earlier = before.get(&pid).map_or(Duration::ZERO, |(_, usage)| usage.cpu);
            *programs.entry(process.program().to_owned()).or_default() += Figures {
                cores: usage.cpu.saturating_sub(earlier).as_secs_f64() / elapsed.as_secs_f64(),
                pss_mib: usage.pss_kib as f64 / 1024.0,
            };
        }
        let mut figures = Figures::default();
        programs.values().for_each(|program| figures += *program);
        let (state, pods) = state(lab, site, machine.as_ref()).await;
        let (address, wan) = (lab.network.machine(site), lab.network.wan(site));
        sites.push(SiteStatus {
            site,
            state,
            address,
            wan,
            pods,
            figures,
            programs,
        });
    }
    let mut total = Figures::default();
    sites.iter().for_each(|site| total += site.figures);
    let faults = Faults::of(&lab.folder)?;
    Ok(Status {
        lab: lab.name.to_string(),
        index: lab.network.index(),
        sites,
        total,
        faults,
    })
}

fn usages(machine: &Machine) -> BTreeMap<u32, (Process, Usage)> {
    let processes = machine.processes().into_iter();
    processes
        .filter_map(|process| Some((process.pid(), (process.clone(), process.usage()?))))
        .collect()
}

async fn state(lab: &Lab, site: Site, machine: Option<&Machine>) -> (State, Option<Pods>) {
    let Some(machine) = machine else {
        return (State::Off, None);
    };
    if machine.cgroups().is_frozen() {
        return (State::Frozen, None);
    }
    if !machine.is_complete() {
        return (State::Starting, None);
    }
    if !site.is_data_centre() {
        return (State::Up, None);
    }
    match tokio::time::timeout(PATIENCE, cluster(lab, site)).await {
        Ok(Ok((true, pods))) => (State::Ready, Some(pods)),
        Ok(Ok((false, pods))) => (State::Degraded, Some(pods)),
        _ => (State::Degraded, None),
    }
}

async fn cluster(lab: &Lab, site: Site) -> anyhow::Result<(bool, Pods)> {
    let client = site::client(&lab.folder.site(site).kubeconfig("admin")).await?;
    let nodes = Api::<Node>::all(client.clone())
        .list(&ListParams::default())
        .await?;
    let pods = Api::<Pod>::all(client).list(&ListParams::default()).await?;
    let is_ready = |pod: &&Pod| {
        let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
        conditions
            .into_iter()
            .flatten()
            .any(|condition| condition.type_ == "Ready" && condition.status == "True")
    };
    let counted = Pods {
        ready: pods.iter().filter(is_ready).count(),
        all: pods.items.len(),
    };
    Ok((
        !nodes.items.is_empty() && nodes.iter().all(site::is_ready),
        counted,
    ))
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            State::Ready => "ready",
            State::Up => "up",
            State::Degraded => "degraded",
            State::Starting => "starting",
            State::Frozen => "frozen",
            State::Off => "off",
        })
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>6.3} {:>9.0}", self.cores, self.pss_mib)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<10} {:<10} {:<7} {:<14} {:<14} {:>6} {:>9}",
            "SITE", "STATE", "PODS", "ADDRESS", "WAN", "CORES", "PSS MiB"
        )?;
        for site in &self.sites {
            let pods = site
                .pods
                .map_or("-".to_owned(), |pods| format!("{}/{}", pods.ready, pods.all));
            let (address, wan) = (site.address.to_string(), site.wan.to_string());
            writeln!(
                f,
                "{:<10} {:<10} {pods:<7} {address:<14} {wan:<14} {}",
                site.site.name(),
                site.state,
                site.figures
            )?;
        }
        write!(f, "{:<59} {}", "all", self.total)?;
        for sentence in self.faults.sentences() {
            write!(f, "\nfault: {sentence}")?;
        }
        Ok(())
    }
}

/// The same by program, for who wants to know what takes it.
pub fn by_program(status: &Status) -> String {
    let mut lines = vec![format!(
        "{:<10} {:<28} {:>6} {:>9}",
        "SITE", "PROGRAM", "CORES", "PSS MiB"
    )];
    for site in &status.sites {
        lines.extend(
            site.programs
                .iter()
                .map(|(name, figures)| format!("{:<10} {name:<28} {figures}", site.site.name())),
        );
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Network;

    fn status() -> Status {
        let network = Network::new(0).unwrap();
        let figures = Figures {
            cores: 0.042,
            pss_mib: 462.0,
        };
        let site = |site, state, pods| SiteStatus {
            site,
            state,
            address: network.machine(site),
            wan: network.wan(site),
            pods,
            figures,
            programs: [("etcd".to_owned(), figures)].into(),
        };
        let pods = Some(Pods { ready: 4, all: 5 });
        let sites = vec![
            site(Site::Pdsa1, State::Ready, pods),
            site(Site::Pdsa2, State::Off, None),
        ];
        let faults = Faults {
            cut: ["pdsa2".parse().unwrap()].into(),
            ..Faults::default()
        };
        Status {
            lab: "govuc".into(),
            index: 0,
            sites,
            total: figures,
            faults,
        }
    }

    #[test]
    fn the_table_has_one_line_for_each_site_and_says_what_is_cut() {
        let text = status().to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[1],
            "pdsa1      ready      4/5     198.18.1.2     198.19.0.1      0.042       462"
        );
        assert_eq!(lines[4], "fault: pdsa2 is cut");
        assert!(lines.iter().all(|line| line.len() <= 80), "{text}");
        let columns = lines[1].len();
        assert!(lines[0].len() == columns && lines[3].len() == columns, "{text}");
    }

    #[test]
    fn json_has_the_same_facts_for_programs() {
        let json = serde_json::to_value(status()).unwrap();
        assert_eq!(json["sites"][0]["state"], "ready");
        assert_eq!(json["sites"][0]["programs"]["etcd"]["pss_mib"], 462.0);
        assert_eq!(json["faults"]["cut"][0], "pdsa2");
    }
}

//! Two control planes without nodes, as an ordinary user on loopback: a real API server for tests, in seconds.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Instant;

use anyhow::Context;
use tempfile::TempDir;

use crate::artifact;
use crate::kubeconfig;
use crate::loopback::{Daemons, free_ports};
use crate::machine::Daemon;
use crate::network::Site;
use crate::paths::LabFolder;
use crate::site::{self, ControlPlane, MASTERS, Ports};

/// etcd, API server, controller manager and scheduler of one cluster; they end with this value, and with this process.
pub struct ApiOnly {
    cluster: ControlPlane,
    daemons: Daemons,
}

/// What a cluster may use of this machine's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Processors {
    All,
    /// One of its own, as two data centres share none: the first one's is the first.
    One,
}

/// What the folders of pairs begin with; the process follows.
const PREFIX: &str = "govuc-api-";

/// Both clusters, with one kubeconfig for the two.
pub struct Pair {
    clusters: Vec<ApiOnly>,
    folder: TempDir,
}

impl ApiOnly {
    /// Starts a cluster in `folder` and waits until its API server is ready.
    pub async fn start(
        folder: &LabFolder,
        site: Site,
        kubernetes: &Path,
        processors: Processors,
    ) -> anyhow::Result<ApiOnly> {
        let cluster = ControlPlane {
            site,
            folder: folder.site(site),
            kubernetes: kubernetes.to_owned(),
            services: format!("10.14{}.0.0/16", site.number()),
            bind: Ipv4Addr::LOCALHOST,
            address: Ipv4Addr::LOCALHOST,
            aliases: Vec::new(),
            ports: ports(site)?,
            has_nodes: false,
        };
        for folder in cluster.folder.folders() {
            fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        }
        site::create_pki(&cluster)?;
        let processor = (processors == Processors::One).then(|| site.number() - 1);
        let mut started = ApiOnly {
            cluster,
            daemons: Daemons::on(processor),
        };
        let first = started.cluster.first()?;
        started.spawn(&first)?;
        let client = site::client(&started.cluster.folder.kubeconfig("admin")).await?;
        let log = started.cluster.folder.log("kube-apiserver");
        site::wait_for_api(&client)
            .await
            .with_context(|| format!("{site}, whose log is {}", log.display()))?;
        let second = started.cluster.second();
        started.spawn(&second)?;
        Ok(started)
    }

    fn spawn(&mut self, daemons: &[Daemon]) -> anyhow::Result<()> {
        daemons
            .iter()
            .try_for_each(|daemon| self.daemons.spawn(daemon, &[]))
    }
}

impl Pair {
    /// Starts both clusters side by side.
    pub async fn start(processors: Processors) -> anyhow::Result<Pair> {
        let kubernetes = artifact::kubernetes()?;
        let start = Instant::now();
        let base = std::env::var_os("XDG_RUNTIME_DIR")
            .map(PathBuf::from)
            .filter(|path| path.is_dir());
        let base = base.unwrap_or_else(std::env::temp_dir);
        remove_abandoned(&base);
        let prefix = format!("{PREFIX}{}-", std::process::id());
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir_in(&base);
        let folder = folder.with_context(|| format!("a folder in {}", base.display()))?;
        let lab = LabFolder::new(folder.path().to_owned());
        let both = Site::DATA_CENTRES.map(|site| ApiOnly::start(&lab, site, &kubernetes, processors));
        let clusters = futures::future::try_join_all(both).await?;
        let contexts: Result<Vec<_>, _> = clusters
            .iter()
            .map(|c| site::context(&c.cluster, "admin", Some(MASTERS)))
            .collect();
        kubeconfig::write(&lab.kubeconfig(), &contexts?)?;
        eprintln!(
            "pdsa1 and pdsa2: API servers ready after {:.1} s",
            start.elapsed().as_secs_f64()
        );
        Ok(Pair { clusters, folder })
    }

    /// With the contexts `pdsa1` and `pdsa2`.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder().kubeconfig()
    }

    /// Where both keep what they write. It goes with them.
    pub fn folder(&self) -> LabFolder {
        LabFolder::new(self.folder.path().to_owned())
    }

    /// Ends both clusters and removes what they wrote.
    pub fn stop(self) -> anyhow::Result<()> {
        drop(self.clusters);
        self.folder
            .close()
            .context("removing the folder of the API servers")
    }
}

/// Runs `command` with `KUBECONFIG` set to a pair that ends with it.
pub async fn beside(command: &[String]) -> anyhow::Result<ExitStatus> {
    let pair = Pair::start(Processors::All).await?;
    let [program, arguments @ ..] = command else {
        anyhow::bail!("no command")
    };
    let mut child = tokio::process::Command::new(program);
    let status = child
        .args(arguments)
        .env("KUBECONFIG", pair.kubeconfig())
        .status();
    let status = status.await.with_context(|| program.clone())?;
    pair.stop()?;
    Ok(status)
}

/// Keeps a pair up until it is interrupted.
pub async fn stay() -> anyhow::Result<()> {
    let pair = Pair::start(Processors::All).await?;
    println!(
        "`export KUBECONFIG={}` for kubectl; Ctrl-C ends it",
        display(&pair.kubeconfig())
    );
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    pair.stop()
}

fn display(path: &Path) -> String {
    path.display().to_string()
}

/// Removes the folders of pairs whose process was killed; its API servers went with it.
fn remove_abandoned(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
        let lives = |pid: u32| fs::exists(format!("/proc/{pid}")).unwrap_or(true);
        if owner.is_some_and(|pid| !lives(pid)) {
            // Another user's stays.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// No site has a port of another.
fn ports(site: Site) -> anyhow::Result<Ports> {
    let first = 5_000 * u16::from(site.number()) + (std::process::id() % 4_000) as u16;
    let [etcd, etcd_peers, api, controller_manager, scheduler] = free_ports(first)?;
    Ok(Ports {
        etcd,
        etcd_peers,
        api,
        controller_manager,
        scheduler,
    })
}

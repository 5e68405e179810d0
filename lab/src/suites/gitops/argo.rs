//! Argo CD's packages at work on a cluster.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use serde::Deserialize;
use serde_json::Value;

use crate::cargo::repository;
use crate::command;
use crate::network::Site;

/// How an application is set up: see `lab/argo/main.go`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Without any option.
    Client,
    /// Server-side apply.
    Server,
    /// The same, and the API server is asked for the difference.
    DryRun,
}

/// Argo CD's program, and the settings that we ship.
pub struct Argo {
    program: PathBuf,
    kubeconfig: PathBuf,
}

/// What Argo CD shows of one object.
#[derive(Clone, Debug, Deserialize)]
pub struct Verdict {
    pub name: String,
    /// `Synced` or `OutOfSync`.
    pub sync: String,
    #[serde(default)]
    pub live: Value,
    #[serde(default)]
    pub predicted: Value,
    pub health: String,
    #[serde(default)]
    pub message: String,
}

impl Mode {
    pub const ALL: [Mode; 3] = [Mode::Client, Mode::Server, Mode::DryRun];

    fn word(self) -> &'static str {
        match self {
            Mode::Client => "client",
            Mode::Server => "server",
            Mode::DryRun => "dry-run",
        }
    }
}

impl Argo {
    pub fn new(program: PathBuf, kubeconfig: PathBuf) -> Argo {
        Argo { program, kubeconfig }
    }

    /// Applies as a sync does.
    pub fn apply(&self, site: Site, mode: Mode, manifests: &str) -> anyhow::Result<()> {
        self.run("apply", site, mode, None, manifests)?;
        Ok(())
    }

    /// Judges by the settings in `manifests/argocd`.
    pub fn judge(&self, site: Site, mode: Mode, manifests: &str) -> anyhow::Result<Vec<Verdict>> {
        let settings = repository().join("manifests/argocd/argocd-cm.yaml");
        self.judge_by(Some(&settings), site, mode, manifests)
    }

    /// Without settings: as Argo CD is when it was just installed.
    pub fn judge_by(
        &self,
        settings: Option<&Path>,
        site: Site,
        mode: Mode,
        manifests: &str,
    ) -> anyhow::Result<Vec<Verdict>> {
        let text = self.run("judge", site, mode, settings, manifests)?;
        serde_json::from_str(&text).context("what argo prints")
    }

    fn run(
        &self,
        verb: &str,
        site: Site,
        mode: Mode,
        settings: Option<&Path>,
        manifests: &str,
    ) -> anyhow::Result<String> {
        let mut argo = Command::new(&self.program);
        argo.args([verb, "-context", site.name(), "-mode", mode.word()])
            .env("KUBECONFIG", &self.kubeconfig);
        if let Some(settings) = settings {
            argo.arg("-settings").arg(settings);
        }
        let output = command::run_with(&mut argo, manifests.as_bytes())?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

//! kubectl and its plugin, run as a user would run them.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command;
use crate::network::Site;

/// kubectl with the kubeconfig of a lab.
#[derive(Clone, Debug)]
pub struct Kubectl {
    /// The lab's Kubernetes, which carries kubectl.
    kubernetes: PathBuf,
    /// `kubectl-govuc`.
    plugin: PathBuf,
    kubeconfig: PathBuf,
}

impl Kubectl {
    pub fn new(kubernetes: &Path, plugin: &Path, kubeconfig: &Path) -> Self {
        Self {
            kubernetes: kubernetes.into(),
            plugin: plugin.into(),
            kubeconfig: kubeconfig.into(),
        }
    }

    /// Runs `kubectl --context SITE ARGUMENTS` and gives what it printed.
    pub fn run(&self, site: Site, arguments: &[&str]) -> Result<String, command::Error> {
        Ok(text(&command::run(self.command(site).args(arguments))?))
    }

    /// As [`Kubectl::run`], with `input` on standard input.
    pub fn run_with(&self, site: Site, arguments: &[&str], input: &str) -> Result<String, command::Error> {
        Ok(text(&command::run_with(
            self.command(site).args(arguments),
            input.as_bytes(),
        )?))
    }

    /// Runs `kubectl govuc ARGUMENTS`.
    pub fn govuc(&self, arguments: &[&str]) -> Result<String, command::Error> {
        Ok(text(&command::run(
            Command::new(&self.plugin)
                .env("KUBECONFIG", &self.kubeconfig)
                .args(arguments),
        )?))
    }

    fn command(&self, site: Site) -> Command {
        let mut command = Command::new(&self.kubernetes);
        command
            .arg("kubectl")
            .args(["--context", site.name()])
            .env("KUBECONFIG", &self.kubeconfig);
        command
    }
}

fn text(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

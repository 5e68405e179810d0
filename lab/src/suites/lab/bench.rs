//! A lab for one run of the tests, and how the checks talk to it.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::lab::{Lab, LabName};
use crate::machine::wait;
use crate::network::Site;
use crate::{artifact, command};

/// What the names of test labs begin with; the rest is the process that runs the tests.
pub const PREFIX: &str = "test-";

/// How long a check waits for something to come true.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Bench {
    pub name: LabName,
}

impl Bench {
    pub fn new() -> anyhow::Result<Bench> {
        Ok(Bench {
            name: format!("{PREFIX}{}", std::process::id()).parse()?,
        })
    }

    pub fn lab(&self) -> anyhow::Result<Lab> {
        Ok(Lab::open(&self.name)?)
    }

    /// kubectl as administrator of `site`; gives what it printed.
    pub fn kubectl(&self, site: Site, arguments: &[&str]) -> anyhow::Result<String> {
        let output = command::run(self.command(site)?.args(arguments))?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Applies objects, again until a new namespace has its ServiceAccount, without which it takes no pod.
    pub fn apply(&self, site: Site, objects: &[Value]) -> anyhow::Result<()> {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
        let mut last = Ok(());
        wait(Duration::from_secs(20), || {
            last = self.command(site).and_then(|mut kubectl| {
                kubectl.args(["apply", "--server-side", "-f", "-"]);
                Ok(command::run_with(&mut kubectl, list.as_bytes()).map(drop)?)
            });
            last.is_ok()
        });
        last
    }

    /// Waits until every pod of a namespace is Ready.
    pub fn wait_for_pods(&self, site: Site, namespace: &str) -> anyhow::Result<()> {
        let wait = [
            "wait",
            "--for=condition=Ready",
            "pod",
            "--all",
            "--timeout=90s",
            "-n",
            namespace,
        ];
        self.kubectl(site, &wait).map(drop)
    }

    /// Runs the probe in a pod: which of `targets` answer, in their order.
    pub fn dial(
        &self,
        site: Site,
        namespace: &str,
        pod: &str,
        targets: &[String],
    ) -> anyhow::Result<Vec<bool>> {
        let probe = [
            "exec",
            "-n",
            namespace,
            pod,
            "--",
            "/usr/bin/govuc-lab-probe",
            "dial",
            "700",
        ];
        let words: Vec<&str> = probe
            .into_iter()
            .chain(targets.iter().map(String::as_str))
            .collect();
        let answer = self.kubectl(site, &words)?;
        Ok(answer.lines().map(|line| line.ends_with(" open")).collect())
    }

    /// A field of an object, as kubectl's JSONPath gives it.
    pub fn field(&self, site: Site, object: &[&str], path: &str) -> anyhow::Result<String> {
        let output = format!("jsonpath={path}");
        self.kubectl(site, &[&["get"], object, &["-o", &output]].concat())
    }

    fn command(&self, site: Site) -> anyhow::Result<Command> {
        let mut kubectl = Command::new(artifact::kubernetes()?);
        kubectl
            .args(["kubectl", "--kubeconfig"])
            .arg(self.lab()?.folder.kubeconfig())
            .args(["--context", site.name()]);
        Ok(kubectl)
    }
}

/// Tries `attempt` until it gives `wanted`; the error has what it gave last.
pub async fn eventually<T: PartialEq + std::fmt::Debug>(
    wanted: T,
    mut attempt: impl FnMut() -> anyhow::Result<T>,
) -> anyhow::Result<()> {
    let end = Instant::now() + PATIENCE;
    loop {
        let got = attempt();
        match got {
            Ok(got) if got == wanted => return Ok(()),
            Ok(got) if Instant::now() > end => {
                bail!("{got:?} instead of {wanted:?} after {} s", PATIENCE.as_secs())
            }
            Err(error) if Instant::now() > end => return Err(error).context("the last attempt"),
            _ => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

/// A pod of the probe's, as strict as Pod Security asks.
pub fn pod(namespace: &str, name: &str, image: &str, serve: &[&str]) -> Value {
    let arguments = [&["serve"], serve].concat();
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": namespace, "name": name, "labels": {"app": name}},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": 65532, "fsGroup": 7000, "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [{
                "name": "probe",
                "image": image,
                "imagePullPolicy": "Never",
                "args": arguments,
                "ports": [{"name": "web", "containerPort": 8080, "protocol": "TCP"}],
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
            }],
        },
    })
}

pub fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {
        "team": name, "pod-security.kubernetes.io/enforce": "restricted",
    }}})
}

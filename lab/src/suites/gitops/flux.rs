//! Flux's controllers beside a cluster, and what they are told and say.

use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::field::until;
use crate::loopback::{Daemons, free_ports};
use crate::machine::Daemon;
use crate::network::Site;
use crate::service::Kubectl;

/// Where Flux's objects are, and the account by which it applies.
pub const NAMESPACE: &str = "gitops";
const ACCOUNT: &str = "pipeline";
const SOURCE: &str = "platform";

/// One cluster's controllers.
pub struct Flux {
    site: Site,
    kubectl: Kubectl,
    _daemons: Daemons,
}

/// What a Kustomization says of itself.
#[derive(Clone, Debug)]
pub struct Said {
    /// `True`, `False` or `Unknown`.
    pub ready: String,
    pub reason: String,
    pub message: String,
    /// Everything is applied, and health is waited for.
    pub waits: bool,
    pub applied: String,
    pub attempted: String,
    pub handled: String,
}

impl Flux {
    /// Starts both controllers with a kubeconfig of this cluster alone, and has them follow the repository at `url`.
    pub async fn start(
        site: Site,
        kubectl: &Kubectl,
        kubeconfig: &Path,
        folder: &Path,
        programs: &Path,
        url: &str,
    ) -> anyhow::Result<Flux> {
        fs::create_dir_all(folder.join("storage")).with_context(|| folder.display().to_string())?;
        let crds = programs.join("crds").display().to_string();
        kubectl.run(site, &["apply", "--server-side", "-f", &crds])?;
        kubectl.run(site, &["wait", "--for=condition=Established", "crd", "--all"])?;
        let [storage] =
            free_ports(15_000 + 1_000 * u16::from(site.number()) + (std::process::id() % 4_000) as u16)?;
        let address = format!("127.0.0.1:{storage}");
        let common = [
            "--watch-all-namespaces",
            "--enable-leader-election=false",
            "--metrics-addr=0",
            "--health-addr=0",
            "--log-level=debug",
        ];
        let apply = [
            "--requeue-dependency=1s".to_owned(),
            // Otherwise what is not Ready holds back the next commit, until the timeout is over.
            "--feature-gates=CancelHealthCheckOnNewRevision=true".to_owned(),
        ];
        let source = [
            format!("--storage-path={}", folder.join("storage").display()),
            format!("--storage-addr={address}"),
            format!("--storage-adv-addr={address}"),
        ];
        let mut daemons = Daemons::default();
        for (name, own) in [
            ("source-controller", &source[..]),
            ("kustomize-controller", &apply),
        ] {
            let daemon = Daemon {
                program: programs.join(name),
                arguments: common
                    .into_iter()
                    .map(str::to_owned)
                    .chain(own.iter().cloned())
                    .collect(),
                log: folder.join(format!("{name}.log")),
                path: None,
            };
            let environment = [
                ("KUBECONFIG", kubeconfig.as_os_str()),
                ("RUNTIME_NAMESPACE", NAMESPACE.as_ref()),
            ];
            daemons.spawn(&daemon, &environment)?;
        }
        let flux = Flux {
            site,
            kubectl: kubectl.clone(),
            _daemons: daemons,
        };
        for object in [namespace(), account(), binding(), repository(url)] {
            flux.apply(&object)?;
        }
        Ok(flux)
    }

    /// Has a folder of the repository applied.
    pub fn follow(&self, name: &str, after: &[&str]) -> anyhow::Result<()> {
        let after: Vec<Value> = after.iter().map(|name| json!({"name": name})).collect();
        self.apply(&json!({
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {
                "sourceRef": {"kind": "GitRepository", "name": SOURCE},
                "path": format!("./{name}"),
                "serviceAccountName": ACCOUNT,
                "dependsOn": after,
                // Nothing happens by itself while a check looks.
                "interval": "24h",
                "retryInterval": "24h",
                "timeout": "30m",
                "prune": true,
                "wait": true,
            },
        }))
    }

    /// Has the source read now, and waits until this revision is there to be applied.
    pub async fn fetch(&self, revision: &str) -> anyhow::Result<()> {
        self.request("gitrepository", SOURCE)?;
        until(&format!("{} has {revision}", self.site), || {
            let object = self.read("gitrepository", SOURCE)?;
            Ok((object["status"]["artifact"]["revision"] == revision).then_some(()))
        })
        .await
    }

    /// Has a folder applied again, and waits until that is done, however it ended.
    pub async fn reconcile(&self, name: &str) -> anyhow::Result<Said> {
        let asked = self.request("kustomization", name)?;
        until(&format!("{name} was reconciled at {}", self.site), || {
            let said = self.says(name)?;
            Ok((said.handled == asked && !said.waits).then_some(said))
        })
        .await
    }

    /// Has a folder applied again as soon as it can be.
    pub fn reconcile_soon(&self, name: &str) -> anyhow::Result<()> {
        self.request("kustomization", name).map(drop)
    }

    /// Waits until a folder is applied in this revision, and all in it healthy.
    pub async fn ready(&self, name: &str, revision: &str) -> anyhow::Result<()> {
        until(
            &format!("{name} is Ready at {} with {revision}", self.site),
            || {
                let said = self.says(name)?;
                ensure!(
                    !(said.ready == "False"
                        && said.attempted == revision
                        && said.reason != "DependencyNotReady"),
                    "{name} failed: {said:?}"
                );
                Ok((said.ready == "True" && said.applied == revision).then_some(()))
            },
        )
        .await
    }

    pub fn says(&self, name: &str) -> anyhow::Result<Said> {
        let object = self.read("kustomization", name)?;
        let status = &object["status"];
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let find = |kind: &str| conditions.iter().find(|condition| condition["type"] == kind);
        let ready = find("Ready").cloned().unwrap_or_default();
        Ok(Said {
            ready: text(&ready["status"]),
            reason: text(&ready["reason"]),
            message: text(&ready["message"]),
            waits: find("Healthy").is_some_and(|healthy| healthy["status"] == "Unknown"),
            applied: text(&status["lastAppliedRevision"]),
            attempted: text(&status["lastAttemptedRevision"]),
            handled: text(&status["lastHandledReconcileAt"]),
        })
    }

    /// As `flux reconcile` does; what it is known by.
    fn request(&self, kind: &str, name: &str) -> anyhow::Result<String> {
        let now = k8s_openapi::jiff::Timestamp::now().to_string();
        let annotation = format!("reconcile.fluxcd.io/requestedAt={now}");
        let words = [
            "-n",
            NAMESPACE,
            "annotate",
            "--overwrite",
            kind,
            name,
            &annotation,
        ];
        self.kubectl.run(self.site, &words)?;
        Ok(now)
    }

    fn read(&self, kind: &str, name: &str) -> anyhow::Result<Value> {
        let words = ["-n", NAMESPACE, "get", kind, name, "-o", "json"];
        serde_json::from_str(&self.kubectl.run(self.site, &words)?).context("kubectl's JSON")
    }

    fn apply(&self, object: &Value) -> anyhow::Result<()> {
        self.kubectl
            .run_with(self.site, &["apply", "-f", "-"], &object.to_string())?;
        Ok(())
    }
}

fn namespace() -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
}

fn account() -> Value {
    json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": ACCOUNT, "namespace": NAMESPACE},
    })
}

/// What the installation has for pipelines, and nothing more.
fn binding() -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "gitops-pipeline"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "govuc-pipeline"},
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE}],
    })
}

fn repository(url: &str) -> Value {
    json!({
        "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
        "metadata": {"name": SOURCE, "namespace": NAMESPACE},
        "spec": {"url": url, "ref": {"branch": "main"}, "interval": "24h"},
    })
}

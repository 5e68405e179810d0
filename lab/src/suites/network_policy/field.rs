//! The pods of the checks: clients that dial, servers that answer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, bail};
use futures::future::try_join_all;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{AttachParams, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::wait::await_condition;
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::time::{sleep, timeout};

/// How long a dial waits for its answer, in milliseconds.
const DIAL: &str = "400";

const START: Duration = Duration::from_secs(60);

/// Clients, by the namespace they are in: two of the servers' namespace, one of another.
pub(super) const CLIENTS: [(&str, &str); 3] = [("near", "a"), ("other", "a"), ("far", "b")];

/// What can be dialled: server, protocol and port.
pub(super) const TARGETS: [(&str, &str); 6] = [
    ("web", "tcp:8080"),
    ("web", "tcp:8081"),
    ("web", "tcp:8085"),
    ("web", "udp:5300"),
    ("shop", "tcp:9090"),
    ("shop", "tcp:8080"),
];

/// One client's way to one target, such as `far` to `web/tcp:8080`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Reach {
    pub client: &'static str,
    pub target: String,
}

pub(super) struct Field {
    pub client: Client,
    pub image: String,
    /// What the namespaces' names end in, so that two runs do not meet.
    run: u32,
    addresses: BTreeMap<&'static str, String>,
}

impl Field {
    pub(super) fn new(client: Client, image: &str) -> Self {
        Self {
            client,
            image: image.into(),
            run: std::process::id(),
            addresses: BTreeMap::new(),
        }
    }

    /// Makes both namespaces and all pods, and waits until they are ready.
    pub(super) async fn make(&mut self) -> anyhow::Result<()> {
        let namespaces = Api::<Namespace>::all(self.client.clone());
        for team in ["a", "b"] {
            let labels = json!({"team": team, "pod-security.kubernetes.io/enforce": "restricted"});
            let namespace = json!({"metadata": {"name": self.namespace(team), "labels": labels}});
            namespaces
                .create(&PostParams::default(), &serde_json::from_value(namespace)?)
                .await?;
        }
        // `http` is another number in each server.
        let ports = |http: u16| json!([{"name": "http", "containerPort": http}, {"name": "ask", "containerPort": 5300, "protocol": "UDP"}]);
        let web = ["serve", "tcp:8080", "tcp:8081", "tcp:8085", "udp:5300"];
        self.pod("a", "web", &web, json!({"ports": ports(8080)})).await?;
        self.pod(
            "a",
            "shop",
            &["serve", "tcp:8080", "tcp:9090"],
            json!({"ports": ports(9090)}),
        )
        .await?;
        for (name, team) in CLIENTS {
            self.pod(team, name, &["serve", "tcp:1"], json!({})).await?;
        }
        for (name, team) in [("web", "a"), ("shop", "a")].into_iter().chain(CLIENTS) {
            let address = self.ready(team, name).await?;
            self.addresses.insert(name, address);
        }
        Ok(())
    }

    pub(super) fn namespace(&self, team: &str) -> String {
        format!("network-policy-{team}-{}", self.run)
    }

    /// The address of one of the field's pods.
    pub(super) fn address(&self, pod: &str) -> &str {
        self.addresses.get(pod).map_or("", String::as_str)
    }

    pub(super) fn pods(&self, team: &str) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.namespace(team))
    }

    /// Makes a pod with the label `name`. `container` is merged into its container.
    pub(super) async fn pod(
        &self,
        team: &str,
        name: &str,
        args: &[&str],
        container: Value,
    ) -> anyhow::Result<()> {
        let mut spec = json!({
            "name": "probe",
            "image": self.image,
            "imagePullPolicy": "Never",
            "args": args,
            "securityContext": {
                "allowPrivilegeEscalation": false,
                "runAsNonRoot": true,
                "capabilities": {"drop": ["ALL"]},
                "seccompProfile": {"type": "RuntimeDefault"},
            },
        });
        if let (Some(spec), Value::Object(more)) = (spec.as_object_mut(), container) {
            spec.extend(more);
        }
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": name, "labels": {"name": name}},
            "spec": {
                "containers": [spec],
                "restartPolicy": "Never",
                "automountServiceAccountToken": false,
                "terminationGracePeriodSeconds": 0,
            },
        }))?;
        let mut attempts = 50;
        loop {
            match self.pods(team).create(&PostParams::default(), &pod).await {
                // The namespace's ServiceAccount comes a moment after the namespace.
                Err(kube::Error::Api(status)) if status.is_forbidden() && attempts > 0 => attempts -= 1,
                made => return made.map(drop).with_context(|| format!("create pod {name}")),
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until a pod is running (and ready, when it has a probe) and returns its address.
    pub(super) async fn ready(&self, team: &str, name: &str) -> anyhow::Result<String> {
        let ready = await_condition(self.pods(team), name, is_ready);
        let pod = timeout(START, ready)
            .await
            .with_context(|| format!("pod {name} is not Ready after {START:?}"))??;
        let address = pod.and_then(|pod| pod.status).and_then(|status| status.pod_ip);
        address.with_context(|| format!("pod {name} has no address"))
    }

    /// Applies policies, each with the team whose namespace it is for.
    pub(super) async fn apply(&self, policies: &[(&str, Value)]) -> anyhow::Result<()> {
        for (number, (team, spec)) in policies.iter().enumerate() {
            let policy = json!({"metadata": {"name": format!("check-{number}")}, "spec": spec});
            let api = Api::<NetworkPolicy>::namespaced(self.client.clone(), &self.namespace(team));
            api.create(&PostParams::default(), &serde_json::from_value(policy)?)
                .await?;
        }
        Ok(())
    }

    pub(super) async fn remove_policies(&self) -> anyhow::Result<()> {
        for team in ["a", "b"] {
            let api = Api::<NetworkPolicy>::namespaced(self.client.clone(), &self.namespace(team));
            api.delete_collection(&DeleteParams::default(), &ListParams::default())
                .await?;
        }
        Ok(())
    }

    /// Sets or (with null) removes labels of a pod.
    pub(super) async fn label_pod(&self, team: &str, name: &str, labels: Value) -> anyhow::Result<()> {
        let patch = Patch::Merge(json!({"metadata": {"labels": labels}}));
        self.pods(team)
            .patch(name, &PatchParams::default(), &patch)
            .await?;
        Ok(())
    }

    /// Sets or (with null) removes labels of a team's namespace.
    pub(super) async fn label_namespace(&self, team: &str, labels: Value) -> anyhow::Result<()> {
        let patch = Patch::Merge(json!({"metadata": {"labels": labels}}));
        let api = Api::<Namespace>::all(self.client.clone());
        api.patch(&self.namespace(team), &PatchParams::default(), &patch)
            .await?;
        Ok(())
    }

    /// Every client's way to every target.
    pub(super) fn everything(&self) -> BTreeSet<Reach> {
        let ways = |(client, _)| {
            TARGETS.map(|(server, port)| Reach {
                client,
                target: format!("{server}/{port}"),
            })
        };
        CLIENTS.into_iter().flat_map(ways).collect()
    }

    /// What is open now, asked of all clients at once.
    pub(super) async fn reached(&self) -> anyhow::Result<BTreeSet<Reach>> {
        let endpoints: Vec<String> = TARGETS.map(|(server, port)| self.endpoint(server, port)).into();
        let dials = CLIENTS.map(|(client, team)| {
            let endpoints = &endpoints;
            async move {
                let open = self.dial(team, client, endpoints).await?;
                let answered = TARGETS.iter().zip(open).filter(|(_, open)| *open);
                let ways = answered.map(|((server, port), _)| Reach {
                    client,
                    target: format!("{server}/{port}"),
                });
                anyhow::Ok(ways.collect::<Vec<_>>())
            }
        });
        Ok(try_join_all(dials).await?.into_iter().flatten().collect())
    }

    /// `tcp:8080` of pod `web` as the probe dials it.
    fn endpoint(&self, server: &str, port: &str) -> String {
        let (protocol, number) = port.split_once(':').unwrap_or((port, ""));
        format!("{protocol}:{}:{number}", self.address(server))
    }

    /// Dials `endpoints` from a pod and says which of them answered.
    pub(super) async fn dial(
        &self,
        team: &str,
        pod: &str,
        endpoints: &[String],
    ) -> anyhow::Result<Vec<bool>> {
        let command = ["/usr/bin/govuc-lab-probe", "dial", DIAL]
            .into_iter()
            .chain(endpoints.iter().map(String::as_str));
        let params = AttachParams::default().stdin(false).stdout(true).stderr(false);
        let mut process = self
            .pods(team)
            .exec(pod, command, &params)
            .await
            .with_context(|| format!("exec in {pod}"))?;
        let mut printed = String::new();
        if let Some(mut stdout) = process.stdout() {
            stdout.read_to_string(&mut printed).await?;
        }
        process.join().await?;
        let open: Vec<bool> = printed.lines().map(|line| line.ends_with(" open")).collect();
        if open.len() != endpoints.len() {
            bail!("the probe in {pod} printed {printed:?}");
        }
        Ok(open)
    }

    /// Removes both namespaces, without waiting for their end.
    pub(super) async fn remove(&self) -> anyhow::Result<()> {
        let namespaces = Api::<Namespace>::all(self.client.clone());
        for team in ["a", "b"] {
            namespaces
                .delete(&self.namespace(team), &DeleteParams::default())
                .await?;
        }
        Ok(())
    }
}

/// Whether a pod's condition Ready is True.
pub(super) fn is_ready(pod: Option<&Pod>) -> bool {
    let conditions = pod
        .and_then(|pod| pod.status.as_ref())
        .and_then(|status| status.conditions.as_ref());
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

//! Checks of what changes while a policy is in force.

use anyhow::{Context, ensure};
use k8s_openapi::api::core::v1::Service;
use kube::Api;
use kube::api::{LogParams, PostParams};
use kube::runtime::wait::await_condition;
use serde_json::json;
use tokio::time::timeout;

use super::field::{Field, Reach, is_ready};
use super::{PATIENCE, settles};

/// What is changed.
#[derive(Clone, Copy)]
pub(super) enum Change {
    PodRelabelled,
    NamespaceRelabelled,
    Service,
    NewPod,
}

impl Change {
    pub(super) const ALL: [Self; 4] = [
        Self::PodRelabelled,
        Self::NamespaceRelabelled,
        Self::Service,
        Self::NewPod,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::PodRelabelled => "a pod that is relabelled comes under a policy and leaves it",
            Self::NamespaceRelabelled => "a namespace that is relabelled becomes a peer and is one no more",
            Self::Service => "a connection to a Service is judged by the pod and port it goes to",
            Self::NewPod => "a new pod of a default-deny namespace is never open, and its probes pass",
        }
    }

    pub(super) async fn run(self, field: &Field) -> anyhow::Result<()> {
        match self {
            Self::PodRelabelled => pod_relabelled(field).await,
            Self::NamespaceRelabelled => namespace_relabelled(field).await,
            Self::Service => service(field).await,
            Self::NewPod => new_pod(field).await,
        }
    }
}

async fn pod_relabelled(field: &Field) -> anyhow::Result<()> {
    let guarded = json!({"podSelector": {"matchLabels": {"guarded": "yes"}}, "policyTypes": ["Ingress"]});
    field.apply(&[("a", guarded)]).await?;
    let all = field.everything();
    settles(field, &all).await.context("before the label")?;
    field.label_pod("a", "web", json!({"guarded": "yes"})).await?;
    let shop = all
        .iter()
        .filter(|reach| reach.target.starts_with("shop"))
        .cloned()
        .collect();
    settles(field, &shop).await.context("with the label")?;
    field.label_pod("a", "web", json!({"guarded": null})).await?;
    settles(field, &all).await.context("without the label")
}

async fn namespace_relabelled(field: &Field) -> anyhow::Result<()> {
    let friends = json!({"matchLabels": {"friend": "yes"}});
    field
        .apply(&[(
            "a",
            json!({"podSelector": {}, "ingress": [{"from": [{"namespaceSelector": friends}]}]}),
        )])
        .await?;
    let nothing = Default::default();
    settles(field, &nothing).await.context("before the label")?;
    field.label_namespace("b", json!({"friend": "yes"})).await?;
    let far = field
        .everything()
        .into_iter()
        .filter(|reach: &Reach| reach.client == "far")
        .collect();
    settles(field, &far).await.context("with the label")?;
    field.label_namespace("b", json!({"friend": null})).await?;
    settles(field, &nothing).await.context("without the label")
}

async fn service(field: &Field) -> anyhow::Result<()> {
    let services = Api::<Service>::namespaced(field.client.clone(), &field.namespace("a"));
    let service = serde_json::from_value(json!({
        "metadata": {"name": "web"},
        "spec": {
            "selector": {"name": "web"},
            "ports": [
                {"name": "open", "port": 80, "targetPort": 8080},
                {"name": "shut", "port": 8080, "targetPort": 8081},
            ],
        },
    }))?;
    let made = services.create(&PostParams::default(), &service).await?;
    let address = made
        .spec
        .and_then(|spec| spec.cluster_ip)
        .context("the Service has no address")?;
    let endpoints = [format!("tcp:{address}:80"), format!("tcp:{address}:8080")];
    // Nobody but the pod itself gets at 8081, and it only because a pod may always talk to itself.
    let policy = json!({"podSelector": {"matchLabels": {"name": "web"}}, "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"ports": [{"port": 8080}]}]});
    field.apply(&[("a", policy)]).await?;
    let wanted = [
        ("far", "b", [true, false]),
        ("near", "a", [true, false]),
        ("web", "a", [true, true]),
    ];
    for (pod, team, wanted) in wanted {
        let settled = async {
            while field.dial(team, pod, &endpoints).await? != wanted {}
            anyhow::Ok(())
        };
        timeout(PATIENCE, settled)
            .await
            .with_context(|| format!("{pod} to ports 80, 8080 is not open {wanted:?}"))??;
    }
    Ok(())
}

/// The pod dials as its first act, long before the API server knows its address.
async fn new_pod(field: &Field) -> anyhow::Result<()> {
    field
        .apply(&[(
            "b",
            json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}),
        )])
        .await?;
    let far_closed = field
        .everything()
        .into_iter()
        .filter(|reach| reach.client != "far")
        .collect();
    settles(field, &far_closed).await.context("default deny")?;

    let target = format!("tcp:{}:8080", field.address("web"));
    field
        .pod("b", "first-act", &["dial", "4000", &target], json!({}))
        .await?;
    let over = |pod: Option<&k8s_openapi::api::core::v1::Pod>| {
        pod.and_then(|p| p.status.as_ref())
            .and_then(|s| s.phase.as_deref())
            == Some("Succeeded")
    };
    timeout(PATIENCE, await_condition(field.pods("b"), "first-act", over))
        .await
        .context("the new pod does not end")??;
    let printed = field.pods("b").logs("first-act", &LogParams::default()).await?;
    ensure!(
        printed.trim() == format!("{target} closed"),
        "the new pod printed {printed:?}"
    );

    let probe = json!({"readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1}});
    field.pod("b", "probed", &["serve", "tcp:8080"], probe).await?;
    let ready = await_condition(field.pods("b"), "probed", is_ready);
    timeout(PATIENCE, ready)
        .await
        .context("the kubelet's probe does not reach the pod")??;
    Ok(())
}

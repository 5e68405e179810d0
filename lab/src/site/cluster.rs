//! What the lab asks of a site's API server: whether it is ready, and the objects every site has.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use k8s_openapi::api::core::v1::{Node, ServiceAccount};
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client, Config};
use serde_json::{Value, json};

use super::{Plan, dns};

/// Who provides volumes of the class `local`.
pub const PROVISIONER: &str = "1govuc.gov.my/local";

const MANAGER: &str = "govuc-lab";
const PATIENCE: Duration = Duration::from_secs(180);
const PAUSE: Duration = Duration::from_millis(50);

/// A client for the current context of a kubeconfig.
pub async fn client(kubeconfig: &Path) -> anyhow::Result<Client> {
    let file = Kubeconfig::read_from(kubeconfig)?;
    let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
    // A proxy of the user's has no way into a lab.
    config.proxy_url = None;
    Ok(Client::try_from(config)?)
}

/// Waits until the API server says it is ready.
pub async fn wait_for_api(client: &Client) -> anyhow::Result<()> {
    let end = Instant::now() + PATIENCE;
    loop {
        let request = http::Request::get("/readyz").body(Vec::new())?;
        // An API server that hangs while it starts must not take the whole patience.
        let answer = tokio::time::timeout(Duration::from_secs(2), client.request_text(request)).await;
        match answer {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) if Instant::now() > end => {
                return Err(error).context("the API server is not ready after 3 minutes");
            }
            Err(_) if Instant::now() > end => bail!("the API server gives no answer after 3 minutes"),
            _ => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Applies the objects every site has.
pub async fn install(plan: &Plan<'_>, client: &Client) -> anyhow::Result<()> {
    for object in [dns::objects(plan), vec![storage_class()]].concat() {
        apply(client, object).await?;
    }
    Ok(())
}

/// Waits until the node is Ready and pods can be made in `default`.
pub async fn wait_until_ready(plan: &Plan<'_>, client: &Client) -> anyhow::Result<()> {
    let end = Instant::now() + PATIENCE;
    let (nodes, accounts) = (
        Api::<Node>::all(client.clone()),
        Api::<ServiceAccount>::default_namespaced(client.clone()),
    );
    loop {
        let node = nodes.get_opt(plan.site.name()).await?;
        let account = accounts.get_opt("default").await?;
        if node.as_ref().is_some_and(is_ready) && account.is_some() {
            return Ok(());
        }
        if Instant::now() > end {
            let what = if account.is_none() {
                "ServiceAccount default is not there"
            } else {
                "the node is not Ready"
            };
            bail!("{what} after 3 minutes");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether a node says it is Ready.
pub fn is_ready(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

fn storage_class() -> Value {
    json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": {"name": "local", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": PROVISIONER,
        "volumeBindingMode": "WaitForFirstConsumer"})
}

/// Server-side apply of one of the few kinds the lab writes; all of them have the regular plural.
async fn apply(client: &Client, object: Value) -> anyhow::Result<()> {
    let object: DynamicObject = serde_json::from_value(object)?;
    let types = object.types.clone().context("an object without kind")?;
    let resource = ApiResource::from_gvk(&GroupVersionKind::try_from(&types)?);
    let name = object.metadata.name.clone().context("an object without name")?;
    let api: Api<DynamicObject> = match &object.metadata.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let parameters = PatchParams::apply(MANAGER).force();
    api.patch(&name, &parameters, &Patch::Apply(&object))
        .await
        .with_context(|| format!("{} {name}", types.kind))?;
    Ok(())
}

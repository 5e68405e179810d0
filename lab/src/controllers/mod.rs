//! The three small controllers a real cluster gets from its provider: local volumes, LoadBalancer addresses and
//! NetworkPolicy.
//!
//! They run as one process inside a machine's namespaces, because volumes are its folders, addresses its
//! interface's and policies its packet filter's. Each starts from what it finds, so killing the process at any
//! moment costs nothing, and each writes only what differs, so a settled cluster sees no request but watches.

mod follow;
mod load_balancer;
mod network_policy;
mod volumes;

use std::net::Ipv4Addr;
use std::path::PathBuf;

use anyhow::Context;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Client, Config, Resource};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Field manager of everything these controllers write.
const MANAGER: &str = "govuc-lab";

/// What the controllers of one machine work on.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The site's name, for logs.
    pub site: String,
    /// A kubeconfig with the rights of an administrator.
    pub kubeconfig: PathBuf,
    /// Where the folders of local volumes are made: the same path for this process and for the kubelet.
    pub volumes_root: PathBuf,
    /// First and last address that a Service of type LoadBalancer can get.
    pub load_balancer_pool: (Ipv4Addr, Ipv4Addr),
    /// The interface that answers for those addresses.
    pub wan_interface: String,
    /// What the host's ends of the pods' links begin with, as in `veth`.
    pub pod_interface_prefix: String,
    /// The node whose pods use these volumes.
    pub node_name: String,
    /// Ends [`run`].
    pub stop: CancellationToken,
}

/// Runs the controllers until `settings.stop` is cancelled. Addresses and rules stay in force after it returns.
///
/// # Errors
/// A kubeconfig that can't be used, or a controller that ended by itself.
pub async fn run(settings: Settings) -> anyhow::Result<()> {
    let client = client(&settings).await?;
    let events = Events::new(client.clone(), &settings.node_name);
    tokio::select! {
        () = settings.stop.cancelled() => Ok(()),
        ended = volumes::run(client.clone(), &settings, events.clone()) => ended.context("volumes"),
        ended = load_balancer::run(client.clone(), &settings, events) => ended.context("load balancer"),
        ended = network_policy::run(client, &settings.pod_interface_prefix) => ended.context("network policy"),
    }
}

async fn client(settings: &Settings) -> anyhow::Result<Client> {
    let path = &settings.kubeconfig;
    let kubeconfig =
        Kubeconfig::read_from(path).with_context(|| format!("read kubeconfig {}", path.display()))?;
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .with_context(|| format!("use kubeconfig {}", path.display()))?;
    // The API server is in this machine: a proxy named in the environment is for other traffic.
    config.proxy_url = None;
    Client::try_from(config).with_context(|| format!("make a client for site {}", settings.site))
}

/// Tells users, as Events on their objects, why one of them did not get what it asks for.
#[derive(Clone)]
struct Events(Recorder);

impl Events {
    fn new(client: Client, node: &str) -> Self {
        let reporter = Reporter {
            controller: MANAGER.into(),
            instance: Some(node.into()),
        };
        Self(Recorder::new(client, reporter))
    }

    /// An Event of type Warning on `object`. One that can't be written is logged and forgotten.
    async fn warn<K>(&self, object: &K, reason: &str, note: &str)
    where
        K: Resource<DynamicType = ()>,
    {
        let event = Event {
            type_: EventType::Warning,
            reason: reason.into(),
            note: Some(note.into()),
            action: "Provision".into(),
            secondary: None,
        };
        if let Err(error) = self.0.publish(&event, &object.object_ref(&())).await {
            warn!(%error, reason, note, "event not written");
        }
    }
}

//! NetworkPolicy, enforced with nftables.
//!
//! Every packet between pods, and between pods and the world, is routed by the machine, so one chain in the
//! forward hook sees it: after kube-proxy's DNAT (prerouting) and before any masquerading (postrouting), that is
//! with the pods' own addresses. What the node itself sends or receives passes the output and input hooks, so
//! probes always reach a pod and a pod always reaches its node, as Kubernetes promises.
//!
//! A pod whose address is not known yet is cut off while any policy exists: its first packets are dropped, and sent
//! again by TCP, rather than let past a policy that may select it. So a new pod of a default-deny namespace is
//! never open. The one window left is an address that changed hands: until the new pod's status is seen (the
//! kubelet reports it within about a second) it keeps the rules of the pod that is gone; the address plugin hands
//! out addresses in turn, so that takes a whole round through the subnet.

mod apply;
mod cluster;
mod compile;
mod rules;

use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Namespace, Pod};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::Store;
use kube::{Api, Client};
use tokio::sync::Notify;
use tracing::{debug, warn};

use self::apply::Filter;
use self::cluster::Cluster;
use super::follow::{DEBOUNCE, follow};

/// How long after a refused rule set the next attempt is made.
const RETRY: Duration = Duration::from_secs(1);

/// The caches a rule set is compiled from.
struct Caches {
    pods: Store<Pod>,
    namespaces: Store<PartialObjectMeta<Namespace>>,
    policies: Store<NetworkPolicy>,
}

/// Keeps the machine's packet filter equal to the cluster's policies. `interface_prefix` is what the host's ends of
/// the pods' links begin with.
pub(super) async fn run(client: Client, interface_prefix: &str) -> anyhow::Result<()> {
    let mut filter = Filter::default();
    if !filter.exists().await? {
        // A machine that just came up: nothing passes until the policies are known.
        filter.apply(&compile::closed(interface_prefix)).await?;
    }
    let changed = Arc::new(Notify::new());
    let (pods, keep_pods) = follow(Api::all(client.clone()), &changed);
    let (namespaces, keep_namespaces) = follow(Api::all(client.clone()), &changed);
    let (policies, keep_policies) = follow(Api::all(client), &changed);
    let caches = Caches {
        pods,
        namespaces,
        policies,
    };
    tokio::select! {
        () = keep_pods => {}
        () = keep_namespaces => {}
        () = keep_policies => {}
        ended = enforce(&caches, &changed, &mut filter, interface_prefix) => ended?,
    }
    anyhow::bail!("a watch ended")
}

async fn enforce(
    caches: &Caches,
    changed: &Notify,
    filter: &mut Filter,
    interface_prefix: &str,
) -> anyhow::Result<()> {
    caches.pods.wait_until_ready().await?;
    caches.namespaces.wait_until_ready().await?;
    caches.policies.wait_until_ready().await?;
    loop {
        let start = Instant::now();
        let cluster = Cluster::of(
            &caches.pods.state(),
            &caches.namespaces.state(),
            &caches.policies.state(),
        );
        match filter.apply(&compile::script(&cluster, interface_prefix)).await {
            Ok(true) => {
                debug!(pods = cluster.pods.len(), took = ?start.elapsed(), "network policies in force")
            }
            Ok(false) => {}
            Err(error) => {
                warn!(%error, "network policies not in force; the previous rules stay");
                tokio::time::sleep(RETRY).await;
                continue;
            }
        }
        changed.notified().await;
        tokio::time::sleep(DEBOUNCE).await;
    }
}

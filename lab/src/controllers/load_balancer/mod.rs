//! Gives every Service of type LoadBalancer an address of the site's pool.
//!
//! Each pass looks at all Services at once and makes the interface and the statuses equal to one plan, so a
//! Service that vanished unseen, a restart and a machine that lost its addresses are all the same case.

mod interface;
mod plan;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use kube::api::{Patch, PatchParams};
use kube::runtime::reflector::Store;
use kube::{Api, Client, ResourceExt};
use serde_json::json;
use tokio::sync::Notify;
use tracing::{info, warn};

use self::interface::Interface;
use self::plan::{Decision, Pool};
use super::follow::{DEBOUNCE, follow};
use super::{Events, MANAGER, Settings};

/// How long after a failed pass the next one is made.
const RETRY: Duration = Duration::from_secs(1);

struct Controller {
    client: Client,
    events: Events,
    services: Store<Service>,
    pool: Pool,
    interface: Interface,
    /// Refusals already told, by uid of the Service: an Event is written once per reason.
    told: BTreeMap<String, String>,
}

/// Keeps addresses and statuses equal to what the cluster's Services ask for.
pub(super) async fn run(client: Client, settings: &Settings, events: Events) -> anyhow::Result<()> {
    let changed = Arc::new(Notify::new());
    let (services, keep_services) = follow(Api::all(client.clone()), &changed);
    let (first, last) = settings.load_balancer_pool;
    let mut controller = Controller {
        client,
        events,
        services,
        pool: Pool { first, last },
        interface: Interface::named(&settings.wan_interface),
        told: BTreeMap::new(),
    };
    tokio::select! {
        () = keep_services => anyhow::bail!("the watch of Services ended"),
        ended = controller.serve(&changed) => ended,
    }
}

impl Controller {
    async fn serve(&mut self, changed: &Notify) -> anyhow::Result<()> {
        self.services.wait_until_ready().await?;
        loop {
            if let Err(error) = self.pass().await {
                warn!(
                    error = format!("{error:#}"),
                    "load balancer addresses not settled"
                );
                tokio::time::sleep(RETRY).await;
                continue;
            }
            changed.notified().await;
            tokio::time::sleep(DEBOUNCE).await;
        }
    }

    async fn pass(&mut self) -> anyhow::Result<()> {
        let services = self.services.state();
        let plan = plan::of(&services, self.pool);
        let wanted: BTreeSet<Ipv4Addr> = plan.values().filter_map(Decision::address).collect();
        let present = self.interface.addresses(self.pool).await?;
        // First the interface, then the status: an address in a status can be used.
        for address in wanted.difference(&present) {
            info!(%address, "load balancer address added");
            self.interface.add(*address).await?;
        }
        for service in &services {
            let uid = service.uid().unwrap_or_default();
            let decision = plan.get(&uid).unwrap_or(&Decision::Released);
            self.report(service, &uid, decision).await?;
        }
        for address in present.difference(&wanted) {
            info!(%address, "load balancer address released");
            self.interface.remove(*address).await?;
        }
        self.told.retain(|uid, _| plan.contains_key(uid));
        Ok(())
    }

    /// Makes the Service's status say what was decided, and tells a refusal once.
    async fn report(&mut self, service: &Service, uid: &str, decision: &Decision) -> anyhow::Result<()> {
        let address = decision.address();
        if plan::current(service) != address && (address.is_some() || plan::ours(service, self.pool)) {
            let ingress: Vec<_> = address.iter().map(|ip| json!({ "ip": ip.to_string() })).collect();
            // A merge patch replaces the list whole, whoever wrote it.
            let status = json!({ "status": { "loadBalancer": { "ingress": ingress } } });
            let api =
                Api::<Service>::namespaced(self.client.clone(), &service.namespace().unwrap_or_default());
            let params = PatchParams {
                field_manager: Some(MANAGER.into()),
                ..PatchParams::default()
            };
            match api
                .patch_status(&service.name_any(), &params, &Patch::Merge(status))
                .await
            {
                Err(kube::Error::Api(status)) if status.is_not_found() => {}
                patched => drop(patched?),
            }
        }
        match decision {
            Decision::Refused(refusal) => {
                let note = refusal.to_string();
                if self.told.get(uid) != Some(&note) {
                    self.events.warn(service, refusal.reason(), &note).await;
                    self.told.insert(uid.to_owned(), note);
                }
            }
            Decision::Assigned(_) | Decision::Released => drop(self.told.remove(uid)),
        }
        Ok(())
    }
}

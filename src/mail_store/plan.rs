//! What a store is at the own site: pure.

use super::{
    Store,
    desired::{assignment, stateful_set},
};
use crate::{
    part::{network, objects::Objects, pod, service, workload},
    platform::Installation,
};

/// Everything but the store's certificate, which needs a key and so is not planned but issued.
pub fn of(store: &Store, installation: &Installation, image: &str) -> Result<Objects, serde_json::Error> {
    let owner = &store.owner;
    let assignment = assignment::text(store, installation)?;
    let part = &store.part;
    Ok(Objects {
        network_policies: vec![network::policy(part, &installation.peer.gateway, owner)],
        service_accounts: vec![workload::service_account(part, owner)],
        volume_claims: vec![stateful_set::volume_claim(store)],
        services: vec![
            service::own(part, &installation.own.name, owner),
            service::peer(part, &installation.peer.name, owner),
        ],
        disruption_budgets: vec![workload::disruption_budget(part, owner)],
        stateful_sets: vec![stateful_set::stateful_set(
            store,
            image,
            &pod::digest([assignment.as_str()]),
            owner,
        )],
        config_maps: vec![assignment::config_map(store, assignment, owner)],
        ..Default::default()
    })
}

//! Replacing a member: what the plan says, asked of etcd.

use govuc_etcd::{Endpoint, Error, Etcd};

use super::{certificates::Certificates, member::peer_url, observe::LIMIT, replacement::Task, seen::Seen};
use crate::controller::chain;

/// Takes the step that is due, if one is. What fails is tried at the next look, by what the list of members says then.
pub async fn carry_on(seen: &Seen, leads: bool, roles: &Certificates) {
    let Some(task) = seen.replacement(leads) else {
        return;
    };
    let Task { place, step } = &task;
    match take(seen, &task, roles).await {
        Ok(()) => tracing::info!(member = place, %step, "a member of the roles' etcd is being replaced"),
        // A learner that has not caught up is refused its vote until it has.
        Err(error) => tracing::info!(
            member = place,
            %step,
            error = chain(&error),
            "a member of the roles' etcd is not replaced yet"
        ),
    }
}

async fn take(seen: &Seen, task: &Task, roles: &Certificates) -> Result<(), Error> {
    // Whose place it is can't be asked.
    let others = seen.sites.iter().filter(|site| **site != task.place);
    let endpoints = others.map(|site| Endpoint::of_site(site)).collect();
    let etcd = Etcd::with_material(endpoints, &roles.client)?;
    etcd.take(task.step, &peer_url(&task.place), LIMIT).await
}

//! Passes on what is asked of a store's guards through etcd, and hears how it goes.

use std::time::Duration;

use govuc_api::{MailStore, SwitchoverStatus};
use govuc_etcd::{
    Error,
    roles::{Reading, Roles},
};
use govuc_roles::StoreName;
use govuc_wire::status::Role;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::{
    status::Copy,
    switchover::{self, Heard, Known, Step},
};
use crate::{cluster, controller::chain, operator::Context, platform::Installation};

/// For each question to etcd.
const LIMIT: Duration = Duration::from_secs(3);

/// How the switchover goes that is asked for last, if one ever was. What has ended is not asked about any more.
pub async fn on(
    object: &MailStore,
    installation: &Installation,
    copies: [&Copy; 2],
    context: &Context,
) -> Result<Option<SwitchoverStatus>, cluster::Error> {
    // Made here also when nothing is asked: its watch calls the next reconcile.
    let roles = context.roles.current(&context.cluster, installation).await?;
    let previous = object
        .status
        .as_ref()
        .and_then(|status| status.switchover.as_ref());
    let Some(asked) = &object.spec.switchover else {
        return Ok(previous.cloned());
    };
    if let Some(ended) = previous.filter(|previous| previous.id == asked.id && previous.state.is_final()) {
        return Ok(Some(ended.clone()));
    }
    let reading = match &roles {
        Some(roles) => read(roles, &object.name_any()).await,
        None => None,
    };
    let known = Known {
        own: &installation.own.name,
        peer: &installation.peer.name,
        etcd: match &reading {
            _ if !installation.leases() => Heard::TwoSite,
            Some((_, reading)) => Heard::Reading(reading),
            None => Heard::Nothing,
        },
        primary_state: copies.into_iter().find_map(|copy| {
            let status = copy.said.as_ref().ok()?;
            (status.role == Role::Primary).then_some(status.state.as_str())
        }),
    };
    let next = switchover::next(asked, previous, &known, Timestamp::now());
    let (Some(step), Some(roles), Some((store, _))) = (&next.step, &roles, &reading) else {
        return Ok(Some(next.status));
    };
    match carry_out(roles, store, step).await {
        Ok(()) => {
            tracing::info!(store = %store, operation = asked.id, to = asked.to, state = ?next.status.state, "switchover");
            Ok(Some(next.status))
        }
        Err(error) => {
            tracing::warn!(store = %store, operation = asked.id, error = chain(&error), "a switchover is not passed on");
            // Asked or not: the next look at etcd tells.
            Ok(previous.filter(|previous| previous.id == asked.id).cloned())
        }
    }
}

async fn read(roles: &Roles, store: &str) -> Option<(StoreName, Reading)> {
    let store = StoreName::try_from(store).ok()?;
    match roles.read(&store, LIMIT).await {
        Ok(reading) => Some((store, reading)),
        Err(error) => {
            tracing::info!(store = %store, error = chain(&error), "the roles' etcd does not say who holds the store");
            None
        }
    }
}

async fn carry_out(roles: &Roles, store: &StoreName, step: &Step) -> Result<(), Error> {
    match step {
        Step::Ask { want, replaced } => roles.put_want(store, want, *replaced, LIMIT).await.map(drop),
        Step::GiveUp { asked, outcome } => roles.answer_want(store, *asked, outcome, LIMIT).await,
    }
}

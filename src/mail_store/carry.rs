//! Passes on what is asked of a store's guards through etcd, and hears how it goes.

use std::time::Duration;

use govuc_api::{FailoverStatus, MailStore, PreferredSiteStatus, RecordedCopies, SwitchoverStatus};
use govuc_etcd::{
    Error,
    roles::{Reading, Roles},
};
use govuc_roles::StoreName;
use govuc_wire::status::Role;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::{
    asked::{Heard, Step},
    failover, preferred, recorded,
    status::Copy,
    switchover,
};
use crate::{cluster, controller::chain, maintenance::Windows, operator::Context, platform::Installation};

/// For each question to etcd.
const LIMIT: Duration = Duration::from_secs(3);

/// The store's records, and where they are from.
pub struct Records {
    roles: Roles,
    store: StoreName,
    reading: Reading,
}

/// What is to be said of all that was asked, and of what etcd has.
pub struct Heeded {
    pub switchover: Option<SwitchoverStatus>,
    pub preferred_site: Option<PreferredSiteStatus>,
    pub failover: Option<FailoverStatus>,
    pub recorded: Option<RecordedCopies>,
}

/// `None` when there is no etcd, or when it does not answer.
pub async fn read(
    object: &MailStore,
    installation: &Installation,
    context: &Context,
) -> Result<Option<Records>, cluster::Error> {
    // Made here also when nothing is asked: its watch calls the next reconcile.
    let roles = context.roles.current(&context.cluster, installation).await?;
    let (Some(roles), Ok(store)) = (roles, StoreName::try_from(object.name_any())) else {
        return Ok(None);
    };
    match roles.read(&store, LIMIT).await {
        Ok(reading) => Ok(Some(Records {
            roles,
            store,
            reading,
        })),
        Err(error) => {
            tracing::info!(store = %store, error = chain(&error), "the roles' etcd does not say who holds the store");
            Ok(None)
        }
    }
}

/// How what was asked for goes, if anything ever was. What has ended is not asked about any more.
pub async fn on(
    object: &MailStore,
    installation: &Installation,
    (own, peer): (&Copy, &Copy),
    records: Option<&Records>,
    windows: &Windows,
) -> Heeded {
    let now = Timestamp::now();
    let previous = object.status.clone().unwrap_or_default();
    let known = previous.recorded.as_ref();
    let recorded = match records {
        Some(records) => recorded::of(&records.reading.store, known, now),
        None => known.cloned(),
    };
    let etcd = match records {
        _ if !installation.leases() => Heard::TwoSite,
        Some(records) => Heard::Reading(&records.reading),
        None => Heard::Nothing,
    };
    let sides = switchover::Known {
        own: &installation.own.name,
        peer: &installation.peer.name,
        etcd,
        primary_state: [own, peer].into_iter().find_map(|copy| {
            let status = copy.said.as_ref().ok()?;
            (status.role == Role::Primary).then_some(status.state.as_str())
        }),
    };
    let mut switchover = previous.switchover;
    if let Some(asked) = &object.spec.switchover {
        let next = switchover::next(asked, switchover.as_ref(), &sides, now);
        if is_carried_out(records, next.step.as_ref()).await {
            switchover = Some(next.status);
        } else {
            // Asked or not: the next look at etcd tells.
            switchover = switchover.filter(|previous| previous.id == asked.id);
        }
    }
    let mut preferred_site = previous.preferred_site;
    let may_begin = windows.may_begin(now).map_err(|wait| wait.why);
    let preferred = &object.spec.preferred_site;
    let next = preferred::next(preferred, preferred_site.as_ref(), &sides, may_begin, now);
    // Otherwise asked or not: if it was, the next attempt finds it under way.
    if is_carried_out(records, next.step.as_ref()).await {
        preferred_site = Some(next.status);
    }
    let mut failover = previous.failover;
    if let Some(asked) = &object.spec.failover {
        let known = failover::Known {
            store: &object.name_any(),
            own,
            peer,
            etcd,
            recorded: recorded.as_ref(),
        };
        let next = failover::next(asked, failover.as_ref(), &known, now);
        failover = Some(if is_carried_out(records, next.step.as_ref()).await {
            next.status
        } else {
            next.not_passed_on(failover.as_ref())
        });
    }
    Heeded {
        switchover,
        preferred_site,
        failover,
        recorded,
    }
}

/// Whether what is to be written into etcd is there; true when nothing is to be.
async fn is_carried_out(records: Option<&Records>, step: Option<&Step>) -> bool {
    let (Some(records), Some(step)) = (records, step) else {
        return true;
    };
    let (store, operation) = (&records.store, &step.operation().0);
    match records.carry_out(step).await {
        Ok(()) => {
            tracing::info!(%store, operation, ?step, "what was asked of the store is passed on");
            true
        }
        Err(error) => {
            tracing::warn!(%store, operation, error = chain(&error), "what was asked of the store is not passed on");
            false
        }
    }
}

impl Records {
    async fn carry_out(&self, step: &Step) -> Result<(), Error> {
        let Self { roles, store, .. } = self;
        match step {
            Step::Ask { want, replaced } => roles.put_want(store, want, replaced, LIMIT).await.map(drop),
            Step::Force {
                want,
                replaced,
                era,
                expected,
            } => roles
                .force(store, want, replaced, era, *expected, LIMIT)
                .await
                .map(drop),
            Step::GiveUp { asked, outcome } => roles.answer_want(store, *asked, outcome, LIMIT).await,
        }
    }
}

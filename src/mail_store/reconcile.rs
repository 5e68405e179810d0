//! Observe, plan, apply, report; and what calls it.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use govuc_api::{MailStore, PLATFORM, Platform, StoreUse, conditions::reasons};
use govuc_directory as directory;
use govuc_wire::{guard, names, tls::Material};
use k8s_openapi::{
    api::{apps::v1::StatefulSet, core::v1::Secret},
    jiff::Timestamp,
};
use kube::{
    Resource,
    runtime::{Controller, controller::Action, reflector::ObjectRef, watcher},
};
use tokio::time;
use tokio_util::sync::CancellationToken;

use super::{
    Store, carry,
    engine::{self, Chosen, Version},
    hold, plan, restart,
    status::{self, Copies, Copy, Primary, Stage},
};
use crate::{
    cluster,
    controller::{Label, chain, drive},
    lead::Lead,
    maintenance::{Rollout, Windows},
    operator::Context,
    part::{GOVUC, MANAGED_LABEL, objects::Applied, pod, workload},
    pki::{self, Wanted, kept},
    platform::{self, Installation, agreement},
};

/// How soon is looked again at what no watch tells: what the guards say.
const UNSETTLED: Duration = Duration::from_secs(3);
const SETTLED: Duration = Duration::from_secs(30);
/// How long a certificate may still be told of whose store is gone.
const FORGOTTEN: Duration = Duration::from_secs(60);
/// While a store changes sides.
const MOVING: Duration = Duration::from_millis(500);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    #[error(transparent)]
    Kept(#[from] kept::Fault),
    #[error("the store's assignment can't be written")]
    Assignment(#[from] serde_json::Error),
}

impl Label for Error {
    fn label(&self) -> &'static str {
        match self {
            Error::Cluster(error) => error.label(),
            Error::Kept(fault) => fault.label(),
            Error::Assignment(_) => "assignment",
        }
    }
}

/// Keeps the stores of the site until `stop`.
pub async fn run(context: Arc<Context>, stop: CancellationToken) {
    let cluster = &context.cluster;
    let ours = watcher::Config::default().labels(&format!("{MANAGED_LABEL}={GOVUC}"));
    let controller = Controller::new(cluster.all::<MailStore>(), watcher::Config::default());
    let stores = controller.store();
    let known = controller.store();
    let controller = controller
        .owns(
            cluster.namespaced::<StatefulSet>(names::MAIL_NAMESPACE),
            ours.clone(),
        )
        // A pod that starts without its certificate does not start.
        .owns(cluster.namespaced::<Secret>(names::MAIL_NAMESPACE), ours)
        .watches(
            cluster.all::<Platform>(),
            watcher::Config::default(),
            move |_| -> Vec<ObjectRef<MailStore>> {
                stores
                    .state()
                    .iter()
                    .map(|store| ObjectRef::from_obj(&**store))
                    .collect()
            },
        );
    // Who holds a store, and whether the copies are in step, is known the moment that guards record it.
    let controller = controller.reconcile_on(
        context
            .roles
            .changes()
            .map(|store| ObjectRef::new(store.as_str())),
    );
    let controller = controller.reconcile_all_on(context.office.changes().map(drop));
    // No watch calls a reconcile of what is gone.
    let metrics = context.metrics.clone();
    let forget = async {
        loop {
            time::sleep(FORGOTTEN).await;
            let is_there = |store: &str| known.get(&ObjectRef::new(store)).is_some();
            metrics.expiry().keep_stores(is_there);
        }
    };
    tokio::select! {
        () = drive(controller, context, stop, reconcile) => {}
        () = forget => {}
    }
}

/// One pass over a MailStore.
pub async fn reconcile(object: Arc<MailStore>, context: Arc<Context>) -> Result<Action, Error> {
    if object.meta().deletion_timestamp.is_some() {
        // What is owned goes by itself; the volume stays.
        return Ok(Action::await_change());
    }
    let made = make(&object, &context).await;
    let stage = match &made {
        Ok(stage) => stage.clone(),
        Err(error) => Stage::Failed(chain(error)),
    };
    let now = Timestamp::now();
    let again = match &stage {
        Stage::Made(copies) if copies.moving() => MOVING,
        Stage::Made(copies) if copies.settled() => copies.held.again(now).unwrap_or(SETTLED).min(SETTLED),
        _ => UNSETTLED,
    };
    let status = status::of(&object, &stage, now);
    context
        .cluster
        .apply_status(&*object, object.status.as_ref(), &status)
        .await?;
    // An error is told and tried again by whoever called.
    made.map(|_| Action::requeue(again))
}

/// Makes the store, as far as it can be made.
async fn make(object: &MailStore, context: &Context) -> Result<Stage, Error> {
    let cluster = &context.cluster;
    let now = Timestamp::now();
    let platform: Option<Platform> = cluster.read(None, PLATFORM).await?;
    let installation = platform
        .as_ref()
        .map(|platform| Installation::of(platform, context.site.as_str()));
    let (Some(platform), Some(Ok(installation))) = (&platform, installation) else {
        return Ok(Stage::NoPlatform(
            "there is no Platform that this operator understands",
        ));
    };
    let store = match Store::of(object, &installation) {
        Ok(store) => store,
        Err(error) => return Ok(Stage::Refused(reasons::INVALID, error.to_string())),
    };
    let live: Option<StatefulSet> = cluster
        .read(Some(names::MAIL_NAMESPACE), &store.part.name)
        .await?;
    let running_image = live.as_ref().and_then(engine::image);
    let Chosen { image, withheld } = match context
        .engines
        .choose(object.spec.version.as_deref(), running_image)
    {
        Ok(chosen) => chosen,
        Err(unknown) => return Ok(Stage::Refused(reasons::UNKNOWN_VERSION, unknown.to_string())),
    };
    let site = &installation.own.name;
    let Some(joined) = kept::joined(cluster, &context.certificate, site, now).await? else {
        return Ok(Stage::NoPlatform(
            "this site is not connected to the other one yet",
        ));
    };
    let wanted = Wanted::part(
        &store.part.name,
        site,
        names::MAIL_NAMESPACE,
        Vec::new(),
        &joined.trusted,
    );
    let kept = kept::ensure(
        cluster,
        &joined.authority,
        &store.part,
        &wanted,
        &store.owner,
        now,
    )
    .await?;
    context.metrics.expiry().say_of_store(&store.part.name, kept.end);
    let session = pod::digest([pki::session_key(&joined.root)]);
    let name = &store.part.name;
    let planned = plan::of(&store, &installation, &image, &session)?;
    let running = Applied {
        stateful_sets: live.into_iter().collect(),
        ..Default::default()
    };
    let windows = Windows::of(platform, installation.place, now).barred_by(agreement::known(platform));
    let in_step = async {
        let (own, peer) = tokio::join!(
            copy(&joined.material, name, site),
            copy(&joined.material, name, &installation.peer.name),
        );
        restart::in_step(object, &own, &peer)
    };
    let Rollout { objects, held } = Rollout::of(planned, &running, &windows, now, in_step).await;
    let applied = objects.apply(cluster, running).await?;
    let (own, peer, records) = tokio::join!(
        copy(&joined.material, name, site),
        copy(&joined.material, name, &installation.peer.name),
        carry::read(object, &installation, context),
    );
    let primary = status::primary(&own, &peer);
    let hold = hold::heed(
        object,
        &installation,
        (&own, &peer),
        matches!(records, Ok(Some(_))),
        &joined.material,
    )
    .await;
    let heeded = carry::on(object, &installation, (&own, &peer), records?.as_ref(), &windows).await;
    let listed = listed(
        &store,
        primary,
        &installation,
        &context.lead(platform),
        &joined.material,
    )
    .await;
    Ok(Stage::Made(Box::new(Copies {
        pod_ready: applied.stateful_sets.iter().all(workload::stateful_set_is_ready),
        own,
        peer,
        listed,
        switchover: heeded.switchover,
        preferred_site: heeded.preferred_site,
        failover: heeded.failover,
        hold,
        recorded: heeded.recorded,
        held,
        version: applied
            .stateful_sets
            .iter()
            .find_map(engine::image)
            .map(Version::of_image),
        withheld,
    })))
}

async fn copy(material: &Material, store: &str, site: &str) -> Copy {
    Copy {
        site: site.to_owned(),
        said: guard::status(material, store, site)
            .await
            .map_err(|error| chain(&error)),
    }
}

/// The lead writes the store and its primary into the directory, where both sites read it. While no guard says that it is
/// the primary, what the directory has stays.
async fn listed(
    store: &Store,
    primary: Option<Primary>,
    installation: &Installation,
    lead: &Lead,
    material: &Arc<Material>,
) -> Option<Result<(), String>> {
    let term = lead.term?;
    let own = platform::observe::directory(installation, &installation.own.name, material.clone());
    let list = async {
        let known = own.store(&store.part.name).await?;
        let last = known.as_ref().map(|known| Primary {
            site: known.primary_site.clone(),
            era: known.era,
        });
        let primary = primary.or(last).unwrap_or_else(|| Primary {
            site: store.preferred_site.clone(),
            era: super::ERA,
        });
        let entry = directory::Store {
            name: store.part.name.clone(),
            usage: match store.usage {
                StoreUse::Mail => directory::StoreUse::Mail,
            },
            preferred_site: store.preferred_site.clone(),
            primary_site: primary.site,
            era: primary.era,
        };
        if known.as_ref() == Some(&entry) {
            return Ok(());
        }
        own.as_lead(term).put_store(&entry).await
    };
    Some(list.await.map_err(|error: directory::Error| chain(&error)))
}

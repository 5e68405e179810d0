//! Observe, plan, apply, report; and what calls it.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use govuc_api::{PLATFORM, Platform, conditions::reasons};
use govuc_wire::names;
use k8s_openapi::{
    api::{
        apps::v1::{Deployment, StatefulSet},
        core::v1::{ConfigMap, Secret},
    },
    jiff::Timestamp,
};
use kube::runtime::{Controller, controller::Action, reflector::ObjectRef, watcher};
use tokio_util::sync::CancellationToken;

use super::{
    Installation, InstallationError,
    agreement::{self, Agreement, Told},
    desired::Blueprint,
    observe, plan,
    status::{self, Parts, Stage},
};
use crate::{
    cluster,
    controller::{Label, RESYNC, chain, drive},
    lead::{Ground, Lead},
    maintenance::{Rollout, Windows, announced, rollout},
    operator::Context,
    part::{GOVUC, MANAGED_LABEL, objects::Applied, pod, template},
    pki::{self, kept},
    roles,
};

/// How soon is looked again at what no watch tells: whether the directory has its tree.
const UNSETTLED: Duration = Duration::from_secs(3);
/// How often the members of the roles' etcd are looked at. No watch tells of them either.
const MEMBERS: Duration = Duration::from_secs(30);
/// The same while one is replaced.
const REPLACED: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    #[error(transparent)]
    Kept(#[from] kept::Fault),
    #[error("a part's configuration can't be rendered")]
    Template(#[from] template::Error),
}

impl Label for Error {
    fn label(&self) -> &'static str {
        match self {
            Error::Cluster(error) => error.label(),
            Error::Kept(fault) => fault.label(),
            Error::Template(_) => "template",
        }
    }
}

/// Keeps the shared services of the site until `stop`.
pub async fn run(context: Arc<Context>, stop: CancellationToken) {
    let cluster = &context.cluster;
    let ours = watcher::Config::default().labels(&format!("{MANAGED_LABEL}={GOVUC}"));
    let named = |name: &str| watcher::Config::default().fields(&format!("metadata.name={name}"));
    let platform = |_| Some(ObjectRef::<Platform>::new(PLATFORM));
    let mut controller = Controller::new(cluster.all::<Platform>(), watcher::Config::default())
        .watches(
            cluster.namespaced::<ConfigMap>(names::SYSTEM_NAMESPACE),
            named(kept::PEER_CONFIG_MAP),
            move |_: ConfigMap| platform(()),
        )
        .watches(
            cluster.namespaced::<Secret>(names::SYSTEM_NAMESPACE),
            named(kept::ROOT_SECRET),
            move |_: Secret| platform(()),
        );
    for namespace in [names::MAIL_NAMESPACE, names::MTA_NAMESPACE] {
        controller = controller
            // A pod that starts without its certificate does not start.
            .owns(cluster.namespaced::<Secret>(namespace), ours.clone())
            .owns(cluster.namespaced::<StatefulSet>(namespace), ours.clone())
            .owns(cluster.namespaced::<Deployment>(namespace), ours.clone());
    }
    let controller = controller.reconcile_all_on(context.office.changes().map(drop));
    drive(controller, context, stop, reconcile).await;
}

/// One pass over Platform.
pub async fn reconcile(platform: Arc<Platform>, context: Arc<Context>) -> Result<Action, Error> {
    if platform.metadata.deletion_timestamp.is_some() {
        // What is owned goes by itself, or is orphaned: whoever applied it again meanwhile would take it along.
        return Ok(Action::await_change());
    }
    let installation = Installation::of(&platform, context.site.as_str());
    let lead = context.lead(&platform);
    let made = match &installation {
        Ok(installation) => make(&platform, installation, &lead, &context).await,
        Err(error) => Ok((refused(error), RESYNC)),
    };
    let (stage, again) = match &made {
        Ok((stage, again)) => (stage.clone(), *again),
        Err(error) => (Stage::Failed(chain(error)), RESYNC),
    };
    // Of sites that don't have this operator's nobody leads for it.
    let lead = installation.is_ok().then_some(&lead);
    let status = status::of(&platform, lead, &stage, Timestamp::now());
    context
        .cluster
        .apply_status(&*platform, platform.status.as_ref(), &status)
        .await?;
    // An error is told and tried again by whoever called.
    made.map(|_| Action::requeue(again))
}

/// Makes the site, as far as it can be made, and says how far that is and when to look again.
async fn make(
    platform: &Platform,
    installation: &Installation,
    lead: &Lead,
    context: &Context,
) -> Result<(Stage, Duration), Error> {
    let cluster = &context.cluster;
    let now = Timestamp::now();
    let site = &installation.own.name;
    plan::ground(installation)
        .apply(cluster, Applied::default())
        .await?;
    let Some(joined) = kept::joined(cluster, &context.certificate, site, now).await? else {
        return Ok((Stage::Alone, RESYNC));
    };
    let certificates = observe::certificates(cluster, installation, &joined, now).await?;
    let roles = match &installation.witness {
        Some(_) => {
            // Before there is a member that could begin another etcd.
            roles::formation::recall(cluster).await?;
            Some(roles::certificates::ensure(cluster, installation, &joined, now).await?)
        }
        None => None,
    };
    certificates.tell(roles.as_ref(), context.metrics.expiry());
    let etcd = context.roles.current(cluster, installation).await?;
    context.office.stand_on(Ground {
        installation: installation.clone(),
        roles: etcd.clone(),
    });
    let session_key = pki::session_key(&joined.root);
    let blueprint = Blueprint {
        installation,
        images: &context.images,
        certificates: &certificates.digests,
        session: &pod::digest([session_key]),
        roles_token: &pki::roles_token(&joined.root),
        own_signatures: observe::own_signatures(cluster).await?,
    };
    let mut planned = plan::parts(blueprint, &session_key)?;
    rollout::date(&mut planned, &certificates.ends);
    let running = planned.running(cluster).await?;
    let windows = Windows::of(platform, installation.place, now);
    let fault = windows.fault();
    let openings = windows.next(now);
    let windows = windows.barred_by(agreement::known(platform));
    let peer = observe::peer(cluster, installation, &joined.material, roles.as_ref());
    let Rollout { objects, held } = Rollout::of(planned, &running, &windows, now, peer).await;
    let applied = objects.apply(cluster, running).await?;
    let members = match &roles {
        Some(certificates) => {
            let seen = roles::observe::look(cluster, installation, certificates).await?;
            context.metrics.members(seen.present());
            roles::leader::prefer_witness(&seen, certificates).await;
            roles::replace::carry_on(&seen, lead.is_here(), certificates).await;
            Some(seen)
        }
        None => None,
    };
    // Once there is an etcd that was formed: before, asking it would only take time.
    let told = match (&etcd, &members) {
        (Some(etcd), Some(members)) if members.formed => agreement::tell(etcd, platform, site, now).await,
        _ => None,
    };
    let agreement = told.as_ref().map_or(Agreement::Unheard, Told::agreement);
    // What was known stays, as in the status.
    if agreement != Agreement::Unheard {
        context.metrics.sites_differ(agreement != Agreement::Same);
    }
    let announced = announced::statuses(
        platform.spec.maintenance.as_ref(),
        &openings,
        told.as_ref().map(Told::windows),
        platform.status.as_ref().map_or(&[][..], |status| &status.windows),
    );
    let waits = held.again(now);
    let parts = Parts {
        waiting: Parts::waiting(&applied),
        directory: observe::tree(installation, lead, &joined.material).await,
        members,
        held,
        windows: announced,
        fault,
        agreement,
    };
    let renewals = [certificates.renewal, roles.and_then(|roles| roles.renewal)];
    let again = match (parts.settled(), &parts.members) {
        (false, _) => UNSETTLED,
        (true, Some(members)) if members.is_replacing() => REPLACED,
        (true, Some(_)) => MEMBERS,
        (true, None) => RESYNC,
    };
    let again = until(renewals.into_iter().flatten().min(), now)
        .min(again)
        .min(waits.unwrap_or(RESYNC));
    Ok((Stage::Made(Box::new(parts)), again))
}

fn refused(error: &InstallationError) -> Stage {
    let reason = match error {
        InstallationError::SiteUnknown { .. } => reasons::SITE_UNKNOWN,
        _ => reasons::INVALID,
    };
    Stage::Refused(reason, error.to_string())
}

fn until(then: Option<Timestamp>, now: Timestamp) -> Duration {
    then.and_then(|then| Duration::try_from(then.duration_since(now)).ok())
        .unwrap_or(RESYNC)
}

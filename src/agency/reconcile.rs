//! Observe, plan, apply, report.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use govuc_api::{Agency, MailStore, Platform};
use k8s_openapi::{api::core::v1::Namespace, jiff::Timestamp};
use kube::{
    ResourceExt,
    runtime::{
        Controller, Predicate, WatchStreamExt,
        controller::Action,
        predicates,
        reflector::{ObjectRef, Store},
    },
};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::{
    Tenant,
    observe::{self, Caches, Observed},
    plan::{self, Hold, Make, Plan},
    status,
};
use crate::{
    cluster::{self, Cluster, follow, follow_without},
    conditions,
    controller::{Label, RESYNC, drive},
    directory::Registry,
    mirror,
    operator::Context,
};

/// How long until it is looked again for what comes from elsewhere.
const WAITING: Duration = Duration::from_secs(10);
/// How long until it is looked again whether a new namespace's quota is counted.
const COUNTING: Duration = Duration::from_secs(2);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    #[error("the directory did not take the agency")]
    Directory(#[from] govuc_directory::Error),
}

impl Label for Error {
    fn label(&self) -> &'static str {
        match self {
            Error::Cluster(error) => error.label(),
            Error::Directory(error) => error.label(),
        }
    }
}

/// What reconciles of agencies share.
pub struct Agencies {
    pub context: Arc<Context>,
    pub caches: Caches,
    /// Held from asking the directory to having written to it: two agencies must not be placed by the same view.
    placing: Mutex<()>,
}

impl Agencies {
    pub fn new(context: Arc<Context>, caches: Caches) -> Self {
        Self {
            context,
            caches,
            placing: Mutex::default(),
        }
    }
}

/// Reconciles every agency until stopped.
pub async fn run(context: Arc<Context>, stop: CancellationToken) {
    let cluster = &context.cluster;
    let (platforms, platform_changes) = follow::<Platform>(cluster.all());
    let (stores, store_changes) = follow::<MailStore>(cluster.all());
    let (agencies, changes) = follow_without::<Agency>(cluster.all(), mirror::strip);
    let changes = changes.predicate_filter(
        predicates::generation.combine(predicates::finalizers),
        Default::default(),
    );
    let controller = Controller::for_stream(changes, agencies.clone())
        .watches_stream(platform_changes, everything(agencies.clone()))
        .watches_stream(store_changes, on_store(agencies.clone()))
        .reconcile_all_on(context.office.changes().map(drop));
    let shared = Arc::new(Agencies::new(
        context.clone(),
        Caches {
            platforms,
            stores,
            agencies,
        },
    ));
    drive(controller, context, stop, move |agency, _| {
        let shared = shared.clone();
        async move { reconcile(&agency, &shared).await }
    })
    .await;
}

fn everything<T>(agencies: Store<Agency>) -> impl Fn(T) -> Vec<ObjectRef<Agency>> {
    move |_| {
        agencies
            .state()
            .iter()
            .map(|agency| ObjectRef::from_obj(&**agency))
            .collect()
    }
}

fn on_store(agencies: Store<Agency>) -> impl Fn(MailStore) -> Vec<ObjectRef<Agency>> {
    move |store| {
        let name = store.name_any();
        let uses = |agency: &Agency| {
            let stores = agency.status.iter().flat_map(|status| &status.stores);
            stores.into_iter().any(|placed| placed.name == name)
        };
        let users = agencies.state().into_iter().filter(|agency| uses(agency));
        users.map(|agency| ObjectRef::from_obj(&*agency)).collect()
    }
}

pub async fn reconcile(agency: &Agency, shared: &Agencies) -> Result<Action, Error> {
    let Agencies { context, caches, .. } = shared;
    let now = Timestamp::now();
    let tenant = match Tenant::of(agency) {
        Ok(tenant) => tenant,
        Err(error) => {
            report(context, agency, status::invalid(agency, error.to_string(), now)).await?;
            return Ok(Action::requeue(RESYNC));
        }
    };
    if agency.metadata.deletion_timestamp.is_some() {
        return clean_up(agency, &tenant, context, now).await;
    }
    let plan = registered(&tenant, shared).await?;
    if matches!(plan, Plan::Hold(Hold::NotConnected | Hold::DirectoryAway(_))) && is_settled(agency) {
        return Ok(Action::requeue(WAITING));
    }
    let mut counted = false;
    if let Plan::Make(make) = &plan {
        context.cluster.hold(agency).await?;
        counted = apply(&context.cluster, make).await?;
    }
    let store = match &plan {
        Plan::Make(make) => caches.stores.get(&ObjectRef::new(&make.store)),
        Plan::Hold(_) => None,
    };
    let next = status::of(agency, &tenant, &plan, store.as_deref(), counted, now);
    report(context, agency, next).await?;
    Ok(Action::requeue(match plan {
        Plan::Hold(Hold::AwaitLead | Hold::DirectoryAway(_) | Hold::NotConnected) => WAITING,
        Plan::Make(_) if !counted => COUNTING,
        _ => RESYNC,
    }))
}

/// Plans, and carries out in the directory what is the lead's.
async fn registered(tenant: &Tenant, shared: &Agencies) -> Result<Plan, Error> {
    let Agencies {
        context,
        caches,
        placing,
    } = shared;
    let mut observed = Observed::read(caches);
    let lead = observed
        .platform
        .as_deref()
        .map(|platform| context.lead(platform));
    let term = lead.and_then(|lead| lead.term);
    // Nothing but the decision counts before it is made.
    let undecided = plan::of(tenant, &observed, term.is_some());
    if !matches!(undecided, Plan::Hold(Hold::NotConnected)) {
        return Ok(undecided);
    }
    let Some(registry) = observe::registry(context, observed.platform.as_deref()) else {
        return Ok(undecided);
    };
    let _placing = placing.lock().await;
    observed.directory = observe::directory(&*registry, tenant, None).await;
    let plan = plan::of(tenant, &observed, term.is_some());
    if let (Plan::Make(make), Some(term)) = (&plan, term) {
        register(&*registry, term, make).await?;
    }
    Ok(plan)
}

async fn register(registry: &dyn Registry, term: u64, make: &Make) -> Result<(), Error> {
    // The store first: an agency never names a store that is not there.
    if let Some(store) = &make.register_store {
        registry.put_store(term, store).await?;
    }
    if let Some(agency) = &make.register {
        registry.put_agency(term, agency).await?;
    }
    Ok(())
}

/// Whether the namespace's quota is counted: until it is, the API server refuses every mailbox.
async fn apply(cluster: &Cluster, make: &Make) -> Result<bool, cluster::Error> {
    if let Some(store) = &make.store_object {
        cluster.create(store).await?;
    }
    let objects = &make.objects;
    cluster.apply(&objects.namespace).await?;
    cluster.apply(&objects.policy).await?;
    let quota = cluster.apply(&objects.quota).await?;
    cluster.apply(&objects.network_policy).await?;
    cluster.apply(&objects.cluster_role).await?;
    cluster.apply(&objects.cluster_role_binding).await?;
    for binding in &objects.role_bindings {
        cluster.apply(binding).await?;
    }
    Ok(quota
        .status
        .and_then(|status| status.hard)
        .is_some_and(|hard| !hard.is_empty()))
}

/// The data stays: in the directory, and in the store. The namespace goes first, the rest with its owner.
async fn clean_up(
    agency: &Agency,
    tenant: &Tenant,
    context: &Context,
    now: Timestamp,
) -> Result<Action, Error> {
    if observe::has_mailboxes(&context.cluster, tenant).await? {
        report(context, agency, status::occupied(agency, tenant, now)).await?;
        return Ok(Action::requeue(WAITING));
    }
    if agency.finalizers().iter().any(|held| held == cluster::FINALIZER) {
        let namespace = tenant.name.namespace();
        context.cluster.delete::<Namespace>(None, &namespace).await?;
    }
    context.cluster.let_go(agency).await?;
    Ok(Action::await_change())
}

fn is_settled(agency: &Agency) -> bool {
    let status = agency.status.as_ref();
    status.is_some_and(|status| conditions::is_settled(&status.conditions, agency.metadata.generation))
}

async fn report(context: &Context, agency: &Agency, next: govuc_api::AgencyStatus) -> Result<(), Error> {
    context
        .cluster
        .apply_status(agency, agency.status.as_ref(), &next)
        .await?;
    Ok(())
}

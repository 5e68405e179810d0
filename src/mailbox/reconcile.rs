//! Observe, plan, act, report.

use std::{sync::Arc, time::Duration};

use govuc_api::{Agency, Mailbox, MailboxStatus, Platform};
use k8s_openapi::{api::core::v1::Secret, jiff::Timestamp};
use kube::{
    ResourceExt,
    runtime::{
        Controller, Predicate, WatchStreamExt,
        controller::Action,
        predicates,
        reflector::{ObjectRef, Store},
    },
};
use tokio_util::sync::CancellationToken;

use super::{
    account::Wanted,
    desired::{self, NoRandom},
    observe::{self, Caches, Local},
    plan::{self, Hold, Plan, Shown, Sites, Step, Work},
    status, takeover,
};
use crate::{
    cluster::{self, follow, follow_without},
    conditions,
    controller::{Label, RESYNC, chain, drive},
    cyrus_admin,
    directory::Registry,
    lead::Lead,
    mirror,
    operator::Context,
};

/// How long until it is looked again for what comes from elsewhere.
const WAITING: Duration = Duration::from_secs(10);
/// How long until it is looked again whether a first password was used.
const UNUSED: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    #[error("the directory failed")]
    Directory(#[from] govuc_directory::Error),
    #[error("the mail store failed")]
    MailStore(#[from] cyrus_admin::Error),
    #[error(transparent)]
    NoRandom(#[from] NoRandom),
}

impl Label for Error {
    fn label(&self) -> &'static str {
        match self {
            Error::Cluster(error) => error.label(),
            Error::Directory(error) => error.label(),
            Error::MailStore(error) => error.label(),
            Error::NoRandom(_) => "random",
        }
    }
}

/// What reconciles of mailboxes share.
pub struct Mailboxes {
    pub context: Arc<Context>,
    pub caches: Caches,
}

/// Reconciles every mailbox until stopped.
pub async fn run(context: Arc<Context>, stop: CancellationToken) {
    let cluster = &context.cluster;
    let (platforms, platform_changes) = follow::<Platform>(cluster.all());
    let (agencies, agency_changes) = follow::<Agency>(cluster.all());
    let (mailboxes, changes) = follow_without::<Mailbox>(cluster.all(), mirror::strip);
    let changes = changes.predicate_filter(
        predicates::generation.combine(predicates::finalizers),
        Default::default(),
    );
    // Their own progress is no reason to look at every mailbox again; what they ask for, and where they are, is.
    let platform_changes = platform_changes.predicate_filter(predicates::generation, Default::default());
    let agency_changes = agency_changes.predicate_filter(placed, Default::default());
    let (all, led) = (mailboxes.clone(), mailboxes.clone());
    let caches = Caches { platforms, agencies };
    let taken_over = takeover::differing(context.clone(), caches.clone(), led);
    let controller = Controller::for_stream(changes, mailboxes.clone())
        .watches_stream(platform_changes, move |_| references(&all, |_| true))
        .reconcile_on(taken_over)
        .watches_stream(agency_changes, move |agency| {
            let namespace = format!("agency-{}", agency.name_any());
            references(&mailboxes, |mailbox| {
                mailbox.namespace().as_ref() == Some(&namespace)
            })
        });
    let shared = Arc::new(Mailboxes {
        context: context.clone(),
        caches,
    });
    drive(controller, context, stop, move |mailbox, _| {
        let shared = shared.clone();
        async move { reconcile(&mailbox, &shared).await }
    })
    .await;
}

/// Changes with what mailboxes need to know of an agency.
fn placed(agency: &Agency) -> Option<u64> {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    agency.metadata.generation.hash(&mut hasher);
    for store in agency.status.iter().flat_map(|status| &status.stores) {
        store.name.hash(&mut hasher);
    }
    Some(hasher.finish())
}

fn references(mailboxes: &Store<Mailbox>, which: impl Fn(&Mailbox) -> bool) -> Vec<ObjectRef<Mailbox>> {
    let all = mailboxes.state();
    let chosen = all.iter().filter(|mailbox| which(mailbox));
    chosen.map(|mailbox| ObjectRef::from_obj(&**mailbox)).collect()
}

pub async fn reconcile(mailbox: &Mailbox, shared: &Mailboxes) -> Result<Action, Error> {
    let Mailboxes { context, caches } = shared;
    let now = Timestamp::now();
    let wanted = match Wanted::of(mailbox) {
        Ok(wanted) => wanted,
        Err(error) => {
            if mailbox.metadata.deletion_timestamp.is_some() {
                context.cluster.let_go(mailbox).await?;
                return Ok(Action::await_change());
            }
            report(
                context,
                mailbox,
                &status::invalid(mailbox, error.to_string(), now),
            )
            .await?;
            return Ok(Action::requeue(RESYNC));
        }
    };
    let local = Local::read(caches, &wanted);
    let platform = local.platform.as_deref();
    let lead = platform
        .map(|platform| context.lead(platform))
        .unwrap_or_default();
    let registry = platform.and_then(|platform| context.directory.open(&platform.spec.domain));
    if mailbox.metadata.deletion_timestamp.is_some() {
        return clean_up(mailbox, &wanted, &lead, registry.as_deref(), context, now).await;
    }
    let plan = observed(
        mailbox,
        &wanted,
        &local,
        lead.term,
        registry.as_deref(),
        context,
        now,
    )
    .await?;
    match (&plan, registry.as_deref(), lead.term) {
        (Plan::Do(work), Some(registry), Some(term)) => {
            match act(mailbox, &local, work, (registry, term), context).await {
                Ok(Acted::All) => {}
                Ok(Acted::NotLeading) => return Ok(Action::requeue(WAITING)),
                Err(error) => {
                    report(context, mailbox, &status::failed(mailbox, chain(&error), now)).await?;
                    return Err(error);
                }
            }
        }
        (Plan::Show(shown), ..) => clear_away(mailbox, shown, context).await?,
        _ => {}
    }
    if matches!(plan, Plan::Hold(Hold::NotConnected | Hold::DirectoryAway(_))) && is_settled(mailbox) {
        return Ok(Action::requeue(WAITING));
    }
    let next = status::of(mailbox, &plan, now);
    report(context, mailbox, &next).await?;
    Ok(Action::requeue(match &plan {
        Plan::Hold(
            Hold::NotConnected | Hold::DirectoryAway(_) | Hold::AwaitLead | Hold::AgencyNotReady(_),
        ) => WAITING,
        _ if next.first_password.is_some() => UNUSED,
        _ => RESYNC,
    }))
}

async fn observed(
    mailbox: &Mailbox,
    wanted: &Wanted,
    local: &Local,
    term: Option<u64>,
    registry: Option<&dyn Registry>,
    context: &Context,
    now: Timestamp,
) -> Result<Plan, Error> {
    if let Err(hold) = plan::local(wanted, local) {
        return Ok(Plan::Hold(hold));
    }
    let (Some(registry), Some(store)) = (registry, local.store()) else {
        return Ok(Plan::Hold(Hold::NotConnected));
    };
    let granted = mailbox.status.as_ref().and_then(|status| status.granted.as_ref());
    let former = plan::former(wanted, granted, None);
    let mut view = match observe::directory(registry, wanted, store, &former).await {
        Ok(view) => view,
        Err(error) if error.is_unavailable() => return Ok(Plan::Hold(Hold::DirectoryAway(chain(&error)))),
        Err(error) => return Err(error.into()),
    };
    let first = local
        .platform
        .as_ref()
        .and_then(|platform| platform.spec.sites.first());
    let sites = Sites {
        own: context.site.as_str(),
        first: first.map_or("", |site| &site.name),
    };
    if term.is_none() {
        return Ok(plan::follow(mailbox, wanted, &view, sites));
    }
    if view
        .record
        .as_ref()
        .is_some_and(|record| record.password.must_change)
    {
        let namespace = wanted.agency.namespace();
        view.secret = observe::has_secret(&context.cluster, &namespace, &mailbox.name_any()).await?;
    }
    Ok(plan::lead(mailbox, wanted, &view, store, sites, now))
}

/// How far the lead's work was done.
enum Acted {
    All,
    /// This site leads no more, or under another term: what is left is the next lead's.
    NotLeading,
}

async fn act(
    mailbox: &Mailbox,
    local: &Local,
    work: &Work,
    (registry, term): (&dyn Registry, u64),
    context: &Context,
) -> Result<Acted, Error> {
    let cluster = &context.cluster;
    let site = context.site.as_str();
    cluster.hold(mailbox).await?;
    for step in &work.steps {
        let platform = local.platform.as_deref();
        if platform.is_none_or(|platform| context.lead(platform).term != Some(term)) {
            return Ok(Acted::NotLeading);
        }
        match step {
            Step::Remember(granted) => {
                report(context, mailbox, &status::remembering(mailbox, granted)).await?
            }
            Step::Add(account) => registry.add_account(term, account).await?,
            Step::Update(account) | Step::Finish(account) => registry.update_account(term, account).await?,
            Step::Restore(id) => registry.restore(term, *id).await?,
            Step::Retain(id, until) => registry.retain(term, *id, *until).await?,
            Step::Prepare(place, tree) => context.mail.ensure(term, place, tree).await?,
            Step::FirstPassword(id) => {
                let min_length = local.platform.as_ref().map_or(0, |p| p.spec.password.min_length);
                let password = desired::password(min_length)?;
                registry.set_first_password(term, *id, &password, site).await?;
                cluster
                    .apply_seen(&desired::secret(mailbox, &password), None)
                    .await?;
            }
            Step::DropSecret => drop_secret(mailbox, context).await?,
        }
    }
    Ok(Acted::All)
}

/// What a site does that does not lead. It holds the object too: if it leads when that is deleted, the account has to end first.
async fn clear_away(mailbox: &Mailbox, shown: &Shown, context: &Context) -> Result<(), Error> {
    context.cluster.hold(mailbox).await?;
    if shown.drop_secret {
        drop_secret(mailbox, context).await?;
    }
    Ok(())
}

async fn drop_secret(mailbox: &Mailbox, context: &Context) -> Result<(), Error> {
    let namespace = mailbox.namespace();
    let name = desired::secret_name(&mailbox.name_any());
    context
        .cluster
        .delete::<Secret>(namespace.as_deref(), &name)
        .await?;
    Ok(())
}

/// The mail is kept: the account ends in the directory, and only then the object goes. Where another site leads, it is that
/// site's object that decides.
async fn clean_up(
    mailbox: &Mailbox,
    wanted: &Wanted,
    lead: &Lead,
    registry: Option<&dyn Registry>,
    context: &Context,
    now: Timestamp,
) -> Result<Action, Error> {
    if !mailbox.finalizers().iter().any(|held| held == cluster::FINALIZER) {
        return Ok(Action::await_change());
    }
    if lead.term.is_none() && lead.site().is_some_and(|site| site != context.site.as_str()) {
        context.cluster.let_go(mailbox).await?;
        return Ok(Action::await_change());
    }
    let (Some(registry), Some(term)) = (registry, lead.term) else {
        let hold = registry.map_or(Hold::NotConnected, |_| Hold::AwaitLead);
        report(context, mailbox, &status::of(mailbox, &Plan::Hold(hold), now)).await?;
        return Ok(Action::requeue(WAITING));
    };
    if let Some(record) = registry.account_by_mailbox(&wanted.key).await?
        && record.retain_until.is_none()
    {
        registry
            .retain(term, record.account.id, plan::retention_end(now))
            .await?;
    }
    context.cluster.let_go(mailbox).await?;
    Ok(Action::await_change())
}

fn is_settled(mailbox: &Mailbox) -> bool {
    let status = mailbox.status.as_ref();
    status.is_some_and(|status| conditions::is_settled(&status.conditions, mailbox.metadata.generation))
}

async fn report(context: &Context, mailbox: &Mailbox, next: &MailboxStatus) -> Result<(), Error> {
    context
        .cluster
        .apply_status(mailbox, mailbox.status.as_ref(), next)
        .await?;
    Ok(())
}

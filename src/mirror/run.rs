//! Both clusters' watches, and which objects are looked at when.

use std::{
    collections::{HashMap, HashSet},
    marker::PhantomData,
    sync::Arc,
    time::Duration,
};

use futures::{FutureExt, Stream, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use govuc_api::{Agency, Mailbox, Platform, SCHEMA};
use govuc_mirror::{Act, Peer, Replica, decide};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    ResourceExt,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    FINALIZER, MANAGER, Mirrored,
    due::Due,
    kind::Key,
    reconcile::{Error, Mirror, Next, Other, Seen, reconcile},
    record::{Record, replica},
    sight::Sight,
    status::{self, Part, Told},
};
use crate::{
    cluster::{Cluster, follow},
    controller::{Label, chain},
    operator::Context,
    peer,
};

/// Objects of a kind that are looked at at a time.
const CONCURRENCY: usize = 16;
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(60);
/// How long until it is looked again for a Platform, a connection, and who the peer is.
const WAITING: Duration = Duration::from_secs(2);
/// How long the other site has to do the same before it is worth a word.
const PATIENCE: Duration = Duration::from_secs(5);

/// An object of the own cluster.
#[derive(Clone, Debug)]
struct Own {
    replica: Replica,
    /// With which cluster it was agreed.
    cluster: Option<String>,
    held: bool,
    kept: Option<String>,
    told: Told,
    changed: Instant,
}

/// Mirrors every kind until stopped.
pub async fn run(context: Arc<Context>, stop: CancellationToken) {
    let (platforms, changes) = follow::<Platform>(context.cluster.all());
    let following = changes.for_each(async |_| {});
    let mirroring = async {
        let prepared = stop.run_until_cancelled(prepared(context, platforms)).await;
        if let Some(mirror) = prepared {
            let mirror = Arc::new(mirror);
            tokio::join!(
                kind::<Agency>(mirror.clone(), &stop),
                kind::<Mailbox>(mirror, &stop)
            );
        }
    };
    tokio::select! {
        () = mirroring => {}
        () = following => {}
    }
}

/// Once there is a Platform, and the operator has a certificate that the peer may know.
async fn prepared(context: Arc<Context>, platforms: kube::runtime::reflector::Store<Platform>) -> Mirror {
    loop {
        let peer_site = platforms.state().first().and_then(|platform| {
            let own = context.site.as_str();
            let sites = platform.spec.sites.iter().map(|site| &site.name);
            let mut others = sites.filter(|site| *site != own);
            others.next().cloned()
        });
        if let (Some(peer_site), Some(_)) = (peer_site, context.certificate.current()) {
            match context.cluster.read::<Namespace>(None, peer::CLUSTER).await {
                Ok(namespace) => {
                    tracing::info!(peer = peer_site, "mirroring");
                    return Mirror {
                        cluster: context.cluster.writing_as(MANAGER),
                        peer: Cluster::new(
                            peer::client(context.certificate.clone(), &peer_site),
                            context.metrics.clone(),
                        ),
                        peer_site,
                        // Every cluster has that namespace.
                        uid: namespace
                            .and_then(|namespace| namespace.uid())
                            .unwrap_or_default(),
                        platforms,
                        braking: Mutex::default(),
                        context,
                    };
                }
                Err(error) => tracing::warn!(error = chain(&error), "the own cluster's uid can't be read"),
            }
        }
        sleep(WAITING).await;
    }
}

/// What is known of a kind, and which of its objects are to be looked at.
struct Desk<K> {
    mirror: Arc<Mirror>,
    own: Sight<Own>,
    peer: Sight<Replica>,
    other: Option<Other>,
    due: Due,
    running: FuturesUnordered<BoxFuture<'static, (Key, Result<Next, Error>)>>,
    busy: HashSet<Key>,
    /// How often each has failed in a row.
    failed: HashMap<Key, u32>,
    kind: PhantomData<K>,
}

async fn kind<K: Mirrored>(mirror: Arc<Mirror>, stop: &CancellationToken) {
    let config = watcher::Config::default;
    let mut own = watcher(mirror.context.cluster.all::<K>(), config())
        .default_backoff()
        .boxed();
    let mut peer = identified(watcher(mirror.peer.all::<K>(), config()), mirror.clone()).boxed();
    let mut desk = Desk::<K>::new(mirror);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(event) = own.next() => match event {
                Ok(event) => desk.see_own(event),
                Err(error) => tracing::warn!(%error, kind = K::LABEL, "watch"),
            },
            Some(event) = peer.next() => match event {
                Ok((event, other)) => desk.see_peer(event, other),
                Err(error) => tracing::info!(%error, kind = K::LABEL, "watch of the other site"),
            },
            Some(key) = desk.due.next(), if desk.running.len() < CONCURRENCY => desk.begin(key),
            Some((key, result)) = desk.running.next() => desk.end(key, result),
        }
    }
    while desk.running.next().await.is_some() {}
}

/// Before a list counts as complete it is asked whose it is: a cluster may have been replaced by another one.
fn identified<K: Mirrored>(
    events: impl Stream<Item = watcher::Result<Event<K>>> + Send + 'static,
    mirror: Arc<Mirror>,
) -> impl Stream<Item = watcher::Result<(Event<K>, Option<Other>)>> + Send {
    events.default_backoff().then(move |event| {
        let mirror = mirror.clone();
        async move {
            let event = event?;
            let other = match &event {
                Event::InitDone => Some(mirror.who().await),
                _ => None,
            };
            Ok((event, other))
        }
    })
}

impl Mirror {
    /// Who the peer is, as soon as it says so.
    async fn who(&self) -> Other {
        loop {
            match peer::about(self.peer.client()).await {
                Ok(about) => {
                    return Other {
                        uid: about.cluster,
                        schema: about.schema,
                    };
                }
                Err(error) => tracing::info!(
                    error = chain(&error),
                    "the other site's operator does not say who it is"
                ),
            }
            sleep(WAITING).await;
        }
    }
}

impl<K: Mirrored> Desk<K> {
    fn new(mirror: Arc<Mirror>) -> Self {
        Self {
            mirror,
            own: Sight::default(),
            peer: Sight::default(),
            other: None,
            due: Due::default(),
            running: FuturesUnordered::new(),
            busy: HashSet::new(),
            failed: HashMap::new(),
            kind: PhantomData,
        }
    }

    fn see_own(&mut self, event: Event<K>) {
        let complete = matches!(event, Event::InitDone);
        let news = self.own.take(event, Own::of);
        self.schedule(news);
        if complete {
            // Also what is only there.
            self.schedule(self.peer.keys());
        }
    }

    fn see_peer(&mut self, event: Event<K>, other: Option<Other>) {
        let complete = matches!(event, Event::InitDone);
        if complete {
            self.other = other;
        }
        let schema = self.other.as_ref().map_or(SCHEMA, |other| other.schema);
        let uid = self.mirror.uid.clone();
        let news = self
            .peer
            .take(event, |object| replica(object, Some(&uid), schema));
        self.schedule(news);
        if complete {
            // Also what is only here.
            self.schedule(self.own.keys());
        }
    }

    fn schedule(&mut self, keys: impl IntoIterator<Item = Key>) {
        for key in keys {
            self.due.after(key, Duration::ZERO);
        }
    }

    /// What is known of one object, and how long it can wait; none if nothing is to be done about it.
    fn seen(&self, key: &Key) -> Option<(Seen, Duration)> {
        let own = self.own.get(key);
        let local = own.map(|own| own.for_peer(self.other.as_ref()));
        let readable = self.other.as_ref().is_some_and(|other| other.schema == SCHEMA);
        let peer = match self.peer.get(key) {
            _ if !self.peer.is_complete() => Peer::Unknown,
            // What the other operator reads otherwise is neither made here nor missed.
            Some(_) if local.is_none() && !readable => Peer::Unknown,
            None if !readable => Peer::Unknown,
            Some(replica) => Peer::Replica(replica.clone()),
            None => Peer::Absent,
        };
        let act = decide(local.as_ref(), &peer, self.mirror.lead());
        let seen = Seen {
            peer,
            other: self.other.clone(),
            objects: self.own.len(),
        };
        let known = self.other.is_some();
        let needed = needed(own, local.as_ref(), &act, &self.mirror.peer_site, known);
        needed.then(|| (seen, own.map_or(Duration::ZERO, |own| own.patience(&act))))
    }

    fn begin(&mut self, key: Key) {
        // Before the own list is complete everything looks as if it were absent.
        if !self.own.is_complete() {
            return;
        }
        if self.busy.contains(&key) {
            self.due.after(key, FIRST_RETRY);
            return;
        }
        let Some((seen, wait)) = self.seen(&key) else {
            return;
        };
        if !wait.is_zero() {
            self.due.after(key, wait);
            return;
        }
        self.busy.insert(key.clone());
        let mirror = self.mirror.clone();
        let timer = mirror.context.metrics.time(K::TIMED);
        let work = async move {
            let result = reconcile::<K>(&key, seen, &mirror).await;
            timer.end(result.as_ref().map_or_else(Label::label, |_| "ok"));
            (key, result)
        };
        self.running.push(work.boxed());
    }

    fn end(&mut self, key: Key, result: Result<Next, Error>) {
        self.busy.remove(&key);
        match result {
            Ok(next) => {
                self.failed.remove(&key);
                if let Next::After(wait) = next {
                    self.due.after(key, wait);
                }
            }
            Err(error) => {
                tracing::warn!(
                    kind = K::LABEL,
                    namespace = key.namespace,
                    name = key.name,
                    error = chain(&error),
                    "not mirrored"
                );
                let count = self.failed.entry(key.clone()).or_default();
                let wait = FIRST_RETRY.saturating_mul(2u32.saturating_pow(*count));
                *count += 1;
                self.due.after(key, wait.min(LONGEST_RETRY));
            }
        }
    }
}

/// Whether an object is worth a look, which costs a request.
fn needed(own: Option<&Own>, local: Option<&Replica>, act: &Act, peer_site: &str, known: bool) -> bool {
    match (act, own, local) {
        (Act::Nothing | Act::Wait(_), Some(own), Some(local)) => {
            let words = status::words(local, act, own.kept.as_deref(), peer_site);
            !local.leaving && (known && !own.held || words.is_some_and(|words| words.told() != own.told))
        }
        (Act::Nothing | Act::Wait(_), ..) => false,
        _ => true,
    }
}

impl Own {
    fn of<K: Mirrored>(object: &K) -> Self {
        let record = Record::of(object);
        Self {
            replica: replica(object, None, SCHEMA),
            held: object.finalizers().iter().any(|held| held == FINALIZER),
            kept: record.as_ref().and_then(|record| record.kept.clone()),
            cluster: record.map(|record| record.cluster),
            told: Part::of(object).told(object),
            changed: Instant::now(),
        }
    }

    /// Before a word is worth its write: mostly the other site has done the same by then. What is not held yet is held at once.
    fn patience(&self, act: &Act) -> Duration {
        match act {
            Act::Wait(_) if self.held => PATIENCE.saturating_sub(self.changed.elapsed()),
            _ => Duration::ZERO,
        }
    }

    /// What was agreed with another cluster than the one that is there now was not agreed with it.
    fn for_peer(&self, other: Option<&Other>) -> Replica {
        let mut replica = self.replica.clone();
        if let Some(other) = other
            && self.cluster.as_ref().is_some_and(|cluster| *cluster != other.uid)
        {
            (replica.partner, replica.agreed, replica.confirmed) = (None, None, false);
        }
        replica
    }
}

impl PartialEq for Own {
    /// When it changed is no news.
    fn eq(&self, other: &Self) -> bool {
        (&self.replica, &self.cluster, self.held, &self.kept, &self.told)
            == (
                &other.replica,
                &other.cluster,
                other.held,
                &other.kept,
                &other.told,
            )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::{ANNOTATION, hash};
    use govuc_mirror::{Agreement, Lead, Lineage, Waiting};

    fn agreed(cluster: &str) -> Mailbox {
        let text = r#"{"apiVersion": "1govuc.gov.my/v1alpha1", "kind": "Mailbox", "metadata": {"name": "ali", "uid": "u"},
            "spec": {"type": "Individual", "address": "ali@kkr.gov.my",
                "individual": {"staffNumber": "KKR-1", "name": "Ali", "grade": 44}}}"#;
        let mut mailbox: Mailbox = serde_json::from_str(text).unwrap();
        let record = Record {
            of: Some("u".into()),
            cluster: cluster.into(),
            partner: Some(Lineage("theirs".into())),
            agreed: Agreement {
                seq: 1,
                spec: hash(&mailbox.spec, SCHEMA),
            },
            confirmed: true,
            kept: None,
        };
        mailbox.annotations_mut().insert(ANNOTATION.into(), record.text());
        mailbox
    }

    #[test]
    fn an_empty_cluster_in_the_place_of_a_lost_one_deletes_nothing() {
        let own = Own::of(&agreed("lost"));
        let act = |uid: &str| {
            let other = Other {
                uid: uid.into(),
                schema: SCHEMA,
            };
            decide(Some(&own.for_peer(Some(&other))), &Peer::Absent, Lead::Here)
        };
        assert_eq!(act("lost"), Act::Delete);
        assert_eq!(act("new"), Act::Wait(Waiting::PeerFollows));
    }

    #[test]
    fn what_is_held_and_has_told_all_costs_no_request() {
        let mut own = Own::of(&agreed("there"));
        let local = own.replica.clone();
        let is_needed = |own: &Own, act| needed(Some(own), Some(&local), &act, "pdsa2", true);
        assert!(is_needed(&own, Act::Nothing), "it is not held yet");
        own.held = true;
        assert!(is_needed(&own, Act::Nothing), "nobody was told");
        own.told = status::words(&local, &Act::Nothing, None, "pdsa2")
            .unwrap()
            .told();
        assert!(!is_needed(&own, Act::Nothing));
        // A line that is cut is no news of what both had agreed on.
        assert!(!is_needed(&own, Act::Wait(Waiting::PeerUnknown)));
        assert!(is_needed(&own, Act::Wait(Waiting::DeletedAtPeer)));
        assert!(is_needed(&own, Act::Delete));
    }

    #[test]
    fn what_waits_for_the_other_site_is_told_of_after_a_while_and_held_at_once() {
        let mut own = Own::of(&agreed("there"));
        let wait = Act::Wait(Waiting::PeerFollows);
        assert_eq!(own.patience(&wait), Duration::ZERO);
        own.held = true;
        assert!(own.patience(&wait) > PATIENCE / 2);
        assert_eq!(own.patience(&Act::Nothing), Duration::ZERO);
        own.changed -= PATIENCE;
        assert_eq!(own.patience(&wait), Duration::ZERO);
    }
}

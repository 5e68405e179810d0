//! What is known of a kind in both clusters, and which of its objects are looked at when.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use govuc_api::SCHEMA;
use govuc_mirror::{Act, Peer, decide};
use kube::runtime::watcher::Event;

use super::{
    Mirrored,
    due::Due,
    kind::Key,
    reconcile::{Error, Next, Seen, reconcile},
    seen::{Own, Theirs},
    sight::Sight,
    sites::{Heard, Other, Sites},
};
use crate::controller::{Label, chain};

/// Objects of a kind that are looked at at a time.
const CONCURRENCY: usize = 16;
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(60);

pub struct Desk<K: Mirrored> {
    sites: Arc<Sites>,
    own: Sight<Own>,
    peer: Sight<Theirs<K>>,
    other: Option<Other>,
    /// The other cluster was restored: what it lacks was not deleted.
    restored: bool,
    due: Due,
    running: FuturesUnordered<BoxFuture<'static, (Key, Result<Next, Error>)>>,
    busy: HashSet<Key>,
    /// How often each has failed in a row.
    failed: HashMap<Key, u32>,
}

/// What comes next without any watch.
pub enum Step {
    Due(Key),
    Ended(Key, Result<Next, Error>),
}

impl<K: Mirrored> Desk<K> {
    pub fn new(sites: Arc<Sites>) -> Self {
        Self {
            sites,
            own: Sight::default(),
            peer: Sight::default(),
            other: None,
            restored: false,
            due: Due::default(),
            running: FuturesUnordered::new(),
            busy: HashSet::new(),
            failed: HashMap::new(),
        }
    }

    pub fn see_own(&mut self, event: Event<K>) {
        let complete = matches!(event, Event::InitDone);
        let news = self.own.take(event, Own::of);
        for key in &news {
            if let (Some(own), Some(theirs)) = (self.own.get(key), self.peer.get_mut(key))
                && own.replica.spec == theirs.replica.spec
            {
                theirs.spec = None;
            }
        }
        self.schedule(news);
        if complete {
            // Also what is only there.
            self.schedule(self.peer.keys());
        }
    }

    /// `heard` comes with the end of a list.
    pub fn see_peer(&mut self, event: Event<K>, heard: Option<Heard>) {
        let complete = heard.is_some();
        if let Some(heard) = heard {
            self.restored = heard.restored.contains(K::LABEL);
            self.other = Some(heard.other);
        }
        let schema = self.other.as_ref().map_or(SCHEMA, |other| other.schema);
        let (own, uid) = (&self.own, &self.sites.uid);
        let news = self.peer.take(event, |object, _| {
            Theirs::of(object, uid, schema, own.get(&Key::of(object)))
        });
        self.schedule(news);
        if complete {
            // Also what is only here.
            self.schedule(self.own.keys());
        }
    }

    /// What the other site's people wrote comes before what is only to be noted, held or said.
    fn schedule(&mut self, keys: impl IntoIterator<Item = Key>) {
        for key in keys {
            let theirs = self.peer.get(&key).map(|theirs| &theirs.replica.spec);
            match self.own.get(&key).map(|own| &own.replica) {
                None if theirs.is_some() => self.due.first(key),
                Some(own) if own.leaving || theirs.is_none_or(|theirs| *theirs != own.spec) => {
                    self.due.first(key)
                }
                _ => self.due.after(key, Duration::ZERO),
            }
        }
    }

    /// Whether what was heard of the other cluster is not what its list was read from: then it is to be read again. Its watch
    /// might go on where the other history had been.
    pub fn is_overtaken_by(&self, heard: &Heard) -> bool {
        let restored = heard.restored.contains(K::LABEL) && !self.restored;
        let is_another = self.other.as_ref().is_some_and(|other| *other != heard.other);
        self.other.is_some() && (is_another || restored)
    }

    /// What no watch tells: from time to time.
    pub fn tick(&mut self) {
        let metrics = &self.sites.context.metrics;
        if self.other.is_some() {
            let waiting = self.own.values().filter(|own| !own.is_mirrored()).count();
            metrics.mirror_waiting(K::LABEL, waiting);
        }
        if !self.sites.is_connected() {
            // They wait for a site that may be no more.
            let leaving = self.own.iter().filter(|(_, own)| own.replica.leaving);
            let keys: Vec<Key> = leaving.map(|(key, _)| key.clone()).collect();
            self.schedule(keys);
        }
    }

    /// Whether nothing is left of what the restored peer lacks.
    pub fn is_made_good(&self) -> bool {
        let lacks = |key: &Key, own: &Own| {
            own.replica.confirmed && !own.replica.leaving && self.peer.get(key).is_none()
        };
        self.restored && self.running.is_empty() && !self.own.iter().any(|(key, own)| lacks(key, own))
    }

    /// What is absent there from now on was deleted.
    pub fn made_good(&mut self) {
        self.restored = false;
    }

    /// What was seen of one object, and how long it can wait; none if nothing is to be done about it.
    fn seen(&self, key: &Key) -> Option<(Seen<K>, Duration)> {
        let own = self.own.get(key);
        let local = own.map(|own| own.for_peer(self.other.as_ref()));
        let theirs = self.peer.get(key);
        let is_readable = self.other.as_ref().is_some_and(|other| other.schema == SCHEMA);
        let is_leaving = local.as_ref().is_some_and(|local| local.leaving);
        let peer = match theirs {
            // There is nobody who could take it for new.
            _ if is_leaving && !self.sites.is_connected() => Peer::Absent,
            _ if !self.peer.is_complete() => Peer::Unknown,
            // What the other operator reads otherwise is neither made here nor missed.
            Some(_) if local.is_none() && !is_readable => Peer::Unknown,
            None if !is_readable => Peer::Unknown,
            Some(theirs) => Peer::Replica(theirs.replica.clone()),
            None if self.restored => Peer::Lost,
            None => Peer::Absent,
        };
        let act = decide(local.as_ref(), &peer, self.sites.lead());
        let refused = theirs.and_then(|theirs| theirs.refused.clone());
        let is_needed = match (&act, own, &local) {
            (Act::Nothing | Act::Wait(_), Some(own), Some(local)) => {
                let known = self.other.is_some();
                own.has_more_to_say(local, &act, refused.as_deref(), &self.sites.peer_site, known)
            }
            (Act::Nothing | Act::Wait(_), ..) => false,
            _ => true,
        };
        let wait = own.map_or(Duration::ZERO, |own| own.patience(&act));
        let seen = Seen {
            act,
            own: own.cloned(),
            local,
            peer,
            spec: theirs.and_then(|theirs| theirs.spec.clone()),
            refused,
            other: self.other.clone(),
            mark: theirs.and_then(|theirs| theirs.mark),
            objects: self.own.len(),
        };
        is_needed.then_some((seen, wait))
    }

    /// What comes next of itself: an object that is due, unless enough are looked at, or the end of a look.
    pub async fn next(&mut self) -> Step {
        let is_free = self.running.len() < CONCURRENCY;
        tokio::select! {
            Some(key) = self.due.next(), if is_free => Step::Due(key),
            Some((key, result)) = self.running.next() => Step::Ended(key, result),
            else => std::future::pending().await,
        }
    }

    pub fn carry_on(&mut self, step: Step) {
        match step {
            Step::Due(key) => self.begin(key),
            Step::Ended(key, result) => self.end(key, result),
        }
    }

    /// Begins nothing more.
    pub async fn finish(mut self) {
        while self.running.next().await.is_some() {}
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
        let sites = self.sites.clone();
        let timer = sites.context.metrics.time(K::TIMED);
        let work = async move {
            let result = reconcile::<K>(&key, seen, &sites).await;
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

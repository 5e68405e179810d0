//! A cache of one kind that says when it changed.

use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use kube::runtime::reflector::{self, Store};
use kube::runtime::utils::Backoff;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::Notify;
use tracing::warn;

/// How long changes are collected before they are acted upon, so that a burst costs one pass.
pub(super) const DEBOUNCE: Duration = Duration::from_millis(100);

/// The pause before a broken watch is tried again, always the same: the API server is next door, is killed on purpose
/// and is back in seconds, so waiting longer and longer for it would only make every test wait too.
pub(super) struct Steady;

impl Iterator for Steady {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(Duration::from_millis(500))
    }
}

impl Backoff for Steady {
    fn reset(&mut self) {}
}

/// A cache of everything `api` lists, and the endless work of keeping it. `changed` is told of every change.
pub(super) fn follow<K>(api: Api<K>, changed: &Arc<Notify>) -> (Store<K>, impl Future<Output = ()> + use<K>)
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    K::DynamicType: Default + Eq + Hash + Clone,
{
    let (store, writer) = reflector::store();
    let events = watcher(api, watcher::Config::default())
        .backoff(Steady)
        .modify(|object| object.managed_fields_mut().clear())
        .reflect(writer);
    (store, keep(events, changed.clone()))
}

async fn keep<K>(
    events: impl Stream<Item = Result<watcher::Event<K>, watcher::Error>>,
    changed: Arc<Notify>,
) {
    let mut events = std::pin::pin!(events);
    let mut broken = false;
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                broken = false;
                // A list in progress is no state to act upon.
                if !matches!(event, watcher::Event::Init | watcher::Event::InitApply(_)) {
                    changed.notify_one();
                }
            }
            Err(error) if !broken => {
                broken = true;
                warn!(%error, "watch interrupted");
            }
            // Said already.
            Err(_) => {}
        }
    }
}

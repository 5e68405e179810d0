//! Watches with a cache.

use std::{fmt::Debug, hash::Hash};

use futures::{Stream, StreamExt};
use kube::{
    Api, Resource, ResourceExt,
    runtime::{WatchStreamExt, reflector, reflector::Store, watcher},
};
use serde::de::DeserializeOwned;

/// A cache of what `api` has, and the stream of what changes in it, deletions included. The cache is always as new as the
/// stream, so a reconcile that the stream calls sees what called it. Errors are logged and tried again by themselves: a
/// watch that fails must not slow the controller's others (they share one back-off).
pub fn follow<K>(
    api: Api<K>,
) -> (
    Store<K>,
    impl Stream<Item = Result<K, watcher::Error>> + Send + 'static,
)
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    K::DynamicType: Default + Eq + Hash + Clone + Debug + Send + Sync + Unpin,
{
    follow_without(api, |_| {})
}

/// As [`follow`], with what `strip` takes out of each object never seen.
pub fn follow_without<K>(
    api: Api<K>,
    strip: fn(&mut K),
) -> (
    Store<K>,
    impl Stream<Item = Result<K, watcher::Error>> + Send + 'static,
)
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    K::DynamicType: Default + Eq + Hash + Clone + Debug + Send + Sync + Unpin,
{
    let (store, writer) = reflector::store();
    let stream = watcher(api, watcher::Config::default())
        .default_backoff()
        .modify(move |object| {
            object.managed_fields_mut().clear();
            strip(object);
        })
        .reflect(writer)
        .touched_objects()
        .filter_map(async |result| match result {
            Ok(object) => Some(Ok(object)),
            Err(error) => {
                tracing::warn!(%error, kind = %K::kind(&K::DynamicType::default()), "watch");
                None
            }
        });
    (store, stream)
}

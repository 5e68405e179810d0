//! What every controller does around its reconcile: time it, count it, tell of a failure, and back off per object.

use std::{
    collections::HashMap,
    error::Error as StdError,
    fmt::Debug,
    future::Future,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::StreamExt;
use kube::{
    Resource, ResourceExt,
    runtime::{
        Controller,
        controller::{self, Action},
        events::{Event, EventType},
        reflector::ObjectRef,
    },
};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use crate::operator::Context;

/// How long an object that is as it should be is left alone. Changes call a reconcile anyway.
pub const RESYNC: Duration = Duration::from_secs(600);
/// First wait after a failure, doubled up to [`LONGEST_RETRY`].
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(60);
/// Reconciles at a time, per kind.
const CONCURRENCY: u16 = 8;
/// Changes of an object within this time call one reconcile.
const DEBOUNCE: Duration = Duration::from_millis(200);

/// What an error is called in metrics: never an object's name.
pub trait Label {
    fn label(&self) -> &'static str;
}

/// How often each object has failed in a row.
struct Retries<K: Resource>(Mutex<HashMap<ObjectRef<K>, u32>>)
where
    K::DynamicType: Hash + Eq;

struct Driven<K: Resource>
where
    K::DynamicType: Hash + Eq,
{
    context: Arc<Context>,
    retries: Retries<K>,
}

impl<K: Resource<DynamicType = ()>> Retries<K> {
    fn failed(&self, object: &K) -> Duration {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(ObjectRef::from_obj(object)).or_default();
        let wait = FIRST_RETRY
            .saturating_mul(2u32.saturating_pow(*count))
            .min(LONGEST_RETRY);
        *count += 1;
        wait
    }

    fn succeeded(&self, object: &K) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.remove(&ObjectRef::from_obj(object));
    }
}

/// Runs a controller until it is asked to stop and its running reconciles have ended.
pub async fn drive<K, E, F>(
    controller: Controller<K>,
    context: Arc<Context>,
    stop: CancellationToken,
    reconcile: impl Fn(Arc<K>, Arc<Context>) -> F + Clone + Send + Sync + 'static,
) where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    E: StdError + Label + Send + Sync + 'static,
    F: Future<Output = Result<Action, E>> + Send + 'static,
{
    let driven = Arc::new(Driven {
        context,
        retries: Retries(Mutex::default()),
    });
    let kind = kind::<K>();
    controller
        .with_config(
            controller::Config::default()
                .concurrency(CONCURRENCY)
                .debounce(DEBOUNCE),
        )
        .graceful_shutdown_on(stop.cancelled_owned())
        .run(
            move |object, driven: Arc<Driven<K>>| {
                let reconcile = reconcile.clone();
                async move {
                    let timer = driven.context.metrics.time(kind);
                    let result = reconcile(object.clone(), driven.context.clone()).await;
                    match &result {
                        Ok(_) => {
                            driven.retries.succeeded(&object);
                            timer.end("ok");
                        }
                        Err(error) => {
                            timer.end(error.label());
                            tell(&driven.context, &*object, error).await;
                        }
                    }
                    result
                }
            },
            |object, _, driven| Action::requeue(driven.retries.failed(&object)),
            driven,
        )
        .for_each(async |result| {
            // Errors of reconciles were told where they happened; what is left is about watches and deleted objects.
            if let Err(error) = result
                && !matches!(error, controller::Error::ReconcilerFailed(..))
            {
                tracing::debug!(%error, kind, "controller");
            }
        })
        .await;
}

/// The chain of causes in one line.
pub fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

async fn tell<K: Resource<DynamicType = ()>>(context: &Context, object: &K, error: &(impl StdError + Label)) {
    let note = chain(error);
    tracing::warn!(
        kind = %K::kind(&()),
        namespace = object.meta().namespace,
        name = object.name_any(),
        error = note,
        "reconcile failed"
    );
    let event = Event {
        type_: EventType::Warning,
        reason: "ReconcileFailed".to_owned(),
        note: Some(note.chars().take(1000).collect()),
        action: "Reconcile".to_owned(),
        secondary: None,
    };
    if let Err(error) = context.recorder.publish(&event, &object.object_ref(&())).await {
        tracing::debug!(%error, "the event was not recorded");
    }
}

/// A `'static` name for metrics: there are four kinds.
fn kind<K: Resource<DynamicType = ()>>() -> &'static str {
    match &*K::kind(&()) {
        "Platform" => "Platform",
        "MailStore" => "MailStore",
        "Agency" => "Agency",
        "Mailbox" => "Mailbox",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use govuc_api::{MailStore, MailStoreSpec};

    fn store() -> MailStore {
        MailStore::new("mail-1", MailStoreSpec::at("pdsa1"))
    }

    #[test]
    fn an_object_that_fails_again_waits_longer_until_it_succeeds() {
        let retries = Retries(Mutex::default());
        let waits: Vec<u64> = (0..8).map(|_| retries.failed(&store()).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        retries.succeeded(&store());
        assert_eq!(retries.failed(&store()), FIRST_RETRY);
    }
}

//! No fault at all: a store is moved while everybody writes.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::observer::{Observer, other};
use super::trial::Seen;

/// What people may notice of a switchover.
const SWITCHOVER: Duration = Duration::from_secs(10);
/// Mail goes on for this long afterwards.
const AFTER: Duration = Duration::from_secs(5);

pub async fn a_store_is_switched_over(observer: &Observer) -> anyhow::Result<Seen> {
    observer
        .trial("switchover", async |trial| {
            let from = trial.before[0].site;
            let to = other(from);
            let (kubectl, store) = (observer.service.kubectl.clone(), observer.stores[0].clone());
            let start = Instant::now();
            tokio::task::spawn_blocking(move || {
                let words = [
                    "switchover",
                    &store,
                    "--to",
                    to.name(),
                    "--context",
                    from.name(),
                    "-o",
                    "json",
                ];
                kubectl.govuc(&words)
            })
            .await?
            .with_context(|| format!("switchover to {to}"))?;
            let took = start.elapsed().as_secs_f64();
            tokio::time::sleep(AFTER).await;
            ensure!(
                observer.guards.holder(0).is_some_and(|now| now.site == to),
                "the store is not at {to}: {}",
                observer.guards.sentence()
            );
            let gap = trial.gap(start, false, SWITCHOVER)?;
            Ok(format!("the command took {took:.1} s, {gap}"))
        })
        .await
}

//! No fault at all: a store is moved while everybody writes.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::observer::Observer;
use super::trial::Seen;
use crate::service::store::switch_over;

/// What people may notice of a switchover.
const SWITCHOVER: Duration = Duration::from_secs(10);
/// Mail goes on for this long afterwards.
const AFTER: Duration = Duration::from_secs(5);

pub async fn a_store_is_switched_over(observer: &Observer) -> anyhow::Result<Seen> {
    observer
        .trial("switchover", async |trial| {
            let from = trial.before[0].site;
            let to = from.other();
            let start = Instant::now();
            switch_over(&observer.service, &observer.stores[0], to, from)
                .await
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

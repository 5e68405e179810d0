//! Against real members of etcd.

// Helpers of tests are tests too.
#![allow(clippy::unwrap_used)]

mod calls;
mod holders;
mod late;
mod lead;
mod line;
mod outage;
mod peers;
mod replacement;
mod roles;
mod sites;
mod start;
mod store;
mod trust;

use std::time::{Duration, Instant};

/// For what is to succeed.
const LIMIT: Duration = Duration::from_secs(20);
/// For what is to fail for want of an answer.
const SHORT: Duration = Duration::from_secs(1);

/// Waits until something is so.
async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !condition().await {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{what}: not within 60 s"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

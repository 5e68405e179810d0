//! NetworkPolicy as the Kubernetes documentation has it, checked from inside real pods.
//!
//! Every check starts from a field without policies, applies its own, and waits until each client reaches exactly the
//! targets it should: one too many fails as one too few does.

mod cases;
mod field;
mod lifecycle;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use kube::Client;

use self::cases::Case;
use self::field::{Field, Reach};
use self::lifecycle::Change;
use super::Report;

/// How long a change may take to be in force. Generous: it tells a change that never comes from one that does.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs every check in namespaces of its own on the cluster of `client` and removes them. `probe_image` is the
/// reference of the image `probe`, which must be there already.
///
/// # Errors
/// When the pods that the checks need do not come up.
pub async fn checks(report: &mut Report, client: Client, probe_image: &str) -> anyhow::Result<()> {
    let mut field = Field::new(client, probe_image);
    if let Err(error) = field.make().await {
        // What is wrong with the pods matters more than what is wrong with removing them.
        let _ = field.remove().await;
        return Err(error.context("make the pods of the network policy checks"));
    }
    for case in cases::all(&field) {
        report
            .check(&format!("network policy: {}", case.name), holds(&field, &case))
            .await;
    }
    for change in Change::ALL {
        let name = format!("network policy: {}", change.name());
        report
            .check(&name, async { change.run(&field).await.and(clear(&field).await) })
            .await;
    }
    field.remove().await
}

/// Puts a case in force, compares, and takes it back.
async fn holds(field: &Field, case: &Case) -> anyhow::Result<()> {
    let result = match field.apply(&case.policies).await {
        Ok(()) => settles(field, &case.open).await,
        Err(error) => Err(error),
    };
    result.and(clear(field).await)
}

/// Waits until the clients reach exactly `open`, and looks once more.
async fn settles(field: &Field, open: &BTreeSet<Reach>) -> anyhow::Result<()> {
    let end = Instant::now() + PATIENCE;
    loop {
        let seen = field.reached().await?;
        if seen == *open && field.reached().await? == *open {
            return Ok(());
        }
        if Instant::now() > end {
            let list = |a: &BTreeSet<Reach>, b: &BTreeSet<Reach>| -> Vec<String> {
                a.difference(b)
                    .map(|reach| format!("{} to {}", reach.client, reach.target))
                    .collect()
            };
            bail!(
                "open and should not be: {:?}; closed and should not be: {:?}",
                list(&seen, open),
                list(open, &seen)
            );
        }
    }
}

/// Removes all policies and waits until everything is open: also the check that a removed policy has no effect.
async fn clear(field: &Field) -> anyhow::Result<()> {
    field.remove_policies().await?;
    settles(field, &field.everything())
        .await
        .context("after its policies were removed")
}

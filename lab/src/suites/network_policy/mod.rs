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

use self::field::{Field, Reach};
use self::lifecycle::Check;

/// How long a change may take to be in force. Generous: it tells a change that never comes from one that does.
const PATIENCE: Duration = Duration::from_secs(20);

/// What became of one check.
pub struct Outcome {
    /// The sentence that was checked.
    pub name: &'static str,
    pub result: anyhow::Result<()>,
}

/// Runs every check in namespaces of its own on the cluster of `client` and removes them. `probe_image` is the
/// reference of the image `probe`, which must be there already.
///
/// # Errors
/// When the pods that the checks need do not come up; a failed check is an [`Outcome`].
pub async fn checks(client: Client, probe_image: &str) -> anyhow::Result<Vec<Outcome>> {
    let mut field = Field::new(client, probe_image);
    if let Err(error) = field.make().await {
        // What is wrong with the pods matters more than what is wrong with removing them.
        let _ = field.remove().await;
        return Err(error.context("make the pods of the network policy checks"));
    }
    let mut outcomes = Vec::new();
    for case in cases::all(&field) {
        let result = field.apply(&case.policies).await;
        let result = match result {
            Ok(()) => settles(&field, &case.open).await,
            Err(error) => Err(error),
        };
        let cleared = clear(&field).await.context("remove the policies of the check");
        outcomes.push(Outcome {
            name: case.name,
            result: result.and(cleared),
        });
    }
    for check in Check::ALL {
        let result = check.run(&field).await;
        let cleared = clear(&field).await.context("remove the policies of the check");
        outcomes.push(Outcome {
            name: check.name(),
            result: result.and(cleared),
        });
    }
    field.remove().await?;
    Ok(outcomes)
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
    settles(field, &field.everything()).await
}

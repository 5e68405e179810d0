//! A store that follows its `spec.preferredSite`, as whoever keeps files changes that.

use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::json;

use crate::network::Site;
use crate::service::Service;
use crate::service::people::SITI;
use crate::service::store::{IN_STEP, in_step, object, primary, term};

const PERIOD: Duration = Duration::from_millis(300);

/// The same file at both clusters: one move, which both say has ended; and back, said at one cluster only.
pub async fn a_store_follows_its_preferred_site(service: &Service) -> anyhow::Result<String> {
    let store = service.store_of(SITI).await?;
    in_step(service, &store).await?;
    let (from, to) = match primary(service, &store).await?.as_str() {
        "pdsa1" => (Site::Pdsa1, Site::Pdsa2),
        _ => (Site::Pdsa2, Site::Pdsa1),
    };
    // An earlier check may have left it elsewhere, and there it stays until the wish changes.
    prefer(service, &store, from, &Site::DATA_CENTRES).await?;
    let before = term(service, &store).await?;
    let there = prefer(service, &store, to, &Site::DATA_CENTRES).await?;
    in_step(service, &store).await?;
    let after = term(service, &store).await?;
    ensure!(
        after == before + 1,
        "it was one move, and the term was {before} and is {after}"
    );
    let back = prefer(service, &store, from, &[to]).await?;
    in_step(service, &store).await?;
    // The other cluster still says otherwise, and what it says has not changed.
    ensure!(
        primary(service, &store).await? == from.name(),
        "the store is not at {from}"
    );
    prefer(service, &store, from, &Site::DATA_CENTRES).await?;
    Ok(format!("to {to} after {there:.1} s, back after {back:.1} s"))
}

/// Has these clusters prefer a site, and waits until each of them says that the store has followed.
async fn prefer(service: &Service, store: &str, to: Site, clusters: &[Site]) -> anyhow::Result<f64> {
    let wish = json!({"spec": {"preferredSite": to.name()}}).to_string();
    let start = Instant::now();
    for cluster in clusters {
        let words = ["patch", "mailstore", store, "--type=merge", "-p", &wish];
        service.kubectl.run(*cluster, &words)?;
    }
    for cluster in clusters {
        loop {
            let status = object(service, store, *cluster).await?["status"].clone();
            if status["preferredSite"]["site"] == to.name() && status["primary"] == to.name() {
                break;
            }
            ensure!(
                start.elapsed() < IN_STEP,
                "{cluster}: {store} has not followed to {to}: {}",
                status["preferredSite"]
            );
            tokio::time::sleep(PERIOD).await;
        }
    }
    Ok(start.elapsed().as_secs_f64())
}

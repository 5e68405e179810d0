//! A mail store as the clusters see it.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::Value;

use super::{Kind, Service, client};
use crate::network::Site;

/// How long a store may take to be in step again after it has moved, or after a fault.
pub const IN_STEP: Duration = Duration::from_secs(120);
const PERIOD: Duration = Duration::from_millis(300);

/// The object of a store in a cluster, without its metadata.
pub async fn object(service: &Service, store: &str, at: Site) -> anyhow::Result<Value> {
    let client = client(&service.lab.folder.kubeconfig(), at).await?;
    Ok(Kind::MailStore.api(&client).get(store).await?.data)
}

/// The site of the copy that serves, as the first cluster says.
pub async fn primary(service: &Service, store: &str) -> anyhow::Result<String> {
    let data = object(service, store, Site::Pdsa1).await?;
    let primary = data["status"]["primary"].as_str();
    Ok(primary.context("the store has no primary")?.to_owned())
}

/// Where a store is, and the other site.
pub async fn sides(service: &Service, store: &str) -> anyhow::Result<(Site, Site)> {
    let at: Site = primary(service, store).await?.parse()?;
    ensure!(at.is_data_centre(), "{store} is at {at}");
    Ok((at, at.other()))
}

/// `kubectl govuc switchover` in the cluster of `at`; gives the receipt.
pub async fn switch_over(service: &Service, store: &str, to: Site, at: Site) -> anyhow::Result<String> {
    decide(service, "switchover", store, (to, at), &[]).await
}

/// `kubectl govuc WHAT` of a store, in the cluster of `at`; gives the receipt.
pub async fn decide(
    service: &Service,
    what: &'static str,
    store: &str,
    (to, at): (Site, Site),
    more: &'static [&'static str],
) -> anyhow::Result<String> {
    let (kubectl, store) = (service.kubectl.clone(), store.to_owned());
    let told = tokio::task::spawn_blocking(move || {
        let words = [
            what,
            &store,
            "--to",
            to.name(),
            "--context",
            at.name(),
            "-o",
            "json",
        ];
        kubectl.govuc(&[&words, more].concat())
    });
    Ok(told.await??)
}

/// How often a copy was made the primary, as the first cluster says.
pub async fn term(service: &Service, store: &str) -> anyhow::Result<u64> {
    let data = object(service, store, Site::Pdsa1).await?;
    data["status"]["term"].as_u64().context("the store has no term")
}

/// What a cluster says of the copy that was merged last.
pub async fn merged(service: &Service, store: &str, at: Site) -> anyhow::Result<Value> {
    let data = object(service, store, at).await?;
    Ok(data["status"]["recorded"]["merged"].clone())
}

/// Waits until another copy than `earlier` was merged.
pub async fn merges(
    service: &Service,
    store: &str,
    at: Site,
    earlier: &Value,
    limit: Duration,
) -> anyhow::Result<()> {
    let start = Instant::now();
    loop {
        let now = merged(service, store, at).await?;
        if !now.is_null() && now != *earlier {
            return Ok(());
        }
        ensure!(
            start.elapsed() < limit,
            "{at} does not say that the copy that was passed over is merged"
        );
        tokio::time::sleep(PERIOD).await;
    }
}

/// Waits until both clusters say that both copies have all that is stored.
pub async fn in_step(service: &Service, store: &str) -> anyhow::Result<()> {
    for site in Site::DATA_CENTRES {
        replicated(service, store, site, "True").await?;
    }
    Ok(())
}

/// Waits until a cluster says so of a store's copies.
pub async fn replicated(service: &Service, store: &str, at: Site, status: &str) -> anyhow::Result<()> {
    let start = Instant::now();
    loop {
        let data = object(service, store, at).await?;
        let conditions = data["status"]["conditions"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let said = conditions
            .into_iter()
            .find(|condition| condition["type"] == "Replicated")
            .unwrap_or_default();
        if said["status"] == status {
            return Ok(());
        }
        ensure!(
            start.elapsed() < IN_STEP,
            "{at}: Replicated of {store} is not {status}: {said}"
        );
        tokio::time::sleep(PERIOD).await;
    }
}

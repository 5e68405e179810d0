//! Faults of a whole site, or of what arranges things in it.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use nix::sys::signal::Signal;

use super::observer::{Guards, Observer};
use super::processes;
use super::silence::Silence;
use super::trial::Seen;
use crate::network::{Line, Site};
use crate::service::store::{decide, merged, merges};
use crate::{fault, site, up};

/// What the page allows for a whole site.
const SITE: Duration = Duration::from_secs(60);
/// What the page allows where one site hangs and the other is whole.
const STORE: Duration = Duration::from_secs(30);
/// Where the page says 0 s: what commands take that wait for nothing but each other.
const NONE: Duration = Duration::from_secs(3);
/// For the copy that was passed over to come up, be read, and be brought.
const MERGED: Duration = Duration::from_secs(600);
/// Mail goes on for this long after it was taken over.
const AFTER: Duration = Duration::from_secs(8);

/// The other site serves; the lost one comes back as a follower.
pub async fn the_primarys_site_is_lost(observer: &Observer) -> anyhow::Result<Seen> {
    observer
        .trial("site", async |trial| {
            let lost = trial.before[0].site;
            let start = Instant::now();
            site::machine(&observer.service.lab, lost)?.kill()?;
            let moved = trial.moved(start, SITE).await?.as_secs_f64();
            tokio::time::sleep(AFTER).await;
            let again = trial.first_again(start, SITE).await?;
            let held = observer.guards.holder(0);
            up::revive(&observer.service.lab, lost).await?;
            observer.whole().await?;
            ensure!(
                observer.guards.holder(0) == held && held.is_some_and(|held| held.site == lost.other()),
                "the revived site took the store back: {}",
                observer.guards.sentence()
            );
            Ok(format!(
                "{} served after {moved:.0} s, {again}, {lost} came back as follower",
                lost.other()
            ))
        })
        .await
}

/// A primary that has gone on alone is lost, and a person has the other site serve. What only the lost one has is not there
/// until it is back and merged.
pub async fn the_primarys_site_is_lost_while_alone_and_the_store_is_forced(
    observer: &Observer,
) -> anyhow::Result<Seen> {
    observer
        .trial("forced", async |trial| {
            let (service, store) = (&observer.service, &observer.stores[0]);
            let lost = trial.before[0].site;
            let left = lost.other();
            let earlier = merged(service, store, left).await?;
            let cut = Instant::now();
            fault::change(&service.lab, |faults| faults.cut(Line::BETWEEN_SITES))?;
            let alone = |guards: &Guards| guards.holder(0).is_some() && !guards.is_paired(0);
            observer.guards.until("alone", STORE, alone).await?;
            tokio::time::sleep(AFTER).await;
            let start = Instant::now();
            site::machine(&service.lab, lost)?.kill()?;
            let only_there = trial.passes_over(cut);
            ensure!(only_there > 0, "nothing was stored while {lost} was alone");
            fault::change(&service.lab, |faults| faults.heal(None))?;
            decide(service, "failover", store, (left, left), &["--force", "--yes"])
                .await
                .with_context(|| format!("force {store} to {left}"))?;
            let moved = trial.moved(start, SITE).await?.as_secs_f64();
            tokio::time::sleep(AFTER).await;
            let again = trial.first_again(start, SITE).await?;
            up::revive(&service.lab, lost).await?;
            let revived = Instant::now();
            merges(service, store, left, &earlier, MERGED).await?;
            Ok(format!(
                "{only_there} stored at {lost} alone; {left} served after {moved:.0} s, {again}; merged {:.0} s after {lost} was up",
                revived.elapsed().as_secs_f64()
            ))
        })
        .await
}

/// The other site serves; the frozen one, going on, sends nothing more.
pub async fn the_primarys_site_is_frozen_for_a_minute(observer: &Observer) -> anyhow::Result<Seen> {
    observer
        .trial("frozen", async |trial| {
            let frozen = trial.before[0].site;
            let silence = Silence::open(observer, frozen).await?;
            let machine = site::machine(&observer.service.lab, frozen)?;
            let start = Instant::now();
            machine.cgroups().freeze()?;
            let silence = silence.ask().await;
            let moved = trial.moved(start, STORE).await;
            tokio::time::sleep(SITE.saturating_sub(start.elapsed())).await;
            machine.cgroups().thaw()?;
            let moved = moved?.as_secs_f64();
            let silent = silence.listen().await?;
            let again = trial.first_again(start, SITE).await?;
            Ok(format!(
                "{} served after {moved:.0} s, {again}, {silent}",
                frozen.other()
            ))
        })
        .await
}

/// No fault: what everybody waits for everybody else, which is in every other figure too.
pub async fn nothing_happens(observer: &Observer) -> anyhow::Result<Seen> {
    observer
        .trial("nothing", async |trial| {
            let start = Instant::now();
            tokio::time::sleep(Duration::from_secs(30)).await;
            trial.ensure_unchanged()?;
            trial.gap(start, false, NONE)
        })
        .await
}

/// Nothing happens: nobody who serves mail asks them.
pub async fn operators_and_api_servers_are_gone(observer: &Observer) -> anyhow::Result<Seen> {
    observer
        .trial("control", async |trial| {
            let start = Instant::now();
            let mut killed = 0;
            for place in Site::DATA_CENTRES {
                let operators = processes::operators(&observer.service, place)?;
                site::kill_program(&observer.service.lab, place, "kube-apiserver")?;
                processes::signal(&operators, Signal::SIGKILL);
                killed += operators.len();
            }
            tokio::time::sleep(Duration::from_secs(25)).await;
            trial.ensure_unchanged()?;
            let gap = trial.gap(start, false, NONE)?;
            Ok(format!(
                "{killed} operators and 2 API servers killed, unchanged, {gap}"
            ))
        })
        .await
}

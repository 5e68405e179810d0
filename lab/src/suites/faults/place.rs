//! Faults of a whole site, or of what arranges things in it.

use std::time::{Duration, Instant};

use anyhow::ensure;
use nix::sys::signal::Signal;

use super::observer::Observer;
use super::processes;
use super::silence::Silence;
use super::trial::Seen;
use crate::network::Site;
use crate::{site, up};

/// What the page allows for a whole site.
const SITE: Duration = Duration::from_secs(60);
/// What the page allows where one site hangs and the other is whole.
const STORE: Duration = Duration::from_secs(30);
/// Where the page says 0 s: what commands take that wait for nothing but each other.
const NONE: Duration = Duration::from_secs(3);
/// Mail goes on for this long after it was taken over.
const AFTER: Duration = Duration::from_secs(8);

/// The other site serves; the lost one comes back as a follower.
pub async fn the_primarys_site_is_lost(observer: &Observer) -> anyhow::Result<Seen> {
    observer
        .trial("site", async |trial| {
            let lost = trial.before[0].site;
            let start = Instant::now();
            site::machine(&observer.service.lab, lost)?.kill()?;
            let moved = trial.moved(SITE).await?.as_secs_f64();
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
            let moved = trial.moved(STORE).await;
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

//! Faults of one copy of a store: its engine, its guard, its pod, its disk.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use govuc_wire::names::MAIL_NAMESPACE;
use nix::sys::signal::Signal;

use super::observer::Observer;
use super::processes;
use super::silence::Silence;
use super::trial::Seen;
use crate::network::Site;
use crate::service::Service;

/// What the page allows when an engine is killed.
const ENGINE: Duration = Duration::from_secs(10);
/// What the page allows for one store.
const STORE: Duration = Duration::from_secs(30);
/// What the page allows for a hand-over.
const HAND_OVER: Duration = Duration::from_secs(20);
/// What the page allows where a primary goes on alone.
const ALONE: Duration = Duration::from_secs(5);
/// Two leases.
const TWO_LEASES: Duration = Duration::from_secs(30);
/// Mail goes on for this long afterwards.
const AFTER: Duration = Duration::from_secs(5);

/// The same primary is back.
pub async fn the_engine_is_killed(observer: &Observer) -> anyhow::Result<Seen> {
    observer
        .trial("engine", async |trial| {
            let site = trial.before[0].site;
            let engine = processes::engine(&observer.service, site, &observer.stores[0])?;
            let start = Instant::now();
            processes::signal(&engine, Signal::SIGKILL);
            tokio::time::sleep(ENGINE + AFTER).await;
            let holder = observer.guards.holder(0);
            ensure!(
                holder.is_some_and(|holder| holder.site == site),
                "the store moved: {}",
                observer.guards.sentence()
            );
            Ok(format!("the same primary, {}", trial.gap(start, true, ENGINE)?))
        })
        .await
}

/// Either copy serves again.
pub async fn the_guard_is_killed(observer: &Observer) -> anyhow::Result<Seen> {
    observer
        .trial("killed", async |trial| {
            let guard = processes::guard(&observer.service, trial.before[0].site, &observer.stores[0])?;
            let start = Instant::now();
            processes::signal(&guard, Signal::SIGKILL);
            let before = trial.before[0];
            observer
                .guards
                .until("served under a new term", 2 * STORE, |guards| {
                    guards.holder(0).is_some_and(|now| now != before)
                })
                .await?;
            tokio::time::sleep(AFTER).await;
            let now = observer.guards.holder(0).context("nobody serves")?;
            let again = trial.first_again(start, STORE).await?;
            Ok(format!("{} served, {again}", now.site))
        })
        .await
}

/// The other copy serves; the stopped guard, going on, sends nothing more.
pub async fn the_guard_is_stopped_for_two_leases(observer: &Observer) -> anyhow::Result<Seen> {
    observer
        .trial("stopped", async |trial| {
            let site = trial.before[0].site;
            let guard = processes::guard(&observer.service, site, &observer.stores[0])?;
            let silence = Silence::open(observer, site).await?;
            let start = Instant::now();
            processes::stop(&guard).await?;
            let silence = silence.ask().await;
            let moved = trial.moved(start, STORE).await;
            tokio::time::sleep(TWO_LEASES.saturating_sub(start.elapsed())).await;
            processes::signal(&guard, Signal::SIGCONT);
            let moved = moved?.as_secs_f64();
            let silent = silence.listen().await?;
            let again = trial.first_again(start, STORE).await?;
            Ok(format!(
                "{} served after {moved:.0} s, {again}, {silent}",
                site.other()
            ))
        })
        .await
}

/// A drained node's store is handed over.
pub async fn the_primarys_pod_is_evicted(observer: &Observer) -> anyhow::Result<Seen> {
    observer
        .trial("evicted", async |trial| {
            let site = trial.before[0].site;
            let pod = format!("{}-0", observer.stores[0]);
            observer.service.kubectl.run(site, &["cordon", site.name()])?;
            let start = Instant::now();
            delete(&observer.service, site, &pod, false)?;
            let moved = trial.moved(start, HAND_OVER).await?.as_secs_f64();
            tokio::time::sleep(AFTER).await;
            let again = trial.first_again(start, HAND_OVER).await?;
            Ok(format!("{} served after {moved:.1} s, {again}", site.other()))
        })
        .await
}

/// The follower's disk is replaced by an empty one: it is filled again while mail goes on.
pub async fn the_followers_disk_is_emptied(observer: &Observer) -> anyhow::Result<Seen> {
    observer
        .trial("emptied", async |trial| {
            let service = &observer.service;
            let site = trial.before[0].site.other();
            let pod = format!("{}-0", observer.stores[0]);
            let volume = volume(service, site, &pod)?;
            service.kubectl.run(site, &["cordon", site.name()])?;
            let start = Instant::now();
            delete(service, site, &pod, true)?;
            empty(Path::new(&volume))?;
            service.kubectl.run(site, &["uncordon", site.name()])?;
            observer.whole().await?;
            trial.ensure_unchanged()?;
            let paired = start.elapsed().as_secs_f64();
            Ok(format!(
                "filled and paired after {paired:.0} s, {}",
                trial.gap(start, true, ALONE)?
            ))
        })
        .await
}

fn delete(service: &Service, site: Site, pod: &str, wait: bool) -> anyhow::Result<()> {
    let wait = format!("--wait={wait}");
    service
        .kubectl
        .run(site, &["-n", MAIL_NAMESPACE, "delete", "pod", pod, &wait])?;
    Ok(())
}

/// The folder on the site's disk that is the volume of this pod.
fn volume(service: &Service, site: Site, pod: &str) -> anyhow::Result<String> {
    let path = "jsonpath={.spec.volumes[*].persistentVolumeClaim.claimName}";
    let claim = service
        .kubectl
        .run(site, &["-n", MAIL_NAMESPACE, "get", "pod", pod, "-o", path])?;
    let path = "jsonpath={.spec.volumeName}";
    let volume = service
        .kubectl
        .run(site, &["-n", MAIL_NAMESPACE, "get", "pvc", &claim, "-o", path])?;
    Ok(service
        .kubectl
        .run(site, &["get", "pv", &volume, "-o", "jsonpath={.spec.local.path}"])?)
}

fn empty(folder: &Path) -> anyhow::Result<()> {
    let told = || folder.display().to_string();
    let mut entries = 0;
    for entry in fs::read_dir(folder).with_context(told)? {
        let path = entry.with_context(told)?.path();
        if path.is_dir() {
            fs::remove_dir_all(&path).with_context(told)?;
        } else {
            fs::remove_file(&path).with_context(told)?;
        }
        entries += 1;
    }
    ensure!(entries > 0, "{} was empty already", folder.display());
    Ok(())
}

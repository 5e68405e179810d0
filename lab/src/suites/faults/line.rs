//! Faults of the line between the sites, and of the etcd that holds roles.

use std::time::{Duration, Instant};

use anyhow::ensure;
use nix::sys::signal::Signal;

use super::doors::{Doors, Found};
use super::observer::Observer;
use super::processes;
use super::trial::{Seen, Trial};
use crate::network::{Line, Site};
use crate::{fault, site};

/// Longer than a lease: what holds for so long holds.
const LASTING: Duration = Duration::from_secs(20);
/// What the page allows where mail goes on alone.
const ALONE: Duration = Duration::from_secs(5);
/// Where the page says 0 s: what commands take that wait for nothing but each other.
const NONE: Duration = Duration::from_secs(3);
/// After this nobody who has neither etcd nor the follower has an open gate.
const DEADLINE: Duration = Duration::from_secs(11);
/// What the page allows for the doors of a site that reaches nobody to close, and to open again.
const CLOSED: Duration = Duration::from_secs(80);
const OPENED: Duration = Duration::from_secs(30);

/// Each store's primary goes on alone.
pub async fn the_line_between_the_sites_is_cut(observer: &Observer) -> anyhow::Result<Seen> {
    observer
        .trial("line", async |trial| {
            let start = Instant::now();
            fault::change(&observer.service.lab, |faults| faults.cut(Line::BETWEEN_SITES))?;
            goes_on_alone(trial, start).await
        })
        .await
}

/// The primary's packets do not reach the follower, which still reaches the primary.
pub async fn one_direction_of_the_line_is_cut(observer: &Observer) -> anyhow::Result<Seen> {
    observer
        .trial("oneway", async |trial| {
            let from = trial.before[0].site;
            let start = Instant::now();
            fault::change(&observer.service.lab, |faults| {
                faults.cut_one_way(from, from.other())
            })?;
            goes_on_alone(trial, start).await
        })
        .await
}

async fn goes_on_alone(trial: &Trial<'_>, start: Instant) -> anyhow::Result<String> {
    let guards = &trial.observer.guards;
    guards
        .until("alone", LASTING, |guards| {
            (0..2).all(|store| guards.holder(store) == Some(trial.before[store]) && !guards.is_paired(store))
        })
        .await?;
    let alone = start.elapsed().as_secs_f64();
    tokio::time::sleep(LASTING).await;
    trial.ensure_unchanged()?;
    let gap = trial.gap(start, true, ALONE)?;
    Ok(format!("alone at the same sites after {alone:.1} s, {gap}"))
}

/// Nothing happens.
pub async fn the_witness_is_lost(observer: &Observer) -> anyhow::Result<Seen> {
    observer
        .trial("witness", async |trial| {
            let start = Instant::now();
            site::kill_program(&observer.service.lab, Site::Witness, site::witness::PROGRAM)?;
            tokio::time::sleep(LASTING).await;
            trial.ensure_unchanged()?;
            Ok(format!("unchanged, {}", trial.gap(start, false, NONE)?))
        })
        .await
}

/// Nobody can know any more who may write, so nobody does, and after a minute both sites refuse who dials them; once the line
/// is back somebody serves and the doors are open, still without the witness.
pub async fn the_witness_is_lost_and_the_line_is_cut(observer: &Observer) -> anyhow::Result<Seen> {
    observer
        .trial("alone", async |trial| {
            let lab = &observer.service.lab;
            let doors = Doors::of(&observer.service).await?;
            site::kill_program(lab, Site::Witness, site::witness::PROGRAM)?;
            let cut = Instant::now();
            fault::change(lab, |faults| faults.cut(Line::BETWEEN_SITES))?;
            tokio::time::sleep(DEADLINE + Duration::from_secs(3)).await;
            let silent = Instant::now();
            tokio::time::sleep(Duration::from_secs(10)).await;
            // A short fault turns nobody away.
            doors.ensure(Found::Open, Duration::ZERO).await?;
            let closed = trial.doors(&doors, Found::Refused, cut, CLOSED).await?;
            doors.ensure(Found::Refused, LASTING).await?;
            let stored = trial.stored_since(silent);
            ensure!(
                stored == 0,
                "{stored} answers as stored more than {:?} after the cut",
                silent - cut
            );
            let healed = Instant::now();
            fault::change(lab, |faults| faults.heal(None))?;
            observer
                .guards
                .until("served again", Duration::from_secs(60), |guards| {
                    guards.holder(0).is_some() && guards.holder(1).is_some()
                })
                .await?;
            let served = healed.elapsed().as_secs_f64();
            let opened = trial.doors(&doors, Found::Open, healed, OPENED).await?;
            Ok(format!(
                "nobody served from 14 s after the cut, {closed}; served again {served:.0} s after healing the line alone, {opened}"
            ))
        })
        .await
}

/// All members are stopped while the line is whole: the failsafe holds the roles as they are.
pub async fn etcd_is_silent_everywhere(observer: &Observer) -> anyhow::Result<Seen> {
    observer
        .trial("etcd", async |trial| {
            let mut members = Vec::new();
            for place in Site::ALL {
                members.extend(processes::member(&observer.service, place)?);
            }
            let start = Instant::now();
            processes::stop(&members).await?;
            tokio::time::sleep(LASTING + Duration::from_secs(10)).await;
            let seen = trial
                .ensure_unchanged()
                .and_then(|()| trial.gap(start, false, NONE));
            processes::signal(&members, Signal::SIGCONT);
            Ok(format!("{} members stopped, unchanged, {}", members.len(), seen?))
        })
        .await
}

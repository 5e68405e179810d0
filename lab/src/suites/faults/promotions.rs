//! Many stores at one site, and the site is lost: how long until the other one serves all of them.

use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::observer::Guards;
use crate::cargo::repository;
use crate::lab::Lab;
use crate::network::Site;
use crate::service::{Kind, Service};
use crate::suites::journal;
use crate::{paths, site, up};

const NAME: &str = "promotions";
const STORES: usize = 50;
const RUNS: usize = 10;
const PAGE: &str = "benches/promotions.md";
/// Half of a hundred engines start at once on a small machine.
const MADE: Duration = Duration::from_secs(1200);
const PAIRED: Duration = Duration::from_secs(900);
const PROMOTED: Duration = Duration::from_secs(300);
/// A hundred guards are asked.
const PERIOD: Duration = Duration::from_secs(1);

/// When the other site served the first, half, and the last of the stores, in seconds after the site was lost.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Run {
    first: f64,
    half: f64,
    last: f64,
}

/// Loses each site in turn.
pub async fn bench() -> anyhow::Result<()> {
    let path = paths::cache().join("bench-promotions.jsonl");
    let mut runs: Vec<Run> = journal::read(&path)?;
    let name = NAME.parse()?;
    up::up(&name).await?;
    let lab = Lab::open(&name)?;
    let service = Service::install(&lab).await?;
    service.populate().await?;
    let stores: Vec<String> = (0..STORES).map(|number| format!("many-{number:02}")).collect();
    make(&service, &stores).await?;
    let guards = Guards::follow(&service, &stores, PERIOD);
    let held_at = |guards: &Guards, site: Site| {
        (0..STORES)
            .filter(|store| guards.holder(*store).is_some_and(|holder| holder.site == site))
            .count()
    };
    while runs.len() < RUNS {
        let paired = |guards: &Guards| (0..STORES).all(|store| guards.is_paired(store));
        guards.until("all paired", PAIRED, paired).await?;
        let lost = if held_at(&guards, Site::Pdsa1) == STORES {
            Site::Pdsa1
        } else {
            Site::Pdsa2
        };
        ensure!(
            held_at(&guards, lost) == STORES,
            "not all stores are at one site: {}",
            guards.sentence()
        );
        let other = lost.other();
        let start = Instant::now();
        site::machine(&lab, lost)?.kill()?;
        let mut promoted = Vec::new();
        while promoted.len() < STORES {
            ensure!(
                start.elapsed() < PROMOTED,
                "{} of {STORES} are served after {PROMOTED:?}",
                promoted.len()
            );
            let now = held_at(&guards, other);
            promoted.resize(now.max(promoted.len()), start.elapsed().as_secs_f64());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let run = Run {
            first: promoted[0],
            half: promoted[STORES / 2],
            last: promoted[STORES - 1],
        };
        println!(
            "{} of {RUNS}: {other} served the first after {:.1} s, half after {:.1} s, the last after {:.1} s",
            runs.len() + 1,
            run.first,
            run.half,
            run.last
        );
        journal::note(&path, &run)?;
        runs.push(run);
        write(&runs)?;
        up::revive(&lab, lost).await?;
    }
    fs::remove_file(&path).with_context(|| path.display().to_string())?;
    up::down(&name)
}

/// At both clusters, as files would be.
async fn make(service: &Service, stores: &[String]) -> anyhow::Result<()> {
    let list = json!({
        "apiVersion": "v1", "kind": "List",
        "items": stores.iter().map(|name| json!({
            "apiVersion": "1govuc.gov.my/v1alpha1", "kind": "MailStore", "metadata": {"name": name},
            "spec": {"preferredSite": Site::Pdsa1.name(), "capacity": 10, "storage": {"size": "1Gi"}},
        })).collect::<Vec<_>>(),
    });
    for site in Site::DATA_CENTRES {
        service
            .kubectl
            .run_with(site, &["apply", "-f", "-"], &list.to_string())?;
    }
    for site in Site::DATA_CENTRES {
        service.ready(site, Kind::MailStore, stores.len(), MADE).await?;
    }
    Ok(())
}

fn write(runs: &[Run]) -> anyhow::Result<()> {
    let page = repository().join(PAGE);
    let told = || page.display().to_string();
    if let Some(folder) = page.parent() {
        fs::create_dir_all(folder).with_context(told)?;
    }
    fs::write(&page, report(runs)).with_context(told)
}

fn report(runs: &[Run]) -> String {
    let mut page = format!(
        "# {STORES} stores at a site that is lost\n\n\
         `cargo lab bench promotions` writes this page: seconds from the loss until the other site's guards have opened their gates,\n\
         asked once a second. Both sites run on the processors of one machine.\n\n\
         | Store | Runs | Median | Worst |\n|---|---|---|---|\n"
    );
    let column = |what: &'static str, of: fn(&Run) -> f64| (what, runs.iter().map(of).collect::<Vec<_>>());
    for (what, mut seconds) in [
        column("the first", |run| run.first),
        column("half of them", |run| run.half),
        column("the last", |run| run.last),
    ] {
        seconds.sort_by(f64::total_cmp);
        let (Some(median), Some(worst)) = (seconds.get(seconds.len() / 2), seconds.last()) else {
            continue;
        };
        let _ = writeln!(
            page,
            "| {what} | {} | {median:.1} s | {worst:.1} s |",
            seconds.len()
        );
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_run_is_on_the_page() {
        let run = |last| Run {
            first: 14.0,
            half: 15.0,
            last,
        };
        let page = report(&[run(20.0), run(41.0), run(19.0)]);
        assert!(page.contains("| the last | 3 | 20.0 s | 41.0 s |"), "{page}");
    }
}

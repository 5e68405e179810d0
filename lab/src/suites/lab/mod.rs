//! The lab itself, in labs of its own: what a cluster must be able to do, what faults do to it, and that nothing is left.

mod bench;
mod faults;
mod leftovers;
mod pods;

use anyhow::Context;
use bench::Bench;
use leftovers::Traces;

use super::{Report, network_policy};
use crate::images::BuiltImage;
use crate::network::Site;
use crate::{lab, site, stock, up};

/// Runs all checks; what depends on a lab that does not start is not tried.
pub async fn run(report: &mut Report) -> anyhow::Result<()> {
    remove_abandoned();
    let probe = stock::built(&["probe".to_owned()])?
        .pop()
        .context("no image was built")?;
    let bench = Bench::new()?;
    let before = Traces::of(&bench.name, None)?;
    let started = report
        .check("lab: two data centres and a witness start", up::up(&bench.name))
        .await;
    if started {
        let result = with_lab(report, &bench, &probe, &before).await;
        // Whatever happened, the lab of this run goes.
        if result.is_err() {
            up::down(&bench.name)?;
        }
        result?;
    } else {
        up::down(&bench.name)?;
    }
    leftovers::crashes(report, &bench.name).await
}

async fn with_lab(
    report: &mut Report,
    bench: &Bench,
    probe: &BuiltImage,
    before: &Traces,
) -> anyhow::Result<()> {
    stock::import(&bench.lab()?, probe)?;
    pods::run(report, bench, &probe.reference).await?;
    let client = site::client(&bench.lab()?.folder.site(Site::Pdsa1).kubeconfig("admin")).await?;
    network_policy::checks(report, client, &probe.reference).await?;
    faults::run(report, bench).await?;
    let running = Traces::of(&bench.name, Some(&bench.lab()?))?;
    report
        .check("lab: down leaves nothing behind", async {
            up::down(&bench.name)?;
            leftovers::compare(before, &running, &bench.name)
        })
        .await;
    Ok(())
}

/// Stops the labs of test runs that were killed.
fn remove_abandoned() {
    for lab in lab::every().unwrap_or_default() {
        let owner = lab
            .name
            .as_str()
            .strip_prefix(bench::PREFIX)
            .and_then(|pid| pid.parse::<u32>().ok());
        let alive = |pid| std::fs::exists(format!("/proc/{pid}")).unwrap_or(true);
        if owner.is_some_and(|pid| !alive(pid)) {
            // A failure shows in the checks that follow.
            let _ = up::down(&lab.name);
        }
    }
}

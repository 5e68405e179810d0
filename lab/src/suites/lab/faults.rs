//! What faults do, and that they can be taken back.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, ensure};

use super::bench::{Bench, eventually};
use super::pods::volume_folder;
use crate::machine::{Machine, Role};
use crate::network::{Line, Site};
use crate::suites::Report;
use crate::{fault, site, up};

pub async fn run(report: &mut Report, bench: &Bench) -> anyhow::Result<()> {
    let lab = bench.lab()?;
    let between = Line::BETWEEN_SITES;
    report
        .check(
            "faults: a cut between two sites leaves both connected to the third",
            async {
                fault::change(&lab, |faults| faults.cut(between))?;
                let seen = [
                    sees(bench, Site::Pdsa1, Site::Pdsa2),
                    sees(bench, Site::Pdsa1, Site::Witness),
                ];
                ensure!(
                    seen == [false, true],
                    "pdsa1 sees pdsa2: {}, the witness: {}",
                    seen[0],
                    seen[1]
                );
                fault::change(&lab, |faults| faults.heal(Some(between)))?;
                eventually(true, || Ok(sees(bench, Site::Pdsa1, Site::Pdsa2))).await
            },
        )
        .await;
    report
        .check(
            "faults: a site that is cut off sees nobody and stays reachable for us",
            async {
                fault::change(&lab, |faults| faults.cut(Line::Site(Site::Pdsa2)))?;
                let seen = Site::ALL.map(|site| sees(bench, Site::Pdsa2, site));
                ensure!(
                    seen == [false, true, false],
                    "pdsa2 sees {seen:?} of {:?}",
                    Site::ALL
                );
                bench.kubectl(Site::Pdsa2, &["get", "--raw", "/readyz"])?;
                fault::change(&lab, |faults| faults.heal(None))?;
                eventually(true, || Ok(sees(bench, Site::Pdsa2, Site::Pdsa1))).await
            },
        )
        .await;
    report
        .check(
            "faults: a slow line delays by what it was told, and carries a connection whole",
            async {
                fault::change(&lab, |faults| faults.slow(Site::Pdsa1, 50))?;
                let (slow, other) = (round_trip(bench, Site::Pdsa1)?, round_trip(bench, Site::Witness)?);
                // A lower bound only: a busy host may add anything.
                ensure!(slow >= 100.0, "a round trip takes {slow} ms instead of 100");
                ensure!(
                    other < slow,
                    "the witness is {other} ms away, and its line is not slow"
                );
                let carried = transfer(bench)?;
                ensure!(carried == TRANSFER, "{carried} of {TRANSFER} bytes came through");
                fault::change(&lab, |faults| faults.heal(None))?;
                let healed = round_trip(bench, Site::Pdsa1)?;
                ensure!(healed < 100.0, "after healing a round trip takes {healed} ms");
                Ok(())
            },
        )
        .await;
    report
        .check(
            "faults: loss of everything is a cut, and of a third is not",
            async {
                fault::change(&lab, |faults| faults.lose(between, 100))?;
                ensure!(!sees(bench, Site::Pdsa1, Site::Pdsa2), "a packet passed");
                fault::change(&lab, |faults| faults.lose(between, 33))?;
                let received = pings(bench, 60)?;
                ensure!((1..60).contains(&received), "{received} of 60 packets came back");
                fault::change(&lab, |faults| faults.heal(None))
            },
        )
        .await;
    report
        .check(
            "faults: a frozen site answers nothing and goes on when thawed",
            async {
                let machine = site::machine(&lab, Site::Pdsa1)?;
                machine.cgroups().freeze()?;
                let answer = bench.kubectl(Site::Pdsa1, &["get", "--raw", "/readyz", "--request-timeout=2s"]);
                machine.cgroups().thaw()?;
                ensure!(answer.is_err(), "the frozen API server answered");
                eventually(true, || {
                    Ok(bench.kubectl(Site::Pdsa1, &["get", "--raw", "/readyz"]).is_ok())
                })
                .await
            },
        )
        .await;
    report
        .check(
            "faults: one killed program comes back by itself, the others go on",
            async {
                let machine = site::machine(&lab, Site::Pdsa2)?;
                let others = || -> BTreeSet<u32> {
                    let others = machine.programs().into_iter();
                    let others = others.filter(|process| process.program() != "kube-apiserver");
                    others.map(|process| process.pid()).collect()
                };
                let before = others();
                site::kill_program(&lab, Site::Pdsa2, "kube-apiserver")?;
                ensure!(
                    bench.kubectl(Site::Pdsa2, &["get", "--raw", "/readyz"]).is_err(),
                    "the killed API server answered"
                );
                site::revive_program(&lab, Site::Pdsa2, "kube-apiserver")?;
                eventually(true, || {
                    Ok(bench.kubectl(Site::Pdsa2, &["get", "--raw", "/readyz"]).is_ok())
                })
                .await?;
                // kube-proxy looks at its own configuration, and ends some time after that was written.
                tokio::time::sleep(Duration::from_secs(2)).await;
                let gone = before.difference(&others()).count();
                ensure!(gone == 0, "{gone} other programs have ended");
                Ok(())
            },
        )
        .await;
    report
        .check(
            "faults: a site whose plug was pulled comes back with its objects, volumes and pods",
            async {
                let note = format!("{}/note", volume_folder(bench, Site::Pdsa1)?);
                std::fs::write(&note, "kept").with_context(|| note.clone())?;
                site::machine(&lab, Site::Pdsa1)?.kill()?;
                ensure!(
                    Machine::find(&lab.name, Role::Site(Site::Pdsa1)).is_none(),
                    "pdsa1 still runs"
                );
                ensure!(!sees(bench, Site::Pdsa2, Site::Pdsa1), "pdsa1 still answers");
                up::revive(&lab, Site::Pdsa1).await?;
                let restarted = || {
                    let path = "{.status.containerStatuses[0].restartCount}";
                    let count = bench.field(Site::Pdsa1, &["-n", "pods", "pod", "keeper"], path)?;
                    Ok(count.parse::<u32>()? > 0)
                };
                eventually(true, restarted).await?;
                bench.wait_for_pods(Site::Pdsa1, "pods")?;
                let kept = bench.kubectl(
                    Site::Pdsa1,
                    &["exec", "-n", "pods", "keeper", "--", "cat", "/data/note"],
                )?;
                ensure!(kept == "kept", "the volume has {kept:?}");
                Ok(())
            },
        )
        .await;
    Ok(())
}

const TRANSFER: usize = 3_000_000;

/// Whether `to` answers a ping from `from` on the line between the sites.
fn sees(bench: &Bench, from: Site, to: Site) -> bool {
    ping(bench, from, to, &["-c2", "-i0.2", "-W1"]).is_ok()
}

/// The quickest of three round trips from pdsa2, in milliseconds.
fn round_trip(bench: &Bench, to: Site) -> anyhow::Result<f64> {
    let output = ping(bench, Site::Pdsa2, to, &["-c3", "-i0.2", "-W2"])?;
    let times = output
        .lines()
        .filter_map(|line| line.split_once("time=")?.1.split(' ').next()?.parse::<f64>().ok());
    times.min_by(f64::total_cmp).context("no answer in ping's output")
}

/// How many of `count` pings from pdsa1 to pdsa2 came back.
fn pings(bench: &Bench, count: u32) -> anyhow::Result<u32> {
    let output = ping(
        bench,
        Site::Pdsa1,
        Site::Pdsa2,
        &[&format!("-c{count}"), "-i0.02", "-W1"],
    )?;
    let answers = output.lines().filter(|line| line.contains("bytes from")).count();
    Ok(u32::try_from(answers)?)
}

fn ping(bench: &Bench, from: Site, to: Site, options: &[&str]) -> anyhow::Result<String> {
    let lab = bench.lab()?;
    let address = lab.network.wan(to).to_string();
    let command = [&["ping", "-n"], options, &[&address]].concat();
    let output = site::machine(&lab, from)?.exec(&command)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Fetches a file of pdsa2 from pdsa1 over HTTP; gives how many bytes came.
fn transfer(bench: &Bench) -> anyhow::Result<usize> {
    let lab = bench.lab()?;
    let address = format!("{}:7777", lab.network.wan(Site::Pdsa2));
    let (server, client) = (
        site::machine(&lab, Site::Pdsa2)?,
        site::machine(&lab, Site::Pdsa1)?,
    );
    let prepare = format!("mkdir -p /run/www && head -c {TRANSFER} /dev/zero > /run/www/file");
    server.exec(&["sh", "-c", &prepare])?;
    server.exec(&["busybox", "httpd", "-p", &address, "-h", "/run/www"])?;
    let url = format!("http://{address}/file");
    let output = client.exec(&["timeout", "30", "busybox", "wget", "-q", "-O", "-", &url])?;
    Ok(output.stdout.len())
}

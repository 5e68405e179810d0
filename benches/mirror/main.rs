//! What the mirror costs: `cargo lab bench mirror`, which has two API servers for it. Prints the page's tables.
//!
//! Each site's mirror is a process of its own (this program, called with a site's name), as in an operator: the same watches, rules and
//! writes, the peer's operator answered for.

mod cluster;
mod operator;

use std::time::{Duration, Instant};

use futures::StreamExt;
use kube::ResourceExt;
use tokio::process::Child;

use self::cluster::Cluster;

/// As an agency's worth of people; a whole government is ten times as many.
const OBJECTS: usize = 10_000;
/// How often the rate beside a bare client is measured, each with all objects anew.
const ROUNDS: usize = 3;
const EDITS: usize = 300;
const PERIOD: Duration = Duration::from_millis(100);
/// Nothing is written by anybody for so long.
const QUIET: Duration = Duration::from_secs(15);

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let set = std::env::var("GOVUC_BENCH_OBJECTS").ok();
    let objects = set.map_or(OBJECTS, |text| text.parse().expect("a number"));
    match words[..] {
        ["operator", site] => operator::run(site).await,
        ["fill", site] => println!("{}", Cluster::of(site).await.fill(objects).await.as_secs_f64()),
        _ => bench(objects).await,
    }
}

async fn bench(objects: usize) {
    let [one, other] = cluster::both().await;
    let idle = Operators::start().settled().await;
    println!(
        "| Round | A bare client's applies, one each | The mirror, to the empty cluster | Share |\n|---|---|---|---|"
    );
    let mut shares = Vec::new();
    let mut after = None;
    for round in 1..=ROUNDS {
        let bare = rate(objects, filled(cluster::SITES[1]).await);
        other.empty().await;
        filled(cluster::SITES[0]).await;
        let operators = Operators::start();
        let before = (one.requests().await, other.requests().await);
        let begun = Instant::now();
        other.wait_until_full(objects).await;
        let mirrored = rate(objects, begun.elapsed());
        let settled = quiet([&one, &other]).await;
        let share = mirrored / bare;
        println!("| {round} | {bare:.0}/s | {mirrored:.0}/s | {share:.2} |");
        eprintln!(
            "round {round}: all said {:.0} s after they were there",
            settled.as_secs_f64()
        );
        shares.push(share);
        let requests = [
            (one.requests().await - before.0) as f64 / objects as f64,
            (other.requests().await - before.1) as f64 / objects as f64,
        ];
        if round < ROUNDS {
            drop(operators);
            one.empty().await;
            other.empty().await;
        } else {
            after = Some((operators, requests));
        }
    }
    let (operators, requests) = after.expect("there is a last round");
    shares.sort_by(f64::total_cmp);
    println!(
        "\nMedian share: {:.2} (the design asks for 0.8).\n",
        shares[shares.len() / 2]
    );
    println!("| | At the site where they were written | At the other one |\n|---|---|---|");
    println!(
        "| requests to the API server for each object | {:.1} | {:.1} |",
        requests[0], requests[1]
    );
    let bytes = [one.bytes().await, other.bytes().await];
    println!(
        "| bytes of an object, as JSON with managedFields | {} | {} |",
        bytes[0].with_fields, bytes[1].with_fields
    );
    let memory = operators.memory();
    let more = |at: usize| (memory[at] as f64 - idle[at] as f64) / objects as f64;
    println!(
        "| memory for each object: more than when idle, in bytes | {:.0} | {:.0} |",
        more(0),
        more(1)
    );
    println!(
        "| the same, as a share of the object's JSON without managedFields | {:.2} | {:.2} |\n",
        more(0) / bytes[0].without as f64,
        more(1) / bytes[1].without as f64
    );
    let mut latencies = edits(&one, &other).await;
    latencies.sort();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize].as_secs_f64();
    println!(
        "An edit at one cluster is in the other one after {:.3} s at the median, {:.3} s at p99, {:.3} s at the most of {EDITS}, beside {objects} objects.",
        at(0.5),
        at(0.99),
        at(1.0)
    );
    drop(operators);
}

fn rate(objects: usize, took: Duration) -> f64 {
    objects as f64 / took.as_secs_f64()
}

/// This program, on the processor of a site's cluster.
fn at(site: &str) -> tokio::process::Command {
    let program = std::env::current_exe().expect("this program");
    let number = cluster::SITES
        .iter()
        .position(|name| *name == site)
        .expect("a site");
    let mut command = tokio::process::Command::new("taskset");
    command
        .arg("-c")
        .arg(number.to_string())
        .arg(program)
        .kill_on_drop(true);
    command
}

/// How long a bare client takes to apply all.
async fn filled(site: &str) -> Duration {
    let done = at(site).args(["fill", site]).output().await.expect("taskset");
    let seconds = String::from_utf8(done.stdout).expect("a number");
    Duration::from_secs_f64(seconds.trim().parse().expect("seconds"))
}

/// How long until neither cluster is written to any more.
async fn quiet(clusters: [&Cluster; 2]) -> Duration {
    let begun = Instant::now();
    let mut last = (Instant::now(), [0, 0]);
    while last.0.elapsed() < QUIET {
        let writes = [clusters[0].writes().await, clusters[1].writes().await];
        if writes != last.1 {
            last = (Instant::now(), writes);
        }
        tokio::time::sleep(PERIOD * 5).await;
    }
    begun.elapsed() - QUIET
}

/// One after the other, each at another object.
async fn edits(one: &Cluster, other: &Cluster) -> Vec<Duration> {
    let mut latencies = Vec::new();
    let mut changes = other.changes().await;
    for number in 0..EDITS {
        let name = cluster::name(number);
        let begun = Instant::now();
        one.resize(&name, "3Gi").await;
        loop {
            let changed = changes.next().await.expect("the watch goes on");
            let size = changed.spec.quota.as_ref().map(|quota| quota.size.0.as_str());
            if changed.name_any() == name && size == Some("3Gi") {
                break;
            }
        }
        latencies.push(begun.elapsed());
    }
    latencies
}

/// Both sites' mirrors, each a process.
struct Operators([Child; 2]);

impl Operators {
    fn start() -> Self {
        Self(cluster::SITES.map(|site| at(site).args(["operator", site]).spawn().expect("taskset")))
    }

    /// Their memory when they have begun, and there is nothing to mirror.
    async fn settled(self) -> [u64; 2] {
        tokio::time::sleep(QUIET).await;
        self.memory()
    }

    /// Resident, in bytes.
    fn memory(&self) -> [u64; 2] {
        [0, 1].map(|at| {
            let status = format!("/proc/{}/status", self.0[at].id().expect("it runs"));
            let status = std::fs::read_to_string(status).expect("it runs");
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("VmRSS:"))
                .expect("VmRSS");
            let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
            kibibytes * 1024
        })
    }
}

//! What gate and relay add to a delivery, into its page.

mod page;

use std::fs;
use std::process::Stdio;

use anyhow::Context;
use serde::Deserialize;

use super::engines::{PassingFolder, unpacked};
use crate::cargo::{cargo, repository};
use crate::{artifact, command, paths, preflight};

/// Of delivery by the engine alone, in messages a second.
const LEAST_SHARE: f64 = 0.9;
/// Milliseconds, for 99 of 100 messages.
const MOST_ADDED: f64 = 1.0;

/// The ways to a store, as `guard/benches/delivery` names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Setup {
    Direct,
    EngineTls,
    Guarded,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Connection {
    Kept,
    Each,
}

/// What one way brought in one round.
#[derive(Debug, Clone, Deserialize)]
struct Measured {
    round: u32,
    setup: Setup,
    connection: Connection,
    /// Of a message, in bytes.
    size: usize,
    clients: usize,
    /// For all messages.
    seconds: f64,
    /// Milliseconds from the end of each message to its answer.
    answers: Vec<f64>,
    /// Milliseconds from before each message's connection, or its sender if that was kept, to its answer.
    sessions: Vec<f64>,
}

/// What is told of one round.
#[derive(Clone, Copy)]
enum Figure {
    /// The share of messages answered within it.
    Answer(f64),
    Session(f64),
    /// Messages a second.
    Throughput,
}

/// Of the rounds.
struct Spread {
    median: f64,
    worst: f64,
}

/// Measured in the same way by each setup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cell {
    connection: Connection,
    size: usize,
    clients: usize,
}

/// Measures, which takes a quarter of an hour with the compiler's part.
pub fn bench() -> anyhow::Result<()> {
    preflight::check_and_install()?;
    let images = PassingFolder::new(&paths::cache())?;
    let [cyrus] = unpacked(["cyrus"], &images.path)?;
    let arguments = [
        "bench",
        "--quiet",
        "--package",
        "govuc-guard",
        "--features",
        "cyrus,etcd",
        "--bench",
        "delivery",
    ];
    // Built first: what it measures shares the processors with nothing of this program's.
    let mut build = cargo(&arguments);
    command::run(build.arg("--no-run").stderr(Stdio::inherit()))?;
    let load = fs::read_to_string("/proc/loadavg").context("/proc/loadavg")?;
    let load = load.split(' ').next().unwrap_or_default();
    let mut bench = cargo(&arguments);
    bench
        .env("GOVUC_CYRUS_ROOT", &cyrus)
        .env("GOVUC_ETCD", artifact::kubernetes()?)
        .stderr(Stdio::inherit());
    let told = command::run(&mut bench)?.stdout;
    let measured = String::from_utf8_lossy(&told)
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).with_context(|| format!("the bench said {line:.100}")))
        .collect::<anyhow::Result<Vec<Measured>>>()?;
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let text = page::page(&measured, processors, load);
    print!("{text}");
    let path = repository().join("benches/delivery.md");
    fs::write(&path, text).with_context(|| path.display().to_string())?;
    images.remove()
}

impl Setup {
    const ALL: [Setup; 3] = [Setup::Direct, Setup::EngineTls, Setup::Guarded];

    fn name(self) -> &'static str {
        match self {
            Setup::Direct => "the engine",
            Setup::EngineTls => "the engine's own TLS",
            Setup::Guarded => "gate and relays",
        }
    }
}

impl Figure {
    fn of(self, measured: &Measured) -> f64 {
        match self {
            Figure::Answer(share) => within(&measured.answers, share),
            Figure::Session(share) => within(&measured.sessions, share),
            Figure::Throughput => measured.answers.len() as f64 / measured.seconds,
        }
    }

    fn spread(self, mut values: Vec<f64>) -> Option<Spread> {
        values.sort_by(f64::total_cmp);
        if matches!(self, Figure::Throughput) {
            values.reverse();
        }
        Some(Spread {
            median: *values.get(values.len() / 2)?,
            worst: *values.last()?,
        })
    }
}

impl Cell {
    fn name(self) -> String {
        let connection = match self.connection {
            Connection::Kept => "kept",
            Connection::Each => "one each",
        };
        format!("{} kB | {connection}", self.size / 1000)
    }

    /// In the order of their rounds.
    fn rounds(self, measured: &[Measured], setup: Setup) -> Vec<&Measured> {
        let mut rounds: Vec<&Measured> = measured
            .iter()
            .filter(|one| one.setup == setup && one.cell() == self)
            .collect();
        rounds.sort_by_key(|one| one.round);
        rounds
    }

    fn spread(self, measured: &[Measured], setup: Setup, figure: Figure) -> Option<Spread> {
        let rounds = self.rounds(measured, setup);
        figure.spread(rounds.into_iter().map(|one| figure.of(one)).collect())
    }

    /// How the guards do against another setup in the same round.
    fn against(
        self,
        measured: &[Measured],
        other: Setup,
        figure: Figure,
        compare: fn(f64, f64) -> f64,
    ) -> Option<Spread> {
        let guarded = self.rounds(measured, Setup::Guarded);
        let compared = guarded
            .into_iter()
            .zip(self.rounds(measured, other))
            .map(|(guarded, other)| compare(figure.of(guarded), figure.of(other)));
        figure.spread(compared.collect())
    }
}

impl Measured {
    fn cell(&self) -> Cell {
        Cell {
            connection: self.connection,
            size: self.size,
            clients: self.clients,
        }
    }
}

/// What this share of `values` does not exceed; zero of none.
fn within(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_messages_is_within_the_smallest_time_that_so_many_kept() {
        let times: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!(within(&times, 0.5), 100.0);
        assert_eq!(within(&times, 0.99), 198.0);
        assert_eq!(within(&[3.0], 0.99), 3.0);
        assert_eq!(within(&[], 0.99), 0.0);
    }

    #[test]
    fn what_the_bench_says_is_understood() {
        let line = r#"{"round":1,"setup":"engineTls","connection":"kept","size":2000,"clients":8,
            "seconds":1.5,"answers":[1.0],"sessions":[2.0]}"#;
        let measured: Measured = serde_json::from_str(line).unwrap();
        assert_eq!(
            (measured.setup, measured.connection),
            (Setup::EngineTls, Connection::Kept)
        );
    }
}

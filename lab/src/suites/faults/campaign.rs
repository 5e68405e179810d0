//! Faults several times each, every run noted as it ends, so that a series that was broken off goes on where it was.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::trial::{Figure, Seen};
use super::{Fault, NAME, benched, faults, open};
use crate::cargo::repository;
use crate::suites::journal;
use crate::{paths, up};

/// What is made how often, and where its page is.
struct Series {
    /// Of the journal.
    name: &'static str,
    runs: u32,
    faults: Vec<(String, Fault)>,
    page: &'static str,
    preface: &'static str,
}

/// How one run of one fault went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Run {
    fault: String,
    number: u32,
    passed: bool,
    /// What was seen, or what was wrong.
    text: String,
    figures: Vec<Figure>,
    /// From the beginning of the trial to its end.
    seconds: u64,
}

/// Every fault five times, into `docs/reliability.md`.
pub async fn campaign() -> anyhow::Result<()> {
    let series = Series {
        name: "campaign-faults",
        runs: 5,
        faults: faults(),
        page: "docs/reliability.md",
        preface: "# Reliability, as measured\n\n\
            `cargo lab campaign faults` writes this page: each fault of [protocol.md](protocol.md) in the lab, under the load of 35\n\
            writers, each run with what was seen. *Stored* is what was answered OK, and all of it was looked for afterwards. Both sites,\n\
            the witness and all clients share the processors of one machine, so times are upper bounds of what a data centre has. 32 of the\n\
            writers are one person\'s programs, which wait for each other: `nothing happens` says how long the unluckiest of them does so\n\
            without any fault.\n",
    };
    series.run().await
}

/// What people wait for, ten times, into `benches/faults.md`.
pub async fn bench() -> anyhow::Result<()> {
    let series = Series {
        name: "bench-faults",
        runs: 10,
        faults: benched(),
        page: "benches/faults.md",
        preface: "# What people wait for\n\n\
            `cargo lab bench faults` writes this page: times as clients see them, under the load of 35 writers. Both sites, the\n\
            witness and all clients share the processors of one machine.\n",
    };
    series.run().await
}

impl Series {
    /// Makes every fault as often as it is still missing, and writes the page after each round: what is there is true.
    async fn run(self) -> anyhow::Result<()> {
        let path = paths::cache().join(format!("{}.jsonl", self.name));
        let mut runs: Vec<Run> = journal::read(&path)?;
        let page = repository().join(self.page);
        let name = NAME.parse()?;
        let observer = open(&name).await?;
        for number in 1..=self.runs {
            for (fault, make) in &self.faults {
                if runs.iter().any(|run| run.fault == *fault && run.number == number) {
                    continue;
                }
                let start = Instant::now();
                let seen = make(&observer).await;
                let run = Run::new(fault, number, seen, start.elapsed().as_secs());
                let result = if run.passed { "ok" } else { "FAILED" };
                println!(
                    "{result} {number} of {}, {} s: {} ({})",
                    self.runs, run.seconds, run.fault, run.text
                );
                journal::note(&path, &run)?;
                runs.push(run);
            }
            self.write(&page, &runs, None)?;
        }
        let delivered = observer.delivered().await;
        let delivered = delivered.unwrap_or_else(|error| format!("FAILED: {error:#}"));
        self.write(&page, &runs, Some(&delivered))?;
        fs::remove_file(&path).with_context(|| path.display().to_string())?;
        up::down(&name)
    }

    fn write(&self, page: &Path, runs: &[Run], delivered: Option<&str>) -> anyhow::Result<()> {
        let told = || page.display().to_string();
        if let Some(folder) = page.parent() {
            fs::create_dir_all(folder).with_context(told)?;
        }
        fs::write(page, report(self.preface, runs, delivered)).with_context(told)
    }
}

impl Run {
    fn new(fault: &str, number: u32, seen: anyhow::Result<Seen>, seconds: u64) -> Self {
        let passed = seen.is_ok();
        let seen = seen.unwrap_or_else(|error| Seen {
            text: format!("{error:#}"),
            figures: Vec::new(),
        });
        Self {
            fault: fault.to_owned(),
            number,
            passed,
            text: seen.text,
            figures: seen.figures,
            seconds,
        }
    }
}

/// The page, with every run, also the bad ones.
fn report(preface: &str, runs: &[Run], delivered: Option<&str>) -> String {
    let mut of: BTreeMap<&str, Vec<&Run>> = BTreeMap::new();
    for run in runs {
        of.entry(&run.fault).or_default().push(run);
    }
    let mut page = format!("{preface}\n| Fault | Runs | Passed |\n|---|---|---|\n");
    for (fault, runs) in &of {
        let passed = runs.iter().filter(|run| run.passed).count();
        let _ = writeln!(page, "| {fault} | {} | {passed} |", runs.len());
    }
    page.push_str("\n| Fault | Figure | Times | Median | Worst | To be |\n|---|---|---|---|---|---|\n");
    for (fault, runs) in &of {
        let mut figures: BTreeMap<&str, Vec<&Figure>> = BTreeMap::new();
        for figure in runs.iter().flat_map(|run| &run.figures) {
            figures.entry(&figure.what).or_default().push(figure);
        }
        for (what, mut figures) in figures {
            figures.sort_by(|one, two| one.seconds.total_cmp(&two.seconds));
            let (Some(median), Some(worst)) = (figures.get(figures.len() / 2), figures.last()) else {
                continue;
            };
            let _ = writeln!(
                page,
                "| {fault} | {what} | {} | {:.1} s | {:.1} s | ≤ {:.0} s |",
                figures.len(),
                median.seconds,
                worst.seconds,
                worst.page
            );
        }
    }
    if let Some(delivered) = delivered {
        let _ = writeln!(page, "\nSubmission: {delivered}.");
    }
    for (fault, runs) in &of {
        let _ = writeln!(page, "\n## {fault}\n");
        for run in runs {
            let result = if run.passed { "" } else { "**FAILED** " };
            let text = run.text.replace('\n', "; ");
            let _ = writeln!(page, "{}. {result}{text} ({} s in all)", run.number, run.seconds);
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(number: u32, passed: bool, gap: f64) -> Run {
        Run {
            fault: "the line is cut".into(),
            number,
            passed,
            text: "gap 4.0 s\nand more".into(),
            figures: vec![Figure {
                what: "the longest gap".into(),
                seconds: gap,
                page: 5.0,
            }],
            seconds: 60,
        }
    }

    #[test]
    fn bad_runs_are_on_the_page_and_every_figure_counts() {
        let runs = [run(1, true, 2.0), run(2, false, 9.0), run(3, true, 3.0)];
        let page = report("# R\n", &runs, Some("40 accepted"));
        for line in [
            "| the line is cut | 3 | 2 |",
            "| the line is cut | the longest gap | 3 | 3.0 s | 9.0 s | ≤ 5 s |",
            "2. **FAILED** gap 4.0 s; and more (60 s in all)",
        ] {
            assert!(page.contains(line), "without {line:?}: {page}");
        }
    }
}

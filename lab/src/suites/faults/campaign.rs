//! Every fault several times, each run noted as it ends, so that a campaign that was broken off goes on where it was.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::{NAME, faults, open};
use crate::suites::journal;
use crate::{paths, up};

/// How often each fault is made.
const RUNS: u32 = 5;

/// How one run of one fault went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Run {
    fault: String,
    number: u32,
    passed: bool,
    /// What was seen, or what was wrong.
    text: String,
    /// From the beginning of the trial to its end.
    seconds: u64,
}

/// Makes every fault as often as it is still missing, and writes `docs/reliability.md` at its end.
pub async fn campaign() -> anyhow::Result<()> {
    let path = paths::cache().join("campaign-faults.jsonl");
    let mut runs = journal::read(&path)?;
    let missing = |runs: &[Run], fault: &str, number| {
        !runs.iter().any(|run| run.fault == fault && run.number == number)
    };
    let name = NAME.parse()?;
    let observer = open(&name).await?;
    for number in 1..=RUNS {
        for (fault, make) in faults() {
            if !missing(&runs, &fault, number) {
                continue;
            }
            let start = Instant::now();
            let seen = make(&observer).await;
            let run = Run {
                fault,
                number,
                passed: seen.is_ok(),
                text: seen.unwrap_or_else(|error| format!("{error:#}")),
                seconds: start.elapsed().as_secs(),
            };
            let result = if run.passed { "ok" } else { "FAILED" };
            println!(
                "{result} {number} of {RUNS}, {} s: {} ({})",
                run.seconds, run.fault, run.text
            );
            journal::note(&path, &run)?;
            runs.push(run);
        }
    }
    let delivered = observer.delivered().await;
    let delivered = delivered.unwrap_or_else(|error| format!("FAILED: {error:#}"));
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reliability.md");
    fs::write(&page, report(&runs, &delivered)).with_context(|| page.display().to_string())?;
    fs::remove_file(&path).with_context(|| path.display().to_string())?;
    up::down(&name)
}

/// The page, with every run, also the bad ones.
fn report(runs: &[Run], delivered: &str) -> String {
    let mut of: BTreeMap<&str, Vec<&Run>> = BTreeMap::new();
    for run in runs {
        of.entry(&run.fault).or_default().push(run);
    }
    let mut page = String::from(
        "# Reliability, as measured\n\n\
         `cargo lab campaign faults` writes this page: each fault of [protocol.md](protocol.md) in the lab, under the load of 35\n\
         writers, each run with what was seen. *Stored* is what was answered OK, and all of it was looked for afterwards. Both sites,\n\
         the witness and all clients share the processors of one machine, so times are upper bounds of what a data centre has.\n\n\
         | Fault | Runs | Passed |\n|---|---|---|\n",
    );
    for (fault, runs) in &of {
        let passed = runs.iter().filter(|run| run.passed).count();
        let _ = writeln!(page, "| {fault} | {} | {passed} |", runs.len());
    }
    let _ = writeln!(page, "\nSubmission: {delivered}.");
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

    fn run(number: u32, passed: bool) -> Run {
        Run {
            fault: "the line is cut".into(),
            number,
            passed,
            text: "gap 4.0 s\nand more".into(),
            seconds: 60,
        }
    }

    #[test]
    fn bad_runs_are_on_the_page() {
        let page = report(&[run(1, true), run(2, false)], "40 accepted");
        assert!(page.contains("| the line is cut | 2 | 1 |"), "{page}");
        assert!(
            page.contains("2. **FAILED** gap 4.0 s; and more (60 s in all)"),
            "{page}"
        );
    }
}

//! Cyrus' patches and the directory's rules, tried with the engines as the images carry them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::Context;

use super::{Report, cargo};
use crate::{paths, preflight, stock};

/// Unpacks both images, runs what tries them, and removes them again.
pub fn run(report: &mut Report) -> anyhow::Result<()> {
    preflight::check_and_install()?;
    let cache = paths::cache();
    fs::create_dir_all(&cache).with_context(|| format!("make {}", cache.display()))?;
    let folder = tempfile::Builder::new()
        .prefix("engines-")
        .tempdir_in(&cache)
        .with_context(|| format!("make a folder in {}", cache.display()))?;
    let [cyrus, openldap] = unpacked(["cyrus", "openldap"], folder.path())?;
    patches(report, &cyrus)?;
    directory(report, &openldap)?;
    folder
        .close()
        .context("remove the unpacked images; a program may still run in them")
}

/// The root file systems of images, each in a folder of its name.
fn unpacked<const N: usize>(names: [&str; N], folder: &Path) -> anyhow::Result<[PathBuf; N]> {
    for image in stock::built(&names.map(str::to_owned))? {
        image.unpack(&folder.join(image.name.to_string()))?;
    }
    Ok(names.map(|name| folder.join(name)))
}

/// `images/cyrus/tests/run`, which prints a line for each of its checks.
fn patches(report: &mut Report, root: &Path) -> anyhow::Result<()> {
    let program = cargo::repository().join("images/cyrus/tests/run");
    let mut child = Command::new(&program)
        .arg(root)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("start {}", program.display()))?;
    let output = child.stdout.take().context("the output of Cyrus' tests")?;
    let (mut checks, mut failed) = (0, 0);
    let mut start = Instant::now();
    for line in BufReader::new(output).lines() {
        let line = line?;
        let Some(verdict) = Verdict::of(&line) else {
            println!("{line}");
            continue;
        };
        checks += 1;
        failed += usize::from(verdict.result.is_err());
        report.note(
            &format!("cyrus: {}", verdict.name),
            start.elapsed(),
            verdict.result,
        );
        start = Instant::now();
    }
    // What ended before its time has said why on standard error, and has failed no check.
    let ended = child.wait()?;
    if checks == 0 || (!ended.success() && failed == 0) {
        let told = format!("{} ended with {ended} after {checks} checks", program.display());
        report.note("cyrus: its tests run to their end", start.elapsed(), Err(told));
    }
    Ok(())
}

/// The tests of the directory and of the router that want two real providers.
fn directory(report: &mut Report, root: &Path) -> anyhow::Result<()> {
    let mut tests = cargo::cargo(&[
        "test",
        "--package",
        "govuc-directory",
        "--package",
        "govuc-router",
        "--features",
        "govuc-directory/slapd,govuc-router/slapd",
        // The other targets have no test that the suite `unit` does not run.
        "--test",
        "slapd",
        "--no-fail-fast",
    ]);
    tests.env("GOVUC_SLAPD_ROOT", root);
    cargo::test(report, "directory", tests)
}

/// A line about a check: `ok NAME` or `FAILED NAME: WHY`.
#[derive(Debug, PartialEq, Eq)]
struct Verdict {
    name: String,
    result: Result<(), String>,
}

impl Verdict {
    fn of(line: &str) -> Option<Verdict> {
        let (word, told) = line.split_once(' ')?;
        let (name, result) = match word {
            "ok" => (told, Ok(())),
            "FAILED" => {
                let (name, why) = told.split_once(": ").unwrap_or((told, "it does not say why"));
                (name, Err(why.to_owned()))
            }
            _ => return None,
        };
        Some(Verdict {
            name: name.trim_end_matches(':').replace('_', " "),
            result,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_of_cyrus_reads_as_a_sentence_and_says_why_it_failed() {
        let verdict = |name: &str, result| {
            Some(Verdict {
                name: name.to_owned(),
                result,
            })
        };
        assert_eq!(
            Verdict::of("ok move_waits_for_the_follower"),
            verdict("move waits for the follower", Ok(()))
        );
        assert_eq!(
            Verdict::of("FAILED close_waits: no: it does not"),
            verdict("close waits", Err("no: it does not".to_owned()))
        );
        assert_eq!(
            Verdict::of("FAILED close_waits: "),
            verdict("close waits", Err(String::new()))
        );
        assert_eq!(Verdict::of("log: SYNCERROR"), None);
    }
}

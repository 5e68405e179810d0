//! The roles of a store and the merge of an object, through every order of so many faults, edits and sights:
//! `crates/roles/tests/model`, `crates/mirror/tests/model`.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

use super::{Report, journal};
use crate::cargo::{cargo, repository};
use crate::images::digest;
use crate::{command, paths};

mod page;

const ROLES: &str = "govuc-roles";
const MIRROR: &str = "govuc-mirror";

/// One check and what it counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Done {
    /// Of what was checked: after a change everything is.
    program: String,
    name: String,
    /// None when it failed.
    counted: Option<Counted>,
}

/// What a check prints of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Counted {
    what: String,
    /// Worlds that differ.
    worlds: u64,
    /// Steps from one to another.
    steps: u64,
    seconds: f64,
    /// What was expected to be found, for a protocol without one of its rules.
    harm: Option<String>,
}

/// The checks that take minutes together.
pub fn run(report: &mut Report) -> anyhow::Result<()> {
    for package in [ROLES, MIRROR] {
        run_package(report, package)?;
    }
    Ok(())
}

fn run_package(report: &mut Report, package: &str) -> anyhow::Result<()> {
    let begun = Instant::now();
    let built = program(package).and_then(|program| Ok((checks(&program, false)?, program)));
    let (names, program) = match built {
        Ok(built) => built,
        Err(error) => {
            report.note(
                &format!("model: {package} compiles"),
                begun.elapsed(),
                Err(format!("{error:#}")),
            );
            return Ok(());
        }
    };
    for name in names {
        let begun = Instant::now();
        let seen = check(&program, &name)?.map(|counted| counted.told());
        report.tell(&format!("model: {}", sentence(&name)), begun.elapsed(), seen);
    }
    Ok(())
}

/// Runs every check of the roles that was not yet run, the long ones last, and writes each into `docs/protocol.md` as it ends.
pub fn campaign() -> anyhow::Result<()> {
    let path = paths::cache().join("campaign-model.jsonl");
    let program = program(ROLES)?;
    let key = digest(&program)?;
    let mut done: Vec<Done> = journal::read(&path)?;
    done.retain(|done| done.program == key);
    let long: BTreeSet<String> = checks(&program, true)?.into_iter().collect();
    let mut names = checks(&program, false)?;
    names.extend(long.iter().cloned());
    let page = repository().join("docs/protocol.md");
    for (number, name) in names.iter().enumerate() {
        let told = format!("{} of {}: {}", number + 1, names.len(), sentence(name));
        if done.iter().any(|done| done.name == *name) {
            println!("before {told}");
            continue;
        }
        println!("begun  {told}");
        let seen = check(&program, name)?;
        match &seen {
            Ok(counted) => println!(
                "ok     {} ({}, {:.0} s)",
                sentence(name),
                counted.told(),
                counted.seconds
            ),
            Err(why) => println!("FAILED {}\n{why}", sentence(name)),
        }
        let ended = Done {
            program: key.clone(),
            name: name.clone(),
            counted: seen.ok(),
        };
        journal::note(&path, &ended)?;
        done.push(ended);
        write(&page, &done)?;
    }
    write(&page, &done)?;
    fs::remove_file(&path).with_context(|| path.display().to_string())?;
    let failed = done.iter().filter(|done| done.counted.is_none()).count();
    ensure!(failed == 0, "{failed} of {} failed", names.len());
    Ok(())
}

fn write(page: &Path, done: &[Done]) -> anyhow::Result<()> {
    let told = || page.display().to_string();
    let text = fs::read_to_string(page).with_context(told)?;
    let tables = page::tables(done);
    let text = page::replaced(&text, &tables).with_context(told)?;
    fs::write(page, text).with_context(told)
}

/// The test program, built with the profile that everything else has: the workspace optimises this crate there.
fn program(package: &str) -> anyhow::Result<PathBuf> {
    let mut build = cargo(&[
        "test",
        "--package",
        package,
        "--features",
        "model",
        "--test",
        "model",
        "--no-run",
        "--message-format",
        "json-render-diagnostics",
    ]);
    let messages = command::run(&mut build)?.stdout;
    let messages = String::from_utf8_lossy(&messages);
    messages
        .lines()
        .find_map(executable)
        .context("cargo names no test program")
}

fn executable(message: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    (message["target"]["name"] == "model").then_some(())?;
    message["executable"].as_str().map(PathBuf::from)
}

/// The names of the checks: those that are always run, or those that take long.
fn checks(program: &Path, long: bool) -> anyhow::Result<Vec<String>> {
    let list = |which: &[&str]| -> anyhow::Result<Vec<String>> {
        let printed = command::run(Command::new(program).args(["checks::", "--list"]).args(which))?.stdout;
        let names = String::from_utf8_lossy(&printed);
        Ok(names
            .lines()
            .filter_map(|line| line.strip_suffix(": test"))
            .map(str::to_owned)
            .collect())
    };
    let longer = list(&["--ignored"])?;
    if long {
        return Ok(longer);
    }
    let mut names = list(&[])?;
    names.retain(|name| !longer.contains(name));
    Ok(names)
}

/// What it counted, or all that it printed.
fn check(program: &Path, name: &str) -> anyhow::Result<Result<Counted, String>> {
    let mut child = Command::new(program)
        .args(["--exact", name, "--include-ignored", "--nocapture"])
        // What is wrong is how it came about, not where this was noticed.
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("start {}", program.display()))?;
    let output = child.stdout.take().context("the output of the model")?;
    let mut lines = Vec::new();
    for line in BufReader::new(output).lines() {
        lines.push(line?);
    }
    let ended = child.wait()?;
    let counted = lines.iter().find_map(|line| Counted::of(line));
    Ok(match counted {
        Some(counted) if ended.success() => Ok(counted),
        _ => {
            lines.push(format!("it ended with {ended}"));
            Err(lines.join("\n"))
        }
    })
}

/// `checks::without_a_rule::case_01_that_one`: a test's name is a sentence.
fn sentence(name: &str) -> String {
    let mut parts = name.split("::").skip(1).map(|part| {
        let case = part.strip_prefix("case_").and_then(|rest| rest.split_once('_'));
        let part = case.map_or(part, |(_, case)| case);
        part.replace('_', " ")
    });
    let mut text = parts.next().unwrap_or_default();
    for part in parts {
        text = format!("{text}: {part}");
    }
    text
}

impl Counted {
    /// The harness may have put the name of the test before it.
    fn of(line: &str) -> Option<Counted> {
        let (_, counted) = line.split_once("counted {")?;
        serde_json::from_str(&format!("{{{counted}")).ok()
    }

    fn told(&self) -> String {
        match &self.harm {
            None => format!("{} worlds, {} steps", self.worlds, self.steps),
            Some(harm) => format!("after {} worlds it is not so that {harm}", self.worlds),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_check_is_a_sentence() {
        let sentences = [
            ("checks::no_single_fault_does_harm", "no single fault does harm"),
            (
                "checks::harm_is_found::case_01_sync_skipped",
                "harm is found: sync skipped",
            ),
        ];
        for (name, expected) in sentences {
            assert_eq!(sentence(name), expected);
        }
    }

    #[test]
    fn what_was_counted_is_found_behind_the_name_of_the_test() {
        let line = r#"test checks::one ... counted {"harm":null,"seconds":1.5,"steps":7,"what":"one {fault}","worlds":3}"#;
        let counted = Counted::of(line).unwrap();
        assert_eq!(counted.what, "one {fault}");
        assert_eq!(counted.told(), "3 worlds, 7 steps");
        assert_eq!(Counted::of("counted everything"), None);
    }

    #[test]
    fn the_test_program_is_the_one_that_cargo_names() {
        let artifact =
            r#"{"reason":"compiler-artifact","target":{"name":"model"},"executable":"/t/model-1"}"#;
        assert_eq!(executable(artifact), Some(PathBuf::from("/t/model-1")));
        let other = r#"{"reason":"compiler-artifact","target":{"name":"serde"},"executable":null}"#;
        assert_eq!(executable(other), None);
    }
}

//! The suites that cargo runs: unit, lint and api.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::Context;

use super::Report;
use crate::api_only::Pair;
use crate::command;
use crate::paths;

const CARGO_DENY: &str = "0.20.2";

/// Everything that needs no cluster. The test target `api` says of itself that it is not run by default.
pub fn unit(report: &mut Report) -> anyhow::Result<()> {
    test(report, "unit", cargo(&["test", "--workspace", "--no-fail-fast"]))
}

/// The root package's test target `api`, beside two API servers.
pub async fn api(report: &mut Report) -> anyhow::Result<()> {
    // Built first: the API servers need not wait for the compiler.
    let mut build = cargo(&["test", "--test", "api", "--no-run"]);
    if !build.status().context("cargo")?.success() {
        report.note(
            "api: compiles",
            std::time::Duration::ZERO,
            Err("see the messages above"),
        );
        return Ok(());
    }
    let pair = Pair::start().await?;
    let mut run = cargo(&["test", "--test", "api", "--no-fail-fast"]);
    run.env("KUBECONFIG", pair.kubeconfig())
        .env("GOVUC_API_KUBECONFIG", pair.kubeconfig());
    let done = test(report, "api", run);
    pair.stop()?;
    done
}

/// What must hold of the sources whatever they do.
pub async fn lint(report: &mut Report) -> anyhow::Result<()> {
    let steps: [(&str, &[&str]); 2] = [
        ("lint: cargo fmt --check", &["fmt", "--all", "--check"]),
        (
            "lint: cargo clippy",
            &[
                "clippy",
                "--workspace",
                "--all-targets",
                "--quiet",
                "--",
                "-D",
                "warnings",
            ],
        ),
    ];
    for (name, arguments) in steps {
        let mut step = cargo(arguments);
        report
            .check(name, async move {
                command::run(&mut step).map(drop).map_err(anyhow::Error::from)
            })
            .await;
    }
    deny(report).await
}

/// cargo-deny, installed into the cache the first time.
async fn deny(report: &mut Report) -> anyhow::Result<()> {
    let tools = paths::cache().join("tools");
    let program = tools.join("bin").join("cargo-deny");
    if !program.exists() {
        eprintln!(
            "installing cargo-deny {CARGO_DENY} into {} (minutes, once)",
            tools.display()
        );
        let mut install = cargo(&[
            "install",
            "--quiet",
            "--locked",
            "--version",
            CARGO_DENY,
            "cargo-deny",
            "--root",
        ]);
        command::run(install.arg(&tools).env_remove("CARGO_TARGET_DIR"))?;
    }
    let run = |what: &[&str]| {
        let mut deny = clean(Command::new(&program));
        command::run(
            deny.current_dir(repository())
                .args(["--log-level", "error", "check"])
                .args(what),
        )
    };
    report
        .check("lint: cargo deny check bans licenses sources", async {
            run(&["bans", "licenses", "sources"])
                .map(drop)
                .map_err(anyhow::Error::from)
        })
        .await;
    let start = Instant::now();
    match run(&["advisories"]) {
        // Whoever has no way to the database can't have outdated facts checked against it.
        Err(error) if error.to_string().contains("failed to fetch advisory database") => {
            report.leave_out(
                "cargo deny check advisories",
                "the advisory database can't be fetched from here",
            );
        }
        result => drop(report.note(
            "lint: cargo deny check advisories",
            start.elapsed(),
            result.map(drop),
        )),
    }
    Ok(())
}

/// Runs a `cargo test` and counts what its test programs print; every failed test is shown with its output.
pub(super) fn test(report: &mut Report, suite: &str, mut cargo: Command) -> anyhow::Result<()> {
    let mut child = cargo
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cargo")?;
    let output = child.stdout.take().context("cargo's output")?;
    let mut counted = (0, 0);
    let mut start = Instant::now();
    let mut lines = Vec::new();
    for line in BufReader::new(output).lines() {
        let line = line?;
        let Some(result) = Outcome::of(&line) else {
            lines.push(line);
            continue;
        };
        let seconds = start.elapsed().as_secs_f64();
        let word = if result.failed == 0 { "ok    " } else { "FAILED" };
        if result.passed + result.failed > 0 {
            println!(
                "{word} {seconds:6.1} s  {suite}: {} tests, {} failed",
                result.passed + result.failed,
                result.failed
            );
        }
        if result.failed > 0 {
            println!("{}", lines.join("\n"));
        }
        report.count(result.passed, result.failed);
        counted = (counted.0 + result.passed, counted.1 + result.failed);
        lines.clear();
        start = Instant::now();
    }
    // What does not compile has no tests that could fail.
    if !child.wait()?.success() && counted.1 == 0 {
        report.note(
            &format!("{suite}: compiles and runs"),
            start.elapsed(),
            Err("cargo failed; see above"),
        );
    }
    Ok(())
}

/// The last line of a test program.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    passed: usize,
    failed: usize,
}

impl Outcome {
    fn of(line: &str) -> Option<Outcome> {
        let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let count = |word: &str| {
            counts
                .split("; ")
                .find_map(|part| part.strip_suffix(word)?.trim().parse().ok())
        };
        Some(Outcome {
            passed: count(" passed")?,
            failed: count(" failed")?,
        })
    }
}

pub(super) fn cargo(arguments: &[&str]) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut cargo = clean(Command::new(program));
    cargo.args(arguments).current_dir(repository());
    cargo
}

/// Without what `cargo run` tells the program it runs: build scripts would take it for a change and run again.
fn clean(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        let told = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];
        if told
            .iter()
            .any(|prefix| name.as_encoded_bytes().starts_with(prefix.as_bytes()))
        {
            command.env_remove(name);
        }
    }
    command
}

pub(super) fn repository() -> PathBuf {
    let lab = Path::new(env!("CARGO_MANIFEST_DIR"));
    lab.parent().unwrap_or(lab).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_a_test_program_is_counted() {
        let line = "test result: FAILED. 41 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.02s";
        assert_eq!(
            Outcome::of(line),
            Some(Outcome {
                passed: 41,
                failed: 2
            })
        );
        assert_eq!(Outcome::of("test a::b ... ok"), None);
    }
}

//! The suites that cargo runs: unit, lint and api; and a bench that it runs.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;

use super::Report;
use crate::api_only::{Pair, Processors};
use crate::artifact;
use crate::cargo::{cargo, clean, repository};
use crate::command;
use crate::paths;

const CARGO_DENY: &str = "0.20.2";

/// Everything that needs no cluster. The test target `api` says of itself that it is not run by default.
pub fn unit(report: &mut Report) -> anyhow::Result<()> {
    test(report, "unit", cargo(&["test", "--workspace", "--no-fail-fast"]))
}

/// What stores cost their etcd, into its page.
pub fn leases() -> anyhow::Result<()> {
    let page = repository().join("benches/leases.md");
    let mut bench = cargo(&[
        "bench",
        "--quiet",
        "--package",
        "govuc-etcd",
        "--features",
        "etcd",
        "--bench",
        "leases",
    ]);
    bench
        .env("GOVUC_ETCD", artifact::kubernetes()?)
        .stderr(Stdio::inherit());
    let table = command::run(&mut bench)?.stdout;
    let table = String::from_utf8_lossy(&table);
    print!("{table}");
    let text = format!(
        "# What stores cost the etcd that holds their roles\n\n\
         `cargo lab bench leases` writes this page: 500 stores, each with a guard at two sites that has a connection of its own. The\n\
         first one's keeps the lease; both read the store's records at least every 2 s, as the protocol has it. Of one processor, a\n\
         member of the etcd takes, in windows of 10 s; the design asks for less than 5 %:\n\n{table}"
    );
    fs::write(&page, text).with_context(|| page.display().to_string())
}

/// What the mirror of the two clusters costs, into benches/mirror.md.
pub async fn mirror() -> anyhow::Result<()> {
    let page = repository().join("benches/mirror.md");
    let pair = Pair::start(Processors::One).await?;
    let mut bench = cargo(&["bench", "--quiet", "--package", "govuc", "--bench", "mirror"]);
    bench
        .env("KUBECONFIG", pair.kubeconfig())
        .stderr(Stdio::inherit());
    let measured = command::run(&mut bench);
    pair.stop()?;
    let table = measured?.stdout;
    let table = String::from_utf8_lossy(&table);
    print!("{table}");
    let text = format!(
        "# What it costs that two clusters have the same mailboxes\n\n\
         `cargo lab bench mirror` writes this page: two clusters without nodes on one machine, each with one processor of its own, on which\n\
         are its etcd, its API server, and its site's mirror as a process of its own, sixteen objects at a time. One cluster has 10 000\n\
         mailboxes, the other one none. Beside it, in the same run, a bare client that applies each of them once to the same API server, sixteen\n\
         at a time, on the same processor. The mirror's part is more than to make the object: both sites hold it, note what they agree on, and\n\
         say so.\n\n{table}"
    );
    fs::write(&page, text).with_context(|| page.display().to_string())
}

/// The root package's test target `api`, beside two API servers.
pub async fn api(report: &mut Report) -> anyhow::Result<()> {
    // Built first: the API servers need not wait for the compiler.
    let mut build = cargo(&["test", "--test", "api", "--no-run"]);
    if !build.status().context("cargo")?.success() {
        report.note("api: compiles", Duration::ZERO, Err("see the messages above"));
        return Ok(());
    }
    let pair = Pair::start(Processors::All).await?;
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
                "--all-features",
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

/// Runs a `cargo test` and counts what its test programs print; what a program with a failed test printed is shown.
pub(super) fn test(report: &mut Report, suite: &str, cargo: Command) -> anyhow::Result<()> {
    let mut child = joined(&cargo)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cargo")?;
    let output = child.stdout.take().context("cargo's output")?;
    let mut program = None;
    let mut failed = 0;
    let mut start = Instant::now();
    let mut lines = Vec::new();
    for line in BufReader::new(output).lines() {
        let line = line?;
        if let Some(next) = program_of(&line) {
            program = Some(next.to_owned());
            lines.clear();
            start = Instant::now();
        } else if let (Some(program), Some(outcome)) = (&program, Outcome::of(&line)) {
            outcome.tell(&format!("{suite}: {program}"), start.elapsed(), &lines);
            report.count(outcome.passed, outcome.failed);
            failed += outcome.failed;
        } else if program.is_none() {
            // The compiler at work.
            eprintln!("{line}");
        } else {
            lines.push(line);
        }
    }
    // What does not compile, or was killed, has no failed test to show for it.
    if !child.wait()?.success() && failed == 0 {
        report.note(
            &format!("{suite}: compiles and runs"),
            start.elapsed(),
            Err(lines.join("\n")),
        );
    }
    Ok(())
}

/// The same command with both its streams in one, so that what cargo says stands where it belongs among the tests.
fn joined(command: &Command) -> Command {
    let mut joined = Command::new("sh");
    joined
        .args(["-c", "exec \"$0\" \"$@\" 2>&1"])
        .arg(command.get_program())
        .args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        joined.current_dir(folder);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => joined.env(name, value),
            None => joined.env_remove(name),
        };
    }
    joined
}

/// Which test program cargo says it starts.
fn program_of(line: &str) -> Option<&str> {
    let line = line.trim_start();
    if let Some(package) = line.strip_prefix("Doc-tests ") {
        return Some(package);
    }
    let (_, file) = line
        .strip_prefix("Running ")?
        .strip_suffix(')')?
        .rsplit_once('/')?;
    Some(file.rsplit_once('-').map_or(file, |(name, _)| name))
}

/// The last line of a test program.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    passed: usize,
    failed: usize,
}

impl Outcome {
    fn tell(&self, name: &str, took: Duration, lines: &[String]) {
        let (all, seconds) = (self.passed + self.failed, took.as_secs_f64());
        match (all, self.failed) {
            (0, _) => {}
            (_, 0) => println!("ok     {seconds:6.1} s  {name}: {all} tests"),
            (_, failed) => {
                println!(
                    "FAILED {seconds:6.1} s  {name}: {failed} of {all} tests\n{}",
                    lines.join("\n")
                );
            }
        }
    }

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

    #[test]
    fn a_test_program_is_known_by_what_cargo_says() {
        let line = "     Running unittests src/main.rs (target/debug/deps/govuc_lab-d1f95d1e0b9fd1ac)";
        assert_eq!(program_of(line), Some("govuc_lab"));
        assert_eq!(program_of("   Doc-tests govuc_api"), Some("govuc_api"));
        assert_eq!(program_of("   Compiling govuc-lab v0.1.0 (/src/lab)"), None);
    }
}

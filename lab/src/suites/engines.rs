//! Cyrus' patches and the directory's rules, tried with the engines as the images carry them; and the roles' etcd.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, ensure};

use super::Report;
use crate::cargo::{cargo, repository};
use crate::{artifact, paths, preflight, stock};

/// Unpacks both images, runs what tries them, and removes them again.
pub fn run(report: &mut Report) -> anyhow::Result<()> {
    preflight::check_and_install()?;
    let images = PassingFolder::new(&paths::cache())?;
    let [cyrus, openldap] = unpacked(["cyrus", "openldap"], &images.path)?;
    patches(report, &cyrus)?;
    guard(report, &cyrus)?;
    providers(report, &openldap)?;
    members(report)?;
    images.remove()
}

/// A folder that goes with this process, also when that is killed or interrupted from the keyboard.
pub(super) struct PassingFolder {
    pub path: PathBuf,
    /// A process of its own that waits until nobody holds the other end of its input, and removes the folder.
    remover: Child,
}

impl PassingFolder {
    /// What still runs in the folder when its own parent was interrupted may take a moment to end.
    const REMOVER: &str =
        r#"cat; for _ in 1 2 3 4 5 6 7 8 9 10; do rm -rf "$1" && exit; sleep 1; done; exit 1"#;

    pub fn new(parent: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(parent).with_context(|| format!("make {}", parent.display()))?;
        let path = tempfile::Builder::new()
            .prefix("engines-")
            .tempdir_in(parent)
            .with_context(|| format!("make a folder in {}", parent.display()))?
            .keep();
        let remover = Command::new("sh")
            .args(["-c", Self::REMOVER, "sh"])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // The keyboard's interrupt goes to a group.
            .process_group(0)
            .spawn()
            .context("start sh")?;
        Ok(Self { path, remover })
    }

    /// Removes it now, and says if that can't be done.
    pub fn remove(mut self) -> anyhow::Result<()> {
        // Waiting closes its input.
        let ended = self.remover.wait().context("sh")?;
        ensure!(
            ended.success(),
            "{} can't be removed: does a program still run in it?",
            self.path.display()
        );
        Ok(())
    }
}

/// The root file systems of images, each in a folder of its name.
pub(super) fn unpacked<const N: usize>(names: [&str; N], folder: &Path) -> anyhow::Result<[PathBuf; N]> {
    for image in stock::built(&names.map(str::to_owned))? {
        image.unpack(&folder.join(image.name.to_string()))?;
    }
    Ok(names.map(|name| folder.join(name)))
}

/// `images/cyrus/tests/run`, which prints a line for each of its checks.
fn patches(report: &mut Report, root: &Path) -> anyhow::Result<()> {
    let program = repository().join("images/cyrus/tests/run");
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

/// What the guard asks and tells a pair of engines.
fn guard(report: &mut Report, root: &Path) -> anyhow::Result<()> {
    let mut tests = cargo(&[
        "test",
        "--package",
        "govuc-guard",
        "--features",
        "cyrus",
        "--bin",
        "govuc-guard",
        // The suite `unit` runs the others.
        "engines::",
    ]);
    tests.env("GOVUC_CYRUS_ROOT", root);
    super::cargo::test(report, "guard", tests)
}

/// The tests of the directory and of the router that want two real providers, some of them with the etcd of the lab's own
/// programs.
fn providers(report: &mut Report, root: &Path) -> anyhow::Result<()> {
    let mut tests = cargo(&[
        "test",
        "--package",
        "govuc-directory",
        "--package",
        "govuc-router",
        "--features",
        "govuc-directory/slapd,govuc-router/slapd,govuc-router/etcd",
        // The other targets have no test that the suite `unit` does not run.
        "--test",
        "directory",
        "--test",
        "router",
        "--test",
        "isolation",
        "--no-fail-fast",
    ]);
    tests
        .env("GOVUC_SLAPD_ROOT", root)
        .env("GOVUC_ETCD", artifact::kubernetes()?);
    super::cargo::test(report, "slapd", tests)
}

/// The tests of the roles' etcd's client, of the guard and of the operator that want real members, with the etcd of the lab's own programs.
fn members(report: &mut Report) -> anyhow::Result<()> {
    let mut tests = cargo(&[
        "test",
        "--package",
        "govuc-etcd",
        "--package",
        "govuc-guard",
        "--package",
        "govuc",
        "--features",
        "govuc-etcd/etcd,govuc-guard/etcd,govuc/etcd",
        // The other targets have no test that the suite `unit` does not run.
        "--test",
        "etcd",
        "--test",
        "lease",
        "--test",
        "lead",
        "--no-fail-fast",
    ]);
    tests.env("GOVUC_ETCD", artifact::kubernetes()?);
    super::cargo::test(report, "etcd", tests)
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
    use std::time::Duration;

    #[test]
    fn a_passing_folder_is_removed_when_its_holder_ends_and_when_it_says_so() {
        let parent = tempfile::tempdir().unwrap();
        let [dropped, removed] = [(); 2].map(|()| PassingFolder::new(parent.path()).unwrap());
        let paths = [&dropped, &removed].map(|folder| folder.path.clone());
        for path in &paths {
            fs::create_dir_all(path.join("usr/bin")).unwrap();
        }
        removed.remove().unwrap();
        assert!(!paths[1].exists());
        assert!(paths[0].exists());
        drop(dropped);
        let begun = Instant::now();
        while paths[0].exists() {
            assert!(begun.elapsed() < Duration::from_secs(30), "it is still there");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

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

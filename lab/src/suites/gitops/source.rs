//! The repository that everything is applied from, and who serves it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::command;
use crate::loopback::{Daemons, free_ports};
use crate::machine::Daemon;

const BRANCH: &str = "main";

/// A repository with a work tree, from which every change goes into a bare one that is served.
pub struct Source {
    work: PathBuf,
    pub url: String,
    _server: Daemons,
}

impl Source {
    /// `programs` has the server.
    pub fn start(folder: &Path, programs: &Path) -> anyhow::Result<Source> {
        let (work, served) = (folder.join("work"), folder.join("served"));
        let bare = served.join("platform.git");
        fs::create_dir_all(&work).with_context(|| work.display().to_string())?;
        git(
            folder,
            &["init", "--quiet", "--bare", "--initial-branch", BRANCH],
            &[bare.as_os_str()],
        )?;
        git(&work, &["init", "--quiet", "--initial-branch", BRANCH], &[])?;
        git(&work, &["remote", "add", "origin"], &[bare.as_os_str()])?;
        let [port] = free_ports(15_000 + (std::process::id() % 4_000) as u16)?;
        let address = format!("127.0.0.1:{port}");
        let mut server = Daemons::default();
        let daemon = Daemon {
            program: programs.join("git"),
            arguments: vec![address.clone(), served.display().to_string()],
            log: folder.join("git.log"),
            path: None,
        };
        server.spawn(&daemon, &[])?;
        Ok(Source {
            work,
            url: format!("http://{address}/platform.git"),
            _server: server,
        })
    }

    /// Writes a file, or takes it away, and answers the revision as Flux calls it.
    pub fn commit(&self, file: &str, text: Option<&str>) -> anyhow::Result<String> {
        let path = self.work.join(file);
        let name = || path.display().to_string();
        match text {
            Some(text) => {
                fs::create_dir_all(path.parent().unwrap_or(&self.work)).with_context(name)?;
                fs::write(&path, text).with_context(name)?;
            }
            None => fs::remove_file(&path).with_context(name)?,
        }
        git(&self.work, &["add", "--all"], &[])?;
        git(
            &self.work,
            &["commit", "--quiet", "--allow-empty", "--message", file],
            &[],
        )?;
        git(&self.work, &["push", "--quiet", "origin", BRANCH], &[])?;
        let commit = git(&self.work, &["rev-parse", "HEAD"], &[])?;
        Ok(format!("{BRANCH}@sha1:{}", commit.trim()))
    }

    /// What the files of a folder are called, without their ending.
    pub fn names(&self, folder: &str) -> anyhow::Result<Vec<String>> {
        let path = self.work.join(folder);
        let entries = fs::read_dir(&path).with_context(|| path.display().to_string())?;
        Ok(entries
            .flatten()
            .filter_map(|entry| Some(entry.path().file_stem()?.to_string_lossy().into_owned()))
            .collect())
    }
}

/// git with nothing of this user's settings.
fn git(folder: &Path, arguments: &[&str], paths: &[&OsStr]) -> anyhow::Result<String> {
    let mut git = Command::new("git");
    git.current_dir(folder)
        .args([
            "-c",
            "user.name=platform",
            "-c",
            "user.email=platform@example.org",
        ])
        .args(["-c", "commit.gpgSign=false"])
        .args(arguments)
        .args(paths);
    git.env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null");
    let output = command::run(&mut git)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

//! What `/proc` says about the processes of a machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill as signal};
use nix::unistd::Pid;

use super::{Error, Role, wait};
use crate::lab::LabName;

/// A process, as the root namespace sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    pid: u32,
    arguments: Vec<String>,
}

/// What a process has taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Proportional set size: shared pages are divided among those who share them.
    pub pss_kib: u64,
    /// User and system time since its start.
    pub cpu: Duration,
}

impl Process {
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Its command line.
    pub fn arguments(&self) -> &[String] {
        &self.arguments
    }

    /// Ends it at once.
    pub fn kill(&self) -> Result<(), Error> {
        kill(self.pid)
    }

    /// Which program this is: for the one binary of Kubernetes the command that it runs.
    pub fn program(&self) -> &str {
        let Some(first) = self.arguments.first() else {
            return "";
        };
        let program = &first[first.rfind('/').map_or(0, |at| at + 1)..];
        name(program, self.arguments.get(1).map(String::as_str))
    }

    /// Whether this is process 1 of a machine, rather than the `unshare` that waits for it.
    pub fn is_first(&self) -> bool {
        self.arguments
            .first()
            .is_some_and(|program| program.ends_with("/pause"))
    }

    /// What it has taken, or nothing if it has just ended.
    pub fn usage(&self) -> Option<Usage> {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid)).ok()?;
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?;
        Some(Usage {
            pss_kib: pss(&rollup)?,
            cpu: cpu(&stat)?,
        })
    }
}

/// What to call a program: those that are many in one file are known by their first argument.
pub fn name<'a>(program: &'a str, first_argument: Option<&'a str>) -> &'a str {
    match (program, first_argument) {
        ("kubernetes" | "govuc-lab", Some(command)) => command,
        _ => program,
    }
}

/// The holder (`unshare`) and process 1 of a machine, whatever of them is there.
pub fn inits(lab: &LabName, role: Role) -> Vec<Process> {
    let label = ["machine", lab.as_str(), &role.to_string()].map(str::to_owned);
    every()
        .into_iter()
        .filter(|process| process.arguments.ends_with(&label))
        .collect()
}

/// What is in the pid namespace of `init` itself.
pub fn members(init: u32) -> Vec<Process> {
    let namespace = pid_namespace(init);
    every()
        .into_iter()
        .filter(|process| namespace.is_some() && pid_namespace(process.pid) == namespace)
        .collect()
}

/// Everything in the pid namespace of `init`, nested ones included. A program that was started by entering the
/// namespace has its parent outside, so both the namespace and the parents are looked at.
pub fn descendants(init: u32) -> Vec<Process> {
    let Some(namespace) = pid_namespace(init) else {
        return Vec::new();
    };
    let all = every();
    let parents: BTreeMap<u32, u32> = all.iter().filter_map(|p| Some((p.pid, parent(p.pid)?))).collect();
    let mut inside: BTreeSet<u32> = all
        .iter()
        .map(|p| p.pid)
        .filter(|pid| pid_namespace(*pid).is_some_and(|ns| ns == namespace))
        .collect();
    loop {
        let before = inside.len();
        inside.extend(
            parents
                .iter()
                .filter(|(_, parent)| inside.contains(parent))
                .map(|(pid, _)| *pid)
                .collect::<Vec<_>>(),
        );
        if inside.len() == before {
            return all
                .into_iter()
                .filter(|process| inside.contains(&process.pid))
                .collect();
        }
    }
}

/// Kills a process and waits until the kernel has taken down everything that hangs on it.
pub fn kill(pid: u32) -> Result<(), Error> {
    // A dead child of a program that has not asked after it yet is gone for us.
    let gone = |pid: u32| state(pid).is_none_or(|state| state == "Z");
    // A pid fits: the kernel's limit is 2^22.
    match signal(Pid::from_raw(pid as i32), Signal::SIGKILL) {
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(errno) => {
            return Err(Error::File {
                path: format!("/proc/{pid}"),
                source: errno.into(),
            });
        }
    }
    if wait(Duration::from_secs(60), || gone(pid)) {
        Ok(())
    } else {
        Err(Error::Stuck(pid))
    }
}

fn every() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| {
        Some(Process {
            pid,
            arguments: arguments(&fs::read(format!("/proc/{pid}/cmdline")).ok()?),
        })
    })
    .collect()
}

fn arguments(cmdline: &[u8]) -> Vec<String> {
    let text = cmdline.strip_suffix(b"\0").unwrap_or(cmdline);
    if text.is_empty() {
        return Vec::new();
    }
    text.split(|byte| *byte == 0)
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect()
}

fn pid_namespace(pid: u32) -> Option<std::path::PathBuf> {
    fs::read_link(format!("/proc/{pid}/ns/pid")).ok()
}

fn parent(pid: u32) -> Option<u32> {
    fields(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?
        .get(1)?
        .parse()
        .ok()
}

fn state(pid: u32) -> Option<String> {
    Some((*fields(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?.first()?).to_owned())
}

fn pss(rollup: &str) -> Option<u64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

fn cpu(stat: &str) -> Option<Duration> {
    let fields = fields(stat)?;
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    // USER_HZ, which is 100 on every architecture Debian runs on.
    Some(Duration::from_millis(ticks * 10))
}

/// The fields of `/proc/PID/stat` from the state on; the name before them may hold blanks and brackets.
fn fields(stat: &str) -> Option<Vec<&str>> {
    Some(stat.rsplit_once(')')?.1.split_whitespace().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_of_the_one_binary_is_its_name() {
        let process = |words: &[&str]| Process {
            pid: 7,
            arguments: words.iter().map(|w| w.to_string()).collect(),
        };
        assert_eq!(
            process(&["/cache/kubernetes", "etcd", "--name"]).program(),
            "etcd"
        );
        assert_eq!(process(&["/cache/containerd", "-c"]).program(), "containerd");
        assert_eq!(process(&["nginx: master"]).program(), "nginx: master");
        assert_eq!(process(&[]).program(), "");
    }

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let stat = "42 (a) b)) S 1 42 42 0 -1 0 0 0 0 0 150 50 0 0 20 0 1 0 99 0 0";
        assert_eq!(cpu(stat), Some(Duration::from_secs(2)));
        assert_eq!(fields(stat).unwrap()[1], "1");
    }

    #[test]
    fn the_proportional_size_is_read_from_the_roll_up() {
        assert_eq!(
            pss("00400000-7ff ---p [rollup]\nRss:   900 kB\nPss:                 512 kB\n"),
            Some(512)
        );
        assert_eq!(pss(""), None);
    }

    #[test]
    fn arguments_keep_empty_words_inside() {
        assert_eq!(arguments(b"a\0\0b\0"), ["a", "", "b"]);
        assert!(arguments(b"").is_empty());
    }
}

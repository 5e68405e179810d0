//! A machine: a set of namespaces that live as long as their process 1. Killing that is a power cut.

mod cgroup;
mod process;
mod start;

use std::fmt;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

pub use cgroup::{CgroupVersion, Cgroups};
pub use process::{Process, Usage};
pub use start::{BRIDGE, start_site, start_wan};

use crate::command;
use crate::lab::LabName;
use crate::network::Site;

/// What a machine is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Site(Site),
    /// The bridge that joins the sites: a network namespace and nothing else.
    Wan,
}

/// A running machine.
#[derive(Debug, Clone)]
pub struct Machine {
    role: Role,
    init: u32,
    cgroups: Cgroups,
}

/// A program that a machine keeps running.
#[derive(Clone)]
pub struct Daemon {
    pub program: PathBuf,
    pub arguments: Vec<String>,
    pub log: PathBuf,
    /// Folders searched for programs before the usual ones.
    pub path: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Command(#[from] command::Error),
    #[error("{path}: {source}")]
    File { path: String, source: std::io::Error },
    #[error("machine {0} did not start within 5 s")]
    Slow(Role),
    #[error("{0} has processes that go on 5 s after it was to freeze; `cargo lab thaw` takes that back")]
    Restless(String),
    #[error("process {0} does not end, although it was killed")]
    Stuck(u32),
    #[error("{0} is not running; start it with `cargo lab revive {0}`, or the whole lab with `cargo lab up`")]
    Off(Role),
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Role::Site(site) => site.fmt(f),
            Role::Wan => f.write_str("wan"),
        }
    }
}

impl Role {
    pub const ALL: [Role; 4] = [
        Role::Site(Site::Pdsa1),
        Role::Site(Site::Pdsa2),
        Role::Site(Site::Witness),
        Role::Wan,
    ];
}

impl Daemon {
    /// As [`Process::program`] will call it.
    pub fn name(&self) -> &str {
        let program = self
            .program
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        process::name(program, self.arguments.first().map(String::as_str))
    }
}

impl Machine {
    /// The running machine of `lab` in this role. Machines are found by what their process 1 says it is, so there
    /// is no record that a crash could leave behind or make wrong.
    pub fn find(lab: &LabName, role: Role) -> Option<Machine> {
        let init = process::inits(lab, role)
            .into_iter()
            .find(|init| init.is_first())?;
        Some(Machine {
            role,
            init: init.pid(),
            cgroups: Cgroups::of(lab, role),
        })
    }

    /// As [`Machine::find`], for a machine that must be running.
    pub fn running(lab: &LabName, role: Role) -> Result<Machine, Error> {
        Machine::find(lab, role).ok_or(Error::Off(role))
    }

    /// Process 1 of the machine, as the root namespace counts.
    pub fn init(&self) -> u32 {
        self.init
    }

    pub fn cgroups(&self) -> &Cgroups {
        &self.cgroups
    }

    /// A command that will run `argv` inside the machine, with the caller's standard streams.
    pub fn command(&self, argv: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.init.to_string(), "-n"]);
        if let Role::Site(_) = self.role {
            command.args(["-m", "-u", "-i"]);
        }
        command.args(["-p", "--"]).args(argv).current_dir("/");
        command
    }

    /// Runs `argv` inside the machine to its end.
    pub fn exec(&self, argv: &[&str]) -> Result<Output, command::Error> {
        command::run(&mut self.command(argv))
    }

    /// Runs `argv` inside the machine to its end, with `input` on its standard input.
    pub fn exec_with(&self, argv: &[&str], input: &[u8]) -> Result<Output, command::Error> {
        command::run_with(&mut self.command(argv), input)
    }

    /// Starts a program that goes on when this command has ended. It becomes a child of the machine's process 1
    /// and a member of the machine's cgroup; it gets none of the caller's environment, whose proxies are not its.
    pub fn spawn(&self, daemon: &Daemon) -> Result<(), Error> {
        const START: &str = r#"
            log=$1 cgroups=$2; shift 2
            { for c in $cgroups; do echo 0 > "$c/cgroup.procs"; done; exec setsid "$@"; } </dev/null >>"$log" 2>&1 &"#;
        let log = daemon.log.display().to_string();
        // The bridge's machine has no cgroup: it is never frozen.
        let leaves = self.cgroups.leaves().filter(|leaf| leaf.exists());
        let cgroups = leaves
            .map(|path| path.display().to_string())
            .collect::<Vec<_>>()
            .join(" ");
        let program = daemon.program.display().to_string();
        let mut command = self.command(&["sh", "-c", START, "sh", &log, &cgroups, &program]);
        let standard = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        let path = daemon.path.as_ref().map_or(standard.to_owned(), |first| {
            format!("{}:{standard}", first.display())
        });
        command
            .args(&daemon.arguments)
            .env_clear()
            .env("PATH", path)
            .env("HOME", "/root")
            .process_group(0);
        command::run(&mut command)?;
        Ok(())
    }

    /// Notes that everything that belongs to its start has been done. The note is on the machine's own `/run`, and so
    /// never outlives it.
    pub fn complete(&self) -> Result<(), Error> {
        let note = self.note();
        std::fs::write(&note, "").map_err(|source| Error::File {
            path: note.display().to_string(),
            source,
        })
    }

    /// Whether its start came to the end, rather than being broken off half-way.
    pub fn is_complete(&self) -> bool {
        match self.role {
            Role::Site(_) => self.note().exists(),
            Role::Wan => self
                .exec(&["ip", "-o", "link", "show", "up", "dev", BRIDGE])
                .is_ok_and(|o| !o.stdout.is_empty()),
        }
    }

    fn note(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root/run/complete", self.init))
    }

    /// Every process of the machine, containers included.
    pub fn processes(&self) -> Vec<Process> {
        process::descendants(self.init)
    }

    /// Its own processes: those of pods have namespaces of their own.
    pub fn programs(&self) -> Vec<Process> {
        process::members(self.init)
    }

    /// Pulls the plug.
    pub fn kill(self) -> Result<(), Error> {
        // A frozen process does not die before it is thawed.
        self.cgroups.thaw()?;
        unplug(self.init)?;
        self.cgroups.remove()
    }
}

/// Removes whatever of this machine is there, running or half-made. True if there was a process.
pub fn remove(lab: &LabName, role: Role) -> Result<bool, Error> {
    let cgroups = Cgroups::of(lab, role);
    cgroups.thaw()?;
    let (first, holders): (Vec<Process>, Vec<Process>) =
        process::inits(lab, role).into_iter().partition(Process::is_first);
    // Process 1 before its holder, which then takes note of its end and ends itself.
    first.iter().try_for_each(|init| unplug(init.pid()))?;
    holders.iter().try_for_each(Process::kill)?;
    cgroups.remove()?;
    Ok(!first.is_empty() || !holders.is_empty())
}

/// Kills process 1, and takes away the ends of its lines: the kernel does so too, but some time later, and until then
/// a dead machine answers pings.
fn unplug(init: u32) -> Result<(), Error> {
    let network = File::open(format!("/proc/{init}/ns/net"));
    process::kill(init)?;
    if let Ok(network) = network {
        let held = format!("--net=/proc/{}/fd/{}", std::process::id(), network.as_raw_fd());
        for interface in ["eth0", "wan0"] {
            // Absent in the bridge's machine, and in one that was half made.
            let _ = command::run(Command::new("nsenter").args([&held, "ip", "link", "del", interface]));
        }
    }
    Ok(())
}

/// Tries `done` until it is true, for at most `limit`.
pub fn wait(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    while !done() {
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

//! Programs beside this one, as an ordinary user on loopback: they end with it, however it ends.

use std::ffi::OsStr;
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};

use crate::machine::Daemon;

/// Programs that end with this value, the last one first: so none complains that another is missing.
#[derive(Default)]
pub struct Daemons {
    children: Vec<Child>,
    /// The only one of the machine's that they may use, by its number.
    processor: Option<u8>,
}

impl Daemons {
    pub fn on(processor: Option<u8>) -> Self {
        Self {
            children: Vec::new(),
            processor,
        }
    }

    /// Starts one, with nothing in its environment besides `PATH` and what is given.
    pub fn spawn(&mut self, daemon: &Daemon, environment: &[(&str, &OsStr)]) -> anyhow::Result<()> {
        let log = || {
            File::options()
                .create(true)
                .append(true)
                .open(&daemon.log)
                .with_context(|| daemon.log.display().to_string())
        };
        // The kernel ends them when this process is gone, however that came about.
        let mut command = match self.processor {
            None => Command::new("setpriv"),
            Some(processor) => {
                let mut command = Command::new("taskset");
                command.args(["-c", &processor.to_string(), "setpriv"]);
                command
            }
        };
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(&daemon.program)
            .args(&daemon.arguments);
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(log()?)
            .stderr(log()?);
        self.children
            .push(command.spawn().context("setpriv; `apt-get install util-linux`")?);
        Ok(())
    }
}

impl Drop for Daemons {
    fn drop(&mut self) {
        for child in self.children.iter_mut().rev() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Ports that nobody has, from `first` on: all are held until the last is known, so that none is given twice. They are to be below
/// those at which connections begin (`ip_local_port_range`), or one could be taken before the program listens.
pub fn free_ports<const COUNT: usize>(first: u16) -> anyhow::Result<[u16; COUNT]> {
    let listen = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok();
    let held: Vec<TcpListener> = (first..first + 1_000).filter_map(listen).take(COUNT).collect();
    ensure!(
        held.len() == COUNT,
        "of the ports from {first} on {COUNT} are not free"
    );
    let mut ports = [0; COUNT];
    for (port, held) in ports.iter_mut().zip(&held) {
        *port = held.local_addr()?.port();
    }
    Ok(ports)
}

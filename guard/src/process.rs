//! Processes, as process 1 must see them: every child is waited for, also those that others left behind.

use std::{
    collections::HashMap,
    io,
    process::{Command, ExitStatus},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::{
        signal::{Signal, kill, killpg},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use tokio::{signal::unix, sync::oneshot, time};

/// Starts and reaps processes.
#[derive(Clone, Default)]
pub struct Processes {
    // Held while a child is started, so that it isn't reaped before it is known.
    waiting: Arc<Mutex<HashMap<Pid, oneshot::Sender<ExitStatus>>>>,
}

/// A running child that leads a process group of its own. Dropped, the whole group is killed.
pub struct Running {
    group: Pid,
    exit: oneshot::Receiver<ExitStatus>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("SIGCHLD can't be received")]
    Signal(#[source] io::Error),
    #[error("orphaned processes can't be adopted")]
    Subreaper(#[source] Errno),
    #[error("{program} can't be started")]
    Spawn { program: String, source: io::Error },
}

impl Processes {
    /// Adopts orphans below this process, so that they can be reaped here also where it isn't process 1.
    pub fn new() -> Result<Self, Error> {
        nix::sys::prctl::set_child_subreaper(true).map_err(Error::Subreaper)?;
        Ok(Self::default())
    }

    /// Reaps for ever.
    pub async fn reap(self) -> Result<(), Error> {
        let mut signals = unix::signal(unix::SignalKind::child()).map_err(Error::Signal)?;
        loop {
            self.reap_all();
            if signals.recv().await.is_none() {
                return Ok(());
            }
        }
    }

    pub fn spawn(&self, mut command: Command) -> Result<Running, Error> {
        let program = command.get_program().to_string_lossy().into_owned();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let child = command
            .process_group(0)
            .spawn()
            .map_err(|source| Error::Spawn { program, source })?;
        let pid = Pid::from_raw(child.id().cast_signed());
        let (sender, exit) = oneshot::channel();
        waiting.insert(pid, sender);
        Ok(Running { group: pid, exit })
    }

    fn reap_all(&self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let (pid, status) = match waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) => (pid, ExitStatus::from_raw(code << 8)),
                Ok(WaitStatus::Signaled(pid, signal, _)) => (pid, ExitStatus::from_raw(signal as i32)),
                Ok(WaitStatus::StillAlive) | Err(_) => return,
                Ok(_) => continue,
            };
            if let Some(sender) = waiting.remove(&pid) {
                // Nobody waits any more for a process whose `Running` was dropped.
                let _ = sender.send(status);
            }
        }
    }
}

impl Running {
    /// Waits for the first process of the group.
    pub async fn exited(&mut self) -> ExitStatus {
        // The reaper lives as long as the guard; without it, it is unknown how the process ended.
        (&mut self.exit).await.unwrap_or(ExitStatus::from_raw(-1))
    }

    /// To the first process of the group only.
    pub fn signal(&self, signal: Signal) {
        // It may be gone by now, which is no error.
        let _ = kill(self.group, signal);
    }

    /// To every process of the group.
    pub fn signal_group(&self, signal: Signal) {
        let _ = killpg(self.group, signal);
    }

    /// Waits until no process of the group is left; after `patience` they are killed.
    pub async fn group_ended(&self, patience: Duration) {
        let deadline = time::Instant::now() + patience;
        while killpg(self.group, None).is_ok() {
            if time::Instant::now() >= deadline {
                let _ = killpg(self.group, Signal::SIGKILL);
            }
            time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Mostly nothing is left of it.
        let _ = killpg(self.group, Signal::SIGKILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    // One test: the reaper of one would take the children of another in the same process.
    #[tokio::test]
    async fn children_and_what_they_leave_behind_are_reaped() {
        let processes = Processes::new().unwrap();
        let reaper = tokio::spawn(processes.clone().reap());

        let mut child = processes.spawn(shell("exit 3")).unwrap();
        assert_eq!(child.exited().await.code(), Some(3));

        let mut parent = processes.spawn(shell("sleep 600 & exit 0")).unwrap();
        assert!(parent.exited().await.success());
        assert!(killpg(parent.group, None).is_ok(), "its child should still run");
        parent.group_ended(Duration::ZERO).await;
        assert!(killpg(parent.group, None).is_err());

        let mut stopped = processes.spawn(shell("sleep 600")).unwrap();
        stopped.signal(Signal::SIGTERM);
        assert_eq!(stopped.exited().await.signal(), Some(Signal::SIGTERM as i32));
        reaper.abort();
    }
}

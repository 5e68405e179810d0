//! Bringing the peer in step: a handshake, a full sync while the engine stores alone, and then full syncs while its own
//! connections pass too, until nothing failed during one.

use std::{
    path::PathBuf,
    process::{Command, ExitStatus, Stdio},
};

use super::{Relay, dial};
use crate::process::{self, Processes};

/// Full syncs of one opening beside the engine's own; another is needed when something failed meanwhile.
const PASSES: u32 = 4;

/// Cyrus' `sync_client`, over everything.
pub struct FullSync {
    pub program: PathBuf,
    /// The engine's `imapd.conf`.
    pub configuration: PathBuf,
    pub processes: Processes,
}

/// Why the peer is not in step.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Dial(#[from] dial::Error),
    #[error("the full sync ended with {0}")]
    FullSync(ExitStatus),
    #[error("the relay failed meanwhile")]
    Failed,
    #[error("the engine's own syncs failed during each of {PASSES} full syncs")]
    Restless,
    #[error(transparent)]
    Process(#[from] process::Error),
}

impl Relay {
    pub(super) async fn pair_until_paired(&self) {
        loop {
            tokio::time::sleep(self.pause()).await;
            match self.attempt().await {
                Ok(()) => return,
                // What failed is said and counted already.
                Err(Error::Failed) => {}
                Err(error) => self.fail_attempt(error.to_string()),
            }
        }
    }

    async fn attempt(&self) -> Result<(), Error> {
        let Some(offer) = self.next_offer() else {
            return Err(Error::Failed);
        };
        let (connection, copy) = self
            .peer
            .offer(&offer)
            .await
            .inspect_err(|error| self.refuse(error))?;
        drop(connection);
        let opening = self.open(offer, copy).ok_or(Error::Failed)?;
        // Everything that takes long first, while the engine stores alone: a pass keeps a user locked while it brings what is his,
        // and who stores something of his then waits.
        tokio::select! {
            () = opening.until.cancelled() => return Err(Error::Failed),
            ended = self.full_sync.fill() => ended?,
        }
        self.set_filling(false);
        for _ in 0..PASSES {
            let failures = self.failures();
            tokio::select! {
                () = opening.until.cancelled() => return Err(Error::Failed),
                ended = self.full_sync.complete() => ended?,
            }
            if self.synced(&opening, failures) {
                return Ok(());
            }
            if opening.until.is_cancelled() {
                return Err(Error::Failed);
            }
        }
        Err(Error::Restless)
    }
}

impl FullSync {
    /// Until it has ended well, beside the engine's own syncs.
    pub(super) async fn complete(&self) -> Result<(), Error> {
        self.run("peer").await
    }

    /// Until it has ended well, without them.
    pub(super) async fn fill(&self) -> Result<(), Error> {
        self.run("fill").await
    }

    /// By this channel of the engine's configuration.
    async fn run(&self, channel: &str) -> Result<(), Error> {
        let status = self.status(channel).await?;
        if status.success() {
            Ok(())
        } else {
            Err(Error::FullSync(status))
        }
    }

    async fn status(&self, channel: &str) -> Result<ExitStatus, process::Error> {
        let mut command = Command::new(&self.program);
        command
            .arg("-C")
            .arg(&self.configuration)
            .args(["-n", channel, "-A"]);
        // It says what fails in the engine's log too.
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Ok(self.processes.spawn(command)?.exited().await)
    }
}

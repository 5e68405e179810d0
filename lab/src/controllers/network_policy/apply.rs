//! Hands a rule set to the kernel with the `nft` command.

use std::io;
use std::process::{Output, Stdio};

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::compile::TABLE;

/// Why a rule set is not in force.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("cannot run nft; run: apt-get install nftables")]
    Start(#[source] io::Error),
    #[error("nft refused the rules: {message}")]
    Refused { message: String },
}

/// The packet filter of this network namespace.
#[derive(Default)]
pub(super) struct Filter {
    /// The rule set in force, when this process put it there.
    applied: Option<String>,
}

impl Filter {
    /// Whether rules of an earlier process are in force.
    pub(super) async fn exists(&self) -> Result<bool, Error> {
        let mut command = Command::new("nft");
        command.args(["list", "table", "inet", TABLE]);
        Ok(nft(command, "").await?.status.success())
    }

    /// Replaces all rules by `script` in one transaction, unless they are the same. Says whether it did.
    ///
    /// # Errors
    /// When nft refuses them: the previous rules then stay in force.
    pub(super) async fn apply(&mut self, script: &str) -> Result<bool, Error> {
        if self.applied.as_deref() == Some(script) {
            return Ok(false);
        }
        let mut command = Command::new("nft");
        command.args(["-f", "-"]);
        let output = nft(command, script).await?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(Error::Refused { message });
        }
        self.applied = Some(script.to_owned());
        Ok(true)
    }
}

async fn nft(mut command: Command, input: &str) -> Result<Output, Error> {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().map_err(Error::Start)?;
    if let Some(mut stdin) = child.stdin.take() {
        // nft that ended early has said why on its standard error.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    child.wait_with_output().await.map_err(Error::Start)
}

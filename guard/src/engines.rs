//! Two real engines for tests, which the suite `engines` gives the image of Cyrus in `GOVUC_CYRUS_ROOT`.

// Helpers of tests are tests too.
#![allow(clippy::unwrap_used)]

use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

use crate::relay::session::Login;

pub const USER: &str = "3f0c2a10-5f0e-4c1b-9d2a-0123456789ab";
pub const OPERATOR: &str = "govuc-operator";
const PASSWORD: &str = "secret";

/// Of an administrator of either.
pub fn login(user: &str) -> Login {
    Login {
        user: user.to_owned(),
        password: PASSWORD.to_owned(),
    }
}

/// A primary and a follower with a relay between them.
pub struct Pair {
    child: Child,
    tasks: Option<ChildStdin>,
    ended: BufReader<ChildStdout>,
    sockets: TempDir,
}

/// One client.
pub struct Imap(UnixStream);

impl Pair {
    pub fn start() -> Self {
        let root = env::var_os("GOVUC_CYRUS_ROOT").expect("GOVUC_CYRUS_ROOT");
        let sockets = TempDir::new().unwrap();
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../images/cyrus/tests/pair");
        let mut child = Command::new(program)
            .arg(root)
            .arg(sockets.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pair = Self {
            tasks: child.stdin.take(),
            ended: BufReader::new(child.stdout.take().unwrap()),
            child,
            sockets,
        };
        pair.wait_for("ready");
        pair
    }

    fn wait_for(&mut self, expected: &str) {
        let mut line = String::new();
        self.ended.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), expected);
    }

    pub fn carry_out(&mut self, tasks: &[&str]) {
        for task in tasks {
            let to = self.tasks.as_mut().unwrap();
            writeln!(to, "{task}").unwrap();
            self.wait_for("ok");
        }
    }

    pub async fn connect(&self, slot: &str) -> UnixStream {
        UnixStream::connect(self.sockets.path().join(slot)).await.unwrap()
    }

    pub async fn imap(&self, slot: &str, user: &str) -> Imap {
        let mut imap = Imap(self.connect(slot).await);
        imap.run(&format!("LOGIN {user} {PASSWORD}")).await;
        imap
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        // It ends with its input, and takes the engines with it.
        drop(self.tasks.take());
        let _ = self.child.wait();
    }
}

impl Imap {
    /// Whether it is done.
    pub async fn try_run(&mut self, command: &str) -> bool {
        let (done, _) = self.answer(command).await;
        done
    }

    /// Returns all that it is told until the command is done.
    pub async fn run(&mut self, command: &str) -> String {
        let (done, told) = self.answer(command).await;
        assert!(done, "{command}: {told}");
        told
    }

    async fn answer(&mut self, command: &str) -> (bool, String) {
        self.0
            .write_all(format!("T {command}\r\n").as_bytes())
            .await
            .unwrap();
        let (mut all, mut begun) = (Vec::new(), 0);
        loop {
            let mut byte = [0];
            assert_eq!(self.0.read(&mut byte).await.unwrap(), 1, "{command}");
            all.push(byte[0]);
            if byte[0] == b'\n' {
                let line = String::from_utf8_lossy(&all[begun..]).into_owned();
                if line.starts_with("T ") {
                    let told = String::from_utf8_lossy(&all).into_owned();
                    return (line.starts_with("T OK"), told);
                }
                begun = all.len();
            }
        }
    }
}

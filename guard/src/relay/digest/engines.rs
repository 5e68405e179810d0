//! Digests of two real engines, which the suite `engines` gives the image of Cyrus in `GOVUC_CYRUS_ROOT`.

use std::{
    env,
    io::{BufRead, BufReader as SyncBufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

use super::*;

const USER: &str = "3f0c2a10-5f0e-4c1b-9d2a-0123456789ab";
const OPERATOR: &str = "govuc-operator";
const PASSWORD: &str = "secret";
const MESSAGE: &str = "{17+}\r\nSubject: a\r\n\r\nb\r\n";

/// A primary and a follower with a relay between them.
struct Pair {
    child: Child,
    tasks: Option<ChildStdin>,
    ended: SyncBufReader<ChildStdout>,
    sockets: TempDir,
}

struct Imap(UnixStream);

impl Pair {
    fn start() -> Self {
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
            ended: SyncBufReader::new(child.stdout.take().unwrap()),
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

    fn carry_out(&mut self, tasks: &[&str]) {
        for task in tasks {
            let to = self.tasks.as_mut().unwrap();
            writeln!(to, "{task}").unwrap();
            self.wait_for("ok");
        }
    }

    async fn connect(&self, slot: &str) -> UnixStream {
        UnixStream::connect(self.sockets.path().join(slot)).await.unwrap()
    }

    async fn imap(&self, slot: &str, user: &str) -> Imap {
        let mut imap = Imap(self.connect(slot).await);
        imap.run(&format!("LOGIN {user} {PASSWORD}")).await;
        imap
    }

    async fn digests(&self) -> [Digest; 2] {
        let mut both = Vec::new();
        for (slot, user) in [("primary", OPERATOR), ("follower", "govuc-sync")] {
            let login = Login {
                user: user.to_owned(),
                password: PASSWORD.to_owned(),
            };
            both.push(digest(self.connect(slot).await, login).await.unwrap());
        }
        both.try_into().unwrap()
    }

    async fn assert_equal(&self, after: &str) {
        let [primary, follower] = self.digests().await;
        assert_eq!(primary, follower, "{after}");
        assert_eq!(
            [primary, follower],
            self.digests().await,
            "asking changes something"
        );
    }

    async fn assert_different(&self, after: &str) {
        let [primary, follower] = self.digests().await;
        assert_ne!(primary, follower, "{after}");
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
    async fn run(&mut self, command: &str) {
        self.0
            .write_all(format!("T {command}\r\n").as_bytes())
            .await
            .unwrap();
        let mut answer = Vec::new();
        let answer = loop {
            let mut byte = [0];
            assert_eq!(self.0.read(&mut byte).await.unwrap(), 1, "{command}");
            answer.push(byte[0]);
            if byte[0] == b'\n' {
                let line = String::from_utf8(std::mem::take(&mut answer)).unwrap();
                if line.starts_with("T ") {
                    break line;
                }
            }
        };
        assert!(answer.starts_with("T OK"), "{command}: {answer}");
    }
}

#[tokio::test]
async fn both_are_equal_when_they_are_in_step_and_differ_after_any_change() {
    let mut pair = Pair::start();
    pair.assert_equal("two new engines").await;

    let append = |folder: &str| format!("APPEND {folder} {MESSAGE}");
    let mut ours = pair.imap("primary", USER).await;
    for command in [
        &append("INBOX"),
        &append("INBOX"),
        "SELECT INBOX",
        "CREATE A/B",
        "CREATE C",
        "SUBSCRIBE C",
    ] {
        ours.run(command).await;
    }
    pair.assert_equal("what was stored while the link was up").await;
    let changes = [
        (USER, append("INBOX")),
        (USER, "STORE 1 +FLAGS (\\Answered)".to_owned()),
        (USER, "STORE 1 +FLAGS (word)".to_owned()),
        (
            USER,
            "STORE 1 ANNOTATION (/comment (value.priv \"a\"))".to_owned(),
        ),
        (USER, "COPY 1 C".to_owned()),
        (USER, "MOVE 1 C".to_owned()),
        (USER, "STORE 1 +FLAGS (\\Deleted)".to_owned()),
        (USER, "EXPUNGE".to_owned()),
        (USER, "CREATE \"D e\"".to_owned()),
        (USER, "RENAME \"D e\" F".to_owned()),
        (USER, "SETMETADATA F (/private/comment \"a\")".to_owned()),
        (
            USER,
            "SETMETADATA F (/private/specialuse \"\\\\Archive\")".to_owned(),
        ),
        (USER, "SETACL F anyone lr".to_owned()),
        (USER, "SUBSCRIBE F".to_owned()),
        (USER, "UNSUBSCRIBE F".to_owned()),
        (USER, "DELETE C".to_owned()),
        (USER, "DELETE A/B".to_owned()),
        (OPERATOR, format!("SETQUOTA user/{USER} (STORAGE 4711)")),
        (OPERATOR, "CREATE user/second".to_owned()),
        (
            OPERATOR,
            "SETACL user/second govuc-operator lrswipkxtecdan".to_owned(),
        ),
        (OPERATOR, "CREATE shared.by-all".to_owned()),
        (
            OPERATOR,
            "SETMETADATA user/second (/shared/comment \"a\")".to_owned(),
        ),
        (OPERATOR, "DELETE user/second".to_owned()),
    ];
    let mut admin = pair.imap("primary", OPERATOR).await;
    for (user, command) in &changes {
        pair.carry_out(&["cut"]);
        if *user == USER { &mut ours } else { &mut admin }
            .run(command)
            .await;
        pair.assert_different(command).await;
        pair.carry_out(&["heal", "replay-log", "full-sync"]);
        pair.assert_equal(command).await;
    }

    let mut theirs = pair.imap("follower", USER).await;
    theirs.run("SELECT INBOX").await;
    theirs.run("STORE 1 +FLAGS (theirs)").await;
    pair.assert_different("a flag that only the follower has").await;
    pair.carry_out(&["full-sync"]);
    pair.assert_equal("the full sync behind it").await;
    theirs.run("CREATE Theirs").await;
    pair.carry_out(&["full-sync"]);
    pair.assert_different("a folder that only the follower has, which a full sync leaves there")
        .await;
}

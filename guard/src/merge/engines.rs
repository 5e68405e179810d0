//! Merges of two real engines: the follower's stands for the copy that was passed over.

// Helpers of tests are tests too.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::engines::{Imap, OPERATOR, Pair, USER, login};
use tokio::net::UnixStream;

struct World {
    pair: Pair,
    reports: tempfile::TempDir,
}

fn message(word: &str) -> String {
    let text = format!("Subject: {word}\r\nMessage-ID: <{word}@a.example>\r\n\r\n{word}\r\n");
    format!("{{{}+}}\r\n{text}", text.len())
}

async fn append(imap: &mut Imap, folder: &str, word: &str) {
    imap.run(&format!("APPEND {folder} {}", message(word))).await;
}

async fn expunge(imap: &mut Imap, folder: &str, word: &str) {
    imap.run(&format!("SELECT {folder}")).await;
    let found = found(imap, word).await;
    imap.run(&format!("UID STORE {} +FLAGS (\\Deleted)", found.join(",")))
        .await;
    imap.run("EXPUNGE").await;
}

/// In the folder that is selected.
async fn found(imap: &mut Imap, word: &str) -> Vec<String> {
    let answer = imap.run(&format!("UID SEARCH SUBJECT {word}")).await;
    let line = answer.lines().find_map(|line| line.strip_prefix("* SEARCH"));
    line.unwrap_or_default()
        .split_whitespace()
        .map(str::to_owned)
        .collect()
}

async fn engine(pair: &Pair, slot: &str, user: &str) -> Engine<UnixStream> {
    Engine::log_in(pair.connect(slot).await, login(user))
        .await
        .unwrap()
}

impl World {
    async fn merge(&self) -> Counts {
        let mut copy = engine(&self.pair, "follower", "govuc-sync").await;
        let mut own = engine(&self.pair, "primary", OPERATOR).await;
        let mut report =
            Report::begin(self.reports.path(), &VolumeId("v".into()), Ballot::new(2, 1)).unwrap();
        let mut total = Counts::default();
        for owner in copy.mailboxes().await.unwrap().into_keys() {
            let counts = carry::bring(&mut copy, &mut own, &owner, &mut report).await;
            total.add(&counts.unwrap());
        }
        report.end(&total).unwrap();
        total
    }

    /// In which of the user's folders at the primary a message is, however often.
    async fn folders(&self, user: &str, word: &str) -> Vec<String> {
        let mut imap = self.pair.imap("primary", user).await;
        let listed = imap.run(r#"LIST "" "*""#).await;
        let mut folders = Vec::new();
        for line in listed.lines().filter(|line| line.starts_with("* LIST")) {
            let name = line.split(r#""/" "#).nth(1).unwrap();
            if line.contains("\\Noselect") || line.contains("\\NonExistent") {
                continue;
            }
            imap.run(&format!("EXAMINE {name}")).await;
            for _ in found(&mut imap, word).await {
                folders.push(name.trim_matches('"').to_owned());
            }
        }
        folders
    }
}

/// Both have these, and then go their own ways.
async fn diverged() -> World {
    let mut pair = Pair::start();
    let mut ours = pair.imap("primary", USER).await;
    for folder in ["A", "C", "R"] {
        ours.run(&format!("CREATE {folder}")).await;
    }
    for word in ["both", "moved", "gone", "dropped"] {
        append(&mut ours, "INBOX", word).await;
    }
    pair.carry_out(&["cut"]);
    World {
        pair,
        reports: tempfile::tempdir().unwrap(),
    }
}

#[tokio::test]
async fn what_only_the_copy_has_is_brought_and_nothing_else_is_changed() {
    let world = diverged().await;
    let mut theirs = world.pair.imap("follower", USER).await;
    append(
        &mut theirs,
        r#"INBOX (\Flagged word) "02-Jan-2026 03:04:05 +0000""#,
        "extra",
    )
    .await;
    theirs.run("CREATE \"New one/In it\"").await;
    append(&mut theirs, "\"New one/In it\"", "within").await;
    theirs.run("CREATE Same").await;
    append(&mut theirs, "Same", "beside").await;
    append(&mut theirs, "C", "late").await;
    append(&mut theirs, "R", "renamed").await;
    append(&mut theirs, "INBOX", "shortlived").await;
    expunge(&mut theirs, "INBOX", "shortlived").await;
    expunge(&mut theirs, "INBOX", "gone").await;
    theirs.run("SELECT INBOX").await;
    let moved = found(&mut theirs, "moved").await;
    theirs.run(&format!("UID MOVE {} A", moved[0])).await;
    let mut admin = world.pair.imap("follower", OPERATOR).await;
    admin.run("CREATE user/second").await;
    let mut second = world.pair.imap("follower", "second").await;
    append(&mut second, "INBOX", "theirs").await;

    let mut ours = world.pair.imap("primary", USER).await;
    ours.run("CREATE Same").await;
    append(&mut ours, "Same", "ours").await;
    ours.run("DELETE C").await;
    ours.run("RENAME R Z").await;
    expunge(&mut ours, "INBOX", "dropped").await;
    let mut admin = world.pair.imap("primary", OPERATOR).await;
    // Who is over the quota has to get his mail as well.
    admin.run(&format!("SETQUOTA user/{USER} (STORAGE 0)")).await;

    let counts = world.merge().await;
    assert_eq!((counts.appended, counts.recovered), (6, 2));
    for (word, folders) in [
        ("both", vec!["INBOX"]),
        ("extra", vec!["INBOX"]),
        ("within", vec!["New one/In it"]),
        ("beside", vec!["Dipulihkan/Same"]),
        ("ours", vec!["Same"]),
        ("late", vec!["Dipulihkan/C"]),
        ("renamed", vec!["Z"]),
        ("moved", vec!["INBOX"]),
        ("gone", vec!["INBOX"]),
        ("dropped", vec![]),
        ("shortlived", vec![]),
    ] {
        assert_eq!(world.folders(USER, word).await, folders, "{word}");
    }
    assert_eq!(world.folders("second", "theirs").await, ["INBOX"]);
    ours.run("SELECT INBOX").await;
    let extra = found(&mut ours, "extra").await;
    let told = ours
        .run(&format!(
            "UID FETCH {} (FLAGS INTERNALDATE BODY.PEEK[TEXT])",
            extra[0]
        ))
        .await;
    for expected in ["\\Flagged", "word", " 2-Jan-2026 03:04:05 +0000", "extra\r\n"] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    let subscribed = ours.run(r#"LSUB "" "*""#).await;
    assert!(subscribed.contains("Dipulihkan/Same"), "{subscribed}");

    // Nothing is left to do, and nothing is done twice.
    let again = world.merge().await;
    assert_eq!((again.appended, again.folders_made), (0, 0));
    assert_eq!(again.known, counts.known + counts.appended);
    assert_eq!(world.folders(USER, "extra").await, ["INBOX"]);
    let report = std::fs::read_to_string(world.reports.path().join("v.jsonl")).unwrap();
    assert_eq!(report.matches("\"appended\"").count(), 6, "{report}");
    // It is the user's: he may do with it what he wants.
    append(&mut second_at_primary(&world).await, "INBOX", "after").await;
}

async fn second_at_primary(world: &World) -> Imap {
    world.pair.imap("primary", "second").await
}

#[tokio::test]
async fn many_messages_are_brought_in_their_order_and_whole() {
    let world = diverged().await;
    let mut theirs = world.pair.imap("follower", USER).await;
    for number in 0..150 {
        append(&mut theirs, "A", &format!("number{number:03}")).await;
    }
    let heavy = format!("{{{}+}}\r\n{}", 9_000_000, "x".repeat(8_999_998) + "\r\n");
    theirs.run(&format!("APPEND A {heavy}")).await;
    assert_eq!(world.merge().await.appended, 151);
    let mut ours = world.pair.imap("primary", USER).await;
    ours.run("EXAMINE A").await;
    let told = ours
        .run("UID FETCH 1:* (RFC822.SIZE BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        .await;
    let subjects: Vec<&str> = told
        .lines()
        .filter_map(|line| line.strip_prefix("Subject: "))
        .collect();
    let expected: Vec<String> = (0..150).map(|number| format!("number{number:03}")).collect();
    assert_eq!(subjects, expected);
    assert!(told.contains("RFC822.SIZE 9000000"));
}

/// Renames a folder until the sender is dropped, and leaves it with one of its two names.
async fn rename_back_and_forth(mut imap: Imap, folder: &str, until: tokio::sync::watch::Receiver<()>) -> u32 {
    let (mut now, mut next) = (folder.to_owned(), format!("{folder}x"));
    let mut renamed = 0;
    while until.has_changed().is_ok() {
        // Cyrus itself refuses one now and then with an error of input and output while somebody else reads the folder; then
        // it has its old name.
        if imap.try_run(&format!("RENAME {now} {next}")).await {
            std::mem::swap(&mut now, &mut next);
            renamed += 1;
        }
        // More than any person does, and less than all the engine can.
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    }
    renamed
}

#[tokio::test]
async fn folders_that_are_renamed_meanwhile_are_neither_missed_nor_made_again() {
    let mut pair = Pair::start();
    let mut ours = pair.imap("primary", USER).await;
    let folders: Vec<String> = (0..24).map(|number| format!("F{number:02}")).collect();
    for folder in &folders {
        ours.run(&format!("CREATE {folder}")).await;
        append(&mut ours, folder, &format!("both{folder}")).await;
    }
    pair.carry_out(&["cut"]);
    let mut theirs = pair.imap("follower", USER).await;
    for folder in &folders {
        for number in 0..3 {
            append(&mut theirs, folder, &format!("extra{folder}n{number}")).await;
        }
    }
    let world = World {
        pair,
        reports: tempfile::tempdir().unwrap(),
    };
    let (sender, until) = tokio::sync::watch::channel(());
    let mut programs = Vec::new();
    for folder in folders.iter().skip(1).step_by(5) {
        let imap = world.pair.imap("primary", USER).await;
        let (folder, until) = (folder.clone(), until.clone());
        programs.push(tokio::spawn(async move {
            rename_back_and_forth(imap, &folder, until).await
        }));
    }
    let counts = world.merge().await;
    drop(sender);
    for program in programs {
        assert!(program.await.unwrap() > 0);
    }
    // A message that was overlooked for long is brought again, and is still there once.
    assert!(counts.appended >= 72 && counts.recovered == 0, "{counts:?}");
    for folder in &folders {
        let here = world.folders(USER, &format!("both{folder}")).await;
        assert_eq!(here.len(), 1, "{folder}: {here:?}");
        for number in 0..3 {
            let brought = world.folders(USER, &format!("extra{folder}n{number}")).await;
            assert_eq!(brought, here, "{folder} {number}");
        }
    }
}

//! Digests of two real engines.

// Helpers of tests are tests too.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::engines::{OPERATOR, Pair, USER, login};

const MESSAGE: &str = "{17+}\r\nSubject: a\r\n\r\nb\r\n";

async fn digests(pair: &Pair) -> [Digest; 2] {
    let mut both = Vec::new();
    for (slot, user) in [("primary", OPERATOR), ("follower", "govuc-sync")] {
        both.push(digest(pair.connect(slot).await, login(user)).await.unwrap());
    }
    both.try_into().unwrap()
}

async fn assert_equal(pair: &Pair, after: &str) {
    let [primary, follower] = digests(pair).await;
    assert_eq!(primary, follower, "{after}");
    assert_eq!(
        [primary, follower],
        digests(pair).await,
        "asking changes something"
    );
}

async fn assert_different(pair: &Pair, after: &str) {
    let [primary, follower] = digests(pair).await;
    assert_ne!(primary, follower, "{after}");
}

#[tokio::test]
async fn both_are_equal_when_they_are_in_step_and_differ_after_any_change() {
    let mut pair = Pair::start();
    assert_equal(&pair, "two new engines").await;

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
    assert_equal(&pair, "what was stored while the link was up").await;
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
        assert_different(&pair, command).await;
        pair.carry_out(&["heal", "replay-log", "full-sync"]);
        assert_equal(&pair, command).await;
    }

    let mut theirs = pair.imap("follower", USER).await;
    theirs.run("SELECT INBOX").await;
    theirs.run("STORE 1 +FLAGS (theirs)").await;
    assert_different(&pair, "a flag that only the follower has").await;
    pair.carry_out(&["full-sync"]);
    assert_equal(&pair, "the full sync behind it").await;
    theirs.run("CREATE Theirs").await;
    pair.carry_out(&["full-sync"]);
    assert_different(
        &pair,
        "a folder that only the follower has, which a full sync leaves there",
    )
    .await;
}

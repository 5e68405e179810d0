use super::*;
use crate::network::Site;
use std::time::{Duration, Instant};

fn told(changes: &[(Change, Outcome)]) -> Vec<Entry> {
    let entry = |(change, outcome): &(Change, Outcome)| Entry {
        store: 0,
        user: 0,
        writer: 1,
        at: Instant::now(),
        door: Site::Pdsa1,
        holder: None,
        change: change.clone(),
        outcome: *outcome,
    };
    changes.iter().map(entry).collect()
}

fn found(folders: &[(&str, &[(&str, bool)])]) -> Found {
    let messages = |list: &[(&str, bool)]| {
        list.iter()
            .map(|(id, flagged)| ((*id).to_owned(), *flagged))
            .collect()
    };
    folders
        .iter()
        .map(|(name, list)| ((*name).to_owned(), messages(list)))
        .collect()
}

fn append(folder: &str) -> Change {
    Change::Append {
        message: "m".into(),
        folder: folder.into(),
    }
}

fn moved(from: &str, to: &str) -> Change {
    Change::Move {
        message: "m".into(),
        from: from.into(),
        to: to.into(),
    }
}

fn flag(set: bool) -> Change {
    Change::Flag {
        message: "m".into(),
        folder: "f".into(),
        set,
    }
}

fn expunge() -> Change {
    Change::Expunge {
        message: "m".into(),
        folder: "f".into(),
    }
}

fn create(folder: &str) -> Change {
    Change::Create {
        folder: folder.into(),
    }
}

fn rename() -> Change {
    Change::Rename {
        from: "f".into(),
        to: "g".into(),
    }
}

fn texts(changes: &[(Change, Outcome)], there: &[(&str, &[(&str, bool)])]) -> Vec<String> {
    findings(&told(changes), None, &found(there))
        .iter()
        .map(Finding::to_string)
        .collect()
}

use Outcome::{Done, Unknown};

#[test]
fn a_lost_message_is_found_and_one_without_an_answer_is_not_missed() {
    assert_eq!(
        texts(&[(append("f"), Done)], &[("f", &[])]),
        ["m is lost", "m is not in f"]
    );
    assert!(texts(&[(append("f"), Unknown)], &[("f", &[])]).is_empty());
    assert!(texts(&[(append("f"), Unknown)], &[("f", &[("m", false)])]).is_empty());
    let submitted = Change::Submit { message: "m".into() };
    assert_eq!(texts(&[(submitted, Done)], &[("INBOX", &[])]), ["m is lost"]);
}

#[test]
fn a_message_lost_in_a_move_is_found_though_the_move_was_not_answered() {
    let changes = [(append("f"), Done), (moved("f", "g"), Unknown)];
    assert_eq!(texts(&changes, &[("f", &[]), ("g", &[])]), ["m is lost"]);
    assert!(texts(&changes, &[("f", &[]), ("g", &[("m", false)])]).is_empty());
    assert!(texts(&changes, &[("f", &[("m", false)]), ("g", &[])]).is_empty());
}

#[test]
fn a_move_that_was_taken_back_is_found() {
    let changes = [(append("f"), Done), (moved("f", "g"), Done)];
    assert_eq!(
        texts(&changes, &[("f", &[("m", false)]), ("g", &[])]),
        ["m is not in g", "m is in f again"]
    );
}

#[test]
fn a_copy_that_is_gone_is_found() {
    let copied = Change::Copy {
        message: "m".into(),
        from: "f".into(),
        to: "g".into(),
    };
    let changes = [(append("f"), Done), (copied, Done)];
    assert_eq!(
        texts(&changes, &[("f", &[("m", false)]), ("g", &[])]),
        ["m is not in g"]
    );
}

#[test]
fn what_was_merged_is_somewhere_and_nothing_else_of_it_is_sure() {
    let merged = [
        (append("f"), Done),
        (flag(true), Done),
        (moved("f", "g"), Done),
        (create("h"), Done),
    ];
    let entries = told(&merged);
    let passed_over = PassedOver {
        store: 0,
        from: entries[0].at - Duration::from_secs(1),
        to: entries[3].at,
    };
    let texts = |there: &[(&str, &[(&str, bool)])]| {
        let findings = findings(&entries, Some(passed_over), &found(there));
        findings.iter().map(Finding::to_string).collect::<Vec<_>>()
    };
    assert_eq!(texts(&[("f", &[]), ("g", &[])]), ["m is lost"]);
    assert!(texts(&[("f", &[("m", false)])]).is_empty());
    assert!(texts(&[("f", &[]), ("g", &[("m", true)])]).is_empty());
    let of_another_store = PassedOver {
        store: 1,
        ..passed_over
    };
    assert_eq!(findings(&entries, Some(of_another_store), &found(&[])).len(), 3);
}

#[test]
fn a_lost_folder_is_found() {
    assert_eq!(texts(&[(create("f"), Done)], &[]), ["folder f is lost"]);
    assert!(texts(&[(create("f"), Unknown)], &[]).is_empty());
}

#[test]
fn a_rename_is_there_as_told() {
    let changes = [(create("f"), Done), (append("f"), Done), (rename(), Done)];
    assert!(texts(&changes, &[("g", &[("m", false)])]).is_empty());
    let back = texts(&changes, &[("f", &[("m", false)])]);
    assert_eq!(
        back,
        [
            "m is not in g",
            "m is in f again",
            "folder g is lost",
            "folder f is there again"
        ]
    );
    let unanswered = [(create("f"), Done), (rename(), Unknown)];
    assert_eq!(texts(&unanswered, &[]), ["folder f is lost"]);
    assert!(texts(&unanswered, &[("g", &[])]).is_empty());
}

#[test]
fn a_resurrected_delete_is_found() {
    let changes = [(append("f"), Done), (expunge(), Done)];
    assert_eq!(texts(&changes, &[("f", &[("m", false)])]), ["m is in f again"]);
    assert!(texts(&changes, &[("f", &[])]).is_empty());
    let unanswered = [(append("f"), Done), (expunge(), Unknown)];
    assert!(texts(&unanswered, &[("f", &[])]).is_empty());
}

#[test]
fn a_lost_flag_and_one_that_came_back_are_found() {
    let changes = [(append("f"), Done), (flag(true), Done)];
    assert_eq!(
        texts(&changes, &[("f", &[("m", false)])]),
        ["m in f is not flagged"]
    );
    let cleared = [(append("f"), Done), (flag(true), Done), (flag(false), Done)];
    assert_eq!(texts(&cleared, &[("f", &[("m", true)])]), ["m in f is flagged"]);
    let unanswered = [(append("f"), Done), (flag(true), Unknown)];
    assert!(texts(&unanswered, &[("f", &[("m", false)])]).is_empty());
}

#[test]
fn flags_go_with_a_move() {
    let changes = [(append("f"), Done), (flag(true), Done), (moved("f", "g"), Done)];
    assert_eq!(
        texts(&changes, &[("f", &[]), ("g", &[("m", false)])]),
        ["m in g is not flagged"]
    );
}

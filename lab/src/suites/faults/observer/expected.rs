//! What a user must find, may find and must not find, by what the user's clients were told; and what of it is not so.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::record::{Change, Entry, Outcome, PassedOver};

/// What a mailbox holds: for each folder its messages by Message-ID, each with whether it is flagged.
pub type Found = BTreeMap<String, BTreeMap<String, bool>>;

/// What is not as clients were told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finding {
    /// Stored, and in no folder any more.
    Lost {
        message: String,
    },
    /// Stored in this folder, and not there.
    Missing {
        message: String,
        folder: String,
    },
    /// Moved away or expunged, and there again.
    Back {
        message: String,
        folder: String,
    },
    FolderMissing {
        folder: String,
    },
    /// Renamed, and there under its old name again.
    FolderBack {
        folder: String,
    },
    Flag {
        message: String,
        folder: String,
        flagged: bool,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    Must,
    May,
    Not,
}

#[derive(Clone, Copy)]
struct Copy {
    presence: Presence,
    /// None: either.
    flagged: Option<bool>,
}

#[derive(Default)]
struct Expected {
    folders: BTreeMap<String, Presence>,
    /// At least one folder of each pair is there.
    either: Vec<(String, String)>,
    /// By message and folder.
    copies: BTreeMap<(String, String), Copy>,
    /// Stored once and never expunged: each is somewhere.
    somewhere: BTreeSet<String>,
}

/// Compares what one user's clients were told with what the user finds. Nobody else changes these folders.
pub fn findings<'a>(
    entries: impl IntoIterator<Item = &'a Entry>,
    passed_over: Option<PassedOver>,
    found: &Found,
) -> BTreeSet<Finding> {
    let mut expected = Expected::default();
    for entry in entries {
        if passed_over.is_some_and(|passed_over| passed_over.covers(entry)) {
            expected.take_merged(&entry.change, entry.outcome);
        } else {
            expected.take(&entry.change, entry.outcome);
        }
    }
    expected.compare(found)
}

impl Expected {
    /// What only a copy had that was merged: a message is somewhere; where, and what else was done, is as at either copy.
    fn take_merged(&mut self, change: &Change, outcome: Outcome) {
        self.take(change, Outcome::Unknown);
        if let (Change::Append { message, .. }, Outcome::Done) = (change, outcome) {
            self.somewhere.insert(message.clone());
        }
    }

    fn take(&mut self, change: &Change, outcome: Outcome) {
        let done = outcome == Outcome::Done;
        let certain = if done { Presence::Must } else { Presence::May };
        match change {
            Change::Append { message, folder } => {
                let copy = Copy {
                    presence: certain,
                    flagged: Some(false),
                };
                self.copies.insert((message.clone(), folder.clone()), copy);
                if done {
                    self.somewhere.insert(message.clone());
                }
            }
            Change::Copy { message, from, to } => self.arrive(message, from, to, certain),
            Change::Move { message, from, to } => {
                self.arrive(message, from, to, certain);
                self.leave(message, from, done);
            }
            Change::Flag { message, folder, set } => {
                if let Some(copy) = self.copies.get_mut(&(message.clone(), folder.clone())) {
                    copy.flagged = done.then_some(*set);
                }
            }
            Change::Expunge { message, folder } => {
                self.leave(message, folder, done);
                self.somewhere.remove(message);
            }
            Change::Create { folder } => {
                self.folders.insert(folder.clone(), certain);
            }
            Change::Rename { from, to } => self.rename(from, to, done),
            Change::Submit { message } => {
                if done {
                    self.somewhere.insert(message.clone());
                }
            }
            Change::Read => {}
        }
    }

    fn arrive(&mut self, message: &str, from: &str, to: &str, presence: Presence) {
        let source = self.copies.get(&(message.to_owned(), from.to_owned()));
        let flagged = source.and_then(|copy| copy.flagged);
        let copy = Copy { presence, flagged };
        self.copies.insert((message.to_owned(), to.to_owned()), copy);
    }

    fn leave(&mut self, message: &str, from: &str, done: bool) {
        if let Some(copy) = self.copies.get_mut(&(message.to_owned(), from.to_owned())) {
            copy.presence = if done { Presence::Not } else { Presence::May };
        }
    }

    fn rename(&mut self, from: &str, to: &str, done: bool) {
        let before = self.folders.get(from).copied().unwrap_or(Presence::May);
        let (old, new) = match (done, before) {
            (true, _) => (Presence::Not, Presence::Must),
            (false, before) => {
                if before == Presence::Must {
                    self.either.push((from.to_owned(), to.to_owned()));
                }
                (Presence::May, Presence::May)
            }
        };
        self.folders.insert(from.to_owned(), old);
        self.folders.insert(to.to_owned(), new);
        let inside: Vec<(String, Copy)> = self
            .copies
            .iter()
            .filter(|((_, folder), _)| folder == from)
            .map(|((message, _), copy)| (message.clone(), *copy))
            .collect();
        for (message, copy) in inside {
            let presence = if done { copy.presence } else { Presence::May };
            self.copies
                .insert((message.clone(), to.to_owned()), Copy { presence, ..copy });
            self.leave(&message, from, done);
        }
    }

    fn compare(self, found: &Found) -> BTreeSet<Finding> {
        let mut findings = BTreeSet::new();
        for (folder, presence) in &self.folders {
            match (presence, found.contains_key(folder)) {
                (Presence::Must, false) => findings.insert(Finding::FolderMissing {
                    folder: folder.clone(),
                }),
                (Presence::Not, true) => findings.insert(Finding::FolderBack {
                    folder: folder.clone(),
                }),
                _ => false,
            };
        }
        for (one, other) in &self.either {
            // What became of it later, if anything did, is told by `folders`.
            let unsettled = self.folders.get(one) == Some(&Presence::May)
                && self.folders.get(other) == Some(&Presence::May);
            if unsettled && !found.contains_key(one) && !found.contains_key(other) {
                findings.insert(Finding::FolderMissing { folder: one.clone() });
            }
        }
        for ((message, folder), copy) in &self.copies {
            let there = found.get(folder).and_then(|messages| messages.get(message));
            let (message, folder) = (message.clone(), folder.clone());
            match (copy.presence, there) {
                (Presence::Must, None) => findings.insert(Finding::Missing { message, folder }),
                (Presence::Not, Some(_)) => findings.insert(Finding::Back { message, folder }),
                (Presence::Must, Some(flagged)) if copy.flagged.is_some_and(|wanted| wanted != *flagged) => {
                    let flagged = *flagged;
                    findings.insert(Finding::Flag {
                        message,
                        folder,
                        flagged,
                    })
                }
                _ => false,
            };
        }
        let everywhere: BTreeSet<&String> = found.values().flat_map(BTreeMap::keys).collect();
        let lost = self
            .somewhere
            .iter()
            .filter(|message| !everywhere.contains(message));
        findings.extend(lost.map(|message| Finding::Lost {
            message: message.clone(),
        }));
        findings
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Lost { message } => write!(f, "{message} is lost"),
            Finding::Missing { message, folder } => write!(f, "{message} is not in {folder}"),
            Finding::Back { message, folder } => write!(f, "{message} is in {folder} again"),
            Finding::FolderMissing { folder } => write!(f, "folder {folder} is lost"),
            Finding::FolderBack { folder } => write!(f, "folder {folder} is there again"),
            Finding::Flag {
                message,
                folder,
                flagged,
            } => {
                let so = if *flagged { "flagged" } else { "not flagged" };
                write!(f, "{message} in {folder} is {so}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
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
}

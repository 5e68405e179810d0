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
mod tests;

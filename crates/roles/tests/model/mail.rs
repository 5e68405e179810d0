//! What was stored, as far as it can be lost. Messages that are on the same copies have the same fate, so one of each sort
//! stands for all of them.

use govuc_roles::Ballot;

use crate::slot::At;

/// On which copies a message that a client was told to be stored is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Whereabouts {
    Both,
    Only(At),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mail {
    both: bool,
    only: [bool; 2],
    /// Some of `only` was stored in a hold.
    held: [bool; 2],
    /// The highest ballot under which a client was told that something is stored.
    pub newest_answer: Ballot,
    /// The highest ballot under which a gate was opened.
    pub newest_gate: Ballot,
}

impl Mail {
    pub fn new() -> Self {
        Self {
            both: false,
            only: [false; 2],
            held: [false; 2],
            newest_answer: Ballot::NONE,
            newest_gate: Ballot::NONE,
        }
    }

    /// A client at `at` was told that a message is stored.
    pub fn stored(&mut self, ballot: Ballot, whereabouts: Whereabouts) {
        self.newest_answer = self.newest_answer.max(ballot);
        match whereabouts {
            Whereabouts::Both => self.both = true,
            Whereabouts::Only(at) => self.only[at.index()] = true,
        }
    }

    /// Whether a stored message is on the copy at `at` and not on the other.
    pub fn only_at(&self, at: At) -> bool {
        self.only[at.index()]
    }

    /// The last message that was stored on the copy at `at` alone was so in a hold.
    pub fn stored_in_hold(&mut self, at: At) {
        self.held[at.index()] = self.only[at.index()];
    }

    /// Whether something is there that was stored in a hold, and nowhere else.
    pub fn held_at(&self, at: At) -> bool {
        self.held[at.index()]
    }

    /// The other copy got all that the one at `from` has.
    pub fn synced(&mut self, from: At) {
        self.both |= std::mem::take(&mut self.only[from.index()]);
        self.held[from.index()] = false;
    }

    /// What is on both copies can't be lost any more.
    pub fn secure(&mut self) {
        self.both = false;
    }

    /// The copy at `at` is no more. What was nowhere else is lost, which is known.
    pub fn emptied(&mut self, at: At) {
        self.only[at.index()] = false;
        self.held[at.index()] = false;
        if std::mem::take(&mut self.both) {
            self.only[at.peer().index()] = true;
        }
    }
}

//! What somebody asks of the store's holder, and what it answers.

use super::{Action, Machine, State};
use crate::{
    record::{Outcome, OutcomeRecord, Want, WantedChange},
    timing::Moment,
};

impl Machine {
    pub(super) fn wanted(&mut self, now: Moment) -> Vec<Action> {
        let reading = self.register.reading.as_ref();
        let Some(want) = reading.and_then(|reading| reading.want.clone()) else {
            return Vec::new();
        };
        if self.tenure.is_none() {
            return Vec::new();
        }
        let era = self.highest.ballot.era;
        let forces = want.change == WantedChange::Force;
        // Of a later era, so it can't have been taken up, whatever it is called: two sites may be held by one name.
        if forces && want.era > era && want.to == self.identity.peer {
            return self.gives_way();
        }
        if self.register.taken_up.as_ref() == Some(&want.operation) {
            return Vec::new();
        }
        let paired_with = match &self.state {
            State::Paired(copy) => Some(copy.clone()),
            State::Alone => None,
            // It is known in a moment, or nobody's to answer any more.
            _ => return Vec::new(),
        };
        self.register.taken_up = Some(want.operation.clone());
        let message = if want.era < era || forces && want.era == era {
            "it was asked in an era that has ended"
        } else if want.to == self.identity.site {
            "that site is the primary already"
        } else if want.to != self.identity.peer {
            "that site has no copy of this store"
        } else if let Some(copy) = paired_with {
            return self.drain(now, copy, Some(want.operation));
        } else {
            "NotInStep: the other copy lacks something; wait until it is Replicated"
        };
        self.answer(outcome(want, Outcome::Refused, message));
        Vec::new()
    }

    /// A person has decided: what this slot would still store is what may be lost.
    fn gives_way(&mut self) -> Vec<Action> {
        if !self.state.serves() {
            return Vec::new();
        }
        let mut actions = self.fence(None);
        actions.push(Action::Release);
        actions
    }

    /// What is said to who forced the acquisition that has just been made.
    pub(super) fn answer_forced(&mut self) {
        let reading = self.register.reading.as_ref();
        let Some(want) = reading.and_then(|reading| reading.want.clone()) else {
            return;
        };
        if want.change == WantedChange::Force && want.to == self.identity.site {
            self.register.taken_up = Some(want.operation.clone());
            self.answer(outcome(want, Outcome::Done, ""));
        }
    }

    /// Answers who asked, with the next transaction.
    pub(super) fn answer(&mut self, outcome: OutcomeRecord) {
        if let Some(tenure) = &mut self.tenure {
            tenure.outcome = Some(outcome);
        }
    }
}

fn outcome(want: Want, outcome: Outcome, message: &str) -> OutcomeRecord {
    OutcomeRecord {
        operation: want.operation,
        outcome,
        message: message.to_owned(),
    }
}

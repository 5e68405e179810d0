//! A primary leaves in good order: nothing new is begun, the other copy is made equal and shown to be, and only then is
//! the role given away. Until the last step everything can be taken back, and nothing has happened.

use super::{Action, Machine, Role, State, vocabulary::Leaving};
use crate::{
    SlotCopy,
    record::{HandOver, OperationId, Outcome, OutcomeRecord},
    timing::Moment,
};

impl Machine {
    /// To this copy of the peer, which is recorded to be in step.
    pub(super) fn drain(&mut self, now: Moment, to: SlotCopy, operation: Option<OperationId>) -> Vec<Action> {
        self.state = State::Draining(to);
        let timing = self.timing();
        let within = if self.terminating {
            timing.leave
        } else {
            timing.switchover
        };
        self.leaving = Some(Leaving {
            until: now + within,
            operation,
            receipt: None,
        });
        vec![Action::Drain]
    }

    /// The point of no return is the transaction that follows: until it is carried out the gate, though shut, is still
    /// this slot's.
    pub(super) fn drained(&mut self, digest: String) -> Vec<Action> {
        let (State::Draining(to), Some(leaving)) = (&self.state, &mut self.leaving) else {
            return Vec::new();
        };
        leaving.receipt = Some(HandOver {
            to: self.identity.peer.clone(),
            to_volume: to.volume.clone(),
            from: self.identity.site.clone(),
            from_volume: self.identity.copy.volume.clone(),
            digest: digest.clone(),
            operation: leaving.operation.clone(),
        });
        if let Some(operation) = leaving.operation.clone() {
            self.answer(OutcomeRecord {
                operation,
                outcome: Outcome::Done,
                message: digest,
            });
        }
        self.state = State::Demoting;
        vec![Action::ShutGate, Action::CloseRelay]
    }

    /// It takes longer than it may, or etcd could not be told of its end.
    pub(super) fn drains_too_long(&mut self, now: Moment) -> Vec<Action> {
        let (State::Draining(_), Some(leaving)) = (&self.state, &self.leaving) else {
            return Vec::new();
        };
        if now >= leaving.until {
            self.drain_failed("it was not done in time".to_owned())
        } else if self.etcd_is_silent(now) {
            self.drain_failed("etcd does not answer".to_owned())
        } else {
            Vec::new()
        }
    }

    /// Everything is as it was.
    pub(super) fn drain_failed(&mut self, reason: String) -> Vec<Action> {
        let State::Draining(copy) = &self.state else {
            return Vec::new();
        };
        let copy = copy.clone();
        if self.terminating {
            return self.fence(None);
        }
        self.state = State::Paired(copy);
        self.give_up(reason)
    }

    pub(super) fn give_up(&mut self, reason: String) -> Vec<Action> {
        if let Some(operation) = self.leaving.take().and_then(|leaving| leaving.operation) {
            self.answer(OutcomeRecord {
                operation,
                outcome: Outcome::Aborted,
                message: reason,
            });
        }
        vec![Action::Resume]
    }

    /// The store is the peer's to take.
    pub(super) fn handed_over(&mut self) -> Vec<Action> {
        self.tenure = None;
        self.leaving = None;
        self.state = State::Fenced;
        debug_assert_eq!(self.role(), Role::Follower);
        vec![Action::Release, Action::StopEngine]
    }
}

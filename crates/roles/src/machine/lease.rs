//! A lease in etcd: keeping it, recording who has what, and ending in time.

use std::time::Duration;

use super::{Action, Commitment, Machine, State, Transaction};
use crate::{
    Ballot, SlotCopy,
    record::{Behind, Merged, OutcomeRecord, StateRecord, Unmerged},
    timing::Moment,
};

/// A lease of this process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Tenure {
    /// The state as this process last saw it committed.
    state: StateRecord,
    /// When the gate shuts, unless the lease is kept before.
    deadline: Moment,
    /// When it was last tried to keep the lease.
    renewed: Moment,
    /// The same of the last time that it was kept.
    kept: Moment,
    /// When the peer was last asked for a promise.
    asked: Moment,
    /// When the last promise was asked for that it has given.
    promised: Option<Moment>,
    recorded: Recorded,
    pending: Option<Pending>,
    /// An answer to a `want` that the next transaction carries.
    pub(super) outcome: Option<OutcomeRecord>,
    /// What was passed over is here now, which etcd is to say.
    merged: Option<Merged>,
    /// Since when the peer has been behind.
    alone_since: Moment,
    engine_up: bool,
}

/// Whether etcd says that the peer has all that is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Recorded {
    Alone,
    Paired,
    /// A transaction that says so was sent, and may yet be carried out.
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Pending {
    transaction: Transaction,
    recorded: Recorded,
}

impl Tenure {
    /// `state` was put by the acquisition, whose question was sent at `sent`.
    pub fn new(now: Moment, sent: Moment, deadline: Moment, state: StateRecord) -> Self {
        Self {
            state,
            deadline,
            renewed: sent,
            kept: sent,
            asked: sent,
            promised: None,
            recorded: Recorded::Alone,
            pending: None,
            outcome: None,
            merged: None,
            alone_since: now,
            engine_up: false,
        }
    }

    pub fn ballot(&self) -> Ballot {
        self.state.ballot()
    }

    /// Etcd says so, and nothing is under way that could make it otherwise.
    fn is_recorded_alone(&self) -> bool {
        self.recorded == Recorded::Alone && self.pending.is_none()
    }
}

impl Machine {
    /// When the gate shuts by itself.
    pub fn deadline(&self) -> Option<Moment> {
        self.tenure.as_ref().map(|tenure| tenure.deadline)
    }

    /// What this slot, as the primary, has passed over and may lack.
    pub fn passed_over(&self) -> Option<&Unmerged> {
        self.tenure.as_ref()?.state.unmerged.as_ref()
    }

    pub(super) fn has_passed_over(&self, copy: &SlotCopy) -> bool {
        self.passed_over()
            .is_some_and(|passed_over| passed_over.volume == copy.volume)
    }

    /// Etcd is told as soon as nothing else is under way.
    pub(super) fn merged(&mut self, merged: Merged) -> Vec<Action> {
        if let Some(tenure) = &mut self.tenure {
            tenure.merged = Some(merged);
        }
        Vec::new()
    }

    pub(super) fn kept(&mut self, sent: Moment) -> Vec<Action> {
        self.register.answered(sent);
        if let Some(tenure) = &mut self.tenure {
            tenure.kept = tenure.kept.max(sent);
        }
        self.extend(sent)
    }

    /// R9: the deadline counts from when the question was sent.
    fn extend(&mut self, sent: Moment) -> Vec<Action> {
        let deadline = sent + self.timing().deadline;
        match &mut self.tenure {
            Some(tenure) if deadline > tenure.deadline => {
                tenure.deadline = deadline;
                vec![Action::Extend { deadline }]
            }
            _ => Vec::new(),
        }
    }

    /// R7: whoever has no lease shuts at once; but for R5, where the peer's word stands for the lease.
    pub(super) fn lease_lost(&mut self, now: Moment) -> Vec<Action> {
        let Some(tenure) = &self.tenure else {
            return Vec::new();
        };
        let within = self.timing().deadline;
        let promised = tenure.promised.is_some_and(|sent| now < sent + within);
        match self.state {
            // An etcd that has forgotten all of this knows no lease of it either.
            State::Paired(_) if self.is_regressed() => Vec::new(),
            State::Paired(_) if promised => self.regain(),
            State::Fenced => {
                self.tenure = None;
                Vec::new()
            }
            _ => {
                self.tenure = None;
                self.fence(None)
            }
        }
    }

    /// The lease ran out in etcd while etcd was silent. Nobody has taken the store, so this slot takes another lease for
    /// the same ballot.
    fn regain(&mut self) -> Vec<Action> {
        let Some((reading, tenure)) = self.register.reading.as_ref().zip(self.tenure.as_ref()) else {
            return Vec::new();
        };
        let free = reading.lease.is_none() && reading.state.as_ref() == Some(&tenure.state);
        if !free || self.register.acquiring {
            return Vec::new();
        }
        self.register.acquiring = true;
        vec![Action::Acquire {
            revision: reading.revision,
            state: tenure.state.clone(),
        }]
    }

    /// Another lease is this process's, for the ballot it has.
    pub(super) fn regained(&mut self, now: Moment, sent: Moment) -> Vec<Action> {
        if let Some(tenure) = &mut self.tenure {
            tenure.renewed = now;
            tenure.kept = tenure.kept.max(sent);
        }
        self.extend(sent)
    }

    /// R5, as the primary: each write is confirmed by the peer's own disk, so the peer's word is as good as etcd's.
    pub(super) fn promised(&mut self, sent: Moment) -> Vec<Action> {
        match (&self.state, &mut self.tenure) {
            (State::Paired(_), Some(tenure)) => {
                tenure.promised = tenure.promised.max(Some(sent));
                self.extend(sent)
            }
            _ => Vec::new(),
        }
    }

    pub(super) fn withhold(&mut self, now: Moment) -> Vec<Action> {
        self.state = State::Withholding;
        self.since = now;
        if let Some(tenure) = &mut self.tenure {
            tenure.alone_since = now;
        }
        self.alone_if_recorded()
    }

    /// What was waited for in Withholding: from now on the engine stores alone, and etcd says so.
    fn alone_if_recorded(&mut self) -> Vec<Action> {
        let recorded = self.tenure.as_ref().is_some_and(Tenure::is_recorded_alone);
        if self.state == State::Withholding && recorded {
            self.state = State::Alone;
            return self.pair_anew();
        }
        Vec::new()
    }

    pub(super) fn engine_is_gone(&mut self) {
        if let Some(tenure) = &mut self.tenure {
            tenure.engine_up = false;
        }
    }

    pub(super) fn engine_greets(&mut self, now: Moment) -> Vec<Action> {
        if let Some(tenure) = &mut self.tenure {
            tenure.engine_up = true;
        }
        self.serve_if_recorded(now)
    }

    fn serve_if_recorded(&mut self, now: Moment) -> Vec<Action> {
        let Some(tenure) = &self.tenure else {
            return Vec::new();
        };
        let ready = self.state == State::Promoting && tenure.engine_up && tenure.is_recorded_alone();
        if ready && now < tenure.deadline {
            self.serve(Some(tenure.deadline))
        } else {
            Vec::new()
        }
    }

    pub(super) fn committed(&mut self, now: Moment, commitment: Commitment) -> Vec<Action> {
        self.register.committing = false;
        let Some(tenure) = &mut self.tenure else {
            return Vec::new();
        };
        // It was an earlier tenure's, and says nothing of this one.
        let Some(pending) = tenure.pending.take() else {
            return Vec::new();
        };
        match commitment {
            Commitment::Superseded => {
                self.tenure = None;
                return match self.state {
                    State::Fenced => Vec::new(),
                    _ => self.fence(None),
                };
            }
            Commitment::Unknown => {
                if pending.recorded != Recorded::Alone || tenure.recorded != Recorded::Alone {
                    tenure.recorded = Recorded::Unknown;
                }
                // It is sent again at once.
                tenure.outcome = tenure.outcome.take().or(pending.transaction.outcome);
                return Vec::new();
            }
            Commitment::Done => {}
        }
        tenure.state = pending.transaction.state;
        tenure.recorded = pending.recorded;
        if pending.transaction.hand_over {
            return self.handed_over();
        }
        if let (State::Pairing(copy), Recorded::Paired) = (&self.state, tenure.recorded) {
            self.state = State::Paired(copy.clone());
            return Vec::new();
        }
        let mut actions = self.alone_if_recorded();
        actions.extend(self.serve_if_recorded(now));
        actions
    }

    /// The transaction that the state asks for, one at a time.
    pub(super) fn next_transaction(&mut self, now: Moment) -> Option<Action> {
        let behind = self.behind_now(now);
        let merged = self.merged_now();
        let tenure = self.tenure.as_mut()?;
        if self.register.committing || tenure.state.ballot() != self.highest.ballot {
            return None;
        }
        let mut state = tenure.state.clone();
        let mut recorded = tenure.recorded;
        match &self.state {
            State::Promoting | State::Withholding if tenure.recorded != Recorded::Alone => {
                state.paired = false;
                state.behind = Some(Behind { seconds: 0 });
                recorded = Recorded::Alone;
            }
            State::Pairing(copy) => {
                state.paired = true;
                state.peer = Some(copy.clone());
                state.behind = None;
                state.unmerged = None;
                recorded = Recorded::Paired;
            }
            State::Demoting => {
                state.holder = None;
                state.hand_over.clone_from(&self.leaving.as_ref()?.receipt);
            }
            State::Alone if merged.is_some() => (state.unmerged, state.merged) = (None, merged),
            State::Alone if behind.is_some() => state.behind = behind,
            State::Alone | State::Paired(_) if tenure.outcome.is_some() => {}
            _ => return None,
        }
        let transaction = Transaction {
            state,
            hand_over: self.state == State::Demoting,
            outcome: tenure.outcome.take(),
        };
        // From here on it may have been carried out, whatever is heard of it.
        if recorded == Recorded::Paired {
            tenure.recorded = Recorded::Unknown;
        }
        tenure.pending = Some(Pending {
            transaction: transaction.clone(),
            recorded,
        });
        self.register.committing = true;
        Some(Action::Commit(transaction))
    }

    /// What is to be recorded as merged.
    fn merged_now(&self) -> Option<Merged> {
        let tenure = self.tenure.as_ref()?;
        let passed_over = tenure.state.unmerged.as_ref()?;
        tenure
            .merged
            .clone()
            .filter(|merged| merged.volume == passed_over.volume)
    }

    /// How far the peer is behind, when that is to be recorded.
    fn behind_now(&self, now: Moment) -> Option<Behind> {
        let tenure = self.tenure.as_ref()?;
        let recorded = Duration::from_secs(tenure.state.behind.as_ref()?.seconds);
        let behind = now.since(tenure.alone_since);
        (behind >= recorded + self.timing().behind).then_some(Behind {
            seconds: behind.as_secs(),
        })
    }

    pub(super) fn tick(&mut self, now: Moment) -> Vec<Action> {
        if let Some(actions) = self.too_late(now) {
            return actions;
        }
        let mut actions = self.drains_too_long(now);
        actions.extend(self.keep(now));
        actions.extend(self.candidate(now));
        actions.extend(self.insist(now));
        actions.extend(self.hold_if_asked(now));
        actions
    }

    /// The lease may be another's, or what was to be done under it is not done in time.
    fn too_late(&mut self, now: Moment) -> Option<Vec<Action>> {
        let timing = self.timing();
        let tenure = self.tenure.as_ref().filter(|_| self.state != State::Fenced)?;
        let waited = now.since(self.since);
        match self.state {
            _ if now >= tenure.deadline => Some(self.fence(None)),
            State::Withholding if waited >= timing.withhold => Some(self.fence(None)),
            State::Promoting if waited >= timing.promote => {
                let mut actions = self.fence(None);
                // Nothing was stored that could be missed elsewhere.
                actions.push(Action::Release);
                Some(actions)
            }
            _ => None,
        }
    }

    fn keep(&mut self, now: Moment) -> Vec<Action> {
        let timing = self.timing();
        let paired = matches!(self.state, State::Paired(_));
        let silent = self.etcd_is_silent(now);
        let Some(tenure) = self.tenure.as_mut().filter(|_| self.state != State::Fenced) else {
            return Vec::new();
        };
        let mut actions = Vec::new();
        if now.since(tenure.renewed) >= timing.renew {
            tenure.renewed = now;
            actions.push(Action::KeepAlive);
        }
        // Etcd may answer what is read and miss each attempt to keep the lease: that ends the lease as well. A promise makes
        // up for it only as long as the peer is there, so the peer is asked until etcd has kept the lease.
        let unkept = now.since(tenure.kept) > timing.silence;
        if paired && (silent || unkept) && now.since(tenure.asked) >= timing.heartbeat {
            tenure.asked = now;
            actions.push(Action::AskPeer);
        }
        actions
    }
}

//! With a lease in etcd: acquiring it, keeping it, recording who has what, and ending in time.

use std::time::Duration;

use super::{Action, Commitment, LeasePolicy, Machine, PeerAnswer, Reading, Source, State, Transaction};
use crate::{
    Ballot, Evidence, SlotCopy, Stale, Term,
    record::{Behind, Holder, OperationId, Outcome, OutcomeRecord, StateRecord, Unmerged, WantedChange},
    timing::{Moment, Timing},
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
    /// When the peer was last asked for a promise.
    asked: Moment,
    recorded: Recorded,
    pending: Option<Pending>,
    /// An answer to a `want` that the next transaction carries.
    outcome: Option<OutcomeRecord>,
    /// Since when the peer has been behind.
    alone_since: Moment,
    pub(super) engine_up: bool,
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

/// What a slot knows of etcd.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Register {
    reading: Option<Reading>,
    /// What the lease that is being asked for would make the state.
    claimed: Option<StateRecord>,
    /// A transaction was sent and nothing was heard of it yet. It may be one of an earlier tenure, whose answer must not
    /// be taken for another's.
    unanswered: bool,
    /// When the state of `reading` was first seen.
    state_since: Moment,
    /// When the last question was sent that etcd answered.
    answered: Option<Moment>,
    registered: bool,
    /// What was asked for last and has been taken up: a reading from before the answer still shows it.
    taken_up: Option<OperationId>,
    /// Nothing is acquired before (R5): the last process of this guard, or this one, may have promised so.
    quiet_until: Moment,
    promised_until: Moment,
}

impl Register {
    pub fn new(quiet_until: Moment) -> Self {
        Self {
            reading: None,
            claimed: None,
            unanswered: false,
            state_since: quiet_until,
            answered: None,
            registered: false,
            taken_up: None,
            quiet_until,
            promised_until: Moment::new(Duration::ZERO),
        }
    }
}

impl Tenure {
    pub fn ballot(&self) -> Ballot {
        self.state.ballot()
    }
}

impl Machine {
    fn policy(&self) -> Option<&LeasePolicy> {
        match &self.source {
            Source::Lease(policy) => Some(policy),
            Source::Assignment => None,
        }
    }

    /// What holds when there are no leases, for those who ask without one.
    fn timing(&self) -> Timing {
        self.policy().map_or(Timing::PROTOCOL, |policy| policy.timing)
    }

    /// When the gate shuts by itself.
    pub fn deadline(&self) -> Option<Moment> {
        self.tenure.as_ref().map(|tenure| tenure.deadline)
    }

    /// Whether etcd is behind what this volume has seen: it was restored from an old snapshot, or formed anew.
    pub fn is_regressed(&self) -> bool {
        let Some(reading) = &self.register.reading else {
            return false;
        };
        let known = reading.state.as_ref().map_or(Ballot::NONE, StateRecord::ballot);
        reading.sent > self.raised && known < self.highest.ballot
    }

    pub(super) fn is_unmerged(&self) -> bool {
        let state = self
            .register
            .reading
            .as_ref()
            .and_then(|reading| reading.state.as_ref());
        state
            .and_then(|state| state.unmerged.as_ref())
            .is_some_and(|passed_over| passed_over.volume == self.identity.copy.volume)
    }

    /// Whether etcd may say that this copy was passed over when `ballot` was acquired, and this slot has not read it.
    pub(super) fn may_be_passed_over(&self, ballot: Ballot) -> bool {
        let read = self
            .register
            .reading
            .as_ref()
            .and_then(|reading| reading.state.as_ref());
        self.policy().is_some() && read.is_none_or(|state| state.ballot() < ballot)
    }

    /// Whether this slot, as the primary, has passed that copy over.
    pub(super) fn has_passed_over(&self, copy: &SlotCopy) -> bool {
        let unmerged = self
            .tenure
            .as_ref()
            .and_then(|tenure| tenure.state.unmerged.as_ref());
        unmerged.is_some_and(|passed_over| passed_over.volume == copy.volume)
    }

    fn etcd_is_silent(&self, now: Moment) -> bool {
        let silence = self.timing().silence;
        self.register
            .answered
            .is_none_or(|answered| now.since(answered) > silence)
    }

    pub(super) fn registered(&mut self, now: Moment) -> Vec<Action> {
        self.register.registered = true;
        self.candidate(now)
    }

    pub(super) fn read(&mut self, now: Moment, reading: Reading) -> Vec<Action> {
        if self
            .register
            .reading
            .as_ref()
            .is_some_and(|known| known.sent > reading.sent)
        {
            return Vec::new();
        }
        self.answered(reading.sent);
        let known = self.register.reading.as_ref().map(|known| known.revision);
        if known != Some(reading.revision) {
            self.register.state_since = now;
        }
        let session = &self.identity.session;
        let own = |state: &&StateRecord| {
            state
                .holder
                .as_ref()
                .is_some_and(|holder| holder.session == *session)
        };
        let evidence = reading
            .state
            .as_ref()
            .filter(|state| !own(state))
            .map(|state| Evidence {
                ballot: state.ballot(),
                holder: state.holder.as_ref().map(|holder| holder.site.clone()),
            });
        self.register.reading = Some(reading);
        let mut actions = Vec::new();
        // What this process itself has acquired it learns by `Acquired`.
        if let Some(evidence) = evidence
            && evidence.ballot > self.highest.ballot
        {
            actions.extend(self.superseded(now, evidence));
        }
        if self.is_regressed() {
            let known = self
                .register
                .reading
                .as_ref()
                .and_then(|reading| reading.state.as_ref());
            actions.push(Action::Distrust(Stale::Older {
                claimed: known.map_or(Ballot::NONE, StateRecord::ballot),
                seen: self.highest.ballot,
            }));
        }
        match self.state {
            State::Boot => actions.extend(self.settle(now)),
            // By way of Fenced, where the engine's end is waited for.
            State::Follower if self.is_unmerged() => {
                self.state = State::Fenced;
                actions.extend([Action::CloseIncoming, Action::StopEngine]);
            }
            State::Quarantine if !self.is_unmerged() => actions.extend(self.settle(now)),
            _ => {}
        }
        actions.extend(self.wanted(now));
        actions.extend(self.candidate(now));
        actions
    }

    fn answered(&mut self, sent: Moment) {
        self.register.answered = self.register.answered.max(Some(sent));
    }

    /// Somebody asks something of the holder.
    fn wanted(&mut self, now: Moment) -> Vec<Action> {
        let Some(want) = self
            .register
            .reading
            .as_ref()
            .and_then(|reading| reading.want.clone())
        else {
            return Vec::new();
        };
        if self.tenure.is_none() {
            return Vec::new();
        }
        if want.change == WantedChange::Force {
            // A person has decided: what this slot would still store is what may be lost.
            let outranked = want.era > self.highest.ballot.era && want.to != self.identity.site;
            if !outranked || !self.state.serves() {
                return Vec::new();
            }
            let mut actions = self.fence(None);
            actions.push(Action::Release);
            return actions;
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
        let message = if want.era < self.highest.ballot.era {
            "it was asked in an era that has ended"
        } else if want.to == self.identity.site {
            "that site is the primary already"
        } else if want.to != self.identity.peer {
            "that site has no copy of this store"
        } else if let Some(copy) = paired_with {
            self.register.taken_up = Some(want.operation.clone());
            return self.drain(now, copy, Some(want.operation));
        } else {
            "NotInStep: the other copy lacks something; wait until it is Replicated"
        };
        self.register.taken_up = Some(want.operation.clone());
        self.answer(OutcomeRecord {
            operation: want.operation,
            outcome: Outcome::Refused,
            message: message.to_owned(),
        });
        Vec::new()
    }

    /// R4: asks for the lease if nobody has it and this slot may.
    fn candidate(&mut self, now: Moment) -> Vec<Action> {
        let Some(state) = self.claim(now) else {
            return Vec::new();
        };
        let revision = self
            .register
            .reading
            .as_ref()
            .map_or(0, |reading| reading.revision);
        self.state = State::Candidate;
        self.since = now;
        self.register.claimed = Some(state.clone());
        // What comes in under the old term ends before the new one is taken (R3).
        vec![Action::CloseIncoming, Action::Acquire { revision, state }]
    }

    /// The state this slot would write as the next holder, if it may be that.
    fn claim(&self, now: Moment) -> Option<StateRecord> {
        let policy = self.policy()?;
        let reading = self.register.reading.as_ref()?;
        let free = self.state == State::Follower
            && !self.terminating
            && self.register.registered
            && reading.lease.is_none()
            && now >= self.register.promised_until;
        if !free {
            return None;
        }
        let claim = |unmerged: Option<Unmerged>| {
            let last = reading.state.as_ref();
            StateRecord {
                era: reading.era.max(last.map_or(reading.era, |last| last.era)),
                term: Term(last.map_or(0, |last| last.term.0) + 1),
                holder: Some(Holder {
                    site: self.identity.site.clone(),
                    volume: self.identity.copy.volume.clone(),
                    session: self.identity.session.clone(),
                }),
                paired: false,
                peer: None,
                behind: None,
                hand_over: None,
                unmerged,
            }
        };
        let Some(last) = &reading.state else {
            let new = self.highest == Evidence::NONE;
            return (policy.preferred && new).then(|| claim(None));
        };
        if last.ballot() < self.highest.ballot {
            return None;
        }
        let me = &self.identity;
        let mine = |passed_over: &Unmerged| passed_over.volume == me.copy.volume;
        if last.unmerged.as_ref().is_some_and(mine) {
            return None;
        }
        let kept = last.unmerged.clone();
        let last_holder = last
            .holder
            .as_ref()
            .is_some_and(|holder| holder.volume == me.copy.volume);
        if last_holder {
            return Some(claim(kept));
        }
        if let Some(hand_over) = &last.hand_over {
            let given = hand_over.to_volume == me.copy.volume;
            let untaken = hand_over.from_volume == me.copy.volume
                && now.since(self.register.state_since) >= policy.timing.untaken;
            return (given || untaken).then(|| claim(kept));
        }
        // Of the follower's last process nobody knows what it has promised.
        if now < self.register.quiet_until {
            return None;
        }
        let named = last.peer.as_ref() == Some(&me.copy);
        if named && last.paired {
            return Some(claim(kept));
        }
        let forced = reading.want.as_ref().is_some_and(|want| {
            want.change == WantedChange::Force && want.to == me.site && want.era > last.era
        });
        let near = named
            && !policy.max_behind.is_zero()
            && last
                .behind
                .as_ref()
                .is_some_and(|behind| Duration::from_secs(behind.seconds) <= policy.max_behind);
        let passed_over = last.holder.as_ref().map(|holder| Unmerged {
            site: holder.site.clone(),
            volume: holder.volume.clone(),
            term: last.term,
        });
        (forced || near).then(|| claim(passed_over.or(kept)))
    }

    pub(super) fn acquired(&mut self, now: Moment, sent: Moment) -> Vec<Action> {
        let timing = self.timing();
        self.answered(sent);
        let claimed = self
            .register
            .claimed
            .take()
            .filter(|_| self.state == State::Candidate);
        if self.state == State::Candidate {
            self.state = State::Follower;
        }
        let deadline = sent + timing.deadline;
        let Some(state) = claimed.filter(|state| state.ballot() > self.highest.ballot && now < deadline)
        else {
            // Superseded meanwhile, or told to end.
            return vec![Action::Release];
        };
        self.highest = Evidence {
            ballot: state.ballot(),
            holder: Some(self.identity.site.clone()),
        };
        self.raised = now;
        self.tenure = Some(Tenure {
            state,
            deadline,
            renewed: sent,
            asked: sent,
            recorded: Recorded::Alone,
            pending: None,
            outcome: self.forced_outcome(),
            alone_since: now,
            engine_up: false,
        });
        let mut actions = vec![Action::Record(self.highest.clone())];
        actions.extend(self.promote(now));
        actions
    }

    /// What is said to who forced this acquisition.
    fn forced_outcome(&self) -> Option<OutcomeRecord> {
        let want = self.register.reading.as_ref()?.want.as_ref()?;
        let mine = want.change == WantedChange::Force && want.to == self.identity.site;
        mine.then(|| OutcomeRecord {
            operation: want.operation.clone(),
            outcome: Outcome::Done,
            message: String::new(),
        })
    }

    pub(super) fn not_acquired(&mut self) -> Vec<Action> {
        self.register.claimed = None;
        if self.state == State::Candidate {
            self.state = State::Follower;
            // The next reading says who has it.
            self.register.reading = None;
        }
        Vec::new()
    }

    pub(super) fn kept(&mut self, sent: Moment) -> Vec<Action> {
        self.answered(sent);
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

    /// R7: whoever has no lease shuts at once.
    pub(super) fn lease_lost(&mut self) -> Vec<Action> {
        if self.tenure.take().is_none() {
            return Vec::new();
        }
        match self.state {
            State::Fenced => Vec::new(),
            _ => self.fence(None),
        }
    }

    /// R5, as the primary: each write is confirmed by the peer's own disk, so the peer's word is as good as etcd's.
    pub(super) fn promised(&mut self, sent: Moment) -> Vec<Action> {
        match self.state {
            State::Paired(_) => self.extend(sent),
            _ => Vec::new(),
        }
    }

    /// R5, as the follower.
    pub(super) fn asked(&mut self, now: Moment, ballot: Ballot) -> Vec<Action> {
        let answer = if self.state != State::Follower || ballot != self.highest.ballot {
            PeerAnswer::Decline
        } else if self.etcd_is_silent(now) {
            self.register.promised_until = now + self.timing().ttl;
            PeerAnswer::Promise
        } else {
            PeerAnswer::KeepAlive
        };
        vec![Action::AnswerPeer(answer)]
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
        let recorded = self
            .tenure
            .as_ref()
            .is_some_and(|tenure| tenure.recorded == Recorded::Alone && tenure.pending.is_none());
        if self.state == State::Withholding && recorded {
            self.state = State::Alone;
            return vec![Action::CloseRelay, Action::Pair];
        }
        Vec::new()
    }

    pub(super) fn engine_is_gone(&mut self) {
        if let Some(tenure) = &mut self.tenure {
            tenure.engine_up = false;
        }
    }

    pub(super) fn serve_if_recorded(&mut self, now: Moment) -> Vec<Action> {
        let Some(tenure) = &self.tenure else {
            return Vec::new();
        };
        let ready = self.state == State::Promoting
            && tenure.engine_up
            && tenure.recorded == Recorded::Alone
            && tenure.pending.is_none()
            && now < tenure.deadline;
        if ready {
            self.serve(Some(tenure.deadline))
        } else {
            Vec::new()
        }
    }

    pub(super) fn committed(&mut self, now: Moment, commitment: Commitment) -> Vec<Action> {
        // Of an earlier tenure, if this one has nothing pending: it says nothing of this one.
        self.register.unanswered = false;
        let Some(tenure) = &mut self.tenure else {
            return Vec::new();
        };
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
                // Tried anew with the next look at the clock.
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
        let tenure = self.tenure.as_mut()?;
        if self.register.unanswered || tenure.state.ballot() != self.highest.ballot {
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
        self.register.unanswered = true;
        Some(Action::Commit(transaction))
    }

    /// How far the peer is behind, when that is to be recorded.
    fn behind_now(&self, now: Moment) -> Option<Behind> {
        let tenure = self.tenure.as_ref()?;
        let recorded = Duration::from_secs(tenure.state.behind.as_ref()?.seconds);
        let behind = now.since(tenure.alone_since);
        (behind >= recorded + self.timing().behind).then(|| Behind {
            seconds: behind.as_secs(),
        })
    }

    pub(super) fn tick(&mut self, now: Moment) -> Vec<Action> {
        let timing = self.timing();
        let mut actions = Vec::new();
        if let Some(tenure) = &self.tenure {
            let late = match self.state {
                State::Withholding => now.since(self.since) >= timing.withhold,
                State::Promoting => now.since(self.since) >= timing.promote,
                _ => false,
            };
            if self.state != State::Fenced && (now >= tenure.deadline || late) {
                actions.extend(self.fence(None));
                return actions;
            }
        }
        let silent = self.etcd_is_silent(now);
        if let Some(tenure) = &mut self.tenure
            && self.state != State::Fenced
        {
            if now.since(tenure.renewed) >= timing.renew {
                tenure.renewed = now;
                actions.push(Action::KeepAlive);
            }
            if matches!(self.state, State::Paired(_)) && silent && now.since(tenure.asked) >= timing.heartbeat
            {
                tenure.asked = now;
                actions.push(Action::AskPeer);
            }
        }
        if let (State::Draining(_), Some(leaving)) = (&self.state, &self.leaving)
            && now.since(leaving.since) >= timing.switchover
        {
            actions.extend(self.drain_failed(format!("not done within {:?}", timing.switchover)));
        }
        actions.extend(self.candidate(now));
        actions
    }

    /// Answers who asked, with the next transaction.
    pub(super) fn answer(&mut self, outcome: OutcomeRecord) {
        if let Some(tenure) = &mut self.tenure {
            tenure.outcome = Some(outcome);
        }
    }
}

//! The states of one guard, and what it does on each event.
//!
//! This file has what holds whatever the role comes from. With leases come `register.rs`, what a slot knows of etcd;
//! `claim.rs`, who may take a store; `lease.rs`, keeping it; `want.rs`, what people ask for; `hand_over.rs`, leaving in
//! good order; `hold.rs`, serving without any.

mod claim;
mod hand_over;
mod hold;
mod lease;
mod register;
mod vocabulary;
mod want;

pub use vocabulary::{
    Action, Commitment, Event, Identity, LeasePolicy, PeerAnswer, Reading, Refusal, Role, Source, State,
    Transaction,
};

use self::{hold::Hold, lease::Tenure, register::Register, vocabulary::Leaving};
use crate::{Assignment, Ballot, Evidence, Site, timing::Moment};

/// The role of one slot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Machine {
    identity: Identity,
    source: Source,
    state: State,
    /// The highest evidence, as it is on the volume once the actions of the last step are done.
    highest: Evidence,
    /// When `highest` was last raised: what was asked of etcd before says nothing against it.
    raised: Moment,
    /// The last assignment that was honoured. Not durable: a role is given to this process, not to the volume (R7).
    assigned: Option<Assignment>,
    /// The lease of this process, from its acquisition until it is given back or forgotten.
    tenure: Option<Tenure>,
    /// What this slot knows of etcd.
    register: Register,
    /// A planned hand-over under way.
    leaving: Option<Leaving>,
    hold: Hold,
    /// Since when the engine is on its way up, or kept waiting.
    since: Moment,
    terminating: bool,
}

impl Machine {
    /// The slot at the start of its guard, with what its volume knows.
    pub fn new(identity: Identity, source: Source, highest: Evidence, now: Moment) -> Self {
        let quiet = match &source {
            Source::Assignment => now,
            Source::Lease(policy) => now + policy.timing.quiet,
        };
        Self {
            identity,
            source,
            state: State::Boot,
            highest,
            raised: now,
            assigned: None,
            tenure: None,
            register: Register::new(quiet),
            leaving: None,
            hold: Hold::default(),
            since: now,
            terminating: false,
        }
    }

    pub fn state(&self) -> &State {
        &self.state
    }

    pub fn highest(&self) -> &Evidence {
        &self.highest
    }

    /// What this slot should be: primary only by an assignment or a lease that nothing seen outranks.
    pub fn role(&self) -> Role {
        let assigned = self
            .assigned
            .as_ref()
            .is_some_and(|given| given.primary == self.identity.site && given.ballot == self.highest.ballot);
        let leased = self
            .tenure
            .as_ref()
            .is_some_and(|tenure| tenure.ballot() == self.highest.ballot);
        if assigned || leased || self.holds() {
            Role::Primary
        } else {
            Role::Follower
        }
    }

    /// Takes one event; `now` never goes back.
    pub fn step(&mut self, now: Moment, event: Event) -> Vec<Action> {
        let mut actions = match event {
            Event::Tick => self.tick(now),
            Event::Assigned(assignment) => self.assigned(now, assignment),
            Event::Read(reading) => self.read(now, reading),
            Event::Registered => self.registered(now),
            Event::Acquired { sent } => self.acquired(now, sent),
            Event::NotAcquired => self.not_acquired(),
            Event::Kept { sent } => self.kept(sent),
            Event::LeaseLost => self.lease_lost(now),
            Event::Committed(commitment) => self.committed(now, commitment),
            Event::Promised { sent } => self.promised(sent),
            Event::Asked(ballot) => {
                let silent = self.etcd_is_silent(now);
                self.asked(now, ballot, silent)
            }
            Event::AskedInVain(ballot) => self.asked(now, ballot, true),
            Event::Offered { ballot, peer } => self.offered(now, ballot, &peer),
            Event::MergeOffered {
                ballot,
                peer,
                passed_over,
            } => self.merge_offered(now, ballot, &peer, &passed_over),
            Event::Merged(merged) => self.merged(merged),
            Event::Seen(ballot) if ballot > self.highest.ballot => {
                self.superseded(now, Evidence { ballot, holder: None })
            }
            Event::Seen(_) => Vec::new(),
            Event::EngineUp(role) => self.engine_up(now, role),
            Event::EngineDown => self.engine_down(now),
            Event::Relayed(copy) => match self.state.in_step() {
                Some(known) if *known != copy => self.sync_failed(now),
                _ => Vec::new(),
            },
            Event::Synced(copy) => self.synced(copy),
            Event::SyncFailed => self.sync_failed(now),
            Event::Drained { digest } => self.drained(digest),
            Event::DrainFailed { reason } => self.drain_failed(reason),
            Event::HoldAsked(operation) => self.hold_asked(now, operation),
            Event::HoldLapsed(operation) => self.hold_lapsed(&operation),
            Event::Terminate => self.terminate(now),
        };
        actions.extend(self.next_transaction(now));
        actions
    }

    fn assigned(&mut self, now: Moment, assignment: Assignment) -> Vec<Action> {
        let more = match self.highest.admit(assignment.ballot, &assignment.primary) {
            Ok(more) => more,
            Err(stale) => {
                let mut actions = vec![Action::Distrust(stale)];
                if self.state == State::Boot {
                    actions.extend(self.settle(now));
                }
                return actions;
            }
        };
        self.assigned = Some(assignment);
        match more {
            Some(evidence) => self.superseded(now, evidence),
            None => match self.state {
                State::Boot => self.settle(now),
                // Nothing to close: this slot's own ballot was never admitted from the peer.
                State::Follower => self.promote(now).into_iter().collect(),
                _ => Vec::new(),
            },
        }
    }

    /// Something higher was seen: whatever the state, nothing more passes under the old ballot (R6).
    fn superseded(&mut self, now: Moment, evidence: Evidence) -> Vec<Action> {
        // A hold ends by etcd's word, before this. The peer's does not stand for that, whatever it has seen.
        if self.holds() {
            return Vec::new();
        }
        self.highest = evidence.clone();
        self.raised = now;
        let record = Action::Record(evidence);
        match self.state {
            State::Boot if self.assigned.is_none() => vec![record],
            State::Boot => {
                let mut actions = vec![record];
                actions.extend(self.settle(now));
                actions
            }
            // Connections admitted under the old ballot end before the new one is durable (R3).
            State::Follower => {
                let mut actions = vec![Action::CloseIncoming, record];
                actions.extend(self.promote(now));
                actions
            }
            State::Promoting
            | State::Alone
            | State::Pairing(_)
            | State::Paired(_)
            | State::Withholding
            | State::Draining(_)
            | State::Demoting
            | State::Held => self.fence(Some(record)),
            // A lease that was asked for under less is given back when it comes.
            State::Candidate | State::Fenced => vec![record],
            // It is read for who was the primary.
            State::Quarantine => vec![Action::CloseIncoming, record],
        }
    }

    /// The follower's engine goes first; its `EngineDown` starts the primary's.
    fn promote(&mut self, now: Moment) -> Option<Action> {
        (self.role() == Role::Primary).then(|| {
            self.state = State::Promoting;
            self.since = now;
            Action::StopEngine
        })
    }

    /// No engine is there: starts the one of the role.
    fn settle(&mut self, now: Moment) -> Vec<Action> {
        if self.terminating {
            // The lease goes last: until here nobody else could have taken over from an engine still on its way down.
            let release = self.tenure.take().map(|_| Action::Release);
            return release.into_iter().chain([Action::Exit]).collect();
        }
        if self.is_discarded() {
            return vec![Action::Discard];
        }
        if self.is_quarantined() {
            self.state = State::Quarantine;
            return vec![Action::StartEngine(Role::Quarantined)];
        }
        let role = self.role();
        self.since = now;
        self.state = match role {
            Role::Primary => State::Promoting,
            Role::Follower | Role::Quarantined => State::Follower,
        };
        vec![Action::StartEngine(role)]
    }

    /// Serves no more, and lets the engine go. The lease is forgotten, but for one that SIGTERM gives back at the end.
    fn fence(&mut self, record: Option<Action>) -> Vec<Action> {
        self.state = State::Fenced;
        self.leaving = None;
        if !self.terminating || record.is_some() {
            self.tenure = None;
        }
        let mut actions = vec![Action::ShutGate, Action::CloseRelay];
        actions.extend(record);
        actions.push(Action::StopEngine);
        actions
    }

    fn synced(&mut self, copy: crate::SlotCopy) -> Vec<Action> {
        // A copy that was passed over may have what this one lacks; in step it is once that is merged.
        if self.state == State::Alone && !self.has_passed_over(&copy) {
            self.state = match self.source {
                Source::Assignment => State::Paired(copy),
                Source::Lease(_) => State::Pairing(copy),
            };
        }
        Vec::new()
    }

    /// The follower may lack something from now on.
    fn sync_failed(&mut self, now: Moment) -> Vec<Action> {
        match (&self.source, &self.state) {
            (Source::Assignment, State::Paired(_)) => {
                self.state = State::Alone;
                self.pair_anew()
            }
            // Shut, nothing can be stored that the follower lacks.
            (Source::Lease(_), State::Draining(_)) if self.terminating => self.fence(None),
            (Source::Lease(_), State::Draining(_)) => {
                let mut actions = self.give_up("the peer can't be reached any more".to_owned());
                actions.extend(self.withhold(now));
                actions
            }
            (Source::Lease(_), State::Pairing(_) | State::Paired(_)) => self.withhold(now),
            _ => Vec::new(),
        }
    }

    fn offered(&mut self, now: Moment, ballot: Ballot, peer: &Site) -> Vec<Action> {
        if self.state != State::Follower {
            let refuse = Action::Refuse(Refusal::NotFollower(self.state.clone()));
            let mut actions = match self.highest.admit(ballot, peer) {
                Ok(Some(more)) if more.ballot > self.highest.ballot => self.superseded(now, more),
                _ => Vec::new(),
            };
            actions.push(refuse);
            return actions;
        }
        let more = match self.highest.admit(ballot, peer) {
            Ok(more) => more,
            Err(stale) => return vec![Action::Refuse(stale.into())],
        };
        let mut actions = more.map_or_else(Vec::new, |more| self.superseded(now, more));
        actions.push(if self.has_held() {
            Action::Refuse(Refusal::Held)
        } else if self.may_be_unmerged(ballot) {
            Action::Refuse(Refusal::Unread(ballot))
        } else {
            Action::Admit
        });
        actions
    }

    fn engine_up(&mut self, now: Moment, role: Role) -> Vec<Action> {
        // In Promoting an EngineUp of the follower's engine can still be on its way; it is not what was waited for.
        if self.state != State::Promoting || role != Role::Primary {
            return Vec::new();
        }
        if self.tenure.is_some() {
            self.engine_greets(now)
        } else if self.holds() {
            self.serve_held()
        } else {
            self.serve(None)
        }
    }

    /// The engine is up, and it is recorded that the peer may lack something.
    fn serve(&mut self, deadline: Option<Moment>) -> Vec<Action> {
        self.state = State::Alone;
        let mut actions = vec![Action::OpenGate { deadline }];
        actions.extend(self.reach_peer());
        actions
    }

    fn pair_anew(&self) -> Vec<Action> {
        let mut actions = vec![Action::CloseRelay];
        actions.extend(self.reach_peer());
        actions
    }

    /// The peer takes no sync before its copy is merged, if it is the one that was passed over.
    fn reach_peer(&self) -> impl Iterator<Item = Action> + use<> {
        let merge = self.passed_over().cloned().map(Action::Merge);
        merge.into_iter().chain([Action::Pair])
    }

    fn engine_down(&mut self, now: Moment) -> Vec<Action> {
        match self.state {
            State::Boot => Vec::new(),
            State::Quarantine => vec![Action::StartEngine(Role::Quarantined)],
            State::Follower | State::Candidate => vec![Action::StartEngine(self.role())],
            State::Promoting => {
                self.engine_is_gone();
                vec![Action::StartEngine(self.role())]
            }
            State::Alone
            | State::Pairing(_)
            | State::Paired(_)
            | State::Withholding
            | State::Draining(_)
            | State::Held => {
                let mut actions = vec![Action::ShutGate, Action::CloseRelay];
                if matches!(self.state, State::Draining(_)) {
                    actions.extend(self.give_up("the engine has ended".to_owned()));
                }
                self.state = State::Promoting;
                self.since = now;
                self.engine_is_gone();
                if self.terminating {
                    self.state = State::Fenced;
                    actions.extend(self.settle(now));
                } else {
                    actions.push(Action::StartEngine(Role::Primary));
                }
                actions
            }
            // Whether the hand-over stands is not known yet; a primary's engine is of no use either way.
            State::Demoting => vec![Action::StartEngine(Role::Follower)],
            State::Fenced => self.settle(now),
        }
    }

    fn terminate(&mut self, now: Moment) -> Vec<Action> {
        self.terminating = true;
        match &self.state {
            State::Boot => vec![Action::Exit],
            State::Follower | State::Candidate | State::Quarantine => {
                self.state = State::Fenced;
                vec![Action::CloseIncoming, Action::StopEngine]
            }
            State::Paired(copy) if matches!(self.source, Source::Lease(_)) => {
                let copy = copy.clone();
                self.drain(now, copy, None)
            }
            State::Promoting
            | State::Alone
            | State::Pairing(_)
            | State::Paired(_)
            | State::Withholding
            | State::Held => self.fence(None),
            // It ends as it would, but sooner; the end is seen to afterwards.
            State::Draining(_) => {
                let soon = now + self.timing().leave;
                if let Some(leaving) = &mut self.leaving {
                    leaving.until = leaving.until.min(soon);
                }
                Vec::new()
            }
            State::Demoting | State::Fenced => Vec::new(),
        }
    }
}

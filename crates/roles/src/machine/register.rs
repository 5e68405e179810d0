//! What a slot knows of etcd, and whether that can be so.

use std::time::Duration;

use super::{Action, LeasePolicy, Machine, PeerAnswer, Reading, Refusal, Role, Source, State};
use crate::{
    Ballot, Evidence, Site, Stale, VolumeId,
    record::{OperationId, StateRecord},
    timing::{Moment, Timing},
};

/// What a slot knows of etcd.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Register {
    /// The last one that contradicts nothing.
    pub reading: Option<Reading>,
    /// The last one contradicts what this slot knows: etcd was restored from an old snapshot, or formed anew.
    regressed: bool,
    /// When the state of `reading` was first seen.
    pub state_since: Moment,
    /// When the last question was sent that etcd answered.
    answered: Option<Moment>,
    pub registered: bool,
    /// What the lease that is being asked for would make the state.
    pub claimed: Option<StateRecord>,
    /// A lease was asked for and nothing was heard of it yet.
    pub acquiring: bool,
    /// A transaction was sent and nothing was heard of it yet. It may be one of an earlier tenure, whose answer must not
    /// be taken for another's.
    pub committing: bool,
    /// What was asked for last and has been taken up: a reading from before the answer still shows it.
    pub taken_up: Option<OperationId>,
    /// Nothing is acquired before (R5): the last process of this guard, or this one, may have promised so.
    pub quiet_until: Moment,
    pub promised_until: Moment,
}

impl Register {
    pub fn new(quiet_until: Moment) -> Self {
        Self {
            reading: None,
            regressed: false,
            state_since: quiet_until,
            answered: None,
            registered: false,
            claimed: None,
            acquiring: false,
            committing: false,
            taken_up: None,
            quiet_until,
            promised_until: Moment::new(Duration::ZERO),
        }
    }

    pub fn state(&self) -> Option<&StateRecord> {
        self.reading.as_ref()?.state.as_ref()
    }

    pub fn answered(&mut self, sent: Moment) {
        self.answered = self.answered.max(Some(sent));
    }
}

impl Machine {
    pub(super) fn policy(&self) -> Option<&LeasePolicy> {
        match &self.source {
            Source::Lease(policy) => Some(policy),
            Source::Assignment => None,
        }
    }

    /// What holds when there are no leases, for those who ask without one.
    pub(super) fn timing(&self) -> Timing {
        self.policy().map_or(Timing::PROTOCOL, |policy| policy.timing)
    }

    /// Whether etcd is behind what this slot has seen: it was restored from an old snapshot, or formed anew. It is taken
    /// for silent then, until a person has seen to it.
    pub fn is_regressed(&self) -> bool {
        self.register.regressed
    }

    /// Whether etcd says that this copy was passed over, so that it may hold stored mail which the primary lacks.
    pub(super) fn is_unmerged(&self) -> bool {
        let unmerged = self.register.state().and_then(|state| state.unmerged.as_ref());
        unmerged.is_some_and(|passed_over| passed_over.volume == self.identity.copy.volume)
    }

    /// Whether etcd says that the primary has all that this copy had when it was passed over.
    pub(super) fn is_merged(&self) -> bool {
        let mine = &self.identity.copy.volume;
        let Some(state) = self.register.state().filter(|_| !self.register.regressed) else {
            return false;
        };
        let holds = state.holder.as_ref().is_some_and(|holder| holder.volume == *mine);
        let passed_over = state.unmerged.as_ref().is_some_and(|it| it.volume == *mine);
        let merged = state.merged.as_ref().is_some_and(|it| it.volume == *mine);
        // A copy that is in step has what this one had and more.
        let in_step = state.peer.as_ref().is_some_and(|peer| peer.volume == *mine);
        merged && !holds && !passed_over && !in_step
    }

    /// Whether this copy was passed over when `ballot` was acquired, or etcd may say so and this slot has not read it.
    pub(super) fn may_be_unmerged(&self, ballot: Ballot) -> bool {
        let unread = self.register.state().is_none_or(|state| state.ballot() < ballot);
        self.policy().is_some() && (unread || self.is_unmerged())
    }

    pub(super) fn etcd_is_silent(&self, now: Moment) -> bool {
        let silence = self.timing().silence;
        let silent = |answered| now.since(answered) > silence;
        self.register.regressed || self.register.answered.is_none_or(silent)
    }

    /// Etcd has not answered for as long as any lease lives.
    pub(super) fn is_cut_off(&self, now: Moment) -> bool {
        let ttl = self.timing().ttl;
        !self.register.regressed
            && self
                .register
                .answered
                .is_none_or(|answered| now.since(answered) > ttl)
    }

    pub(super) fn registered(&mut self, now: Moment) -> Vec<Action> {
        self.register.registered = true;
        self.candidate(now)
    }

    pub(super) fn read(&mut self, now: Moment, reading: Reading) -> Vec<Action> {
        let known = self
            .register
            .reading
            .as_ref()
            .map(|known| (known.sent, known.revision));
        if known.is_some_and(|(sent, _)| sent > reading.sent) {
            return Vec::new();
        }
        let contradiction = self.contradiction(&reading);
        self.register.regressed = contradiction.is_some();
        if let Some(stale) = contradiction {
            let mut actions = vec![Action::Distrust(stale)];
            if self.state == State::Boot {
                actions.extend(self.settle(now));
            }
            return actions;
        }
        self.register.answered(reading.sent);
        if known.map(|(_, revision)| revision) != Some(reading.revision) {
            self.register.state_since = now;
        }
        let evidence = self.evidence(&reading);
        self.register.reading = Some(reading);
        let mut actions = self.hold_ends();
        if let Some(evidence) = evidence {
            actions.extend(self.superseded(now, evidence));
        }
        match self.state {
            State::Boot => actions.extend(self.settle(now)),
            // By way of Fenced, where the engine's end is waited for.
            State::Follower if self.is_quarantined() || self.is_discarded() => {
                actions.extend(self.leave_engine());
            }
            State::Quarantine if !self.is_quarantined() => actions.extend(self.leave_engine()),
            _ => {}
        }
        actions.extend(self.wanted(now));
        actions.extend(self.candidate(now));
        actions.extend(self.insist(now));
        actions
    }

    /// Whether this copy is to be forgotten. A person may decide for it all the same.
    pub(super) fn is_discarded(&self) -> bool {
        self.role() == Role::Follower && self.is_merged() && !self.forced_to(&self.identity.site)
    }

    fn leave_engine(&mut self) -> [Action; 2] {
        self.state = State::Fenced;
        [Action::CloseIncoming, Action::StopEngine]
    }

    /// The peer reads what this copy has that it may lack, and nobody else does.
    pub(super) fn merge_offered(
        &mut self,
        now: Moment,
        ballot: Ballot,
        peer: &Site,
        passed_over: &VolumeId,
    ) -> Vec<Action> {
        let mut actions = match self.highest.admit(ballot, peer) {
            Ok(Some(more)) if more.ballot > self.highest.ballot => self.superseded(now, more),
            Ok(_) => Vec::new(),
            Err(stale) => return vec![Action::Refuse(stale.into())],
        };
        let read = self.register.state().map(StateRecord::ballot);
        actions.push(if self.state != State::Quarantine {
            Action::Refuse(Refusal::NotQuarantined(self.state.clone()))
        } else if read != Some(ballot) {
            Action::Refuse(Refusal::Unread(ballot))
        } else if *passed_over != self.identity.copy.volume || !self.is_unmerged() {
            Action::Refuse(Refusal::NotPassedOver)
        } else {
            Action::Admit
        });
        actions
    }

    /// Why this answer can't be what the majority has agreed on.
    fn contradiction(&self, reading: &Reading) -> Option<Stale> {
        let claimed = reading.state.as_ref().map_or(Ballot::NONE, StateRecord::ballot);
        let seen = self.highest.ballot;
        // What was asked before something was seen says nothing against it.
        if claimed < seen && reading.sent > self.raised {
            return Some(Stale::Older { claimed, seen });
        }
        let known = self.register.reading.as_ref().map_or(0, |known| known.revision);
        if reading.revision < known {
            return Some(Stale::Rewound(claimed));
        }
        let holder = reading.state.as_ref().and_then(|state| state.holder.as_ref());
        match (&self.highest.holder, holder) {
            (Some(known), Some(holder)) if claimed == seen && holder.site != *known => Some(Stale::Taken {
                ballot: claimed,
                holder: known.clone(),
            }),
            _ => None,
        }
    }

    /// What is seen there that outranks all before. What this process itself has acquired it learns by `Acquired`.
    fn evidence(&self, reading: &Reading) -> Option<Evidence> {
        let state = reading.state.as_ref()?;
        let holder = state.holder.as_ref();
        let own = holder.is_some_and(|holder| holder.session == self.identity.session);
        (!own && state.ballot() > self.highest.ballot).then(|| Evidence {
            ballot: state.ballot(),
            holder: holder.map(|holder| holder.site.clone()),
        })
    }

    /// R5, as the follower. A promise binds this slot alone, so it may be given whatever etcd is thought to be.
    pub(super) fn asked(&mut self, now: Moment, ballot: Ballot, silent: bool) -> Vec<Action> {
        let answer = if self.state != State::Follower || ballot != self.highest.ballot {
            PeerAnswer::Decline
        } else if silent {
            self.register.promised_until = now + self.timing().ttl;
            PeerAnswer::Promise
        } else {
            PeerAnswer::KeepAlive
        };
        vec![Action::AnswerPeer(answer)]
    }
}

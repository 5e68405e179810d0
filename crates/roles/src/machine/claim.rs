//! R4: who may take a store.

use std::time::Duration;

use super::{Action, Machine, Reading, State, lease::Tenure};
use crate::{
    Evidence, Site, Term,
    record::{Holder, StateRecord, Unmerged, Want, WantedChange},
    timing::Moment,
};

impl Machine {
    /// What a person has decided and nobody has carried out yet.
    fn forced(&self) -> Option<&Want> {
        let reading = self.register.reading.as_ref()?;
        let want = reading.want.as_ref()?;
        let last = reading.state.as_ref()?;
        (want.change == WantedChange::Force && want.era > last.era).then_some(want)
    }

    pub(super) fn forced_to(&self, site: &Site) -> bool {
        self.forced().is_some_and(|want| want.to == *site)
    }

    /// Whether this copy is to be left as it is. A person may decide for it all the same.
    pub(super) fn is_quarantined(&self) -> bool {
        self.is_unmerged() && !self.forced_to(&self.identity.site)
    }

    /// Asks for the lease if nobody has it and this slot may.
    pub(super) fn candidate(&mut self, now: Moment) -> Vec<Action> {
        let Some(state) = self.claim(now) else {
            return Vec::new();
        };
        let reading = self.register.reading.as_ref();
        let revision = reading.map_or(0, |reading| reading.revision);
        self.state = State::Candidate;
        self.since = now;
        self.register.claimed = Some(state.clone());
        self.register.acquiring = true;
        // What comes in under the old term ends before the new one is taken (R3).
        vec![Action::CloseIncoming, Action::Acquire { revision, state }]
    }

    /// The state this slot would write as the next holder, if it may be that.
    fn claim(&self, now: Moment) -> Option<StateRecord> {
        let preferred = self.policy()?.preferred;
        let reading = self.register.reading.as_ref()?;
        let free = self.state == State::Follower
            && !self.terminating
            // What it said last may be so no more, and a claim ends what comes in.
            && !self.etcd_is_silent(now)
            && self.register.registered
            && !self.register.acquiring
            && reading.lease.is_none()
            && now >= self.register.promised_until;
        if !free {
            return None;
        }
        let Some(last) = &reading.state else {
            let new = self.highest == Evidence::NONE;
            return (preferred && new).then(|| self.successor(reading, None));
        };
        let me = &self.identity;
        // A person has decided: nobody else comes in between.
        if last.ballot() < self.highest.ballot || self.forced().is_some_and(|want| want.to != me.site) {
            return None;
        }
        if self.may_by_itself(now, last) {
            return Some(self.successor(reading, last.unmerged.clone()));
        }
        // Of the follower's last process nobody knows what it has promised.
        let late = now >= self.register.quiet_until && (self.is_near(last) || self.forced_to(&me.site));
        late.then(|| {
            self.successor(
                reading,
                passed_over(last).filter(|it| it.volume != me.copy.volume),
            )
        })
    }

    /// It has all that is stored.
    pub(super) fn may_by_itself(&self, now: Moment, last: &StateRecord) -> bool {
        let copy = &self.identity.copy;
        if self.is_unmerged() {
            return false;
        }
        if let Some(holder) = &last.holder
            && holder.volume == copy.volume
        {
            return true;
        }
        if let Some(hand_over) = &last.hand_over {
            let waited = now.since(self.register.state_since) >= self.timing().untaken;
            return hand_over.to_volume == copy.volume || hand_over.from_volume == copy.volume && waited;
        }
        // Of the follower's last process nobody knows what it has promised.
        now >= self.register.quiet_until && last.paired && last.peer.as_ref() == Some(copy)
    }

    /// It lacks no more than may be given up.
    fn is_near(&self, last: &StateRecord) -> bool {
        let most = self.policy().map_or(Duration::ZERO, |policy| policy.max_behind);
        let near = |seconds| Duration::from_secs(seconds) <= most;
        !most.is_zero()
            && !self.is_unmerged()
            && last.peer.as_ref() == Some(&self.identity.copy)
            && last.behind.as_ref().is_some_and(|behind| near(behind.seconds))
    }

    fn successor(&self, reading: &Reading, unmerged: Option<Unmerged>) -> StateRecord {
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
            // Its slot may not have read it yet. A holder is not to forget itself.
            merged: last
                .and_then(|last| last.merged.clone())
                .filter(|it| it.volume != self.identity.copy.volume),
        }
    }

    pub(super) fn acquired(&mut self, now: Moment, sent: Moment) -> Vec<Action> {
        self.register.acquiring = false;
        self.register.answered(sent);
        if self.tenure.is_some() {
            return self.regained(now, sent);
        }
        let claimed = self.register.claimed.take();
        let claimed = claimed.filter(|_| self.state == State::Candidate);
        if self.state == State::Candidate {
            self.state = State::Follower;
        }
        let deadline = sent + self.timing().deadline;
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
        self.tenure = Some(Tenure::new(now, sent, deadline, state));
        self.answer_forced();
        let mut actions = vec![Action::Record(self.highest.clone())];
        actions.extend(self.hold_is_settled());
        actions.extend(self.promote(now));
        actions
    }

    pub(super) fn not_acquired(&mut self) -> Vec<Action> {
        self.register.acquiring = false;
        self.register.claimed = None;
        if self.state == State::Candidate {
            self.state = State::Follower;
            // The next reading says who has it.
            self.register.reading = None;
        }
        Vec::new()
    }
}

/// The copy that may be ahead of any other: its holder's, or whose was handed over and not taken.
fn passed_over(last: &StateRecord) -> Option<Unmerged> {
    let holder = last.holder.as_ref().map(|holder| (&holder.site, &holder.volume));
    let handed_over = last.hand_over.as_ref().map(|it| (&it.from, &it.from_volume));
    let (site, volume) = holder.or(handed_over)?;
    Some(Unmerged {
        site: site.clone(),
        volume: volume.clone(),
        term: last.term,
    })
}

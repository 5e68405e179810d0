//! A person has decided that this slot serves though etcd does not answer, and it knows so for as long as etcd has not
//! been told of what it stored.
//!
//! Who is in the majority knows nothing of that and may serve as well. So nothing that was stored in a hold is put at risk
//! before etcd has this slot as the holder, or as passed over: it takes no sync, and insists on the store.

use super::{Action, Machine, Source, State};
use crate::{
    Era,
    record::{HoldRecord, OperationId, Want, WantedChange},
    timing::Moment,
};

/// What this slot knows of holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Hold {
    /// Asked for and not begun.
    asked: Option<OperationId>,
    /// The last one that was begun, as it is on the volume once the actions of the last step are done.
    record: Option<HoldRecord>,
    /// When etcd was last asked for the store on account of it.
    insisted: Option<Moment>,
}

impl Machine {
    /// With the hold that the volume knows of.
    pub fn with_hold(mut self, record: Option<HoldRecord>) -> Self {
        self.hold.record = record;
        self
    }

    /// The last hold that was begun here.
    pub fn hold(&self) -> Option<&HoldRecord> {
        self.hold.record.as_ref()
    }

    /// What was stored in a hold may be nowhere else, and etcd does not know.
    pub(super) fn has_held(&self) -> bool {
        self.hold.record.as_ref().is_some_and(|record| record.open)
    }

    /// Serves, or is about to, without etcd.
    pub(super) fn holds(&self) -> bool {
        self.has_held() && self.tenure.is_none() && matches!(self.state, State::Promoting | State::Held)
    }

    /// Each operation is begun once: what it says afterwards is known.
    pub(super) fn hold_asked(&mut self, now: Moment, operation: OperationId) -> Vec<Action> {
        if self.hold().is_none_or(|record| record.operation != operation) {
            self.hold.asked = Some(operation);
        }
        self.hold_if_asked(now)
    }

    /// It was not begun in time, or is asked for no more.
    pub(super) fn hold_lapsed(&mut self, operation: &OperationId) -> Vec<Action> {
        self.hold.asked.take_if(|asked| asked == operation);
        Vec::new()
    }

    /// Etcd has been silent for so long that no lease is left, and nobody was promised otherwise.
    pub(super) fn hold_if_asked(&mut self, now: Moment) -> Vec<Action> {
        let asked = self.hold.asked.is_some() || self.has_held();
        let boots = match self.state {
            State::Boot => true,
            State::Follower => false,
            _ => return Vec::new(),
        };
        let may = asked
            && matches!(self.source, Source::Lease(_))
            && self.is_cut_off(now)
            && !self.terminating
            && !self.register.acquiring
            && now >= self.register.quiet_until.max(self.register.promised_until)
            && !self.is_unmerged()
            && !self.is_merged();
        if !may {
            return Vec::new();
        }
        let mut actions = Vec::new();
        if let Some(operation) = self.hold.asked.take() {
            actions.push(self.record_hold(operation, true));
        }
        self.state = State::Promoting;
        self.since = now;
        actions.extend(if boots {
            [Action::CloseIncoming, Action::StartEngine(self.role())]
        } else {
            [Action::CloseIncoming, Action::StopEngine]
        });
        actions
    }

    fn record_hold(&mut self, operation: OperationId, open: bool) -> Action {
        let record = HoldRecord { operation, open };
        self.hold.record = Some(record.clone());
        Action::RecordHold(record)
    }

    pub(super) fn serve_held(&mut self) -> Vec<Action> {
        self.state = State::Held;
        vec![Action::OpenGate { deadline: None }]
    }

    /// Etcd answers: from here on it decides.
    pub(super) fn hold_ends(&mut self) -> Vec<Action> {
        if self.holds() {
            self.fence(None)
        } else {
            Vec::new()
        }
    }

    /// Etcd has this slot as the holder.
    pub(super) fn hold_is_settled(&mut self) -> Option<Action> {
        let record = self.hold.record.clone().filter(|record| record.open)?;
        Some(self.record_hold(record.operation, false))
    }

    /// The store is asked for as a person would force it here, where it can't be had by itself and nobody's decision is
    /// on its way.
    pub(super) fn insist(&mut self, now: Moment) -> Option<Action> {
        if !self.has_held() || self.state != State::Follower || self.etcd_is_silent(now) || self.is_unmerged()
        {
            return None;
        }
        let reading = self.register.reading.as_ref()?;
        let free = reading
            .lease
            .as_ref()
            .is_none_or(|lease| lease.site == self.identity.site);
        let by_itself = free
            && reading
                .state
                .as_ref()
                .is_none_or(|last| self.may_by_itself(now, last));
        let last_era = reading.state.as_ref().map(|last| last.era);
        let forces = |want: &Want| want.change == WantedChange::Force && Some(want.era) > last_era;
        let forced = reading.want.as_ref().is_some_and(forces);
        let lately = |sent| now.since(sent) < self.timing().ttl;
        if by_itself || forced || self.hold.insisted.is_some_and(lately) {
            return None;
        }
        // One in which nobody has taken the store.
        let taken = Some(reading.era) == last_era;
        let era = Era(reading.era.0 + u64::from(taken));
        let operation = self.hold()?.operation.clone();
        self.hold.insisted = Some(now);
        Some(Action::Insist { era, operation })
    }
}

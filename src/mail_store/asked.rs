//! What is asked of a store's guards through etcd, whatever it is: pure.

use govuc_etcd::{
    Revision,
    roles::{Reading, Replaced, StoreRecords},
};
use govuc_roles::{
    record::{Ended, EraRecord, OperationId, Outcome, OutcomeRecord, Want},
    timing::Timing,
};
use k8s_openapi::jiff::Timestamp;

/// A guard is given no longer to begin, in seconds: nobody waits for a store that moves by itself later.
pub const BEGIN_WITHIN: i64 = 60;
/// What was begun in time may go on for as long, in seconds.
const AT_MOST: i64 = Timing::PROTOCOL.switchover.as_secs() as i64 + 5;

/// What etcd has of the store.
#[derive(Clone, Copy)]
pub enum Heard<'a> {
    /// There is no etcd: no store changes sides.
    TwoSite,
    Nothing,
    Reading(&'a Reading),
}

/// What is written into etcd.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// Asks the guards, in the place of what was asked last.
    Ask { want: Box<Want>, replaced: Replaced },
    /// The same, and raises the era that was last put at `expected`.
    Force {
        want: Box<Want>,
        replaced: Replaced,
        era: EraRecord,
        expected: Revision,
    },
    /// Answers in the place of the guards, none of which did.
    GiveUp { asked: Revision, outcome: OutcomeRecord },
}

impl Step {
    pub fn operation(&self) -> &OperationId {
        match self {
            Step::Ask { want, .. } | Step::Force { want, .. } => &want.operation,
            Step::GiveUp { outcome, .. } => &outcome.operation,
        }
    }
}

/// Until when guards may begin, in Unix seconds, if whoever asks waits until `not_after`.
pub fn until(not_after: Timestamp, now: Timestamp) -> u64 {
    let until = not_after.as_second().min(now.as_second() + BEGIN_WITHIN);
    u64::try_from(until).unwrap_or_default()
}

/// How something that was asked ended, with who has the store; if anything was asked since, who had it before that.
pub fn end(operation: &str, store: &StoreRecords) -> Option<Ended> {
    let mut all = store.last().into_iter().chain(store.ended.iter().cloned());
    all.find(|ended| ended.outcome.operation.0 == operation)
}

/// What was handed over and not taken yet: whatever is asked meanwhile, only who takes it can answer.
pub fn is_on_its_way(store: &StoreRecords) -> Option<&OperationId> {
    let outcome = &store.outcome.as_ref()?.record;
    (outcome.outcome == Outcome::Done && store.holder().is_none()).then_some(&outcome.operation)
}

/// Whether it can no longer be under way: it was answered, or its time has run out.
pub fn is_over(want: &Want, store: &StoreRecords, now: Timestamp) -> bool {
    let outcome = store.outcome.as_ref();
    let answered = outcome.is_some_and(|outcome| outcome.record.operation == want.operation);
    let most = i64::try_from(want.not_after)
        .unwrap_or(i64::MAX)
        .saturating_add(AT_MOST);
    answered && is_on_its_way(store).is_none() || now.as_second() > most
}

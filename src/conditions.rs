//! Standard conditions: set so that they change only when what they say does.

use govuc_api::{
    AgencyStatus, MailStoreStatus, MailboxStatus, PlatformStatus,
    conditions::{reasons, types},
};
use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};
use kube::{Resource, core::object::HasStatus};

/// Longest message, in bytes: what the API server takes is 32768, but a status is to stay small.
const MESSAGE_LIMIT: usize = 400;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    True,
    False,
    Unknown,
}

/// What a condition is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    pub state: State,
    pub reason: &'static str,
    pub message: String,
}

/// The conditions of an object as they come to be: begun from what they were, so that times stay.
#[derive(Debug)]
pub struct Conditions {
    previous: Vec<Condition>,
    next: Vec<Condition>,
    generation: Option<i64>,
    now: Timestamp,
}

/// What the status of every kind has.
pub trait Status: Clone + Default {
    fn conditions(&self) -> &[Condition];

    /// The same, said of `generation`, and without conditions.
    fn bare(self, generation: Option<i64>) -> Self;
}

macro_rules! statuses {
    ($($type:ty),+) => {
        $(impl Status for $type {
            fn conditions(&self) -> &[Condition] {
                &self.conditions
            }

            fn bare(self, generation: Option<i64>) -> Self {
                Self {
                    observed_generation: generation,
                    conditions: Vec::new(),
                    ..self
                }
            }
        })+
    };
}

statuses!(AgencyStatus, MailStoreStatus, MailboxStatus, PlatformStatus);

impl State {
    fn label(self) -> &'static str {
        match self {
            State::True => "True",
            State::False => "False",
            State::Unknown => "Unknown",
        }
    }
}

impl Word {
    pub fn yes(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            state: State::True,
            reason,
            message: message.into(),
        }
    }

    pub fn no(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            state: State::False,
            reason,
            message: message.into(),
        }
    }

    pub fn unknown(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            state: State::Unknown,
            reason,
            message: message.into(),
        }
    }

    pub fn is_true(&self) -> bool {
        self.state == State::True
    }
}

impl Conditions {
    /// `previous` is what the object has, `generation` the one that is spoken of.
    pub fn of(previous: &[Condition], generation: Option<i64>, now: Timestamp) -> Self {
        Self {
            previous: previous.to_vec(),
            next: Vec::new(),
            generation,
            now,
        }
    }

    pub fn set(mut self, type_: &str, word: Word) -> Self {
        let state = word.state.label();
        let since = self
            .previous
            .iter()
            .find(|old| old.type_ == type_ && old.status == state)
            .map_or(Time(self.now), |old| old.last_transition_time.clone());
        self.next.push(Condition {
            type_: type_.to_owned(),
            status: state.to_owned(),
            reason: word.reason.to_owned(),
            message: shortened(word.message),
            observed_generation: self.generation,
            last_transition_time: since,
        });
        self
    }

    /// Sets `Ready`, and beside it `Reconciling` while it is being made.
    pub fn progressing(self, word: Word) -> Self {
        let reconciling = Word::yes(word.reason, word.message.clone());
        self.set(types::READY, word).set(types::RECONCILING, reconciling)
    }

    /// Sets `Ready=False`, and beside it `Stalled`: only a person can go on.
    pub fn stalled(self, reason: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        self.set(types::READY, Word::no(reason, message.clone()))
            .set(types::STALLED, Word::yes(reason, message))
    }

    /// Sets `Ready=True`.
    pub fn ready(self, message: impl Into<String>) -> Self {
        self.set(types::READY, Word::yes(reasons::READY, message))
    }

    pub fn finish(self) -> Vec<Condition> {
        self.next
    }
}

/// The conditions of an object, begun for its present generation.
pub fn begun<K>(object: &K, now: Timestamp) -> Conditions
where
    K: Resource + HasStatus,
    K::Status: Status,
{
    let previous = object.status().map_or(&[][..], Status::conditions);
    Conditions::of(previous, object.meta().generation, now)
}

/// What was decided stays, whatever holds the object now: its status for the present generation, without conditions.
pub fn kept<K>(object: &K) -> K::Status
where
    K: Resource + HasStatus,
    K::Status: Status,
{
    let status = object.status().cloned().unwrap_or_default();
    status.bare(object.meta().generation)
}

/// Whether an object was found to be as its present spec asks. What can't be seen for a while is no reason to say otherwise
/// of it: with many objects a directory that restarts would be a storm of writes.
pub fn is_settled(conditions: &[Condition], generation: Option<i64>) -> bool {
    conditions.iter().any(|condition| {
        condition.type_ == types::READY
            && condition.status == State::True.label()
            && condition.observed_generation == generation
    })
}

/// Whether a condition is true.
pub fn is_true(conditions: &[Condition], type_: &str) -> bool {
    conditions
        .iter()
        .any(|condition| condition.type_ == type_ && condition.status == State::True.label())
}

fn shortened(mut message: String) -> String {
    if message.len() > MESSAGE_LIMIT {
        let end = (0..=MESSAGE_LIMIT - 3)
            .rev()
            .find(|end| message.is_char_boundary(*end))
            .unwrap_or(0);
        message.truncate(end);
        message.push('…');
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_time_moves_only_when_the_state_flips() {
        let first = Conditions::of(&[], Some(1), at("2026-11-24T00:00:00Z"))
            .set(types::READY, Word::no(reasons::PROGRESSING, "starting"))
            .finish();
        let second = Conditions::of(&first, Some(2), at("2026-11-24T01:00:00Z"))
            .set(types::READY, Word::no(reasons::FAILED, "no"))
            .finish();
        assert_eq!(second[0].last_transition_time, first[0].last_transition_time);
        assert_eq!(second[0].observed_generation, Some(2));
        let third = Conditions::of(&second, Some(2), at("2026-11-24T02:00:00Z"))
            .ready("")
            .finish();
        assert_eq!(third[0].last_transition_time, Time(at("2026-11-24T02:00:00Z")));
    }

    #[test]
    fn what_is_no_longer_so_is_absent() {
        let stalled = Conditions::of(&[], None, at("2026-11-24T00:00:00Z"))
            .stalled(reasons::DOMAIN_TAKEN, "kkr.gov.my is another's")
            .finish();
        assert!(is_true(&stalled, types::STALLED));
        let ready = Conditions::of(&stalled, None, at("2026-11-24T01:00:00Z"))
            .ready("")
            .finish();
        assert!(ready.iter().all(|condition| condition.type_ != types::STALLED));
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let long = "é".repeat(MESSAGE_LIMIT);
        let cut = shortened(long);
        assert!(cut.len() <= MESSAGE_LIMIT && cut.ends_with('…'));
    }
}

//! What a MailStore says of the own site, and of the copies it can ask: pure.

use govuc_api::{
    CopyState, MailStore, MailStoreStatus, StoreCopy,
    conditions::{reasons, types},
};
use govuc_wire::status::{ReplicationState, Role, Status};
use k8s_openapi::jiff::Timestamp;

use crate::conditions::{Conditions, Word};

/// How far the store is at this site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A person has to change the spec.
    Refused(String),
    /// The site itself is not there yet.
    NoPlatform(&'static str),
    Made(Box<Copies>),
}

/// What was found once everything was applied. An error is for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copies {
    pub pod_ready: bool,
    pub own: Copy,
    pub peer: Copy,
    /// Whether the directory names the store's primary; `None` where that is the lead's business.
    pub listed: Option<Result<(), String>>,
}

/// One site's guard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    pub site: String,
    pub said: Result<Status, String>,
}

impl Copies {
    pub fn settled(&self) -> bool {
        serves(self).is_true() && replicated(self).is_true()
    }
}

pub fn of(object: &MailStore, stage: &Stage, now: Timestamp) -> MailStoreStatus {
    let previous = object.status.clone().unwrap_or_default();
    let conditions = Conditions::of(&previous.conditions, object.metadata.generation, now);
    let copies = match stage {
        Stage::Refused(message) => {
            return MailStoreStatus {
                observed_generation: object.metadata.generation,
                conditions: conditions.stalled(reasons::INVALID, message.clone()).finish(),
                ..previous
            };
        }
        Stage::NoPlatform(message) => {
            let word = Word::no(reasons::PLATFORM_NOT_READY, *message);
            return MailStoreStatus {
                observed_generation: object.metadata.generation,
                conditions: conditions.progressing(word).finish(),
                ..previous
            };
        }
        Stage::Made(copies) => copies,
    };
    let conditions = conditions.set(types::REPLICATED, replicated(copies));
    let serves = serves(copies);
    let conditions = if serves.is_true() {
        conditions.set(types::READY, serves)
    } else {
        conditions.progressing(serves)
    };
    let own = copies.own.said.as_ref().ok();
    let number = |value: fn(&Status) -> u64| own.map(value).and_then(|value| i64::try_from(value).ok());
    MailStoreStatus {
        observed_generation: object.metadata.generation,
        // A guard that does not answer for a moment has not lost its term.
        primary: own.and_then(|status| status.primary.clone()).or(previous.primary),
        era: number(|status| status.era).or(previous.era),
        term: number(|status| status.term).or(previous.term),
        sites: [&copies.own, &copies.peer]
            .map(|copy| copy_of(copy, &previous.sites))
            .into(),
        conditions: conditions.finish(),
    }
}

/// Whether this site's copy does what its role asks.
fn serves(copies: &Copies) -> Word {
    if let Some(Err(error)) = &copies.listed {
        return Word::no(
            reasons::PROGRESSING,
            format!("the directory does not name it: {error}"),
        );
    }
    let status = match &copies.own.said {
        Ok(status) => status,
        Err(_) if !copies.pod_ready => {
            return Word::no(reasons::STORE_NOT_READY, "the store's pod is not ready");
        }
        Err(error) => return Word::no(reasons::NO_STATUS, error.clone()),
    };
    if let Some(error) = &status.assignment_error {
        return Word::no(reasons::STORE_NOT_READY, error.clone());
    }
    match status.role {
        _ if !copies.pod_ready => Word::no(reasons::STORE_NOT_READY, "the store's pod is not ready"),
        Role::Primary if status.gate_open => Word::yes(reasons::PRIMARY, "this site's copy takes clients"),
        Role::Primary => Word::no(
            reasons::STORE_NOT_READY,
            format!(
                "this site's copy is primary and its gate is shut: {}",
                status.state
            ),
        ),
        Role::Follower => Word::yes(reasons::FOLLOWER, "this site's copy follows the primary"),
    }
}

/// Whether the other copy has all that is stored; only the primary knows.
fn replicated(copies: &Copies) -> Word {
    let primary = [&copies.own, &copies.peer].into_iter().find_map(|copy| {
        let status = copy.said.as_ref().ok()?;
        (status.role == Role::Primary).then_some((copy, status))
    });
    let Some((copy, status)) = primary else {
        return Word::unknown(reasons::NO_STATUS, "the primary does not say");
    };
    match &status.replication {
        Some(replication) if replication.state == ReplicationState::Paired => {
            Word::yes(reasons::IN_STEP, "both copies have all that is stored")
        }
        _ => Word::no(
            reasons::BEHIND,
            format!(
                "the primary at {} stores alone: the other copy may lack something",
                copy.site
            ),
        ),
    }
}

fn copy_of(copy: &Copy, previous: &[StoreCopy]) -> StoreCopy {
    match &copy.said {
        Ok(status) => StoreCopy {
            name: copy.site.clone(),
            volume: Some(status.volume.clone()),
            state: match (status.role, &status.replication) {
                (Role::Follower, _) => CopyState::Follower,
                (Role::Primary, _) if !status.gate_open => CopyState::Unknown,
                (Role::Primary, Some(replication)) if replication.state == ReplicationState::Paired => {
                    CopyState::Paired
                }
                (Role::Primary, _) => CopyState::Alone,
            },
        },
        Err(_) => StoreCopy {
            name: copy.site.clone(),
            volume: previous
                .iter()
                .find(|old| old.name == copy.site)
                .and_then(|old| old.volume.clone()),
            state: CopyState::Unknown,
        },
    }
}

//! What a MailStore says of the own site, and of the copies it can ask: pure.

use govuc_api::{
    CopyState, FailoverStatus, HoldState, HoldStatus, MailStore, MailStoreStatus, PreferredSiteStatus,
    RecordedCopies, StoreCopy, SwitchoverStatus,
    conditions::{reasons, types},
};
use govuc_roles::State;
use govuc_wire::status::{ReplicationState, Role, Status};
use k8s_openapi::jiff::Timestamp;

use super::{
    engine::{Version, Withheld},
    merge,
};
use crate::{
    conditions::{Conditions, Word, begun, kept},
    maintenance::Held,
};

/// How far the store is at this site.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// A person has to change the spec; with the reason's constant and what to say.
    Refused(&'static str, String),
    /// The site itself is not there yet.
    NoPlatform(&'static str),
    /// A step failed and is tried again; what it said is for people.
    Failed(String),
    Made(Box<Copies>),
}

/// What was found once everything was applied. An error is for people.
#[derive(Clone, Debug, PartialEq)]
pub struct Copies {
    pub pod_ready: bool,
    pub own: Copy,
    pub peer: Copy,
    /// Whether the directory names the store's primary; `None` where that is the lead's business.
    pub listed: Option<Result<(), String>>,
    /// The one that was asked for last.
    pub switchover: Option<SwitchoverStatus>,
    /// What became of the preferred site.
    pub preferred_site: Option<PreferredSiteStatus>,
    /// The restart that waits.
    pub held: Held,
    /// What it runs, and what it does not get.
    pub version: Option<Version>,
    pub withheld: Option<Withheld>,
    /// The one that was asked for last.
    pub failover: Option<FailoverStatus>,
    /// The same.
    pub hold: Option<HoldStatus>,
    /// What etcd has, or had when it answered last.
    pub recorded: Option<RecordedCopies>,
}

/// One site's guard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    pub site: String,
    pub said: Result<Status, String>,
}

/// Which copy takes clients, and since which era.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Primary {
    pub site: String,
    pub era: u64,
}

/// The copy whose gate is open. Should both say so, the one with the higher term is right: the other's lease has ended.
pub fn primary(own: &Copy, peer: &Copy) -> Option<Primary> {
    [own, peer]
        .into_iter()
        .filter_map(|copy| copy.said.as_ref().ok())
        .filter(|status| status.role == Role::Primary && status.gate_open)
        .max_by_key(|status| (status.era, status.term))
        .map(|status| Primary {
            site: status.site.clone(),
            era: status.era,
        })
}

impl Copies {
    pub fn settled(&self) -> bool {
        serves(self).is_true() && replicated([&self.own, &self.peer]).is_true() && !self.moving()
    }

    /// What was asked for has not ended.
    pub fn moving(&self) -> bool {
        let preferred = self.preferred_site.as_ref();
        let attempt = preferred.and_then(|preferred| preferred.switchover.as_ref());
        let mut switchovers = self.switchover.iter().chain(attempt);
        let failover = self.failover.as_ref();
        let hold = self.hold.as_ref();
        switchovers.any(|switchover| !switchover.state.is_final())
            || failover.is_some_and(|failover| !failover.state.is_final())
            // One that was begun may take days.
            || hold.is_some_and(|hold| hold.state == HoldState::Pending)
    }
}

pub fn of(object: &MailStore, stage: &Stage, now: Timestamp) -> MailStoreStatus {
    let previous = object.status.clone().unwrap_or_default();
    let conditions = begun(object, now);
    let unmade = |conditions: Conditions| MailStoreStatus {
        conditions: conditions.finish(),
        ..kept(object)
    };
    let copies = match stage {
        Stage::Refused(reason, message) => return unmade(conditions.stalled(reason, message.clone())),
        Stage::NoPlatform(message) => {
            return unmade(conditions.progressing(Word::no(reasons::PLATFORM_NOT_READY, *message)));
        }
        Stage::Failed(error) => {
            return unmade(conditions.progressing(Word::no(reasons::FAILED, error.clone())));
        }
        Stage::Made(copies) => copies,
    };
    let conditions = conditions.set(types::REPLICATED, replicated([&copies.own, &copies.peer]));
    let conditions = match merge::word(copies) {
        Some(word) => conditions.set(types::COPIES_DIVERGED, word),
        None => conditions,
    };
    let conditions = match upgrade_pending(copies) {
        Some(word) => conditions.set(types::UPGRADE_PENDING, word),
        None => conditions,
    };
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
        switchover: copies.switchover.clone(),
        preferred_site: copies.preferred_site.clone(),
        version: copies.version.as_ref().map(Version::to_string),
        withheld: copies.withheld.as_ref().map(Withheld::status),
        pending: copies.held.pending.clone(),
        failover: copies.failover.clone(),
        hold: copies.hold.clone(),
        merge: merge::status(copies),
        recorded: copies.recorded.clone(),
        conditions: conditions.finish(),
    }
}

/// What waits for a window, and what is not even waited for.
fn upgrade_pending(copies: &Copies) -> Option<Word> {
    let waits = copies.held.word();
    match &copies.withheld {
        Some(withheld) => Some(withheld.word(waits)),
        None => waits,
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
        // Its pod is ready, since the primary reads it.
        Role::Follower if status.state == State::Quarantine.name() => Word::no(
            reasons::QUARANTINE,
            "this site's copy was passed over by a failover, and may have mail that the primary lacks: it is left as it is until \
             that is merged",
        ),
        _ if !copies.pod_ready => Word::no(reasons::STORE_NOT_READY, "the store's pod is not ready"),
        Role::Primary if status.state == State::Held.name() => Word::yes(
            reasons::HELD,
            "this site's copy takes clients without the roles' etcd, by a person's decision: what it stores is nowhere else",
        ),
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
pub fn replicated(copies: [&Copy; 2]) -> Word {
    let primary = copies.into_iter().find_map(|copy| {
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
                (Role::Follower, _) if status.state == State::Quarantine.name() => CopyState::Quarantine,
                (Role::Follower, _) => CopyState::Follower,
                (Role::Primary, _) if !status.gate_open => CopyState::Unknown,
                (Role::Primary, Some(replication)) if replication.state == ReplicationState::Paired => {
                    CopyState::Paired
                }
                (Role::Primary, _) if status.state == State::Held.name() => CopyState::Held,
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

#[cfg(test)]
pub(super) mod tests;

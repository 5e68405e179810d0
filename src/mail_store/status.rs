//! What a MailStore says of the own site, and of the copies it can ask: pure.

use govuc_api::{
    CopyState, FailoverStatus, HoldState, HoldStatus, MailStore, MailStoreStatus, PreferredSiteStatus,
    RecordedCopies, StoreCopy, SwitchoverStatus,
    conditions::{reasons, types},
};
use govuc_wire::status::{ReplicationState, Role, Status};
use k8s_openapi::jiff::Timestamp;

use super::merge;
use crate::{
    conditions::{Conditions, Word, begun, kept},
    maintenance::Held,
};

/// As the protocol calls it, and so a guard.
const QUARANTINE: &str = "Quarantine";
const HELD: &str = "Held";

/// How far the store is at this site.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// A person has to change the spec.
    Refused(String),
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
    /// The same.
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
        Stage::Refused(message) => return unmade(conditions.stalled(reasons::INVALID, message.clone())),
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
    let conditions = match copies.held.word() {
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
        pending: copies.held.pending.clone(),
        failover: copies.failover.clone(),
        hold: copies.hold.clone(),
        merge: merge::status(copies),
        recorded: copies.recorded.clone(),
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
        // Its pod is ready, since the primary reads it.
        Role::Follower if status.state == QUARANTINE => Word::no(
            reasons::QUARANTINE,
            "this site's copy was passed over by a failover, and may have mail that the primary lacks: it is left as it is until \
             that is merged",
        ),
        _ if !copies.pod_ready => Word::no(reasons::STORE_NOT_READY, "the store's pod is not ready"),
        Role::Primary if status.state == HELD => Word::yes(
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
                (Role::Follower, _) if status.state == QUARANTINE => CopyState::Quarantine,
                (Role::Follower, _) => CopyState::Follower,
                (Role::Primary, _) if !status.gate_open => CopyState::Unknown,
                (Role::Primary, Some(replication)) if replication.state == ReplicationState::Paired => {
                    CopyState::Paired
                }
                (Role::Primary, _) if status.state == HELD => CopyState::Held,
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
pub(super) mod tests {
    use super::*;
    use crate::conditions::is_true;
    use govuc_api::{MailStoreSpec, Storage, StoreUse};
    use govuc_wire::status::Replication;
    use rstest::rstest;

    pub fn object() -> MailStore {
        let mut object = MailStore::new(
            "mail-1",
            MailStoreSpec {
                usage: StoreUse::Mail,
                preferred_site: "pdsa1".into(),
                storage: Storage::default(),
                capacity: 1,
                switchover: None,
                failover: None,
                hold: None,
            },
        );
        object.metadata.generation = Some(2);
        object
    }

    pub fn guard(site: &str, role: Role, paired: bool) -> Status {
        let state = if paired {
            ReplicationState::Paired
        } else {
            ReplicationState::Alone
        };
        Status {
            store: "mail-1".into(),
            site: site.into(),
            role,
            state: "Alone".into(),
            era: 1,
            term: 1,
            primary: Some("pdsa1".into()),
            volume: format!("volume of {site}"),
            incarnation: 1,
            gate_open: role == Role::Primary,
            replication: (role == Role::Primary).then_some(Replication {
                state,
                since: 0,
                last_error: None,
            }),
            merge: None,
            hold: None,
            assignment_error: None,
        }
    }

    /// Both copies as they are when all is well, seen from pdsa1.
    pub fn well() -> Copies {
        Copies {
            pod_ready: true,
            own: Copy {
                site: "pdsa1".into(),
                said: Ok(guard("pdsa1", Role::Primary, true)),
            },
            peer: Copy {
                site: "pdsa2".into(),
                said: Ok(guard("pdsa2", Role::Follower, false)),
            },
            listed: Some(Ok(())),
            switchover: None,
            preferred_site: None,
            held: Held::default(),
            failover: None,
            hold: None,
            recorded: None,
        }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn said(copies: Copies) -> MailStoreStatus {
        of(
            &object(),
            &Stage::Made(Box::new(copies)),
            at("2026-11-24T00:00:00Z"),
        )
    }

    #[rstest]
    #[case::all_is_well(|_: &mut Copies| {}, true, true)]
    #[case::the_primary_stores_alone(
        |c: &mut Copies| c.own.said = Ok(guard("pdsa1", Role::Primary, false)), true, false)]
    #[case::the_other_site_is_silent(|c: &mut Copies| c.peer.said = Err("cut".into()), true, true)]
    #[case::the_own_guard_is_silent(|c: &mut Copies| c.own.said = Err("gone".into()), false, false)]
    #[case::the_pod_is_not_ready(|c: &mut Copies| c.pod_ready = false, false, true)]
    #[case::the_directory_does_not_name_it(
        |c: &mut Copies| c.listed = Some(Err("away".into())), false, true)]
    #[case::the_gate_is_shut(
        |c: &mut Copies| if let Ok(s) = &mut c.own.said { s.gate_open = false }, false, true)]
    #[case::the_assignment_is_refused(
        |c: &mut Copies| if let Ok(s) = &mut c.own.said { s.assignment_error = Some("older".into()) },
        false, true)]
    fn ready_is_what_this_site_does_and_replicated_what_the_primary_says(
        #[case] change: fn(&mut Copies),
        #[case] ready: bool,
        #[case] replicated: bool,
    ) {
        let mut copies = well();
        change(&mut copies);
        assert_eq!(copies.settled(), ready && replicated);
        let status = said(copies);
        assert_eq!(is_true(&status.conditions, types::READY), ready);
        assert_eq!(is_true(&status.conditions, types::REPLICATED), replicated);
    }

    #[test]
    fn the_primary_is_whose_gate_is_open_under_the_highest_term() {
        let copies = well();
        let primary = |own: &Copy, peer: &Copy| primary(own, peer).map(|primary| primary.site);
        assert_eq!(primary(&copies.own, &copies.peer).as_deref(), Some("pdsa1"));
        let mut later = copies.peer.clone();
        let status = later.said.as_mut().unwrap();
        (status.role, status.gate_open, status.term) = (Role::Primary, true, 9);
        assert_eq!(primary(&copies.own, &later).as_deref(), Some("pdsa2"));
        let mut shut = later.clone();
        shut.said.as_mut().unwrap().gate_open = false;
        assert_eq!(primary(&shut, &shut), None);
    }

    #[test]
    fn a_follower_is_ready_and_asks_the_primary_about_replication() {
        let Copies { own, peer, .. } = well();
        let copies = Copies {
            pod_ready: true,
            own: peer,
            peer: own,
            listed: None,
            switchover: None,
            preferred_site: None,
            held: Held::default(),
            failover: None,
            hold: None,
            recorded: None,
        };
        let status = said(copies);
        assert!(is_true(&status.conditions, types::READY));
        assert!(is_true(&status.conditions, types::REPLICATED));
        let states: Vec<CopyState> = status.sites.iter().map(|site| site.state).collect();
        assert_eq!(states, [CopyState::Follower, CopyState::Paired]);
    }

    #[test]
    fn a_copy_that_is_left_as_it_is_is_no_follower() {
        let mut copies = well();
        copies.pod_ready = false;
        copies.own.said = Ok(Status {
            state: "Quarantine".into(),
            ..guard("pdsa1", Role::Follower, false)
        });
        copies.peer.said = Ok(guard("pdsa2", Role::Primary, false));
        let status = said(copies);
        assert_eq!(status.sites[0].state, CopyState::Quarantine);
        let ready = status
            .conditions
            .iter()
            .find(|it| it.type_ == types::READY)
            .unwrap();
        assert_eq!(
            (ready.status.as_str(), ready.reason.as_str()),
            ("False", reasons::QUARANTINE)
        );
    }

    #[test]
    fn a_guard_that_is_silent_for_a_moment_keeps_its_term_and_its_volume() {
        let mut object = object();
        object.status = Some(said(well()));
        let mut copies = well();
        copies.own.said = Err("gone".into());
        let stage = Stage::Made(Box::new(copies));
        let status = of(&object, &stage, at("2026-11-24T01:00:00Z"));
        assert_eq!((status.primary.as_deref(), status.term), (Some("pdsa1"), Some(1)));
        assert_eq!(status.sites[0].volume.as_deref(), Some("volume of pdsa1"));
        assert_eq!(status.sites[0].state, CopyState::Unknown);
    }

    #[test]
    fn the_same_findings_say_the_same_later() {
        let mut object = object();
        let first = said(well());
        object.status = Some(first.clone());
        let stage = Stage::Made(Box::new(well()));
        assert_eq!(of(&object, &stage, at("2026-11-25T00:00:00Z")), first);
    }
}

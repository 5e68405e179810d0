//! What a store says of itself, of each state of its copies.

use super::*;
use crate::conditions::is_true;
use crate::mail_store::engine::Engines;
use govuc_api::MailStoreSpec;
use govuc_wire::status::Replication;
use rstest::rstest;

pub fn object() -> MailStore {
    let mut object = MailStore::new("mail-1", MailStoreSpec::at("pdsa1"));
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
        version: None,
        withheld: None,
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
    let mut copies = well();
    std::mem::swap(&mut copies.own, &mut copies.peer);
    copies.listed = None;
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
fn an_engine_that_is_withheld_is_told_and_takes_nothing_from_a_store_that_serves() {
    let engines = Engines::of("cyrus:3.10.2-1", &[]).unwrap();
    let mut copies = well();
    copies.version = Some(Version::of_image("cyrus:3.10.1-4"));
    copies.withheld = engines
        .choose(Some("3.10.1-4"), Some("cyrus:3.10.1-4"))
        .unwrap()
        .withheld;
    let status = said(copies);
    assert_eq!(status.version.as_deref(), Some("3.10.1-4"));
    let withheld = status.withheld.unwrap();
    assert_eq!(
        (withheld.version.as_str(), withheld.reason.as_str()),
        ("3.10.2-1", reasons::PINNED)
    );
    let pending = status
        .conditions
        .iter()
        .find(|it| it.type_ == types::UPGRADE_PENDING)
        .unwrap();
    assert_eq!(
        (&pending.reason, &pending.message),
        (&withheld.reason, &withheld.message)
    );
    assert!(is_true(&status.conditions, types::READY));
    assert!(status.pending.is_empty());
}

#[test]
fn a_store_that_is_not_made_says_why() {
    let unknown = Engines::of("cyrus:3.10.2-1", &[]).unwrap();
    let unknown = unknown.choose(Some("3.11"), None).unwrap_err().to_string();
    let stage = Stage::Refused(reasons::UNKNOWN_VERSION, unknown);
    let status = of(&object(), &stage, at("2026-11-24T00:00:00Z"));
    let stalled = status
        .conditions
        .iter()
        .find(|it| it.type_ == types::STALLED)
        .unwrap();
    assert_eq!(stalled.reason, reasons::UNKNOWN_VERSION);
    assert!(
        stalled.message.contains("3.11") && stalled.message.contains("3.10.2-1"),
        "{}",
        stalled.message
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

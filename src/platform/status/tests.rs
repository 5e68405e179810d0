//! What Platform says of itself, of each stage.

use super::*;
use crate::conditions::is_true;
use crate::roles::health::tests::{seen, voter};
use govuc_api::PlatformSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use rstest::rstest;

fn platform() -> Platform {
    let spec: PlatformSpec =
        serde_yaml::from_str("{domain: 1govuc.gov.my, sites: []}").expect("a spec without sites");
    let mut platform = Platform::new("platform", spec);
    platform.metadata.generation = Some(3);
    platform
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn lead() -> Lead {
    Lead {
        known: Known::Site("pdsa1".into()),
        term: Some(2),
    }
}

fn said(stage: &Stage) -> Vec<Condition> {
    of(&platform(), Some(&lead()), stage, at("2026-11-24T00:00:00Z")).conditions
}

fn parts(waiting: &[&str], directory: Result<(), &str>) -> Stage {
    Stage::Made(Box::new(Parts {
        waiting: waiting.iter().map(|&name| name.to_owned()).collect(),
        directory: directory.map_err(str::to_owned),
        members: None,
        held: Held::default(),
        windows: Vec::new(),
        fault: None,
        agreement: Agreement::Unheard,
    }))
}

/// A site at which nothing is missing, with members that were seen so.
fn with_members(formed: bool, present: &[u64]) -> Stage {
    let members = ["pdsa1", "pdsa2", "witness"];
    let members = (1..).zip(members).map(|(id, site)| voter(id, site));
    Stage::Made(Box::new(Parts {
        waiting: Vec::new(),
        directory: Ok(()),
        members: Some(Seen {
            formed,
            ..seen((present.len() > 1).then(|| members.collect()), present)
        }),
        held: Held::default(),
        windows: Vec::new(),
        fault: None,
        agreement: Agreement::Unheard,
    }))
}

fn reason<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a str> {
    conditions
        .iter()
        .find(|condition| condition.type_ == type_)
        .map(|condition| condition.reason.as_str())
}

#[rstest]
#[case::all_there(parts(&[], Ok(())), true, true, true)]
#[case::a_mail_part_waits(parts(&["mx"], Ok(())), false, true, false)]
#[case::the_directory_waits(parts(&["directory"], Ok(())), false, false, true)]
#[case::the_directory_is_empty(parts(&[], Err("the directory is empty")), false, false, true)]
fn ready_is_directory_and_mail(
    #[case] stage: Stage,
    #[case] ready: bool,
    #[case] directory: bool,
    #[case] mail: bool,
) {
    let conditions = said(&stage);
    assert_eq!(is_true(&conditions, types::READY), ready);
    assert_eq!(is_true(&conditions, types::RECONCILING), !ready);
    assert_eq!(is_true(&conditions, types::DIRECTORY_READY), directory);
    assert_eq!(is_true(&conditions, types::MAIL_READY), mail);
    assert!(is_true(&conditions, types::CERTIFICATES_VALID));
}

#[rstest]
#[case::two_sites(parts(&[], Ok(())), true, reasons::TWO_SITE, true)]
#[case::formed(with_members(true, &[1, 2, 3]), true, reasons::FORMED, true)]
#[case::forming(with_members(false, &[]), false, reasons::FORMING, false)]
#[case::a_member_is_away(with_members(true, &[1, 2]), false, reasons::MEMBER_MISSING, true)]
#[case::no_majority(with_members(true, &[1]), false, reasons::NO_QUORUM, false)]
fn a_member_that_is_away_makes_a_site_no_less_ready(
    #[case] stage: Stage,
    #[case] roles: bool,
    #[case] why: &str,
    #[case] ready: bool,
) {
    let conditions = said(&stage);
    assert_eq!(is_true(&conditions, types::ROLES_READY), roles);
    assert_eq!(reason(&conditions, types::ROLES_READY), Some(why));
    assert_eq!(is_true(&conditions, types::READY), ready);
}

#[rstest]
#[case::doors_without_a_majority(&["front-door", "mx"], &[1], true)]
#[case::doors_with_a_majority(&["front-door", "mx"], &[1, 2], false)]
#[case::another_part_without_a_majority(&["filter"], &[1], false)]
fn doors_that_may_be_shut_on_purpose_are_said_to(
    #[case] waiting: &[&str],
    #[case] present: &[u64],
    #[case] told: bool,
) {
    let Stage::Made(mut made) = with_members(true, present) else {
        unreachable!("it was just made")
    };
    made.waiting = waiting.iter().map(|&name| name.to_owned()).collect();
    let conditions = said(&Stage::Made(made));
    for type_ in [types::MAIL_READY, types::READY] {
        let condition = conditions.iter().find(|condition| condition.type_ == type_);
        let message = &condition.unwrap().message;
        assert_eq!(message.contains("closes its doors"), told, "{type_}: {message}");
    }
}

#[test]
fn windows_that_mean_nothing_stall_a_site_of_which_all_else_is_said() {
    let Stage::Made(parts) = parts(&[], Ok(())) else {
        unreachable!("it was just made")
    };
    let conditions = said(&Stage::Made(Box::new(Parts {
        fault: Some("windows a and b overlap".into()),
        ..*parts
    })));
    assert_eq!(
        reason(&conditions, types::STALLED),
        Some(reasons::WINDOWS_INVALID)
    );
    assert!(!is_true(&conditions, types::READY));
    assert!(is_true(&conditions, types::MAIL_READY));
}

#[test]
fn sites_that_differ_stall_both_and_stay_so_while_nothing_is_heard() {
    let made = |agreement| {
        let Stage::Made(made) = parts(&[], Ok(())) else {
            unreachable!("it was just made")
        };
        Stage::Made(Box::new(Parts { agreement, ..*made }))
    };
    let mut platform = platform();
    let mut said = |stage: &Stage| {
        let status = of(&platform, Some(&lead()), stage, at("2026-11-24T00:00:00Z"));
        platform.status = Some(status.clone());
        [types::STALLED, types::SITES_DIFFER]
            .map(|type_| reason(&status.conditions, type_).map(str::to_owned))
    };
    let both = [
        Some(reasons::SITES_DIFFER.to_owned()),
        Some(reasons::SITES_DIFFER.to_owned()),
    ];
    assert_eq!(said(&made(Agreement::Unheard)), [None, None]);
    assert_eq!(said(&made(Agreement::Differs("order".into()))), both);
    assert_eq!(said(&made(Agreement::Unheard)), both);
    // A step that fails takes the turns' bar from no store.
    assert_eq!(said(&Stage::Failed("away".into())), [None, both[1].clone()]);
    assert_eq!(said(&made(Agreement::Unheard)), both);
    assert_eq!(said(&made(Agreement::Same)), [None, None]);
}

#[test]
fn what_was_announced_stays_while_a_step_fails() {
    let Stage::Made(mut parts) = parts(&[], Ok(())) else {
        unreachable!("it was just made")
    };
    parts.windows = vec![WindowStatus {
        name: "ahad-malam".into(),
        digest: "d".into(),
        announced_at: None,
        next: None,
    }];
    let mut platform = platform();
    let first = of(
        &platform,
        Some(&lead()),
        &Stage::Made(parts),
        at("2026-11-24T00:00:00Z"),
    );
    platform.status = Some(first.clone());
    let failed = of(
        &platform,
        Some(&lead()),
        &Stage::Failed("away".into()),
        at("2026-11-24T01:00:00Z"),
    );
    assert_eq!(failed.windows, first.windows);
    assert_eq!(failed.windows.len(), 1);
}

#[test]
fn a_site_without_its_peer_waits_for_a_person() {
    let conditions = said(&Stage::Alone);
    assert_eq!(reason(&conditions, types::READY), Some(reasons::PEER_UNKNOWN));
    assert!(is_true(&conditions, types::STALLED));
    assert_eq!(reason(&conditions, types::CERTIFICATES_VALID), None);
}

#[test]
fn the_same_findings_say_the_same_later() {
    let mut platform = platform();
    let stage = parts(&["mx"], Ok(()));
    let first = of(&platform, Some(&lead()), &stage, at("2026-11-24T00:00:00Z"));
    platform.status = Some(first.clone());
    assert_eq!(
        of(&platform, Some(&lead()), &stage, at("2026-11-25T00:00:00Z")),
        first
    );
}

#[test]
fn the_lead_is_named_and_stays_so_while_nothing_is_heard_of_it() {
    let mut platform = platform();
    let named = |platform: &Platform, known: Known| {
        let lead = Lead { known, term: None };
        of(platform, Some(&lead), &Stage::Alone, at("2026-11-24T00:00:00Z"))
    };
    let first = named(&platform, Known::Site("pdsa1".into()));
    assert_eq!(first.lead.as_deref(), Some("pdsa1"));
    platform.status = Some(first);
    assert_eq!(named(&platform, Known::Nothing).lead.as_deref(), Some("pdsa1"));
    assert_eq!(named(&platform, Known::Nobody).lead, None);
    assert_eq!(
        named(&platform, Known::Site("pdsa2".into())).lead.as_deref(),
        Some("pdsa2")
    );
}

//! What Platform says of the own site: pure.

use govuc_api::{
    Platform, PlatformStatus,
    conditions::{reasons, types},
};
use k8s_openapi::jiff::Timestamp;

use crate::{
    conditions::{Conditions, Word, begun},
    lead::{Known, Lead},
    maintenance::Held,
    part::{Role, objects::Applied, workload},
    roles::seen::Seen,
};

/// With these a majority of the roles' etcd is there.
const WITHOUT_A_MEMBER: [&str; 5] = [
    reasons::MEMBER_MISSING,
    reasons::MEMBER_REPLACING,
    reasons::MEMBER_FOREIGN,
    reasons::MEMBER_DISTRUSTED,
    reasons::MEMBER_NOT_ETCD,
];

/// What is added then.
const ISOLATED: &str = "; a site that has reached neither a majority of the roles' etcd nor the other site for 60 s \
                        closes its doors, and opens them by itself";

/// How far the site is.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// The object means nothing to this operator; with the reason's constant and what to say.
    Refused(&'static str, String),
    /// The peer's authority or the root secret is not here.
    Alone,
    /// A step failed and is tried again; what it said is for people.
    Failed(String),
    Made(Box<Parts>),
}

/// What was found once everything was applied.
#[derive(Clone, Debug, PartialEq)]
pub struct Parts {
    /// Parts whose pods are not all ready, by name.
    pub waiting: Vec<String>,
    /// What the directory answered; an error is for people.
    pub directory: Result<(), String>,
    /// The members of the roles' etcd; none where there is no witness.
    pub members: Option<Seen>,
    /// Restarts that wait.
    pub held: Held,
    /// What is wrong with the maintenance windows, for people.
    pub windows: Option<String>,
}

impl Parts {
    /// Parts whose pods are not all ready, by name.
    pub fn waiting(applied: &Applied) -> Vec<String> {
        let sets = applied
            .stateful_sets
            .iter()
            .map(|set| (&set.metadata, workload::stateful_set_is_ready(set)));
        let deployments = applied
            .deployments
            .iter()
            .map(|deployment| (&deployment.metadata, workload::deployment_is_ready(deployment)));
        let mut waiting: Vec<String> = sets
            .chain(deployments)
            .filter(|(_, ready)| !ready)
            .filter_map(|(metadata, _)| metadata.name.clone())
            .collect();
        waiting.sort_unstable();
        waiting
    }

    pub fn settled(&self) -> bool {
        let formed = self.members.as_ref().is_none_or(|members| members.formed);
        self.waiting.is_empty() && self.directory.is_ok() && formed
    }
}

/// `lead` is who leads; none if Platform does not say which sites there are. While nothing is heard of it, what was known stays.
pub fn of(platform: &Platform, lead: Option<&Lead>, stage: &Stage, now: Timestamp) -> PlatformStatus {
    let conditions = begun(platform, now);
    let conditions = match stage {
        Stage::Refused(reason, message) => conditions.stalled(reason, message.clone()),
        Stage::Alone => conditions.stalled(
            reasons::PEER_UNKNOWN,
            "the other site's authority and the root secret are not here yet: run kubectl govuc connect",
        ),
        Stage::Failed(error) => conditions.progressing(Word::no(reasons::FAILED, error.clone())),
        Stage::Made(parts) => made(conditions, parts),
    };
    let pending = match stage {
        Stage::Made(parts) => parts.held.pending.clone(),
        // What was found to wait stays so until it is looked at again.
        _ => platform
            .status
            .as_ref()
            .map_or(Vec::new(), |status| status.pending.clone()),
    };
    PlatformStatus {
        observed_generation: platform.metadata.generation,
        lead: led_by(platform, lead),
        pending,
        conditions: conditions.finish(),
    }
}

fn made(conditions: Conditions, parts: &Parts) -> Conditions {
    let directory = directory(parts);
    let roles = roles(parts);
    let mail = mail(parts, &roles);
    // A member that is not there takes nothing from what is asked of this site as long as the others are a majority.
    let missing: Vec<String> = [&directory, &mail, &roles]
        .into_iter()
        .filter(|word| !word.is_true() && !WITHOUT_A_MEMBER.contains(&word.reason))
        .map(|word| word.message.clone())
        .collect();
    // Parts only run once each has its certificate: a failure to issue one ends the reconcile before.
    let conditions = conditions
        .set(
            types::CERTIFICATES_VALID,
            Word::yes(
                reasons::CERTIFICATES_CURRENT,
                "every part has a certificate that is not due",
            ),
        )
        .set(types::DIRECTORY_READY, directory)
        .set(types::MAIL_READY, mail)
        .set(types::ROLES_READY, roles);
    let conditions = match parts.held.word() {
        Some(word) => conditions.set(types::UPGRADE_PENDING, word),
        None => conditions,
    };
    if let Some(fault) = &parts.windows {
        // All else is made all the same: certificates are due whatever people write of windows.
        return conditions.stalled(reasons::WINDOWS_INVALID, fault.clone());
    }
    if missing.is_empty() {
        conditions.ready("every shared part of this site is ready")
    } else {
        conditions.progressing(Word::no(reasons::PARTS_NOT_READY, missing.join("; ")))
    }
}

fn led_by(platform: &Platform, lead: Option<&Lead>) -> Option<String> {
    match &lead?.known {
        Known::Site(site) => Some(site.clone()),
        Known::Nobody => None,
        Known::Nothing => platform.status.as_ref()?.lead.clone(),
    }
}

fn directory(parts: &Parts) -> Word {
    let name = Role::Directory.label();
    if parts.waiting.iter().any(|part| part == name) {
        return Word::no(reasons::PARTS_NOT_READY, "the directory's pod is not ready");
    }
    match &parts.directory {
        Ok(()) => Word::yes(reasons::READY, "the directory answers and has the tree"),
        Err(error) => Word::no(reasons::DIRECTORY_UNREACHABLE, error.clone()),
    }
}

fn roles(parts: &Parts) -> Word {
    match &parts.members {
        Some(members) => members.word(),
        None => Word::yes(
            reasons::TWO_SITE,
            "there is no third place (spec.roles.mode is TwoSite): no store changes sides by itself",
        ),
    }
}

/// `roles` is what is said of the etcd: doors that are shut where it has no majority may be so for that alone.
fn mail(parts: &Parts, roles: &Word) -> Word {
    let waiting: Vec<&str> = parts
        .waiting
        .iter()
        .map(String::as_str)
        .filter(|part| ![Role::Directory.label(), Role::Roles.label()].contains(part))
        .collect();
    if waiting.is_empty() {
        return Word::yes(reasons::READY, "every shared mail part is ready");
    }
    let mut message = format!("not ready: {}", waiting.join(", "));
    if roles.reason == reasons::NO_QUORUM && waiting.contains(&Role::FrontDoor.label()) {
        message += ISOLATED;
    }
    Word::no(reasons::PARTS_NOT_READY, message)
}

#[cfg(test)]
mod tests {
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
            windows: None,
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
            windows: None,
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
            windows: Some("windows a and b overlap".into()),
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
}

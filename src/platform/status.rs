//! What Platform says of the own site: pure.

use govuc_api::{
    Platform, PlatformStatus, WindowStatus,
    conditions::{reasons, types},
};
use k8s_openapi::jiff::Timestamp;

use crate::{
    conditions::{Conditions, Word, begun},
    lead::{Known, Lead},
    maintenance::Held,
    part::{Role, objects::Applied, workload},
    platform::agreement::{self, Agreement},
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
    /// What is known of the maintenance windows.
    pub windows: Vec<WindowStatus>,
    /// What is wrong with them, for people.
    pub fault: Option<String>,
    /// Whether the other site's Platform means the same.
    pub agreement: Agreement,
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
    let difference = match stage {
        Stage::Made(parts) => parts.agreement.difference(platform),
        _ => agreement::known(platform).map(str::to_owned),
    };
    let conditions = match &difference {
        Some(message) => {
            begun(platform, now).set(types::SITES_DIFFER, Word::yes(reasons::SITES_DIFFER, message))
        }
        None => begun(platform, now),
    };
    let conditions = match stage {
        Stage::Refused(reason, message) => conditions.stalled(reason, message.clone()),
        Stage::Alone => conditions.stalled(
            reasons::PEER_UNKNOWN,
            "the other site's authority and the root secret are not here yet: run kubectl govuc connect",
        ),
        Stage::Failed(error) => conditions.progressing(Word::no(reasons::FAILED, error.clone())),
        Stage::Made(parts) => made(conditions, parts, difference),
    };
    let (pending, windows) = match stage {
        Stage::Made(parts) => (parts.held.pending.clone(), parts.windows.clone()),
        // What was found stays so until it is looked at again.
        _ => platform
            .status
            .as_ref()
            .map(|status| (status.pending.clone(), status.windows.clone()))
            .unwrap_or_default(),
    };
    PlatformStatus {
        observed_generation: platform.metadata.generation,
        lead: led_by(platform, lead),
        windows,
        pending,
        conditions: conditions.finish(),
    }
}

fn made(conditions: Conditions, parts: &Parts, difference: Option<String>) -> Conditions {
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
    if let Some(difference) = difference {
        return conditions.stalled(reasons::SITES_DIFFER, difference);
    }
    if let Some(fault) = &parts.fault {
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
mod tests;

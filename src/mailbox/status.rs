//! What a mailbox's status says: pure. At most 600 bytes, for there are many.

use govuc_api::{
    FirstPassword, Granted, Mailbox, MailboxStatus,
    conditions::{reasons, types},
};
use govuc_directory::UniqueAttribute;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::{
    desired::secret_name,
    plan::{Hold, Plan},
};
use crate::conditions::{Conditions, Word, begun, kept};

pub fn of(mailbox: &Mailbox, plan: &Plan, now: Timestamp) -> MailboxStatus {
    let conditions = begun(mailbox, now);
    let first_password = |at: &Option<String>| {
        at.as_ref().map(|site| FirstPassword {
            secret: secret_name(&mailbox.name_any()),
            site: site.clone(),
        })
    };
    match plan {
        Plan::Hold(hold) => MailboxStatus {
            conditions: held(conditions, hold).finish(),
            ..kept(mailbox)
        },
        Plan::Show(shown) => MailboxStatus {
            granted: Some(shown.granted.clone()),
            first_password: first_password(&shown.password_at),
            conditions: done(conditions, shown.ended).finish(),
            ..kept(mailbox)
        },
        Plan::Do(work) => MailboxStatus {
            granted: Some(work.granted.clone()),
            first_password: first_password(&work.password_at),
            conditions: done(conditions, work.ended).finish(),
            ..kept(mailbox)
        },
    }
}

/// When the object means nothing, though admission let it pass.
pub fn invalid(mailbox: &Mailbox, message: String, now: Timestamp) -> MailboxStatus {
    MailboxStatus {
        conditions: begun(mailbox, now).stalled(reasons::INVALID, message).finish(),
        ..kept(mailbox)
    }
}

/// While a step fails: what is there is said by the conditions it had.
pub fn failed(mailbox: &Mailbox, message: String, now: Timestamp) -> MailboxStatus {
    MailboxStatus {
        conditions: begun(mailbox, now)
            .progressing(Word::no(reasons::FAILED, message))
            .finish(),
        ..kept(mailbox)
    }
}

/// The status as it was, with what must not be forgotten.
pub fn remembering(mailbox: &Mailbox, granted: &Granted) -> MailboxStatus {
    MailboxStatus {
        granted: Some(granted.clone()),
        ..mailbox.status.clone().unwrap_or_default()
    }
}

fn done(conditions: Conditions, ended: bool) -> Conditions {
    if ended {
        let message = "no login and no new mail; the mail is kept until retention ends";
        conditions.set(types::READY, Word::yes(reasons::TERMINATED, message))
    } else {
        conditions.ready("")
    }
}

fn held(conditions: Conditions, hold: &Hold) -> Conditions {
    match hold {
        Hold::NoPlatform => conditions.progressing(Word::no(
            reasons::PLATFORM_NOT_READY,
            "there is no Platform: apply it first",
        )),
        Hold::NotConnected => conditions.progressing(Word::no(
            reasons::PEER_UNKNOWN,
            "the sites are not connected: kubectl govuc connect",
        )),
        Hold::AgencyNotReady(why) => conditions.progressing(Word::no(reasons::AGENCY_NOT_READY, why.clone())),
        Hold::DirectoryAway(why) => {
            conditions.progressing(Word::unknown(reasons::DIRECTORY_UNREACHABLE, why.clone()))
        }
        Hold::Outside { address, domains } => conditions.stalled(
            reasons::ADDRESS_OUTSIDE_DOMAINS,
            format!("{address} is in no domain of the agency ({domains}): use one of these"),
        ),
        Hold::Taken {
            attribute,
            value,
            holder,
        } => conditions.stalled(
            match attribute {
                UniqueAttribute::StaffNumber => reasons::STAFF_NUMBER_TAKEN,
                _ => reasons::ADDRESS_TAKEN,
            },
            format!(
                "{} {value} is mailbox {holder}'s: choose another, or change that mailbox first",
                attribute.label()
            ),
        ),
        Hold::Retained { account, holder } => conditions.stalled(
            reasons::ACCOUNT_RETAINED,
            format!(
                "the account of {holder} is still kept: set spec.restore to {account} to take it up again"
            ),
        ),
        Hold::NothingToRestore(id) => conditions.stalled(
            reasons::NOTHING_TO_RESTORE,
            format!(
                "spec.restore is {id}, which is no account kept for this agency: take it out, or correct it"
            ),
        ),
        Hold::AwaitLead => conditions.progressing(Word::unknown(
            reasons::AWAITING_LEAD,
            "the lead site makes the account; it has not arrived here",
        )),
    }
}

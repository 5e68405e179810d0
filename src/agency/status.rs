//! What an agency's status says: pure.

use govuc_api::{
    Agency, AgencyStatus, MailStore, PlacedStore, StoreUse,
    conditions::{reasons, types},
};
use k8s_openapi::jiff::Timestamp;

use super::{
    Decision, Tenant,
    plan::{Hold, Make, Plan},
};
use crate::conditions::{Conditions, Word, begun, is_true, kept};

/// `store` is the agency's MailStore in this cluster, as it is now; `counted` is whether its namespace's quota is.
pub fn of(
    agency: &Agency,
    tenant: &Tenant,
    plan: &Plan,
    store: Option<&MailStore>,
    counted: bool,
    now: Timestamp,
) -> AgencyStatus {
    let conditions = begun(agency, now).set(types::APPROVED, approved(&tenant.decision));
    match plan {
        Plan::Hold(hold) => AgencyStatus {
            conditions: held(conditions, hold, tenant).finish(),
            ..kept(agency)
        },
        Plan::Make(make) => AgencyStatus {
            observed_generation: agency.metadata.generation,
            namespace: Some(tenant.name.namespace()),
            stores: vec![PlacedStore {
                name: make.store.clone(),
                usage: StoreUse::Mail,
            }],
            conditions: made(conditions, make, store, counted).finish(),
        },
    }
}

/// When the object means nothing, though admission let it pass.
pub fn invalid(agency: &Agency, message: String, now: Timestamp) -> AgencyStatus {
    AgencyStatus {
        conditions: begun(agency, now).stalled(reasons::INVALID, message).finish(),
        ..kept(agency)
    }
}

/// While it is deleted and still has mailboxes.
pub fn occupied(agency: &Agency, tenant: &Tenant, now: Timestamp) -> AgencyStatus {
    let message = format!(
        "namespace {} still has mailboxes, so the agency stays: delete them first; their mail is kept until retention ends",
        tenant.name.namespace()
    );
    AgencyStatus {
        conditions: begun(agency, now)
            .set(types::APPROVED, approved(&tenant.decision))
            .stalled(reasons::HAS_MAILBOXES, message)
            .finish(),
        ..kept(agency)
    }
}

fn approved(decision: &Decision) -> Word {
    match decision {
        Decision::Approved { by, on } => Word::yes(reasons::APPROVED, format!("by {by} on {on}")),
        Decision::Pending => Word::no(reasons::AWAITING_APPROVAL, "no decision on the application yet"),
        Decision::Rejected { by, reason } => Word::no(reasons::REJECTED, format!("by {by}: {reason}")),
        Decision::Withdrawn => Word::no(
            reasons::APPROVAL_WITHDRAWN,
            "the approval was withdrawn: what is there stays, and nothing more is made",
        ),
    }
}

fn held(conditions: Conditions, hold: &Hold, tenant: &Tenant) -> Conditions {
    let name = &tenant.name;
    match hold {
        Hold::Undecided => conditions.set(
            types::READY,
            Word::no(
                reasons::AWAITING_APPROVAL,
                format!("nothing is made before approval: an approver runs kubectl govuc approve {name}"),
            ),
        ),
        Hold::Rejected { by, reason } => conditions.stalled(
            reasons::REJECTED,
            format!("{by} rejected the application: {reason}. Remedy: change the application, and ask for another decision"),
        ),
        Hold::Withdrawn => conditions.stalled(
            reasons::APPROVAL_WITHDRAWN,
            format!("what is there stays, and nothing more is made. Remedy: kubectl govuc approve {name}"),
        ),
        Hold::NoPlatform => conditions.progressing(Word::no(
            reasons::PLATFORM_NOT_READY,
            "there is no Platform: apply it first",
        )),
        Hold::NotConnected => conditions.progressing(Word::no(
            reasons::PEER_UNKNOWN,
            "the sites are not connected: kubectl govuc connect",
        )),
        Hold::DirectoryAway(why) => {
            conditions.progressing(Word::unknown(reasons::DIRECTORY_UNREACHABLE, why.clone()))
        }
        Hold::SiteUnknown(sites) => conditions.stalled(
            reasons::SITE_UNKNOWN,
            format!(
                "spec.preferredSite is {}, but the sites are {sites}. Remedy: write one of them",
                tenant.preferred_site
            ),
        ),
        Hold::DomainTaken(conflict) => conditions.stalled(
            reasons::DOMAIN_TAKEN,
            format!(
                "spec.domains has {}, which is agency {}'s. Remedy: take it out here, or have that agency give it up first",
                conflict.value, conflict.holder
            ),
        ),
        Hold::AwaitLead => conditions.progressing(Word::unknown(
            reasons::AWAITING_LEAD,
            "the lead site decides on domains and store; its decision has not arrived here",
        )),
    }
}

fn made(conditions: Conditions, make: &Make, store: Option<&MailStore>, counted: bool) -> Conditions {
    let serves = store
        .and_then(|store| store.status.as_ref())
        .is_some_and(|status| is_true(&status.conditions, types::READY));
    if serves && !counted {
        let message =
            "the API server does not count the namespace's quota yet, and refuses mailboxes until it does";
        return conditions.progressing(Word::no(reasons::QUOTA_NOT_COUNTED, message));
    }
    if serves {
        let word = Word::yes(reasons::READY, format!("store {} serves", make.store));
        conditions
            .set(types::MAIL_READY, word)
            .ready("namespace, roles and store are there")
    } else {
        let message = format!(
            "store {} is not ready here: kubectl describe mailstore {0}",
            make.store
        );
        conditions
            .set(
                types::MAIL_READY,
                Word::no(reasons::STORE_NOT_READY, message.clone()),
            )
            .progressing(Word::no(reasons::STORE_NOT_READY, message))
    }
}

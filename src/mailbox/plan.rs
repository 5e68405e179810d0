//! What is to be done for a mailbox: pure.

use govuc_api::{Granted, Mailbox};
use govuc_directory::{Account, AccountRecord, UniqueAttribute};
use k8s_openapi::jiff::{Span, Timestamp};
use uuid::Uuid;

use super::{
    account::Wanted,
    observe::{Claim, Local, View, account},
};
use crate::{
    cyrus_admin::{Place, Tree},
    names::SiteName,
};

/// How long an account is kept after its end, in hours: 90 days.
const RETENTION_HOURS: i64 = 90 * 24;

#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    Hold(Hold),
    /// At the other site: what the lead has done is shown.
    Show(Box<AccountRecord>),
    Do(Box<Work>),
}

/// Why nothing is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    NoPlatform,
    NotConnected,
    AgencyNotReady(String),
    /// The directory does not answer, and why.
    DirectoryAway(String),
    Outside {
        address: String,
        domains: String,
    },
    Taken {
        attribute: UniqueAttribute,
        value: String,
        holder: String,
    },
    /// The account of this object, or of this staff number, is kept.
    Retained {
        account: Uuid,
        holder: String,
    },
    NothingToRestore(Uuid),
    AwaitLead,
}

/// What the lead does. Nothing, in steady state.
#[derive(Clone, Debug, PartialEq)]
pub struct Work {
    pub steps: Vec<Step>,
    pub granted: Granted,
    pub ended: bool,
    /// The first password was used, or there is none to be used.
    pub settled: bool,
}

/// In the order in which they are carried out, so that whatever is cut short is taken up again.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Before the directory forgets which address was the primary one.
    Remember(Granted),
    Add(Account),
    Update(Account),
    Restore(Uuid),
    Prepare(Place, Tree),
    /// In the directory first, then in the Secret: a password in a Secret always works.
    FirstPassword(Uuid),
    /// Says that all before was done.
    Finish(Account),
    DropSecret,
    Retain(Uuid, Timestamp),
}

/// Addresses that were the account's before and are no longer asked for.
pub fn former(wanted: &Wanted, granted: Option<&Granted>, record: Option<&AccountRecord>) -> Vec<String> {
    let mut former = match (granted, record) {
        (Some(granted), _) => granted.former_addresses.clone(),
        // An object made anew over a kept account: all it had stays its own.
        (None, Some(record)) => record.account.aliases.clone(),
        (None, None) => Vec::new(),
    };
    former.extend(record.map(|record| record.account.address.clone()));
    former.sort();
    former.dedup();
    former.retain(|old| wanted.addresses().all(|address| address.as_str() != old));
    former
}

/// Before the directory is asked: what this cluster alone can tell.
pub fn local(wanted: &Wanted, local: &Local) -> Result<(), Hold> {
    if local.platform.is_none() {
        return Err(Hold::NoPlatform);
    }
    let agency = local
        .agency
        .as_deref()
        .ok_or_else(|| Hold::AgencyNotReady(format!("there is no agency {}", wanted.agency)))?;
    if local.store().is_none() {
        return Err(Hold::AgencyNotReady(format!(
            "agency {} has no store yet",
            wanted.agency
        )));
    }
    let domains: Vec<&str> = agency
        .spec
        .domains
        .iter()
        .map(|domain| domain.name.as_str())
        .collect();
    match wanted
        .addresses()
        .find(|address| !domains.contains(&address.domain()))
    {
        Some(address) => Err(Hold::Outside {
            address: address.to_string(),
            domains: domains.join(", "),
        }),
        None => Ok(()),
    }
}

/// Whether this site is the lead.
pub fn leads(local: &Local, own: &SiteName) -> bool {
    let first = local
        .platform
        .as_ref()
        .and_then(|platform| platform.spec.sites.first());
    first.is_some_and(|site| site.name == own.as_str())
}

/// At the other site.
pub fn follow(wanted: &Wanted, view: View) -> Plan {
    match view.record {
        Some(record) if is_done(wanted, &record) => Plan::Show(Box::new(record)),
        // The other site's view of what the lead refuses too.
        _ => Plan::Hold(view.claim.map_or(Hold::AwaitLead, |claim| refused(&claim))),
    }
}

/// At the lead.
pub fn lead(mailbox: &Mailbox, wanted: &Wanted, view: &View, store: &str, now: Timestamp) -> Plan {
    match work(mailbox, wanted, view, store, now) {
        Ok(work) => Plan::Do(Box::new(work)),
        Err(hold) => Plan::Hold(hold),
    }
}

fn work(mailbox: &Mailbox, wanted: &Wanted, view: &View, store: &str, now: Timestamp) -> Result<Work, Hold> {
    let granted = mailbox.status.as_ref().and_then(|status| status.granted.as_ref());
    let record = known(wanted, view, granted)?;
    if let Some(claim) = &view.claim {
        return Err(refused(claim));
    }
    let former = former(wanted, granted, record);
    let id = record.map_or(view.id, |record| record.account.id);
    // An account that is there stays on the store it is on.
    let store = record.map_or(store, |record| record.account.store.as_str());
    let next = Granted {
        account_id: id.to_string(),
        store: store.to_owned(),
        former_addresses: former.clone(),
    };
    let target = account(wanted, id, store, &former);
    let ended = wanted.has_ended(now);
    let mut steps = Vec::new();
    if granted.is_some_and(|granted| granted.former_addresses != former) {
        steps.push(Step::Remember(next.clone()));
    }
    let done = record.is_some_and(|record| is_done(wanted, record) && record.account.mailbox == wanted.key);
    match record {
        None => steps.push(Step::Add(target.clone())),
        Some(_) if !done => steps.push(Step::Update(target.clone())),
        Some(_) => {}
    }
    if !done {
        steps.push(Step::Prepare(place(view, store)?, tree(wanted, id)));
    }
    let retained = record.is_some_and(|record| record.retain_until.is_some());
    if retained && !ended {
        steps.push(Step::Restore(id));
    }
    let password = record.map(|record| &record.password);
    let unused = password.is_none_or(|password| password.changed_at.is_none() || password.must_change);
    if unused && !ended && !(view.secret && password.is_some_and(|password| password.changed_at.is_some())) {
        steps.push(Step::FirstPassword(id));
    }
    if !done {
        steps.push(Step::Finish(Account {
            spec_hash: Some(wanted.digest.clone()),
            ..target
        }));
    }
    let shown = mailbox
        .status
        .as_ref()
        .is_some_and(|status| status.first_password.is_some());
    if shown && (!unused || ended) {
        steps.push(Step::DropSecret);
    }
    if ended && !retained {
        steps.push(Step::Retain(id, retention_end(now)));
    }
    Ok(Work {
        steps,
        granted: next,
        ended,
        settled: !unused || ended,
    })
}

/// The account that is this mailbox's, if there is one; and whether it may be.
fn known<'a>(
    wanted: &Wanted,
    view: &'a View,
    granted: Option<&Granted>,
) -> Result<Option<&'a AccountRecord>, Hold> {
    if let Some(record) = &view.record {
        let id = record.account.id;
        let lived_through = granted.is_some_and(|granted| granted.account_id == id.to_string());
        if record.retain_until.is_some() && !lived_through && wanted.restore != Some(id) {
            return Err(Hold::Retained {
                account: id,
                holder: record.account.mailbox.clone(),
            });
        }
        return Ok(Some(record));
    }
    match (wanted.restore, &view.restored) {
        (None, _) => Ok(None),
        (Some(_), Some(record))
            if record.retain_until.is_some() && record.account.agency == wanted.agency.as_str() =>
        {
            Ok(Some(record))
        }
        (Some(id), _) => Err(Hold::NothingToRestore(id)),
    }
}

fn refused(claim: &Claim) -> Hold {
    match &claim.holder {
        Some(holder) if holder.retain_until.is_some() => Hold::Retained {
            account: holder.account.id,
            holder: holder.account.mailbox.clone(),
        },
        _ => Hold::Taken {
            attribute: claim.conflict.attribute,
            value: claim.conflict.value.clone(),
            holder: claim.conflict.holder.clone(),
        },
    }
}

fn is_done(wanted: &Wanted, record: &AccountRecord) -> bool {
    record.account.spec_hash.as_ref() == Some(&wanted.digest)
}

fn place(view: &View, store: &str) -> Result<Place, Hold> {
    let entry = view
        .store
        .as_ref()
        .filter(|entry| entry.name == store)
        .ok_or_else(|| Hold::AgencyNotReady(format!("store {store} is not in the directory yet")))?;
    Ok(Place {
        store: entry.name.clone(),
        primary: entry.primary_site.clone(),
        era: entry.era,
    })
}

fn tree(wanted: &Wanted, account: Uuid) -> Tree {
    Tree {
        account,
        quota: wanted.quota,
        language: wanted.language,
    }
}

/// When what ends now is kept until.
pub fn retention_end(now: Timestamp) -> Timestamp {
    now.checked_add(Span::new().hours(RETENTION_HOURS))
        .unwrap_or(Timestamp::MAX)
}

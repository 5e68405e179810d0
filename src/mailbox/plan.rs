//! What is to be done for a mailbox: pure.

use govuc_api::{Granted, Mailbox, NEW_FIRST_PASSWORD};
use govuc_directory::{Account, AccountRecord, UniqueAttribute};
use k8s_openapi::jiff::{Span, Timestamp};
use uuid::Uuid;

use super::{
    account::Wanted,
    observe::{Claim, Local, View, account},
};
use crate::cyrus_admin::{Place, Tree};

/// How long an account is kept after its end, in hours: 90 days.
const RETENTION_HOURS: i64 = 90 * 24;

#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    Hold(Hold),
    /// While this site does not lead: what the lead has done is shown.
    Show(Box<Shown>),
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
    /// The site that has the first password; none once it was used, or when there is none to be used.
    pub password_at: Option<String>,
}

/// What is shown of the lead's work.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// As the directory has it, so that whoever leads next goes on from there.
    pub granted: Granted,
    pub ended: bool,
    /// As in [`Work`].
    pub password_at: Option<String>,
    /// This cluster has a Secret of which nobody has any use any more.
    pub drop_secret: bool,
}

/// The two sites that matter for a first password.
#[derive(Clone, Copy, Debug)]
pub struct Sites<'a> {
    pub own: &'a str,
    /// It minted the first passwords of accounts that don't say which site did.
    pub first: &'a str,
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

/// While another site leads, or nobody.
pub fn follow(mailbox: &Mailbox, wanted: &Wanted, view: &View, sites: Sites<'_>) -> Plan {
    match &view.record {
        Some(record) if is_done(wanted, record) => {
            let ended = record.retain_until.is_some();
            let password_at = minted_at(record, sites).filter(|_| !ended);
            Plan::Show(Box::new(Shown {
                granted: Granted {
                    account_id: record.account.id.to_string(),
                    store: record.account.store.clone(),
                    former_addresses: former(wanted, None, Some(record)),
                },
                ended,
                drop_secret: has_secret(mailbox, sites) && password_at != Some(sites.own),
                password_at: password_at.map(str::to_owned),
            }))
        }
        // What the lead refuses too.
        _ => Plan::Hold(
            view.claim
                .as_ref()
                .map_or(Hold::AwaitLead, |claim| refused(wanted, claim)),
        ),
    }
}

/// The site that minted a first password which is still to be used.
fn minted_at<'a>(record: &'a AccountRecord, sites: Sites<'a>) -> Option<&'a str> {
    let password = &record.password;
    let unused = password.must_change && password.changed_at.is_some();
    unused.then(|| password.minted_at.as_deref().unwrap_or(sites.first))
}

/// Whether this cluster was given the Secret, as its status remembers.
fn has_secret(mailbox: &Mailbox, sites: Sites<'_>) -> bool {
    let status = mailbox.status.as_ref();
    let shown = status.and_then(|status| status.first_password.as_ref());
    shown.is_some_and(|shown| shown.site == sites.own)
}

/// Whether a person gave up the first password that this site has.
fn given_up(mailbox: &Mailbox, site: &str) -> bool {
    let annotations = mailbox.metadata.annotations.as_ref();
    annotations.and_then(|annotations| annotations.get(NEW_FIRST_PASSWORD).map(String::as_str)) == Some(site)
}

/// At the lead.
pub fn lead(
    mailbox: &Mailbox,
    wanted: &Wanted,
    view: &View,
    store: &str,
    sites: Sites<'_>,
    now: Timestamp,
) -> Plan {
    match work(mailbox, wanted, view, store, sites, now) {
        Ok(work) => Plan::Do(Box::new(work)),
        Err(hold) => Plan::Hold(hold),
    }
}

fn work(
    mailbox: &Mailbox,
    wanted: &Wanted,
    view: &View,
    store: &str,
    sites: Sites<'_>,
    now: Timestamp,
) -> Result<Work, Hold> {
    let granted = mailbox.status.as_ref().and_then(|status| status.granted.as_ref());
    let record = known(wanted, view, granted)?;
    if let Some(claim) = &view.claim {
        return Err(refused(wanted, claim));
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
    let minted_at = record.and_then(|record| minted_at(record, sites));
    // Another site's is never replaced because that site is silent: cut off, it may still have people who choose theirs there.
    let mint = unused
        && !ended
        && minted_at.is_none_or(|site| {
            if site == sites.own {
                !view.secret
            } else {
                given_up(mailbox, site)
            }
        });
    if mint {
        steps.push(Step::FirstPassword(id));
    }
    let password_at = if mint {
        Some(sites.own)
    } else {
        minted_at.filter(|_| !ended)
    };
    if !done {
        steps.push(Step::Finish(Account {
            spec_hash: Some(wanted.digest.clone()),
            ..target
        }));
    }
    if has_secret(mailbox, sites) && password_at != Some(sites.own) {
        steps.push(Step::DropSecret);
    }
    if ended && !retained {
        steps.push(Step::Retain(id, retention_end(now)));
    }
    Ok(Work {
        steps,
        granted: next,
        ended,
        password_at: password_at.map(str::to_owned),
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

fn refused(wanted: &Wanted, claim: &Claim) -> Hold {
    match &claim.holder {
        Some(holder) if holder.retain_until.is_some() => Hold::Retained {
            account: holder.account.id,
            holder: holder.account.mailbox.clone(),
        },
        // The own account arrived between two questions to the directory.
        _ if claim.conflict.holder == wanted.key => Hold::AwaitLead,
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

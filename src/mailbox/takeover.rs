//! What a new lead has to look at: one reading of all accounts, instead of a question for each mailbox.

use std::{collections::HashMap, sync::Arc};

use futures::{Stream, StreamExt, stream};
use govuc_api::{Mailbox, PLATFORM};
use govuc_directory::AccountRecord;
use k8s_openapi::jiff::Timestamp;
use kube::{
    ResourceExt,
    runtime::reflector::{ObjectRef, Store},
};

use super::{account::Wanted, observe::Caches};
use crate::{cluster::FINALIZER, conditions, controller::chain, operator::Context};

/// The mailboxes in which something is to be done, whenever this site has come to lead.
pub fn differing(
    context: Arc<Context>,
    caches: Caches,
    mailboxes: Store<Mailbox>,
) -> impl Stream<Item = ObjectRef<Mailbox>> + Send {
    let changes = context
        .office
        .changes()
        .filter(|lead| std::future::ready(lead.is_here()));
    changes
        .then(move |_| look(context.clone(), caches.clone(), mailboxes.clone()))
        .flat_map(stream::iter)
}

async fn look(context: Arc<Context>, caches: Caches, mailboxes: Store<Mailbox>) -> Vec<ObjectRef<Mailbox>> {
    let platform = caches.platforms.get(&ObjectRef::new(PLATFORM));
    let registry = platform.and_then(|platform| context.directory.open(&platform.spec.domain));
    let mailboxes = mailboxes.state();
    let chosen = match registry {
        None => mailboxes,
        Some(registry) => match registry.accounts().await {
            Ok(accounts) => unlike(mailboxes, &accounts, Timestamp::now()),
            Err(error) => {
                tracing::info!(error = chain(&error), "every mailbox is looked at by itself");
                mailboxes
            }
        },
    };
    tracing::info!(mailboxes = chosen.len(), "to be looked at by the new lead");
    chosen
        .iter()
        .map(|mailbox| ObjectRef::from_obj(&**mailbox))
        .collect()
}

/// Those that are not, or not known to be, as the directory has them: pure.
pub fn unlike(mailboxes: Vec<Arc<Mailbox>>, accounts: &[AccountRecord], now: Timestamp) -> Vec<Arc<Mailbox>> {
    let accounts: HashMap<&str, &AccountRecord> = accounts
        .iter()
        .map(|record| (record.account.mailbox.as_str(), record))
        .collect();
    let mut mailboxes = mailboxes;
    mailboxes.retain(|mailbox| !is_like(mailbox, &accounts, now));
    mailboxes
}

fn is_like(mailbox: &Mailbox, accounts: &HashMap<&str, &AccountRecord>, now: Timestamp) -> bool {
    let Ok(wanted) = Wanted::of(mailbox) else {
        return false;
    };
    let Some(record) = accounts.get(wanted.key.as_str()) else {
        return false;
    };
    let status = mailbox.status.as_ref();
    let settled =
        status.is_some_and(|status| conditions::is_settled(&status.conditions, mailbox.metadata.generation));
    let password = &record.password;
    settled
        && mailbox.metadata.deletion_timestamp.is_none()
        && mailbox.finalizers().iter().any(|held| held == FINALIZER)
        && record.account.spec_hash.as_ref() == Some(&wanted.digest)
        && record.retain_until.is_some() == wanted.has_ended(now)
        // A first password that waits is looked at anyway, every half minute.
        && password.changed_at.is_some()
}

//! R4: taking a store together with a lease that ends unless its holder keeps it.

use std::time::Duration;

use govuc_roles::{
    Ballot,
    record::{LeaseRecord, Session, StateRecord},
};
use serde::Serialize;
use tokio::time::{self, Instant};

use super::{Expected, Key, Roles, StoreName, encode, found, put, read, unchanged};
use crate::{Error, LeaseId, Operation, Revision, Txn};

/// One attempt to give a lease back.
const REVOKE: Duration = Duration::from_secs(2);
/// Before it is tried again.
const REVOKE_AGAIN: Duration = Duration::from_millis(500);

/// A store's lease of this process, and the state it last committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub store: StoreName,
    pub lease: LeaseId,
    pub ballot: Ballot,
    pub(super) session: Session,
    /// When the state was last put by this process.
    pub(super) state: Revision,
}

/// What was acquired, and the caller's time just before its lease was asked for: its deadline counts from then (R9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acquired<T> {
    pub held: Held,
    pub sent: T,
}

impl Roles {
    /// Takes a store: a new lease, the lease's key, and `state` in the place of the one in `expected`, all or nothing.
    /// `state` names this process as its holder. `now` is asked for the time just before the lease is asked for.
    ///
    /// # Errors
    /// After any, the store is not this process's and will not become so by this attempt: its lease is given back, again
    /// and again until it has ended. [`Error::Refused`]: somebody has the lease, or has changed the state or the era.
    pub async fn acquire<T>(
        &self,
        store: &StoreName,
        expected: Expected,
        state: &StateRecord,
        ttl: Duration,
        now: impl Fn() -> T,
        limit: Duration,
    ) -> Result<Acquired<T>, Error> {
        let key = Key::State(store.clone());
        let Some(holder) = &state.holder else {
            return Err(Error::malformed(key, "an acquisition names no holder"));
        };
        let record = LeaseRecord {
            site: holder.site.clone(),
            session: holder.session.clone(),
            era: state.era,
            term: state.term,
        };
        let txn = Txn {
            compares: vec![
                unchanged(&key, expected.state),
                unchanged(&Key::Era, expected.era),
            ],
            then: vec![put(&key, encode(&key, state)?)],
            otherwise: Vec::new(),
        };
        let (lease, taken, sent) = self
            .take(Key::Lease(store.clone()), &record, txn, ttl, now, limit)
            .await?;
        let held = Held {
            store: store.clone(),
            lease,
            ballot: state.ballot(),
            session: holder.session.clone(),
            state: taken,
        };
        Ok(Acquired { held, sent })
    }

    /// Gives a lease back, and with it what it was taken for.
    ///
    /// # Errors
    /// It ends by itself then.
    pub async fn release(&self, lease: LeaseId, limit: Duration) -> Result<(), Error> {
        self.etcd.revoke(lease, limit).await
    }

    /// A new lease with `key` on it, if the key is not there and `txn` allows it.
    pub(super) async fn take<T>(
        &self,
        key: Key,
        record: &impl Serialize,
        mut txn: Txn,
        ttl: Duration,
        now: impl Fn() -> T,
        limit: Duration,
    ) -> Result<(LeaseId, Revision, T), Error> {
        let deadline = Instant::now() + limit;
        let lease = LeaseId::random();
        txn.compares.push(unchanged(&key, Revision::ABSENT));
        txn.then.push(Operation::Put {
            key: key.to_string(),
            value: encode(&key, record)?,
            lease: Some(lease),
        });
        txn.otherwise.push(read(&key));
        let sent = now();
        // From here on the lease may be granted, also when this future is dropped.
        let guard = GiveBack {
            roles: self.clone(),
            lease,
            ttl,
            armed: true,
        };
        self.etcd.grant(lease, ttl, limit).await?;
        let left = deadline.saturating_duration_since(Instant::now());
        let taken = self
            .settle(&txn, left, |reads| {
                found(reads, 0)
                    .filter(|found| found.lease == Some(lease))
                    .map(|found| found.modified)
            })
            .await?;
        guard.keep();
        Ok((lease, taken, sent))
    }
}

/// Revokes a lease when dropped, so that a transaction with it that is carried out late is refused.
struct GiveBack {
    roles: Roles,
    lease: LeaseId,
    ttl: Duration,
    armed: bool,
}

impl GiveBack {
    fn keep(mut self) {
        self.armed = false;
    }
}

impl Drop for GiveBack {
    fn drop(&mut self) {
        if !self.armed {
            return;
        }
        let (etcd, lease, ended) = (self.roles.etcd.clone(), self.lease, Instant::now() + self.ttl);
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        runtime.spawn(async move {
            while let Err(error) = etcd.revoke(lease, REVOKE).await {
                tracing::debug!(%lease, %error, "a lease can't be given back");
                if Instant::now() >= ended {
                    return;
                }
                time::sleep(REVOKE_AGAIN).await;
            }
        });
    }
}

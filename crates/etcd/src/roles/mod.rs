//! What the roles' etcd keeps, as the protocol has it: `docs/protocol.md` has the keys, `govuc-roles` their values.
//!
//! A change whose answer is lost is sent again until it is known what became of it, or the caller's limit is over. That
//! is safe because every change compares what it was made from: of two copies of it, one at most is carried out.

mod acquire;
mod commit;
mod era;
mod holders;
mod key;
mod lead;
mod reading;
mod register;
mod sites;
mod want;

use std::time::Duration;

use govuc_roles::StoreName;
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::{self, Instant};

pub use self::{
    acquire::{Acquired, Held},
    commit::commitment,
    holders::{HeldBy, Holders, Known},
    key::{Key, PREFIX, prefix},
    lead::{LeadReading, LeadTaken},
    reading::{All, Expected, Leased, Reading, Replaced, StoreRecords, Versioned},
    register::{Registered, Registration},
};
use crate::{Answer, Compare, Error, Etcd, Found, KeyValue, Operation, Revision, Tried, Txn};

/// Before a change is sent again whose outcome is open.
const BETWEEN: Duration = Duration::from_millis(50);
/// The least time for one attempt at a change, of which others may follow.
const ATTEMPT: Duration = Duration::from_secs(1);

/// The protocol's view of etcd. Cheap to clone.
#[derive(Clone)]
pub struct Roles {
    etcd: Etcd,
}

impl Roles {
    pub fn new(etcd: Etcd) -> Self {
        Self { etcd }
    }

    pub fn etcd(&self) -> &Etcd {
        &self.etcd
    }

    /// Sends a transaction until its outcome is known. `done` tells from what was found when it is refused whether an
    /// earlier copy of it was carried out, and at which revision.
    async fn settle(
        &self,
        txn: &Txn,
        limit: Duration,
        done: impl Fn(&Found) -> Option<Revision>,
    ) -> Result<Revision, Error> {
        let mut attempts = Attempts::new(limit);
        loop {
            match attempts.send(&self.etcd, txn).await? {
                Outcome::Done(answer) => return Ok(answer.revision),
                Outcome::Refused(found) => {
                    return match done(&found) {
                        Some(revision) if attempts.open => Ok(revision),
                        _ => Err(Error::Refused(found)),
                    };
                }
                Outcome::Again => {}
            }
        }
    }

    /// Puts `record` if its key was last put at `expected` and `compares` hold.
    async fn swap<T: Serialize>(
        &self,
        key: &Key,
        record: &T,
        expected: Revision,
        limit: Duration,
    ) -> Result<Revision, Error> {
        let value = encode(key, record)?;
        let txn = Txn {
            compares: vec![unchanged(key, expected)],
            then: vec![put(key, value.clone())],
            otherwise: vec![read(key)],
        };
        self.settle(&txn, limit, |found| holds(found, 0, &value)).await
    }
}

/// The attempts at one change.
struct Attempts {
    deadline: Instant,
    /// Whether one was sent of which nothing is known.
    open: bool,
}

enum Outcome {
    Done(Answer),
    Refused(Box<Found>),
    /// Nothing is known, and there is time left.
    Again,
}

impl Attempts {
    fn new(limit: Duration) -> Self {
        Self {
            deadline: Instant::now() + limit,
            open: false,
        }
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    async fn send(&mut self, etcd: &Etcd, txn: &Txn) -> Result<Outcome, Error> {
        let left = self.left();
        // A silent member takes a part of the time only.
        let error = match etcd.txn(txn, (left / 3).max(ATTEMPT).min(left)).await {
            Ok(answer) => return Ok(Outcome::Done(answer)),
            Err(Error::Refused(found)) => return Ok(Outcome::Refused(found)),
            Err(error) => error,
        };
        let again = match &error {
            Error::Unknown(_) => {
                self.open = true;
                true
            }
            Error::Unreachable(_) => true,
            _ => false,
        };
        if again && self.left() > BETWEEN {
            time::sleep(BETWEEN).await;
            return Ok(Outcome::Again);
        }
        if self.open && !error.may_be_done() {
            let mut tried = Tried::default();
            tried.note("after an attempt without an answer", error);
            return Err(Error::Unknown(tried));
        }
        Err(error)
    }
}

fn unchanged(key: &Key, since: Revision) -> Compare {
    Compare::Modified {
        key: key.to_string(),
        at: since,
    }
}

fn read(key: &Key) -> Operation {
    Operation::Read { key: key.to_string() }
}

fn put(key: &Key, value: Vec<u8>) -> Operation {
    Operation::Put {
        key: key.to_string(),
        value,
        lease: None,
    }
}

fn delete(key: &Key) -> Operation {
    Operation::Delete { key: key.to_string() }
}

/// The one key of a read, if it was there.
fn found(reads: &Found, read: usize) -> Option<&KeyValue> {
    reads.reads.get(read)?.first()
}

/// When the key of a read was put, if it holds `value`.
fn holds(reads: &Found, read: usize, value: &[u8]) -> Option<Revision> {
    found(reads, read)
        .filter(|found| found.value == value)
        .map(|found| found.modified)
}

fn encode<T: Serialize>(key: &Key, record: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(record).map_err(|error| Error::malformed(key, error))
}

fn decode<T: DeserializeOwned>(found: &KeyValue) -> Result<T, Error> {
    serde_json::from_slice(&found.value).map_err(|error| Error::malformed(&found.key, error))
}

//! Reading keys, and changing several at once if they are what was read.

use std::{fmt, time::Duration};

use crate::{
    Error, Etcd, Found, LeaseId,
    client::Repeat,
    wire::{self, method},
};

/// A revision of etcd's whole content; every change is the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub i64);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyValue {
    pub key: String,
    pub value: Vec<u8>,
    pub created: Revision,
    /// When it was last put.
    pub modified: Revision,
    /// The lease it ends with.
    pub lease: Option<LeaseId>,
}

/// What was read, and at which revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub revision: Revision,
    /// One list for each read, in order.
    pub reads: Vec<Vec<KeyValue>>,
}

/// Changes that are made all or not at all, and only if every comparison holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Txn {
    pub compares: Vec<Compare>,
    /// What is done when all comparisons hold.
    pub then: Vec<Operation>,
    /// What is read when one does not.
    pub otherwise: Vec<Operation>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compare {
    /// The key was last put at this revision; [`Revision::ABSENT`]: it is not there.
    Modified { key: String, at: Revision },
    /// The key is there, and ends with this lease.
    Leased { key: String, lease: LeaseId },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    Read {
        key: String,
    },
    /// All keys that begin so.
    ReadAll {
        prefix: String,
    },
    Put {
        key: String,
        value: Vec<u8>,
        lease: Option<LeaseId>,
    },
    Delete {
        key: String,
    },
}

impl Revision {
    /// Compared with the last change of a key that is not there.
    pub const ABSENT: Revision = Revision(0);

    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    pub(crate) fn of(header: Option<wire::Header>) -> Self {
        Self(header.map_or(0, |header| header.revision))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Etcd {
    /// All keys that begin with `prefix`, as the majority has them now.
    ///
    /// # Errors
    /// Never [`Error::Refused`]; [`Error::Unknown`] means that no answer came.
    pub async fn range(&self, prefix: &str, limit: Duration) -> Result<Answer, Error> {
        let read = Operation::ReadAll {
            prefix: prefix.to_owned(),
        };
        self.read(vec![read], limit).await
    }

    /// Several reads of one revision, as the majority has it now.
    ///
    /// # Errors
    /// As [`Etcd::range`].
    pub async fn read(&self, reads: Vec<Operation>, limit: Duration) -> Result<Answer, Error> {
        let txn = Txn {
            then: reads,
            ..Txn::default()
        };
        self.txn(&txn, limit).await
    }

    /// One transaction. One that only reads is repeated at the next member when one does not answer; any other is not.
    ///
    /// # Errors
    /// [`Error::Refused`] with what `otherwise` read when a comparison does not hold.
    pub async fn txn(&self, txn: &Txn, limit: Duration) -> Result<Answer, Error> {
        let repeat = if txn.then.iter().all(Operation::is_read) {
            Repeat::Always
        } else {
            Repeat::UnlessSent
        };
        let answer: wire::TxnResponse = self.call(method::TXN, &txn.request(), repeat, limit).await?;
        let revision = Revision::of(answer.header);
        let reads = answer
            .responses
            .into_iter()
            .filter_map(|response| response.range)
            .map(|range| range.kvs.into_iter().map(KeyValue::try_from).collect())
            .collect::<Result<_, _>>()?;
        if answer.succeeded {
            Ok(Answer { revision, reads })
        } else {
            Err(Error::Refused(Box::new(Found { revision, reads })))
        }
    }
}

impl Txn {
    fn request(&self) -> wire::TxnRequest {
        wire::TxnRequest {
            compare: self.compares.iter().map(Compare::request).collect(),
            success: self.then.iter().map(Operation::request).collect(),
            failure: self.otherwise.iter().map(Operation::request).collect(),
        }
    }
}

impl Compare {
    fn request(&self) -> wire::Compare {
        let (key, target, with) = match self {
            Compare::Modified { key, at } => {
                (key, wire::Target::Modified, wire::CompareWith::ModRevision(at.0))
            }
            Compare::Leased { key, lease } => (key, wire::Target::Lease, wire::CompareWith::Lease(lease.0)),
        };
        wire::Compare {
            target: target.into(),
            key: key.clone().into_bytes(),
            with: Some(with),
        }
    }
}

impl Operation {
    fn is_read(&self) -> bool {
        match self {
            Operation::Read { .. } | Operation::ReadAll { .. } => true,
            Operation::Put { .. } | Operation::Delete { .. } => false,
        }
    }

    fn request(&self) -> wire::RequestOp {
        let octets = |key: &String| key.clone().into_bytes();
        let request = match self {
            Operation::Read { key } => wire::Request::Range(wire::RangeRequest {
                key: octets(key),
                ..wire::RangeRequest::default()
            }),
            Operation::ReadAll { prefix } => wire::Request::Range(wire::RangeRequest {
                key: octets(prefix),
                range_end: wire::end_of_prefix(prefix),
                keys_only: false,
            }),
            Operation::Put { key, value, lease } => wire::Request::Put(wire::PutRequest {
                key: octets(key),
                value: value.clone(),
                lease: lease.map_or(0, |lease| lease.0),
            }),
            Operation::Delete { key } => wire::Request::Delete(wire::DeleteRequest { key: octets(key) }),
        };
        wire::RequestOp {
            request: Some(request),
        }
    }
}

impl TryFrom<wire::KeyValue> for KeyValue {
    type Error = Error;

    fn try_from(found: wire::KeyValue) -> Result<Self, Error> {
        Ok(Self {
            key: String::from_utf8(found.key).map_err(|error| Error::malformed("a key in etcd", error))?,
            value: found.value,
            created: Revision(found.create_revision),
            modified: Revision(found.mod_revision),
            lease: (found.lease != 0).then_some(LeaseId(found.lease)),
        })
    }
}

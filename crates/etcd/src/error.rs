//! Why something asked of etcd did not happen, or is not known to have.

use std::fmt;

use govuc_wire::tls;

use crate::kv::{KeyValue, Revision};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A comparison did not hold, so nothing was changed.
    #[error("etcd holds something else than was compared")]
    Refused(Box<Found>),
    /// Nothing was done: it was sent to no member, or to none that could begin it.
    #[error("no member of etcd can be asked: {0}")]
    Unreachable(Tried),
    /// It was sent, and no answer says what became of it: it may have been done, or may be later.
    #[error("etcd did not answer: {0}")]
    Unknown(Tried),
    /// Nothing was done: a certificate is not accepted, etcd's or ours.
    #[error("etcd and this program do not accept each other: {0}")]
    Unauthorised(Tried),
    /// etcd says no, and has done nothing.
    #[error("etcd refuses: {message}")]
    Rejected { code: Code, message: String },
    /// An answer, or what is kept, is not what it should be. A change that was answered so may have been done.
    #[error("{what} is not understood: {why}")]
    Malformed { what: String, why: String },
    #[error("the certificate for etcd can't be used")]
    Certificate(#[from] tls::Error),
    #[error("no member of etcd is named")]
    NoMember,
}

/// What a transaction read when its comparisons did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub revision: Revision,
    /// One list for each read of the transaction's `otherwise`, in order.
    pub reads: Vec<Vec<KeyValue>>,
}

/// The members that were asked in vain, each with the reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tried(Vec<String>);

/// gRPC's status codes, as far as a caller may want to tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    FailedPrecondition,
    /// A revision that was compacted away, or that has not been reached.
    OutOfRange,
    Other(u32),
}

/// What one attempt at one member came to when it brought no result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nothing was done; another member may.
    NotDone(String),
    /// It was sent, and may be done.
    Open(String),
    Unauthorised(String),
    Rejected {
        code: Code,
        message: String,
    },
    Malformed {
        what: String,
        why: String,
    },
    Certificate(tls::Error),
}

impl Error {
    /// For metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Error::Refused(_) => "refused",
            Error::Unreachable(_) => "unreachable",
            Error::Unknown(_) => "unknown",
            Error::Unauthorised(_) => "unauthorised",
            Error::Rejected { .. } => "rejected",
            Error::Malformed { .. } => "malformed",
            Error::Certificate(_) => "certificate",
            Error::NoMember => "no_member",
        }
    }

    /// Whether what was asked may have been done, or may be later.
    pub fn may_be_done(&self) -> bool {
        match self {
            Error::Unknown(_) | Error::Malformed { .. } => true,
            Error::Refused(_)
            | Error::Unreachable(_)
            | Error::Unauthorised(_)
            | Error::Rejected { .. }
            | Error::Certificate(_)
            | Error::NoMember => false,
        }
    }

    pub(crate) fn malformed(what: impl fmt::Display, why: impl fmt::Display) -> Self {
        Error::Malformed {
            what: what.to_string(),
            why: why.to_string(),
        }
    }
}

impl Tried {
    pub(crate) fn note(&mut self, member: impl fmt::Display, reason: impl fmt::Display) {
        self.0.push(format!("{member}: {reason}"));
    }
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("there was no time left to ask one");
        }
        f.write_str(&self.0.join("; "))
    }
}

impl Code {
    /// From the number of gRPC's status.
    pub(crate) fn of(number: u32) -> Self {
        match number {
            3 => Code::InvalidArgument,
            5 => Code::NotFound,
            8 => Code::ResourceExhausted,
            9 => Code::FailedPrecondition,
            11 => Code::OutOfRange,
            other => Code::Other(other),
        }
    }
}

impl Failure {
    /// What an error of etcd's says about the request it answers.
    pub(crate) fn of_status(number: u32, message: &str) -> Self {
        match number {
            7 | 16 => Failure::Unauthorised(message.to_owned()),
            // A member that has no vote yet serves nobody; the next one does.
            _ if message == "etcdserver: rpc not supported for learner" => {
                Failure::NotDone(message.to_owned())
            }
            // Both are said before a request is proposed to the others.
            14 if message == "etcdserver: no leader" => Failure::NotDone(message.to_owned()),
            8 if message == "etcdserver: too many requests" => Failure::NotDone(message.to_owned()),
            // Of a change of members, before it is proposed.
            14 if message == "etcdserver: unhealthy cluster" => Failure::Rejected {
                code: Code::FailedPrecondition,
                message: message.to_owned(),
            },
            3 | 5 | 6 | 8 | 9 | 11 | 12 => Failure::Rejected {
                code: Code::of(number),
                message: message.to_owned(),
            },
            // Cancelled, unknown, late, internal, unavailable, spoilt: some of these come after the proposal.
            _ => Failure::Open(message.to_owned()),
        }
    }

    /// What it is to the caller when no other member is asked; it is among `tried`.
    pub(crate) fn into_error(self, tried: Tried) -> Error {
        match self {
            Failure::NotDone(_) => Error::Unreachable(tried),
            Failure::Open(_) => Error::Unknown(tried),
            Failure::Unauthorised(_) => Error::Unauthorised(tried),
            Failure::Rejected { code, message } => Error::Rejected { code, message },
            Failure::Malformed { what, why } => Error::Malformed { what, why },
            Failure::Certificate(error) => Error::Certificate(error),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::NotDone(reason) | Failure::Open(reason) | Failure::Unauthorised(reason) => {
                f.write_str(reason)
            }
            Failure::Rejected { message, .. } => f.write_str(message),
            Failure::Malformed { what, why } => write!(f, "{what} is not understood: {why}"),
            Failure::Certificate(error) => write!(f, "{error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_timed_out_inside_etcd_may_be_done() {
        for message in [
            "etcdserver: request timed out",
            "etcdserver: request timed out, possibly due to connection lost",
            "etcdserver: leader changed",
            "etcdserver: server stopped",
        ] {
            assert!(
                matches!(Failure::of_status(14, message), Failure::Open(_)),
                "{message}"
            );
        }
    }

    #[test]
    fn a_member_without_a_leader_has_done_nothing() {
        assert!(matches!(
            Failure::of_status(14, "etcdserver: no leader"),
            Failure::NotDone(_)
        ));
    }

    #[test]
    fn a_lease_that_is_gone_is_a_definite_no() {
        let failure = Failure::of_status(5, "etcdserver: requested lease not found");
        assert!(matches!(
            failure,
            Failure::Rejected {
                code: Code::NotFound,
                ..
            }
        ));
    }

    #[test]
    fn every_member_that_was_tried_is_named() {
        let mut tried = Tried::default();
        tried.note("a:1", "refused");
        tried.note("b:1", "silent");
        assert_eq!(
            Error::Unreachable(tried).to_string(),
            "no member of etcd can be asked: a:1: refused; b:1: silent"
        );
    }
}

//! Why something asked of the directory did not happen.

use std::io;

use govuc_wire::tls;
use ldap3::LdapError;

use crate::{lead::Conflict, password::PasswordFault};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the directory at {address} can't be reached")]
    Unreachable { address: String, source: io::Error },
    #[error("the certificate for the directory can't be used")]
    Certificate(#[from] tls::Error),
    #[error("the directory did not answer within {0} s")]
    Deadline(u64),
    #[error("the connection to the directory failed")]
    Connection(#[source] LdapError),
    #[error("the directory does not take this certificate: {0}")]
    Unauthorised(String),
    /// The provider has no tree yet: new, or not replicated to.
    #[error(
        "the directory is empty; the lead's operator has not made its first entries, or they have not arrived"
    )]
    Empty,
    #[error("{0} is not in the directory")]
    Missing(String),
    #[error("{0} is in the directory already")]
    Exists(String),
    #[error("{0}")]
    Taken(Conflict),
    #[error("a lead with a newer term than {term} has written to the directory; this one must stop")]
    NewerLead { term: u64 },
    #[error("the account has a password that its holder has chosen: no other one is set in its place")]
    PasswordChosen,
    #[error("the password was refused: {0}")]
    Password(PasswordFault),
    #[error("{dn} has no usable {attribute}")]
    Malformed { dn: String, attribute: &'static str },
    #[error("the directory answered {code}: {text}")]
    Answer { code: u32, text: String },
}

impl Error {
    /// For metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Error::Unreachable { .. } => "unreachable",
            Error::Certificate(_) => "certificate",
            Error::Deadline(_) => "deadline",
            Error::Connection(_) => "connection",
            Error::Unauthorised(_) => "unauthorised",
            Error::Empty => "empty",
            Error::Missing(_) => "missing",
            Error::Exists(_) => "exists",
            Error::Taken(_) => "taken",
            Error::NewerLead { .. } => "newer_lead",
            Error::PasswordChosen => "password_chosen",
            Error::Password(_) => "password",
            Error::Malformed { .. } => "malformed",
            Error::Answer { .. } => "answer",
        }
    }

    /// Whether another provider may answer what this one did not.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Error::Unreachable { .. }
            | Error::Certificate(_)
            | Error::Deadline(_)
            | Error::Connection(_)
            | Error::Unauthorised(_)
            | Error::Empty => true,
            // busy, unavailable, and "other", which is what a provider says that is shutting down or out of space.
            Error::Answer { code, .. } => matches!(code, 51 | 52 | 80),
            Error::Missing(_)
            | Error::Exists(_)
            | Error::Taken(_)
            | Error::NewerLead { .. }
            | Error::PasswordChosen
            | Error::Password(_)
            | Error::Malformed { .. } => false,
        }
    }
}

//! What the operator does in a mail store, as its administrator: folders and quotas.

mod guards;
mod imap;

pub use guards::Guards;

use async_trait::async_trait;
use govuc_api::Language;
use uuid::Uuid;

use crate::names::Bytes;

/// Where a store is reached now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub store: String,
    /// The site that is primary.
    pub primary: String,
    pub era: u64,
}

/// An account as its store is to have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tree {
    pub account: Uuid,
    pub quota: Bytes,
    /// In which its folders are named.
    pub language: Language,
}

/// A folder with a meaning to mail programs (RFC 6154).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Folder {
    pub name: &'static str,
    pub special_use: &'static str,
}

/// The administrator of the mail stores.
#[async_trait]
pub trait Administrator: Send + Sync {
    /// Makes the account's folders and sets its quota, as the lead of this term: a guard that knows of a later one refuses. What
    /// is there already stays, whatever it is called.
    async fn ensure(&self, term: u64, place: &Place, tree: &Tree) -> Result<(), Error>;
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the site is not connected to its peer yet: kubectl govuc connect")]
    NotConnected,
    #[error("the root secret can't be read")]
    Root(#[source] crate::cluster::Error),
    #[error("the root secret is not usable")]
    Key(#[from] crate::pki::Error),
    #[error("the session key is not usable")]
    Session(#[from] govuc_wire::token::Error),
    #[error("{0} is no TLS name")]
    Name(String),
    #[error("the operator's certificate can't be used")]
    Certificate(#[from] govuc_wire::tls::Error),
    #[error("{address} can't be reached")]
    Unreachable { address: String, source: std::io::Error },
    #[error("the connection's first line can't be sent")]
    Preamble(#[from] govuc_wire::preamble::Error),
    #[error("no answer within {0} s")]
    Deadline(u64),
    #[error("the store ended the connection")]
    Ended,
    #[error("the store refused {command}")]
    Refused {
        command: &'static str,
        source: async_imap::error::Error,
    },
}

impl Error {
    /// For metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Error::NotConnected => "not_connected",
            Error::Root(_) | Error::Key(_) | Error::Session(_) => "key",
            Error::Name(_) | Error::Certificate(_) => "certificate",
            Error::Unreachable { .. } | Error::Preamble(_) | Error::Ended => "unreachable",
            Error::Deadline(_) => "deadline",
            Error::Refused { .. } => "refused",
        }
    }
}

/// The folders of a new account beside its inbox. ASCII, so that no mail program can get them wrong.
pub fn folders(language: Language) -> [Folder; 5] {
    let names = match language {
        Language::Ms => ["Draf", "Dihantar", "Sampah", "Spam", "Arkib"],
        Language::En => ["Drafts", "Sent", "Trash", "Junk", "Archive"],
    };
    let uses = ["\\Drafts", "\\Sent", "\\Trash", "\\Junk", "\\Archive"];
    std::array::from_fn(|i| Folder {
        name: names[i],
        special_use: uses[i],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_named_in_the_persons_language_and_mean_the_same() {
        let (ms, en) = (folders(Language::Ms), folders(Language::En));
        assert_eq!(ms[1].name, "Dihantar");
        assert_eq!(en[1].name, "Sent");
        assert_eq!(
            ms.map(|folder| folder.special_use),
            en.map(|folder| folder.special_use)
        );
    }
}

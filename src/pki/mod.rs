//! The site's certificate authority, the certificates of its parts, and what is derived from the service's root secret: keys,
//! and the authority of the roles' etcd.
//!
//! Decisions are pure; `kept` reads and writes what the cluster keeps.

mod authority;
mod decision;
pub mod kept;
mod own;
mod reading;
mod roles;
mod root;

pub use authority::{Authority, Pair};
pub use decision::{Decision, Reason, decide, end, renewal};
pub use own::OwnCertificate;
pub use reading::Reading;
pub use roles::{client, member, roles_authority, witness};
pub use root::{Root, roles_token, session_key};

use govuc_wire::names;
use k8s_openapi::jiff::Timestamp;

/// A certificate as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Who its holder is to its peers; also the subject's common name, where that is not too long.
    pub identity: String,
    /// The DNS names and IP addresses it is good for besides the identity.
    pub names: Vec<String>,
    pub usage: Usage,
    /// The PEM certificates of the authorities its holder trusts.
    pub trusted: String,
}

/// At which ends of a connection a certificate is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    ServerAndClient,
    Client,
}

/// A certificate with what its holder needs beside it: the content of a `tls-<part>` Secret, as PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    pub certificate: String,
    pub key: String,
    /// The authorities its holder trusts.
    pub trusted: String,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the certificate authority in the cluster can't be read; it is never replaced while present")]
    Authority(#[source] rcgen::Error),
    #[error("{name} is not a DNS name a certificate can carry")]
    Name { name: String, source: rcgen::Error },
    #[error("a certificate can't be made")]
    Make(#[source] rcgen::Error),
    #[error("{0} is outside the years a certificate can name")]
    Time(Timestamp),
    #[error("the root secret has {0} bytes; it needs 32 (kubectl govuc connect makes it)")]
    RootLength(usize),
    #[error("the operator's own certificate is not usable")]
    Material(#[from] govuc_wire::tls::Error),
}

impl Wanted {
    /// The certificate of a part: reached by its Service's name, known by its identity.
    pub fn part(part: &str, site: &str, namespace: &str, public: Vec<String>, trusted: &str) -> Self {
        let mut names = vec![names::server_name(part, site, namespace)];
        names.extend(public);
        Self {
            identity: names::identity(part, site),
            names,
            usage: Usage::ServerAndClient,
            trusted: trusted.to_owned(),
        }
    }

    /// Every name, sorted: the order in which they are asked for is no reason to issue anew.
    fn sorted_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        names.push(&self.identity);
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// The authorities both sites trust, the own one first.
pub fn trusted(own: &str, peer: &str) -> String {
    format!("{}\n{}\n", own.trim_end(), peer.trim_end())
}

//! The directory as its users see it: names, entries, searches, and writes fenced by the lead's term.
//!
//! ```text
//! Directory ── reads ──> Account, Agency, Store       anybody with a certificate the directory knows
//!     ├─ check_password, change_password              as the user, on a connection of its own
//!     └─ as_lead(term) ── Lead ── writes ──>          the operator of the lead's site
//! ```
//!
//! `docs/architecture.md` §5 has the tree; `images/openldap` the schema and who may do what.

mod connection;
mod csn;
mod entry;
mod error;
mod filter;
mod lead;
mod name;
mod password;
mod policy;
mod read;
#[cfg(feature = "slapd")]
pub mod testbed;
mod time;

pub use connection::{Credentials, DEADLINE, Directory, Endpoint};
pub use csn::ContextCsn;
pub use entry::{Account, AccountRecord, Agency, PasswordState, Store, StoreUse};
pub use error::Error;
pub use lead::{Bootstrapped, Conflict, Lead, UniqueAttribute};
pub use name::{Suffix, SuffixError};
pub use password::{PasswordChange, PasswordCheck, PasswordFault};
pub use policy::PasswordPolicy;

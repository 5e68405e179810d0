//! What the service's own programs say to each other: names, identities, tokens, preambles.
//!
//! `docs/architecture.md` §2–4 is this crate in prose.

pub mod guard;
pub mod merge_report;
pub mod names;
pub mod password;
pub mod preamble;
pub mod status;
pub mod tls;
pub mod token;

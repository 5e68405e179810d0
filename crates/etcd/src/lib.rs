//! The etcd that holds the roles of mail stores: its client, and what is kept in it.
//!
//! ```text
//! Roles ── read, register, acquire, commit, ask ──>  a store's records (R2, R4, R7)
//!   │  └─ holders ──>  who holds which store, as last known
//! Etcd ── range, txn, grant, keep_alive, revoke, watch, members, status
//!   │        each within a limit, at the first member that answers
//! Member ── one request on one connection of mutual TLS; knows whether it was sent
//! ```
//!
//! It speaks etcd's JSON gateway over HTTP/1.1. The crate `etcd-client` compiles etcd's protocol files when it is built and
//! needs `protoc` on every machine for it, and it tells a request that was never sent from one that was not answered only
//! by the text of an error. Here that difference is what decides whether a store serves.
//!
//! etcd must be 3.5.11 or later: before, a member that was no leader any more answered keep-alives.

mod client;
mod cluster;
mod credentials;
mod endpoint;
mod error;
mod kv;
mod lease;
mod member;
pub mod roles;
#[cfg(feature = "etcd")]
pub mod testbed;
mod watch;
mod wire;

pub use client::{Etcd, Settings};
pub use cluster::{MemberId, MemberRecord, MemberStatus};
pub use endpoint::{Endpoint, EndpointError};
pub use error::{Code, Error, Found, Tried};
pub use kv::{Answer, Compare, KeyValue, Operation, Revision, Txn};
pub use lease::LeaseId;
pub use watch::{Change, Changes, Watch};

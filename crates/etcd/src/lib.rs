//! The etcd that holds the roles of mail stores: its client, and what is kept in it.
//!
//! ```text
//! Roles ── read, register, acquire, commit, ask ──>  a store's records (R2, R4, R7)
//!   │  └─ holders ──>  who holds which store, as last known
//! Etcd ── range, txn, grant, keep_alive, revoke, watch, members, status, take
//!   │        each within a limit, at the first member that answers
//! Member ── one request on a connection of mutual TLS; knows whether it was sent
//! ```
//!
//! It speaks etcd's gRPC over hyper itself, with the dozen messages that are used written down in `wire`. The crate
//! `etcd-client` compiles etcd's protocol files when it is built and needs `protoc` on every machine for it, and by it a
//! request that was never sent is told from one that was not answered by the text of an error only; here that difference
//! decides whether a store serves. etcd's JSON gateway would do without protobuf, at several times the cost for etcd.
//!
//! etcd must be 3.5.11 or later: before, a member that was no leader any more answered keep-alives.

mod client;
mod clock;
mod cluster;
mod connection;
mod credentials;
mod endpoint;
mod error;
mod grpc;
mod keeping;
mod kv;
mod lease;
mod member;
pub mod peer;
pub mod replacement;
pub mod roles;
#[cfg(feature = "etcd")]
pub mod testbed;
mod watch;
mod wire;

pub use client::{Etcd, Settings};
pub use clock::Clock;
pub use cluster::{MemberId, MemberRecord, MemberStatus};
pub use endpoint::{Endpoint, EndpointError};
pub use error::{Code, Error, Found, Tried};
pub use kv::{Answer, Compare, KeyValue, Operation, Revision, Txn};
pub use lease::LeaseId;
pub use watch::{Change, Changes, Watch};

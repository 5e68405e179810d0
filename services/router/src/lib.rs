//! Where a user's mail lives: asked by the front door and by Postfix.
//!
//! ```text
//! nginx ── auth_http ──> door::auth ── sign_in ── providers ──> directory of the own site, else the peer's
//!    └──── bytes ──────> relay ── mutual TLS ──> the store's primary, or submission
//! Postfix ─ socketmap ─> postfix ──── providers ──┘      primaries ──> the roles' etcd: which site a store is at
//! kubelet ── /readyz ──> probes ────── providers and, for a site that is cut off, isolation
//! ```
//!
//! A password is seen here once. What is kept of it is a keyed hash in memory; what is handed on is a token of a minute.

pub mod args;
pub mod door;
pub mod holds;
pub mod isolation;
pub mod postfix;
pub mod primaries;
pub mod probes;
pub mod providers;
pub mod relay;
pub mod rules;
pub mod secret;
pub mod sign_in;
pub mod telemetry;
pub mod tickets;

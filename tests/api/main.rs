//! Two real API servers: what they refuse, and what they let through. `cargo lab test api` runs it.
//!
//! `KUBECONFIG` has the contexts `pdsa1` and `pdsa2`, both of a cluster administrator who may impersonate.

// A test that can't go on fails.
#![allow(clippy::unwrap_used)]

mod approval;
mod bad_input;
mod certificates;
mod changes;
mod cluster;
mod connect;
mod diff;
mod disconnect;
mod failover;
mod hold;
mod mailbox_policy;
mod maintenance;
mod merge;
mod mirror;
mod plugin;
mod roles;
mod switchover;
mod take;

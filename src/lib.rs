//! The operator: brings what each cluster has to what its objects ask for.
//!
//! ```text
//!  watch ──> observe (I/O) ──> plan (pure) ──> apply (I/O) ──> status (pure) ──> apply status (I/O)
//! ```
//!
//! One folder per kind, with the same files in each. `cluster` is the only code that writes to Kubernetes.

pub mod agency;
pub mod cluster;
pub mod conditions;
pub mod controller;
pub mod cyrus_admin;
pub mod directory;
pub mod expiry;
pub mod lead;
pub mod leader;
pub mod mail_store;
pub mod mailbox;
pub mod maintenance;
pub mod manifests;
pub mod mirror;
pub mod names;
pub mod operator;
pub mod part;
pub mod peer;
pub mod pki;
pub mod platform;
pub mod plugin;
pub mod roles;
pub mod telemetry;

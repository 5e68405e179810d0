//! An agency: nothing before its approval; then its place in the directory, its store, and its namespace.

pub mod desired;
pub mod observe;
pub mod placement;
pub mod plan;
pub mod reconcile;
pub mod status;
mod tenant;

pub use reconcile::run;
pub use tenant::{Decision, Tenant};

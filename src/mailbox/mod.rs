//! A mailbox: an account in the directory, folders in its store, and the first password.

pub mod account;
pub mod desired;
pub mod observe;
pub mod plan;
pub mod reconcile;
pub mod status;
pub mod takeover;

pub use reconcile::run;

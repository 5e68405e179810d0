//! A store at the own site: the pod of guard and Cyrus, and what reaches it.

mod asked;
mod carry;
pub mod desired;
pub mod engine;
pub mod failover;
mod hold;
mod merge;
pub mod plan;
mod preferred;
mod reconcile;
pub mod recorded;
mod restart;
pub mod status;
mod store;
pub mod switchover;

pub use desired::{assignment::ERA, stateful_set::SESSION_SECRET};
pub use reconcile::{reconcile, run};
pub use store::{Error as StoreError, Store};

//! What `kubectl govuc` does. People's writes: each has a field manager of its own, apart from the operator's.

pub mod approve;
pub mod certificates;
pub mod cli;
mod confirm;
pub mod connect;
mod contexts;
pub mod diff;
pub mod disconnect;
pub mod failover;
mod hanging;
pub mod hold;
pub mod merge;
pub mod mirror;
mod output;
pub mod plan;
mod stores;
pub mod switchover;
pub mod witness;

pub use contexts::Error as ContextError;
pub use stores::Error as StoresError;

//! What `kubectl govuc` does. People's writes: each has a field manager of its own, apart from the operator's.

pub mod approve;
pub mod connect;
mod contexts;
mod output;
pub mod plan;
pub mod switchover;
pub mod witness;

pub use contexts::Error as ContextError;

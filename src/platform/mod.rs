//! The shared services of the own site: directory, mail transfer, filter, front door and gateway.

pub mod agreement;
pub mod desired;
mod installation;
pub mod observe;
pub mod plan;
mod reconcile;
pub mod status;

pub use installation::{Endpoint, Error as InstallationError, Installation, Site};
pub use reconcile::{Error, reconcile, run};

//! The mirror: what people write in one cluster is in the other one too. Each operator writes to its own cluster only, and reads
//! the peer's.
//!
//! ```text
//!  watch (own) ──┐
//!                ├─ desk ──> decide (crates/mirror, pure) ──> reconcile: one object, read anew ──> the own cluster
//!  watch (peer) ─┘                                               └─ notes, brake (pure), status (pure)
//! ```
//!
//! What both sites agreed on is kept in an annotation, since it has to be written together with the spec.

mod brake;
mod desk;
mod due;
pub mod kept;
mod kind;
mod notes;
pub mod ownership;
mod reconcile;
mod record;
mod run;
mod seen;
mod sight;
mod sites;
mod status;

pub use brake::Brake;
pub use desk::Desk;
pub use kind::{KINDS, Mirrored};
pub use notes::{BRAKE, last_mark};
pub use record::{ANNOTATION, Record, canonical, hash};
pub use run::{one_kind, run};
pub use sites::{Heard, Other, Sites};
pub use status::strip;

/// Owns what the mirror writes into objects, so that `kubectl get --show-managed-fields` tells whose work it is.
pub const MANAGER: &str = "govuc-mirror";
/// On every object that the mirror has seen: one that was deleted stays until the peer can't take its own for new.
pub const FINALIZER: &str = "1govuc.gov.my/mirror";

//! Who may write a mail store: the pure rules.
//!
//! `docs/protocol.md` in Rust, without I/O, without async and without a clock: an event goes in, the next state and an
//! ordered list of actions come out. Who carries the actions out finishes each before it begins the next, and stops at
//! the first that fails; a crash between two of them is what the order is made for.
//!
//! ```text
//!          lease free      etcd: mine       EngineUp, recorded           Synced            recorded
//!  Boot ─> Follower ─> Candidate ─> Promoting ───────────> Alone ───────────────> Pairing ─────────> Paired
//!             ▲                         │                    ▲                       │ SyncFailed       │  │
//!             │                         │                    └── Withholding <───────┴──────────────────┘  │
//!             └───────── Fenced <───────┴──── deadline, higher evidence, SIGTERM ──── Demoting <─ Draining <┘
//! ```

mod ballot;
mod evidence;
mod machine;
pub mod name;
mod reach;
pub mod record;
pub mod timing;

pub use ballot::{Ballot, Era, Term};
pub use evidence::{Assignment, Evidence, Site, SiteError, SlotCopy, Stale, VolumeId};
pub use machine::{
    Action, Commitment, Event, Identity, LeasePolicy, Machine, PeerAnswer, Reading, Refusal, Role, Source,
    State, Transaction,
};
pub use name::{StoreName, StoreNameError};
pub use reach::Reach;

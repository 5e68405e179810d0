//! One set of intents in two clusters: what each operator does to its own cluster's object when it sees the other one's.
//!
//! Pure: no client, no clock. Each side decides from what it has and from what it saw last of the other, which may be old; the
//! other side decides by the same rules. `tests/model` goes through every order of edits, deletions, sights and leads up to a bound,
//! and shows of each rule what goes wrong without it:
//!
//! - The base of a three-way merge is the later of what both sides have noted, not what the own side has: a peer that has taken an edit
//!   comes from that, and the next edit here, or the way back, is no conflict.
//! - An object that only one side has noted as agreed is another one where its lineage is: it was made anew, by a person or in a
//!   cluster that had lost it.
//! - What was deleted goes once the peer has noted that it was at both sites. Before, the peer would take its own for new, and it
//!   would come back.
//! - That the peer's is gone means that it was deleted only if the peer had noted the same agreement: what was seen to be the same may
//!   have become another object before it went.

mod mark;
mod merge;
mod replica;

pub use mark::{Mark, Marks};
pub use merge::{Act, Lead, Waiting, decide};
pub use replica::{Agreement, Lineage, Partner, Peer, Replica, SpecHash, SpecHashError};

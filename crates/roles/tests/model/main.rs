//! All that two guards, one etcd and what is between them can come to, with so many faults at any time.
//!
//! The machines are those of the guard, unchanged; what is around them is as bad as it may be. Time is counted in ticks:
//! a lease lives for four, and what is asked for is done within the tick unless a fault says otherwise. There is no limit
//! to how long it goes on: worlds that differ only in what their clocks show are one. `docs/protocol.md` says what was
//! checked, and how many worlds that were.

// A test says what it found by panicking; clippy excuses that only inside #[test] functions.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod asking;
mod calm;
mod checks;
mod digest;
mod etcd;
mod faults;
mod kept;
mod mail;
mod model;
mod mutants;
mod properties;
mod serving;
mod slot;
mod time;
mod turn;
mod world;

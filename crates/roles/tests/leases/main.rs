//! What one guard with a lease does, event by event: the table of `docs/protocol.md`, row by row, and what the model
//! checker has found.

// A test says what it found by panicking; clippy excuses that only inside #[test] functions.
#![allow(clippy::unwrap_used)]

mod counter_examples;
mod failsafe;
mod follower;
mod hand_over;
mod hold;
mod merge;
mod primary;
mod slot;
mod wants;

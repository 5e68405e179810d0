//! Real guards on loopback, with engines of a few lines.

// A test says what it found by panicking; clippy excuses that only inside #[test] functions.
#![allow(clippy::unwrap_used)]

mod access;
mod life;
mod replication;
#[allow(dead_code)] // The tests of leases use the rest of it.
mod support;

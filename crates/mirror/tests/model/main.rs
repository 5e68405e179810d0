//! Two clusters and one name, through every order of what people, pipelines and the mirror do, up to so many of each.
//!
//! What the mirror does is [`govuc_mirror::decide`], unchanged. What it sees of the other cluster is as old as it may be, and so is
//! what it knows of the lead; a step may break off after each of its writes.

// A test says what it found by panicking; clippy excuses that only inside #[test] functions.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod checks;
mod model;
mod settled;
mod world;

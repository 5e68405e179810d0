//! The objects of one store at one site: pure builders.

pub mod assignment;
pub mod stateful_set;

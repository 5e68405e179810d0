//! Two API servers.
fn main() {}

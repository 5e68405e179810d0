//! A small world on loopback: one authority, guards as real processes, engines that are a few lines of this file.

pub mod engine;
pub mod guard;
pub mod pki;

use std::time::{Duration, Instant};

/// How long a test waits for what must happen. How long it takes is not what is tested.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Polls until `look` sees it.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < end, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(50));
    }
}

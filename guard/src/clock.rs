//! The time that guards, operators and people write down.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix seconds. None by a clock before 1970, which nothing is to be believed of.
pub fn unix_now() -> Option<u64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some(since.as_secs())
}

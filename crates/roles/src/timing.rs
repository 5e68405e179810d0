//! The durations of the protocol that a guard needs; `docs/protocol.md` has the same table.

use std::time::Duration;

/// Reaching the peer's guard, TLS included.
pub const SYNC_CONNECT: Duration = Duration::from_secs(1);
/// The peer's answer to the handshake, and to what was sent on a paired relay.
pub const SYNC_ANSWER: Duration = Duration::from_secs(2);
/// The peer's answer while a copy catches up: a whole user is one answer then.
pub const CATCH_UP_ANSWER: Duration = Duration::from_secs(30);
/// The first pause before pairing is tried again; each further one is twice as long.
pub const PAIRING_FIRST: Duration = Duration::from_secs(5);
/// The longest pause before pairing is tried again.
pub const PAIRING_MOST: Duration = Duration::from_secs(60);
/// From SIGTERM to the guard's exit.
pub const TERMINATION: Duration = Duration::from_secs(30);

/// The pause before the next attempt to pair, after `failed` attempts in a row.
pub fn pairing_pause(failed: u32) -> Duration {
    if failed == 0 {
        return Duration::ZERO;
    }
    PAIRING_FIRST
        .saturating_mul(1 << (failed - 1).min(16))
        .min(PAIRING_MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairing_is_tried_at_once_and_then_ever_more_rarely() {
        let pauses: Vec<u64> = (0..7).map(|failed| pairing_pause(failed).as_secs()).collect();
        assert_eq!(pauses, [0, 5, 10, 20, 40, 60, 60]);
        assert_eq!(pairing_pause(u32::MAX), PAIRING_MOST);
    }

    #[test]
    fn an_answer_is_waited_for_longer_than_a_connection() {
        assert!(SYNC_CONNECT < SYNC_ANSWER && SYNC_ANSWER < CATCH_UP_ANSWER);
    }
}

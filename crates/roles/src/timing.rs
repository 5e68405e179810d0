//! The durations of the protocol; `docs/protocol.md` has the same table, and a test compares the two.

use std::{fmt, ops::Add, time::Duration};

/// A time of this machine's CLOCK_BOOTTIME, which runs during suspend (R9). Says nothing to another machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(Duration);

/// The durations that decide who may write. Given to the machine, so that a model can count in whole ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timing {
    /// Of a lease in etcd.
    pub ttl: Duration,
    /// Between two attempts to keep a lease alive.
    pub renew: Duration,
    /// Etcd is called silent when the last question it answered was sent so long ago.
    pub silence: Duration,
    /// From the sending of an attempt that was answered until the gate shuts.
    pub deadline: Duration,
    /// Between two questions to the peer while etcd is silent.
    pub heartbeat: Duration,
    /// The longest an engine is kept waiting for the record that it is alone.
    pub withhold: Duration,
    /// From the acquisition of a lease to the greeting of the primary's engine.
    pub promote: Duration,
    /// A restarted guard acquires nothing for as long, since its last process may have promised so (R5).
    pub quiet: Duration,
    /// From the beginning of a planned hand-over until it is given up.
    pub switchover: Duration,
    /// The same for a guard that was told to end.
    pub leave: Duration,
    /// After a hand-over that nobody took, whoever handed over may take it back.
    pub untaken: Duration,
    /// Between two records of how far the peer is behind.
    pub behind: Duration,
}

/// Asking etcd for a lease, or to keep one.
pub const ATTEMPT: Duration = Duration::from_secs(2);
/// Between two reads of a store's roles when nothing is said to have changed.
pub const READ_AGAIN: Duration = Duration::from_secs(2);
/// Between two looks at the clock.
pub const TICK: Duration = Duration::from_millis(200);
/// The longest that commands under way are waited for in a hand-over.
pub const DRAIN: Duration = Duration::from_secs(3);
/// The full sync of a hand-over.
pub const FINAL_SYNC: Duration = Duration::from_secs(30);
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
pub const TERMINATION: Duration = Duration::from_secs(50);
/// A site that has reached neither a majority of etcd nor the other site for as long closes its doors (R10).
pub const ISOLATED: Duration = Duration::from_secs(60);
/// Of etcd's members: how often a leader is heard, and how long it may be silent before another is chosen.
pub const ETCD_HEARTBEAT: Duration = Duration::from_millis(300);
pub const ETCD_ELECTION: Duration = Duration::from_secs(3);

impl Timing {
    /// What guards use.
    pub const PROTOCOL: Timing = Timing {
        ttl: Duration::from_secs(15),
        renew: Duration::from_secs(3),
        silence: Duration::from_secs(4),
        deadline: Duration::from_secs(11),
        heartbeat: Duration::from_secs(1),
        withhold: Duration::from_secs(3),
        promote: Duration::from_secs(20),
        quiet: Duration::from_secs(15),
        switchover: Duration::from_secs(45),
        leave: Duration::from_secs(20),
        untaken: Duration::from_secs(15),
        behind: Duration::from_secs(5),
    };
}

impl Moment {
    /// `since_boot` is what CLOCK_BOOTTIME shows.
    pub const fn new(since_boot: Duration) -> Self {
        Self(since_boot)
    }

    pub const fn since_boot(self) -> Duration {
        self.0
    }

    /// Nothing, if `earlier` is later.
    pub fn since(self, earlier: Moment) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Moment {
    type Output = Moment;

    fn add(self, duration: Duration) -> Moment {
        Moment(self.0.saturating_add(duration))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} s after boot", self.0.as_secs_f64())
    }
}

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

    #[test]
    fn a_lease_is_tried_three_times_before_the_gate_shuts() {
        let timing = Timing::PROTOCOL;
        assert!(timing.renew * 3 <= timing.deadline);
        assert!(ATTEMPT <= timing.renew);
    }

    /// An election may hold an answer back, and two clocks may differ by 2 % in rate; the gate is shut before the lease
    /// can be another's all the same.
    #[test]
    fn the_margin_covers_an_election_and_the_drift_of_clocks() {
        let timing = Timing::PROTOCOL;
        let margin = timing.ttl - timing.deadline;
        assert!(margin >= ETCD_ELECTION + timing.ttl / 50);
    }

    /// Else both would wait for the other to call etcd silent until the deadline has passed.
    #[test]
    fn etcds_silence_is_noticed_on_both_sides_before_the_deadline() {
        let timing = Timing::PROTOCOL;
        assert!(timing.renew < timing.silence && READ_AGAIN < timing.silence);
        assert!(READ_AGAIN + timing.silence + 2 * timing.heartbeat < timing.deadline);
    }

    #[test]
    fn a_guard_that_was_told_to_end_has_time_to_stop_its_engine() {
        assert!(Timing::PROTOCOL.leave < TERMINATION);
    }

    /// Doors close on nobody who could still be served: a lease that nobody keeps has run out long before, and so has a promise.
    #[test]
    fn nothing_is_served_any_more_when_the_doors_close() {
        let timing = Timing::PROTOCOL;
        assert!(timing.deadline + timing.quiet + ETCD_ELECTION < ISOLATED);
    }

    #[test]
    fn a_restarted_guard_outlasts_a_promise_of_its_last_process() {
        assert!(Timing::PROTOCOL.quiet >= Timing::PROTOCOL.ttl);
    }
}

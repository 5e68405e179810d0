//! The clock that decides how long a lease may be trusted.

use std::{sync::Arc, time::Duration};

use govuc_roles::timing::Moment;
use nix::time::{ClockId, clock_gettime};

/// Shows how long this machine has been up, suspended or not (R9). Tests give another one.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Moment + Send + Sync>);

impl Clock {
    /// CLOCK_BOOTTIME: Rust's `Instant` stops while the machine is suspended, and a lease does not.
    pub fn boottime() -> Self {
        Self::of(|| {
            let time = clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from);
            // Linux has had it since 2.6.39. Without a clock nothing may be trusted: the end of time is past every deadline.
            Moment::new(time.unwrap_or(Duration::MAX))
        })
    }

    pub fn of(now: impl Fn() -> Moment + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    pub fn now(&self) -> Moment {
        (self.0)()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_has_been_up_for_a_while_and_goes_on() {
        let clock = Clock::boottime();
        let earlier = clock.now();
        assert!(earlier > Moment::new(Duration::ZERO));
        assert!(clock.now() >= earlier);
    }
}

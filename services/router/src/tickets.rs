//! One loopback address for each session that was let in and has not arrived yet.
//!
//! nginx wants the address of a server, and connects there once for each session. An address used once tells the relay
//! which session arrived, so nobody has to read the user's protocol to find out.

use std::{
    collections::HashMap,
    net::Ipv4Addr,
    sync::Mutex,
    time::{Duration, Instant},
};

/// How long nginx may take to connect.
pub const LIFETIME: Duration = Duration::from_secs(30);

/// The first address: nothing listens below 127.64.0.0 but what is at 127.0.0.1.
const FIRST: u32 = 0x7f40_0000;
const COUNT: u32 = 1 << 22;

/// What waits, by the address it waits at.
pub struct Tickets<T>(Mutex<Waiting<T>>);

struct Waiting<T> {
    next: u32,
    tickets: HashMap<Ipv4Addr, (T, Instant)>,
    swept: Instant,
}

impl<T> Tickets<T> {
    pub fn new(now: Instant) -> Self {
        Self(Mutex::new(Waiting {
            next: 0,
            tickets: HashMap::new(),
            swept: now,
        }))
    }

    /// An address of the session's own; `None` when four million wait.
    pub fn issue(&self, session: T, now: Instant) -> Option<Ipv4Addr> {
        let mut waiting = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        // Sessions that never came are few; looking for them once in a lifetime is enough.
        if now.duration_since(waiting.swept) >= LIFETIME {
            waiting.tickets.retain(|_, (_, until)| now < *until);
            waiting.swept = now;
        }
        let address = (0..COUNT)
            .map(|step| Ipv4Addr::from_bits(FIRST + waiting.next.wrapping_add(step) % COUNT))
            .find(|address| !waiting.tickets.contains_key(address))?;
        waiting.next = (address.to_bits() - FIRST + 1) % COUNT;
        waiting.tickets.insert(address, (session, now + LIFETIME));
        Some(address)
    }

    /// The session of an address, once.
    pub fn take(&self, address: Ipv4Addr, now: Instant) -> Option<T> {
        let mut waiting = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let (session, until) = waiting.tickets.remove(&address)?;
        (now < until).then_some(session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_session_has_a_loopback_address_of_its_own_and_is_taken_once() {
        let now = Instant::now();
        let tickets = Tickets::new(now);
        let ali = tickets.issue("ali", now).unwrap();
        let siti = tickets.issue("siti", now).unwrap();
        assert!(ali.is_loopback() && siti.is_loopback());
        assert_eq!(tickets.take(siti, now), Some("siti"));
        assert_eq!(tickets.take(siti, now), None);
        assert_eq!(tickets.take(ali, now), Some("ali"));
    }

    #[test]
    fn a_session_that_comes_too_late_is_gone() {
        let now = Instant::now();
        let tickets = Tickets::new(now);
        let ali = tickets.issue("ali", now).unwrap();
        assert_eq!(tickets.take(ali, now + LIFETIME), None);
    }

    #[test]
    fn an_address_is_not_given_twice_while_its_session_waits() {
        let now = Instant::now();
        let tickets = Tickets::new(now);
        let first = tickets.issue(0, now).unwrap();
        tickets.0.lock().unwrap().next = 0;
        assert_ne!(tickets.issue(1, now), Some(first));
    }

    #[test]
    fn sessions_that_never_came_are_swept() {
        let now = Instant::now();
        let tickets = Tickets::new(now);
        tickets.issue("ali", now).unwrap();
        tickets.issue("siti", now + LIFETIME).unwrap();
        assert_eq!(tickets.0.lock().unwrap().tickets.len(), 1);
    }
}

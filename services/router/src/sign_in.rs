//! Whether an address and a password belong together, asked of the directory, or remembered for a while.

use std::{
    collections::HashMap,
    sync::Mutex,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use govuc_directory::{AccountRecord, PasswordCheck, PasswordState};
use ring::{hmac, rand::SystemRandom};
use uuid::Uuid;

use crate::{
    providers::{Chain, Providers},
    secret::Secret,
    telemetry::Metrics,
};

/// How long a right password needs no bind. After a failover everybody comes back at once, and each bind costs tens of
/// milliseconds of Argon2.
const MEMORY: Duration = Duration::from_secs(600);
/// The directory notes when a password was changed to the second, so two changes within one look alike. One that is younger
/// than this is not remembered; it allows for clocks that differ a little.
const SETTLED: i64 = 5;
/// An address is no longer than this (RFC 5321 §4.5.3.1.3, without the brackets).
const ADDRESS_LIMIT: usize = 254;

/// Checks passwords. Shared by all that ask.
pub struct SignIn {
    providers: Providers,
    remembered: Remembered,
    metrics: Metrics,
}

/// Why somebody may not come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Address or password; which of them is not said.
    Wrong,
    MustChange,
    Locked,
    Unavailable,
}

/// Passwords that were right, as keyed hashes. The key is random and dies with the process.
struct Remembered {
    key: hmac::Key,
    known: Mutex<HashMap<Uuid, Known>>,
}

struct Known {
    mac: hmac::Tag,
    /// The state in which the password was right: any change of it makes the memory worthless.
    state: PasswordState,
    until: Instant,
}

/// The random key could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the system has no random numbers")]
pub struct NoRandomness;

impl Refusal {
    /// For metrics.
    pub fn label(self) -> &'static str {
        match self {
            Refusal::Wrong => "wrong",
            Refusal::MustChange => "must_change",
            Refusal::Locked => "locked",
            Refusal::Unavailable => "unavailable",
        }
    }
}

impl SignIn {
    pub fn new(providers: Providers, metrics: Metrics) -> Result<Self, NoRandomness> {
        Ok(Self {
            providers,
            remembered: Remembered::new()?,
            metrics,
        })
    }

    /// The account of an address or alias, if the password is its own and opens it.
    pub async fn check(&self, address: &str, password: &Secret) -> Result<AccountRecord, Refusal> {
        let record = self.account(address).await?;
        let id = record.account.id;
        if self
            .remembered
            .knows(id, password, &record.password, Instant::now())
        {
            self.metrics.remembered();
            return Ok(record);
        }
        let check = self
            .providers
            .ask(|directory| async move { directory.check_password(id, password.reveal()).await })
            .await
            .map_err(unavailable)?;
        match check {
            PasswordCheck::Good => {
                let state = record.password.clone();
                if is_settled(&state, SystemTime::now()) {
                    self.remembered.keep(id, password, state, Instant::now());
                }
                Ok(record)
            }
            PasswordCheck::MustChange => Err(Refusal::MustChange),
            PasswordCheck::Locked => Err(Refusal::Locked),
            PasswordCheck::Wrong => Err(Refusal::Wrong),
        }
    }

    /// The living account of an address or alias.
    pub async fn account(&self, address: &str) -> Result<AccountRecord, Refusal> {
        if address.len() > ADDRESS_LIMIT || !address.contains('@') {
            return Err(Refusal::Wrong);
        }
        self.providers
            .ask(|directory| async move { directory.account_by_address(address).await })
            .await
            .map_err(unavailable)?
            .filter(|record| record.retain_until.is_none())
            .ok_or(Refusal::Wrong)
    }
}

pub(crate) fn unavailable(error: govuc_directory::Error) -> Refusal {
    tracing::error!(error = %Chain(&error), "a sign-in could not be decided");
    Refusal::Unavailable
}

impl Remembered {
    fn new() -> Result<Self, NoRandomness> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).map_err(|_| NoRandomness)?;
        Ok(Self {
            key,
            known: Mutex::default(),
        })
    }

    fn knows(&self, id: Uuid, password: &Secret, state: &PasswordState, now: Instant) -> bool {
        let known = self.known.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        known.get(&id).is_some_and(|known| {
            now < known.until
                && is_open(state)
                && known.state.changed_at == state.changed_at
                && hmac::verify(&self.key, &message(id, password), known.mac.as_ref()).is_ok()
        })
    }

    fn keep(&self, id: Uuid, password: &Secret, state: PasswordState, now: Instant) {
        if !is_open(&state) {
            return;
        }
        let mac = hmac::sign(&self.key, &message(id, password));
        let mut known = self.known.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        // Sweeping when the map is about to grow costs nothing on average and keeps no dead entry for long.
        if known.len() == known.capacity() {
            known.retain(|_, known| now < known.until);
        }
        let until = now + MEMORY;
        known.insert(id, Known { mac, state, until });
    }
}

/// Whether a right password opens the account without further question.
fn is_open(state: &PasswordState) -> bool {
    !state.must_change && state.locked_at.is_none()
}

/// Whether a change from now on would show in the time of the last change.
fn is_settled(state: &PasswordState, now: SystemTime) -> bool {
    let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    state
        .changed_at
        .is_some_and(|changed| changed.as_second().saturating_add(SETTLED) <= now.cast_signed())
}

fn message(id: Uuid, password: &Secret) -> Vec<u8> {
    [id.as_bytes(), password.reveal().as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Uuid = Uuid::nil();

    fn rahsia() -> Secret {
        Secret::new("rahsia")
    }

    fn since(time: &str) -> PasswordState {
        PasswordState {
            changed_at: Some(time.parse().unwrap()),
            ..PasswordState::default()
        }
    }

    fn monday() -> PasswordState {
        since("2026-11-23T00:00:00Z")
    }

    #[test]
    fn a_right_password_is_known_for_ten_minutes() {
        let (remembered, now) = (Remembered::new().unwrap(), Instant::now());
        remembered.keep(ID, &rahsia(), monday(), now);
        let late = now + MEMORY;
        assert!(remembered.knows(ID, &rahsia(), &monday(), late - Duration::from_secs(1)));
        assert!(!remembered.knows(ID, &rahsia(), &monday(), late));
    }

    #[test]
    fn another_password_or_account_is_not_known() {
        let (remembered, now) = (Remembered::new().unwrap(), Instant::now());
        remembered.keep(ID, &rahsia(), monday(), now);
        assert!(!remembered.knows(ID, &Secret::new("rahsia2"), &monday(), now));
        assert!(!remembered.knows(Uuid::max(), &rahsia(), &monday(), now));
    }

    #[test]
    fn a_changed_reset_or_locked_password_is_not_known() {
        let (remembered, now) = (Remembered::new().unwrap(), Instant::now());
        remembered.keep(ID, &rahsia(), monday(), now);
        let reset = PasswordState {
            must_change: true,
            ..monday()
        };
        let locked = PasswordState {
            locked_at: Some("20261123000000Z".into()),
            ..monday()
        };
        for state in [since("2026-11-24T00:00:00Z"), reset, locked] {
            assert!(!remembered.knows(ID, &rahsia(), &state, now), "{state:?}");
        }
    }

    #[test]
    fn a_password_changed_a_moment_ago_is_not_remembered_yet() {
        let changed = UNIX_EPOCH + Duration::from_secs(1_795_392_000);
        let state = since("2026-11-23T00:00:00Z");
        assert!(!is_settled(&state, changed + Duration::from_secs(4)));
        assert!(is_settled(&state, changed + Duration::from_secs(5)));
        assert!(!is_settled(&PasswordState::default(), changed));
    }

    #[test]
    fn what_is_remembered_does_not_hold_the_password() {
        let remembered = Remembered::new().unwrap();
        remembered.keep(ID, &rahsia(), monday(), Instant::now());
        let known = remembered.known.lock().unwrap();
        let known = known.values().next().unwrap();
        assert_eq!(known.mac.as_ref().len(), 32);
        assert!(!known.mac.as_ref().windows(6).any(|window| window == b"rahsia"));
    }
}

//! The passwords with which this guard, and the engine it guards, log in to engines.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use govuc_roles::{Era, StoreName, timing};
use govuc_wire::{
    names,
    token::{Purpose, SessionKey, Subject},
};

use crate::relay::session::Login;

#[derive(Clone)]
pub struct Tokens {
    pub key: Arc<SessionKey>,
    pub store: StoreName,
}

/// How both engines are asked what they have.
pub struct Logins {
    pub own: Login,
    pub peer: Login,
}

impl Tokens {
    /// What a primary's engine says at its follower; the follower's guard knows the era from the handshake.
    pub fn sync(&self, era: Era) -> String {
        self.key
            .mint(self.subject(Purpose::Sync, names::SYNC_USER, era), 0)
    }

    /// For now.
    pub fn logins(&self, era: Era) -> Logins {
        let until = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs())
            + timing::Timing::PROTOCOL.switchover.as_secs();
        let login = |user: &str, password| Login {
            user: user.to_owned(),
            password,
        };
        let operator = self.subject(Purpose::Own, names::OPERATOR_USER, era);
        Logins {
            own: login(names::OPERATOR_USER, self.key.mint(operator, until)),
            peer: login(names::SYNC_USER, self.sync(era)),
        }
    }

    fn subject<'a>(&'a self, purpose: Purpose, user: &'a str, era: Era) -> Subject<'a> {
        Subject {
            purpose,
            user,
            store: self.store.as_str(),
            era: era.0,
        }
    }
}

//! Short-lived signed tokens that stand for a password which was checked once, at the front door.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac;

/// How long a session or admin token is good for, in seconds.
pub const LIFETIME: u64 = 60;

/// What a token may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A user's session, router to guard.
    Session,
    /// The operator as Cyrus administrator: of the site that leads, whose term the token carries.
    Admin,
    /// A guard as the administrator of its own engine.
    Own,
    /// The primary's engine at its follower. It does not expire: the engine's configuration holds it, and only the
    /// peer's guard, over mutual TLS, leads to where it is good.
    Sync,
}

/// Whom a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject<'a> {
    pub purpose: Purpose,
    pub user: &'a str,
    pub store: &'a str,
    pub era: u64,
}

/// The key that router, operator and guards of both sites share.
pub struct SessionKey(hmac::Key);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    #[error("the session key has {0} bytes; it needs 32")]
    KeyLength(usize),
    #[error("the token is malformed")]
    Malformed,
    #[error("the token has expired")]
    Expired,
    #[error("the token was not made for this user, store, era and purpose")]
    Mismatch,
}

impl Purpose {
    fn label(self) -> &'static str {
        match self {
            Purpose::Session => "session",
            Purpose::Admin => "admin",
            Purpose::Own => "own",
            Purpose::Sync => "sync",
        }
    }
}

impl SessionKey {
    /// Takes the 32 bytes of the key.
    pub fn new(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() != 32 {
            return Err(Error::KeyLength(bytes.len()));
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, bytes)))
    }

    /// Mints a token; `now` in Unix seconds.
    pub fn mint(&self, subject: Subject<'_>, now: u64) -> String {
        let expiry = if subject.purpose == Purpose::Sync {
            0
        } else {
            now + LIFETIME
        };
        let mac = hmac::sign(&self.0, &message(subject, expiry));
        format!("v1.{expiry}.{}", URL_SAFE_NO_PAD.encode(mac))
    }

    /// As [`SessionKey::mint`], by the lead of this term.
    pub fn mint_of_lead(&self, subject: Subject<'_>, term: u64, now: u64) -> String {
        let expiry = now + LIFETIME;
        let mac = hmac::sign(&self.0, &of_lead(subject, expiry, term));
        format!("v1.{expiry}.{term}.{}", URL_SAFE_NO_PAD.encode(mac))
    }

    /// As [`SessionKey::verify`], for a token of a lead. Gives the lead's term: whether it is not too old is for who asks.
    pub fn verify_of_lead(&self, token: &str, subject: Subject<'_>, now: u64) -> Result<u64, Error> {
        let fields: Vec<&str> = token.split('.').collect();
        let ["v1", expiry, term, mac] = fields.as_slice() else {
            return Err(Error::Malformed);
        };
        let expiry: u64 = expiry.parse().map_err(|_| Error::Malformed)?;
        let term: u64 = term.parse().map_err(|_| Error::Malformed)?;
        let mac = URL_SAFE_NO_PAD.decode(mac).map_err(|_| Error::Malformed)?;
        hmac::verify(&self.0, &of_lead(subject, expiry, term), &mac).map_err(|_| Error::Mismatch)?;
        if now >= expiry {
            return Err(Error::Expired);
        }
        Ok(term)
    }

    /// Checks a token; `now` in Unix seconds. The MAC is compared in constant time, and before the expiry is believed.
    pub fn verify(&self, token: &str, subject: Subject<'_>, now: u64) -> Result<(), Error> {
        let mut fields = token.split('.');
        let (Some("v1"), Some(expiry), Some(mac), None) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Err(Error::Malformed);
        };
        let expiry: u64 = expiry.parse().map_err(|_| Error::Malformed)?;
        let mac = URL_SAFE_NO_PAD.decode(mac).map_err(|_| Error::Malformed)?;
        hmac::verify(&self.0, &message(subject, expiry), &mac).map_err(|_| Error::Mismatch)?;
        if subject.purpose != Purpose::Sync && now >= expiry {
            return Err(Error::Expired);
        }
        Ok(())
    }
}

// A NUL can't be in a user, a store or a number, so no two subjects share a message.
fn message(subject: Subject<'_>, expiry: u64) -> Vec<u8> {
    let Subject {
        purpose,
        user,
        store,
        era,
    } = subject;
    format!("{}\0{user}\0{store}\0{era}\0{expiry}", purpose.label()).into_bytes()
}

// One field more than any other message has.
fn of_lead(subject: Subject<'_>, expiry: u64, term: u64) -> Vec<u8> {
    let mut message = message(subject, expiry);
    message.extend_from_slice(format!("\0{term}").as_bytes());
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALI: Subject<'static> = Subject {
        purpose: Purpose::Session,
        user: "3f",
        store: "mail-1",
        era: 1,
    };

    fn key() -> SessionKey {
        SessionKey::new(&[7; 32]).unwrap()
    }

    #[test]
    fn a_fresh_token_is_good() {
        assert_eq!(key().verify(&key().mint(ALI, 1000), ALI, 1059), Ok(()));
    }

    #[test]
    fn a_token_ends_after_sixty_seconds() {
        assert_eq!(
            key().verify(&key().mint(ALI, 1000), ALI, 1060),
            Err(Error::Expired)
        );
    }

    #[test]
    fn a_token_is_good_for_its_own_subject_only() {
        let token = key().mint(ALI, 1000);
        for other in [
            Subject { user: "40", ..ALI },
            Subject {
                store: "mail-2",
                ..ALI
            },
            Subject { era: 2, ..ALI },
            Subject {
                purpose: Purpose::Admin,
                ..ALI
            },
        ] {
            assert_eq!(
                key().verify(&token, other, 1000),
                Err(Error::Mismatch),
                "{other:?}"
            );
        }
    }

    #[test]
    fn a_prolonged_expiry_is_refused() {
        let token = key().mint(ALI, 1000).replace("1060", "9999");
        assert_eq!(key().verify(&token, ALI, 1000), Err(Error::Mismatch));
    }

    #[test]
    fn a_leads_token_says_its_term_and_is_good_for_no_other() {
        let admin = Subject {
            purpose: Purpose::Admin,
            ..ALI
        };
        let token = key().mint_of_lead(admin, 7, 1000);
        assert_eq!(key().verify_of_lead(&token, admin, 1059), Ok(7));
        assert_eq!(key().verify_of_lead(&token, admin, 1060), Err(Error::Expired));
        let raised = token.replace(".7.", ".8.");
        assert_eq!(key().verify_of_lead(&raised, admin, 1000), Err(Error::Mismatch));
        // Neither kind passes for the other.
        assert_eq!(key().verify(&token, admin, 1000), Err(Error::Malformed));
        let other = key().mint(admin, 1000);
        assert_eq!(key().verify_of_lead(&other, admin, 1000), Err(Error::Malformed));
    }

    #[test]
    fn a_sync_token_does_not_expire() {
        let sync = Subject {
            purpose: Purpose::Sync,
            user: "govuc-sync",
            ..ALI
        };
        assert_eq!(key().verify(&key().mint(sync, 1000), sync, u64::MAX), Ok(()));
    }

    #[test]
    fn rubbish_is_malformed() {
        for token in [
            "",
            "v1",
            "v1.x.y",
            "v2.1060.AAAA",
            "v1.1060.%%",
            "v1.1060.AAAA.more",
        ] {
            assert_eq!(key().verify(token, ALI, 1000), Err(Error::Malformed), "{token}");
        }
    }

    #[test]
    fn a_short_key_is_refused() {
        assert_eq!(SessionKey::new(&[7; 31]).err(), Some(Error::KeyLength(31)));
    }
}

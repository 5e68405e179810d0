//! The keys, and the names in them.

use std::fmt;

use govuc_roles::{Site, name};

/// Everything in the roles' etcd that is the service's.
pub const PREFIX: &str = "/govuc/";
/// Everything about stores.
pub(super) const STORES: &str = "/govuc/stores/";

/// Characters, as many as a MailStore's name may have.
const LONGEST_STORE: usize = 40;

/// A mail store. A DNS label, so that it holds no `/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreName(String);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no store: it takes 1 to {LONGEST_STORE} of a-z, 0-9 and '-', a letter first")]
pub struct StoreNameError(String);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    Era,
    /// Which site's operator leads.
    Lead,
    State(StoreName),
    Lease(StoreName),
    Want(StoreName),
    Outcome(StoreName),
    Slot(StoreName, Site),
}

impl StoreName {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// All keys of the store begin so.
    pub fn prefix(&self) -> String {
        format!("{STORES}{self}/")
    }
}

impl TryFrom<&str> for StoreName {
    type Error = StoreNameError;

    fn try_from(text: &str) -> Result<Self, StoreNameError> {
        if name::is_label(text, LONGEST_STORE) {
            Ok(Self(text.to_owned()))
        } else {
            Err(StoreNameError(text.to_owned()))
        }
    }
}

impl fmt::Display for StoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Key {
    /// `None` for keys that this version does not know.
    pub fn parse(key: &str) -> Option<Key> {
        match key.strip_prefix(PREFIX)? {
            "era" => return Some(Key::Era),
            "lead" => return Some(Key::Lead),
            _ => {}
        }
        let (store, rest) = key.strip_prefix(STORES)?.split_once('/')?;
        let store = StoreName::try_from(store).ok()?;
        Some(match rest {
            "state" => Key::State(store),
            "lease" => Key::Lease(store),
            "want" => Key::Want(store),
            "outcome" => Key::Outcome(store),
            slot => Key::Slot(
                store,
                Site::try_from(slot.strip_prefix("slots/")?.to_owned()).ok()?,
            ),
        })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Era => write!(f, "{PREFIX}era"),
            Key::Lead => write!(f, "{PREFIX}lead"),
            Key::State(store) => write!(f, "{STORES}{store}/state"),
            Key::Lease(store) => write!(f, "{STORES}{store}/lease"),
            Key::Want(store) => write!(f, "{STORES}{store}/want"),
            Key::Outcome(store) => write!(f, "{STORES}{store}/outcome"),
            Key::Slot(store, site) => write!(f, "{STORES}{store}/slots/{site}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_as_it_is_written() {
        let store = || StoreName::try_from("mail-1").unwrap();
        let site = Site::try_from("pdsa1".to_owned()).unwrap();
        for (key, text) in [
            (Key::Era, "/govuc/era"),
            (Key::Lead, "/govuc/lead"),
            (Key::State(store()), "/govuc/stores/mail-1/state"),
            (Key::Lease(store()), "/govuc/stores/mail-1/lease"),
            (Key::Want(store()), "/govuc/stores/mail-1/want"),
            (Key::Outcome(store()), "/govuc/stores/mail-1/outcome"),
            (Key::Slot(store(), site), "/govuc/stores/mail-1/slots/pdsa1"),
        ] {
            assert_eq!(key.to_string(), text);
            assert_eq!(Key::parse(text), Some(key));
        }
    }

    #[test]
    fn keys_of_others_and_of_later_versions_are_none_of_ours() {
        for text in [
            "/registry/pods",
            "/govuc/later",
            "/govuc/stores/mail-1",
            "/govuc/stores/mail-1/later",
            "/govuc/stores/Mail 1/state",
            "/govuc/stores/mail-1/slots/PDSA",
        ] {
            assert_eq!(Key::parse(text), None, "{text}");
        }
    }

    #[test]
    fn no_stores_keys_are_among_anothers() {
        let one = StoreName::try_from("mail-1").unwrap();
        let ten = StoreName::try_from("mail-10").unwrap();
        assert!(!Key::State(ten).to_string().starts_with(&one.prefix()));
    }
}

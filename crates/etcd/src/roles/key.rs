//! The keys, and the names in them.

use std::fmt;

use govuc_roles::{Site, StoreName};

/// Everything in the roles' etcd that is the service's.
pub const PREFIX: &str = "/govuc/";
/// Everything about the lead begins so.
pub(super) const LEAD: &str = "/govuc/lead";
/// What the sites say of their Platforms.
pub(super) const SITES: &str = "/govuc/sites/";
/// Everything about stores.
pub(super) const STORES: &str = "/govuc/stores/";

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    Era,
    Lead,
    LeadTerm,
    Site(Site),
    State(StoreName),
    Lease(StoreName),
    Want(StoreName),
    Outcome(StoreName),
    Ended(StoreName),
    Slot(StoreName, Site),
}

/// All keys of the store begin so.
pub fn prefix(store: &StoreName) -> String {
    format!("{STORES}{store}/")
}

impl Key {
    /// `None` for keys that this version does not know.
    pub fn parse(key: &str) -> Option<Key> {
        match key.strip_prefix(PREFIX)? {
            "era" => return Some(Key::Era),
            "lead" => return Some(Key::Lead),
            "leadTerm" => return Some(Key::LeadTerm),
            _ => {}
        }
        if let Some(site) = key.strip_prefix(SITES) {
            return Site::try_from(site.to_owned()).ok().map(Key::Site);
        }
        let (store, rest) = key.strip_prefix(STORES)?.split_once('/')?;
        let store = StoreName::try_from(store).ok()?;
        Some(match rest {
            "state" => Key::State(store),
            "lease" => Key::Lease(store),
            "want" => Key::Want(store),
            "outcome" => Key::Outcome(store),
            "ended" => Key::Ended(store),
            slot => Key::Slot(
                store,
                Site::try_from(slot.strip_prefix("slots/")?.to_owned()).ok()?,
            ),
        })
    }

    /// The store it tells of.
    pub fn store(&self) -> Option<&StoreName> {
        match self {
            Key::Era | Key::Lead | Key::LeadTerm | Key::Site(_) => None,
            Key::State(store)
            | Key::Lease(store)
            | Key::Want(store)
            | Key::Outcome(store)
            | Key::Ended(store)
            | Key::Slot(store, _) => Some(store),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Era => write!(f, "{PREFIX}era"),
            Key::Lead => f.write_str(LEAD),
            Key::LeadTerm => write!(f, "{LEAD}Term"),
            Key::Site(site) => write!(f, "{SITES}{site}"),
            Key::State(store) => write!(f, "{STORES}{store}/state"),
            Key::Lease(store) => write!(f, "{STORES}{store}/lease"),
            Key::Want(store) => write!(f, "{STORES}{store}/want"),
            Key::Outcome(store) => write!(f, "{STORES}{store}/outcome"),
            Key::Ended(store) => write!(f, "{STORES}{store}/ended"),
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
            (Key::LeadTerm, "/govuc/leadTerm"),
            (Key::Site(site.clone()), "/govuc/sites/pdsa1"),
            (Key::State(store()), "/govuc/stores/mail-1/state"),
            (Key::Lease(store()), "/govuc/stores/mail-1/lease"),
            (Key::Want(store()), "/govuc/stores/mail-1/want"),
            (Key::Outcome(store()), "/govuc/stores/mail-1/outcome"),
            (Key::Ended(store()), "/govuc/stores/mail-1/ended"),
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
            "/govuc/sites/PDSA",
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
        assert!(!Key::State(ten).to_string().starts_with(&prefix(&one)));
    }
}

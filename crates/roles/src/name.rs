//! What the names of sites and stores are made of.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Characters, as many as a MailStore's name may have: they leave room for `-<site>` in a Service's name.
const LONGEST_STORE: usize = 40;

/// A mail store. A DNS label, so that it may begin a Service's name and holds no `/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StoreName(String);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no store: it takes 1 to {LONGEST_STORE} of a-z, 0-9 and '-', a letter first")]
pub struct StoreNameError(String);

impl StoreName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for StoreName {
    type Error = StoreNameError;

    fn try_from(name: String) -> Result<Self, StoreNameError> {
        if is_label(&name, LONGEST_STORE) {
            Ok(Self(name))
        } else {
            Err(StoreNameError(name))
        }
    }
}

impl TryFrom<&str> for StoreName {
    type Error = StoreNameError;

    fn try_from(name: &str) -> Result<Self, StoreNameError> {
        Self::try_from(name.to_owned())
    }
}

impl From<StoreName> for String {
    fn from(store: StoreName) -> String {
        store.0
    }
}

impl fmt::Display for StoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether `name` is a DNS label of at most `longest` characters that may begin a Service's name: `a-z`, `0-9` and `-`, a
/// letter first, no `-` last (RFC 1035 §2.3.1).
pub fn is_label(name: &str, longest: usize) -> bool {
    let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=longest).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.chars().all(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_begins_with_a_letter_and_ends_with_no_hyphen() {
        for name in [
            "", "Pdsa1", "1pdsa", "pdsa-", "-pdsa", "pdsa.1", "pdsa_1", "pdsé1",
        ] {
            assert!(!is_label(name, 63), "{name}");
        }
        for name in ["p", "pdsa1", "pdsa--1"] {
            assert!(is_label(name, 63), "{name}");
        }
    }

    #[test]
    fn a_label_is_as_long_as_it_may_be_and_no_longer() {
        assert!(is_label("pdsa1", 5));
        assert!(!is_label("pdsa1", 4));
    }
}

//! `store.json`, parsed once into types that need no second look.

use std::path::{Path, PathBuf};

use govuc_roles::{Assignment, Ballot, Site, name};
use serde::Deserialize;

/// Which slot of which store this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    pub store: StoreName,
    pub site: Site,
    pub peer: Site,
}

/// A DNS label that leaves room for `-<site>` in a Service's name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct StoreName(String);

/// The file's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    pub slot: Slot,
    pub assignment: Assignment,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{path} can't be read")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path} is not the configuration of a store: {source}")]
    Parse {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("{path}: {field} is {value:?}; {rule}")]
    Meaning {
        path: PathBuf,
        field: &'static str,
        value: String,
        rule: &'static str,
    },
}

/// Characters, as many as a MailStore's name may have.
const LONGEST_STORE: usize = 40;

#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no store: it takes 1 to {LONGEST_STORE} of a-z, 0-9 and '-', a letter first")]
pub struct StoreNameError(String);

#[derive(Deserialize)]
struct File {
    store: StoreName,
    site: Site,
    peer: Site,
    era: u64,
    term: u64,
    primary: Site,
}

impl StoreConfig {
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read(path).map_err(|source| Error::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(path, &text)
    }

    /// `path` is for messages.
    pub fn parse(path: &Path, text: &[u8]) -> Result<Self, Error> {
        let file: File = serde_json::from_slice(text).map_err(|source| Error::Parse {
            path: path.to_owned(),
            source,
        })?;
        let wrong = |field, value: &dyn std::fmt::Display, rule| Error::Meaning {
            path: path.to_owned(),
            field,
            value: value.to_string(),
            rule,
        };
        if file.peer == file.site {
            return Err(wrong("peer", &file.peer, "name the other site, not the own one"));
        }
        if file.primary != file.site && file.primary != file.peer {
            return Err(wrong("primary", &file.primary, "name the site or the peer"));
        }
        if file.era == 0 {
            return Err(wrong("era", &file.era, "eras are counted from 1"));
        }
        if file.term == 0 {
            return Err(wrong("term", &file.term, "terms are counted from 1"));
        }
        Ok(Self {
            slot: Slot {
                store: file.store,
                site: file.site,
                peer: file.peer,
            },
            assignment: Assignment {
                ballot: Ballot::new(file.era, file.term),
                primary: file.primary,
            },
        })
    }
}

impl StoreName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for StoreName {
    type Error = StoreNameError;

    fn try_from(name: String) -> Result<Self, StoreNameError> {
        if name::is_label(&name, LONGEST_STORE) {
            Ok(Self(name))
        } else {
            Err(StoreNameError(name))
        }
    }
}

impl std::fmt::Display for StoreName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        r#"{"store":"mail-1","use":"Mail","site":"pdsa1","peer":"pdsa2","era":1,"term":1,"primary":"pdsa1"}"#;

    fn refused(from: &str, to: &str) -> String {
        let text = GOOD.replace(from, to);
        assert_ne!(text, GOOD);
        StoreConfig::parse(Path::new("store.json"), text.as_bytes())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn the_operators_file_is_understood() {
        let config = StoreConfig::parse(Path::new("store.json"), GOOD.as_bytes()).unwrap();
        assert_eq!(config.slot.store.as_str(), "mail-1");
        assert_eq!(config.assignment.ballot, Ballot::new(1, 1));
        assert_eq!(config.assignment.primary, config.slot.site);
    }

    #[test]
    fn every_wrong_value_is_refused_by_name() {
        for (from, to, said) in [
            ("\"pdsa2\"", "\"pdsa1\"", "peer is \"pdsa1\"; name the other site"),
            (
                "\"primary\":\"pdsa1\"",
                "\"primary\":\"pdsa3\"",
                "primary is \"pdsa3\"; name the site or the peer",
            ),
            ("\"era\":1", "\"era\":0", "era is \"0\"; eras are counted from 1"),
            (
                "\"term\":1",
                "\"term\":0",
                "term is \"0\"; terms are counted from 1",
            ),
            ("\"term\":1", "\"term\":-1", "expected u64"),
            ("mail-1", "Mail 1", "\"Mail 1\" is no store"),
            ("mail-1", "", "\"\" is no store"),
            ("\"site\":\"pdsa1\",", "", "missing field `site`"),
            ("}", "", "EOF"),
        ] {
            let error = refused(from, to);
            assert!(error.contains(said), "{error}");
        }
    }
}

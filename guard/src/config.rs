//! `store.json`, parsed once into types that need no second look.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use govuc_roles::{Assignment, Ballot, LeasePolicy, Site, Source, StoreName, timing::Timing};
use serde::Deserialize;

/// Which slot of which store this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    pub store: StoreName,
    pub site: Site,
    pub peer: Site,
}

/// The file's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    pub slot: Slot,
    pub role: RoleSource,
}

/// Where the slot's role comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleSource {
    /// Two sites without a witness.
    Assignment(Assignment),
    Lease(LeaseConfig),
}

/// What the roles' etcd is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseConfig {
    /// Takes a store that nobody has ever held.
    pub preferred: Site,
    /// How far behind a follower may be and still take over by itself.
    pub max_behind: Duration,
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

#[derive(Deserialize)]
struct File {
    store: StoreName,
    site: Site,
    peer: Site,
    era: Option<u64>,
    term: Option<u64>,
    primary: Option<Site>,
    roles: Option<RolesFile>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RolesFile {
    preferred_site: Site,
    #[serde(default)]
    max_behind_seconds: u64,
}

impl RoleSource {
    /// For the machine of this slot.
    pub fn source(&self, slot: &Slot) -> Source {
        match self {
            RoleSource::Assignment(_) => Source::Assignment,
            RoleSource::Lease(lease) => Source::Lease(LeasePolicy {
                timing: Timing::PROTOCOL,
                preferred: lease.preferred == slot.site,
                max_behind: lease.max_behind,
            }),
        }
    }
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
        let known = |site: &Site| *site == file.site || *site == file.peer;
        let role = match (file.roles, file.era, file.term, file.primary) {
            (Some(roles), None, None, None) => {
                if !known(&roles.preferred_site) {
                    return Err(wrong(
                        "roles.preferredSite",
                        &roles.preferred_site,
                        "name the site or the peer",
                    ));
                }
                RoleSource::Lease(LeaseConfig {
                    preferred: roles.preferred_site,
                    max_behind: Duration::from_secs(roles.max_behind_seconds),
                })
            }
            (None, Some(era), Some(term), Some(primary)) => {
                if !known(&primary) {
                    return Err(wrong("primary", &primary, "name the site or the peer"));
                }
                if era == 0 {
                    return Err(wrong("era", &era, "eras are counted from 1"));
                }
                if term == 0 {
                    return Err(wrong("term", &term, "terms are counted from 1"));
                }
                RoleSource::Assignment(Assignment {
                    ballot: Ballot::new(era, term),
                    primary,
                })
            }
            _ => {
                return Err(wrong(
                    "roles",
                    &"neither or both",
                    "give either roles, or era, term and primary",
                ));
            }
        };
        Ok(Self {
            slot: Slot {
                store: file.store,
                site: file.site,
                peer: file.peer,
            },
            role,
        })
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
        let RoleSource::Assignment(assignment) = config.role else {
            panic!("{:?}", config.role);
        };
        assert_eq!(assignment.ballot, Ballot::new(1, 1));
        assert_eq!(assignment.primary, config.slot.site);
    }

    #[test]
    fn roles_of_an_etcd_take_the_place_of_an_assignment() {
        let text = r#"{"store":"mail-1","site":"pdsa1","peer":"pdsa2",
            "roles":{"preferredSite":"pdsa2","maxBehindSeconds":30}}"#;
        let config = StoreConfig::parse(Path::new("store.json"), text.as_bytes()).unwrap();
        let RoleSource::Lease(lease) = config.role else {
            panic!("{:?}", config.role);
        };
        assert_eq!(lease.preferred, config.slot.peer);
        assert_eq!(lease.max_behind, Duration::from_secs(30));
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
            ("\"term\":1,", "", "give either roles, or era, term and primary"),
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

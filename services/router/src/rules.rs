//! The rules for passwords as people are told them, in a file that the operator may change while the router runs.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use govuc_wire::password::Rules;

use crate::providers::Chain;

/// The file, and what it said last.
pub struct RulesFile {
    path: PathBuf,
    last: Mutex<Rules>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{path} can't be read")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} has no rules for passwords")]
    Parse {
        path: PathBuf,
        source: serde_json::Error,
    },
}

impl RulesFile {
    /// The file has to make sense now.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        let last = Mutex::new(read(&path)?);
        Ok(Self { path, last })
    }

    /// As the file says now, or as it said when it last made sense: a rule that can't be told is no reason to turn somebody
    /// away without a word.
    pub fn current(&self) -> Rules {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match read(&self.path) {
            Ok(rules) => *last = rules,
            Err(error) => tracing::error!(error = %Chain(&error), "people are told the rules of before"),
        }
        *last
    }
}

fn read(path: &Path) -> Result<Rules, Error> {
    let text = fs::read(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })?;
    serde_json::from_slice(&text).map_err(|source| Error::Parse {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_rules_are_told_without_a_restart_and_broken_ones_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rules.json");
        assert!(matches!(RulesFile::open(&path), Err(Error::Read { .. })));
        fs::write(&path, r#"{"minLength":12,"lockoutSeconds":900}"#).unwrap();
        let rules = RulesFile::open(&path).unwrap();
        fs::write(&path, r#"{"minLength":14,"lockoutSeconds":60}"#).unwrap();
        let new = Rules {
            min_length: 14,
            lockout_seconds: 60,
        };
        assert_eq!(rules.current(), new);
        fs::write(&path, "{").unwrap();
        assert_eq!(rules.current(), new);
        assert!(matches!(RulesFile::open(&path), Err(Error::Parse { .. })));
    }
}

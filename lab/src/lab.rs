//! A lab by its name: which index it has, who may change it now, and how it is removed.

use std::fmt;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::network::Network;
use crate::paths::{self, LabFolder};

/// The name of a lab: it appears in the names of cgroups and processes, so it is short and plain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabName(String);

/// A lab whose folder exists.
#[derive(Debug, Clone)]
pub struct Lab {
    pub name: LabName,
    pub network: Network,
    pub folder: LabFolder,
}

/// Held while a lab is started, stopped or changed, so that two commands never do so at once.
pub struct Claim {
    _lock: File,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("lab name {0:?} must be 1 to 12 of a-z, 0-9 and '-', and begin with a letter")]
    Name(String),
    #[error("lab {0} is not up; start it with `cargo lab --lab {0} up`")]
    Absent(LabName),
    #[error("{labs} labs are up already, which is all the addresses there are; stop one with `cargo lab --lab NAME down`", labs = Network::LABS)]
    Full,
    #[error("{path}: {source}")]
    File { path: String, source: std::io::Error },
    #[error("{path} can't be read ({source}); `cargo lab --lab {name} down` removes the lab")]
    Record {
        path: String,
        name: LabName,
        source: serde_json::Error,
    },
}

impl fmt::Display for LabName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for LabName {
    type Err = Error;

    fn from_str(text: &str) -> Result<LabName, Error> {
        let plain = text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let fits = (1..=12).contains(&text.len()) && text.as_bytes()[0].is_ascii_lowercase();
        if plain && fits {
            Ok(LabName(text.to_owned()))
        } else {
            Err(Error::Name(text.to_owned()))
        }
    }
}

impl LabName {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn folder(&self) -> LabFolder {
        LabFolder::new(paths::labs().join(&self.0))
    }
}

impl Lab {
    /// The lab with this name, which must be there.
    pub fn open(name: &LabName) -> Result<Lab, Error> {
        let folder = name.folder();
        match network(name, &folder)? {
            Some(network) => Ok(Lab {
                name: name.clone(),
                network,
                folder,
            }),
            None => Err(Error::Absent(name.clone())),
        }
    }

    /// The lab with this name, made with the lowest free index when it is not there.
    pub fn create(name: &LabName) -> Result<Lab, Error> {
        let folder = name.folder();
        fs::create_dir_all(folder.path()).map_err(|source| file(folder.path(), source))?;
        // The index is chosen under a lock on the parent folder, so that two new labs never choose the same.
        let _lock = lock(&paths::labs())?;
        if let Some(network) = network(name, &folder)? {
            return Ok(Lab {
                name: name.clone(),
                network,
                folder,
            });
        }
        let taken = every()?
            .into_iter()
            .map(|lab| lab.network.index())
            .collect::<Vec<_>>();
        let index = (0..Network::LABS)
            .find(|index| !taken.contains(index))
            .ok_or(Error::Full)?;
        let network = Network::new(index).ok_or(Error::Full)?;
        let record = serde_json::json!({ "index": index }).to_string();
        // Written aside and renamed: a record is there as a whole or not at all.
        let aside = folder.path().join("lab.json.new");
        fs::write(&aside, record).map_err(|source| file(&aside, source))?;
        fs::rename(&aside, folder.record()).map_err(|source| file(&folder.record(), source))?;
        Ok(Lab {
            name: name.clone(),
            network,
            folder,
        })
    }
}

impl Claim {
    /// Waits until no other command changes the lab `name`, whose folder must exist.
    pub fn take(name: &LabName) -> Result<Claim, Error> {
        let path = name.folder().path().to_owned();
        loop {
            let lock = lock(&path)?;
            // Whoever held the lock may have removed the folder: then this lock guards nothing.
            let same = |a: &File| Some((a.metadata().ok()?.dev(), a.metadata().ok()?.ino()));
            let there = File::open(&path).ok();
            if there.as_ref().and_then(same) == same(&lock) {
                return Ok(Claim { _lock: lock });
            }
            fs::create_dir_all(&path).map_err(|source| file(&path, source))?;
        }
    }
}

/// Every lab that has a folder with a record.
pub fn every() -> Result<Vec<Lab>, Error> {
    let Ok(entries) = fs::read_dir(paths::labs()) else {
        return Ok(Vec::new());
    };
    let names = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<LabName>().ok());
    let mut labs = Vec::new();
    for name in names {
        let folder = name.folder();
        if let Some(network) = network(&name, &folder)? {
            labs.push(Lab {
                name,
                network,
                folder,
            });
        }
    }
    Ok(labs)
}

fn network(name: &LabName, folder: &LabFolder) -> Result<Option<Network>, Error> {
    let path = folder.record();
    match fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text)
            .map(Some)
            .map_err(|source| Error::Record {
                path: path.display().to_string(),
                name: name.clone(),
                source,
            }),
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(file(&path, source)),
    }
}

/// Held until dropped: whoever else asks for the same folder waits.
pub fn lock(folder: &Path) -> Result<File, Error> {
    let open = || {
        fs::create_dir_all(folder)?;
        let lock = File::open(folder)?;
        lock.lock()?;
        Ok(lock)
    };
    open().map_err(|source| file(folder, source))
}

pub fn file(path: &Path, source: std::io::Error) -> Error {
    Error::File {
        path: PathBuf::from(path).display().to_string(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lab_name_is_short_and_plain() {
        for right in ["govuc", "t1", "a-b"] {
            assert_eq!(right.parse::<LabName>().unwrap().as_str(), right);
        }
        for wrong in ["", "1a", "-a", "UP", "../x", "a_b", "thirteen-long"] {
            assert!(wrong.parse::<LabName>().is_err(), "{wrong:?} was taken");
        }
    }
}

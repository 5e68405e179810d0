//! The slot's volume: what the guard must not forget, durable before it is acted on (R7, R8).

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use govuc_roles::{Ballot, Evidence, Site, SlotCopy, VolumeId, record::HoldRecord};
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

/// The one version of `guard.json` there is.
const FORMAT: u32 = 1;
/// Within the volume.
const ENGINE_DATA: &str = "cyrus";

/// A locked volume, and the content of its `guard.json`.
pub struct Volume {
    root: PathBuf,
    content: Content,
    // Two guards on one volume would both be this slot.
    _lock: Flock<File>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    format: u32,
    volume: VolumeId,
    incarnation: u64,
    era: u64,
    term: u64,
    holder: Option<Site>,
    /// What the engine has there is to be removed, and the volume to become another one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    discarding: bool,
    /// The last hold that was begun here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hold: Option<HoldRecord>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{path} failed")]
    Io { path: PathBuf, source: io::Error },
    #[error("{0} is locked: another guard runs on this volume; wait until it has ended")]
    Locked(PathBuf),
    #[error(
        "{path} is not what a guard wrote: {source}; restore it from a snapshot, or remove it, and the volume is a new one"
    )]
    Malformed {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("{path} has format {found}; this guard knows {FORMAT}: run the version that wrote it")]
    Format { path: PathBuf, found: u32 },
}

impl Volume {
    /// Locks the volume and begins its next incarnation, durably. A volume without `guard.json` becomes a new one.
    pub fn open(root: &Path) -> Result<Self, Error> {
        fs::create_dir_all(root).map_err(at(root))?;
        let lock_path = root.join("guard.lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .map_err(at(&lock_path))?;
        let lock =
            Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| Error::Locked(lock_path))?;
        let path = root.join("guard.json");
        let mut content = match fs::read(&path) {
            Ok(text) => parse(&path, &text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Content {
                format: FORMAT,
                volume: VolumeId(uuid::Uuid::new_v4().to_string()),
                incarnation: 0,
                era: 0,
                term: 0,
                holder: None,
                discarding: false,
                hold: None,
            },
            Err(source) => return Err(at(&path)(source)),
        };
        if content.discarding {
            empty(&root.join(ENGINE_DATA))?;
            content = Content {
                discarding: false,
                ..content.another()
            };
        }
        content.incarnation += 1;
        let mut volume = Self {
            root: root.to_owned(),
            content: content.clone(),
            _lock: lock,
        };
        volume.write(content)?;
        Ok(volume)
    }

    /// Which copy of the store this is.
    pub fn copy(&self) -> SlotCopy {
        SlotCopy {
            volume: self.content.volume.clone(),
            incarnation: self.content.incarnation,
        }
    }

    pub fn evidence(&self) -> Evidence {
        Evidence {
            ballot: Ballot::new(self.content.era, self.content.term),
            holder: self.content.holder.clone(),
        }
    }

    /// Returns once the evidence would survive a power cut.
    pub fn record(&mut self, evidence: &Evidence) -> Result<(), Error> {
        self.write(Content {
            era: evidence.ballot.era.0,
            term: evidence.ballot.term.0,
            holder: evidence.holder.clone(),
            ..self.content.clone()
        })
    }

    pub fn hold(&self) -> Option<HoldRecord> {
        self.content.hold.clone()
    }

    /// As `record`, of a hold.
    pub fn record_hold(&mut self, hold: HoldRecord) -> Result<(), Error> {
        self.write(Content {
            hold: Some(hold),
            ..self.content.clone()
        })
    }

    /// Takes a new id, durably: what this volume once had, it has no more (R7). What it has seen stays seen.
    pub fn become_another(&mut self) -> Result<(), Error> {
        self.write(self.content.another())
    }

    /// Decides durably that what the engine has here is of no more use. It is removed when the volume is opened next, as
    /// another one (R7), before anything else.
    pub fn discard(&mut self) -> Result<(), Error> {
        self.write(Content {
            discarding: true,
            ..self.content.clone()
        })
    }

    /// Where the engine keeps its data.
    pub fn engine_data(&self) -> PathBuf {
        self.root.join(ENGINE_DATA)
    }

    pub fn reports(&self) -> PathBuf {
        reports(&self.root)
    }

    fn write(&mut self, content: Content) -> Result<(), Error> {
        let (path, new) = (self.root.join("guard.json"), self.root.join("guard.json.new"));
        let text = serde_json::to_vec(&content).map_err(|source| Error::Malformed {
            path: path.clone(),
            source,
        })?;
        let mut file = File::create(&new).map_err(at(&new))?;
        file.write_all(&text).map_err(at(&new))?;
        file.sync_all().map_err(at(&new))?;
        fs::rename(&new, &path).map_err(at(&path))?;
        // The rename is durable only with its folder.
        let folder = File::open(&self.root).map_err(at(&self.root))?;
        folder.sync_all().map_err(at(&self.root))?;
        self.content = content;
        Ok(())
    }
}

impl Content {
    fn another(&self) -> Self {
        Self {
            volume: VolumeId(uuid::Uuid::new_v4().to_string()),
            incarnation: 0,
            hold: None,
            ..self.clone()
        }
    }
}

/// Where the guard tells what merges have done. Whoever reads that needs no lock.
pub fn reports(root: &Path) -> PathBuf {
    root.join("merges")
}

/// A folder that is not there is as good as an empty one.
fn empty(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(folder)(error)),
        _ => Ok(()),
    }
}

fn parse(path: &Path, text: &[u8]) -> Result<Content, Error> {
    let content: Content = serde_json::from_slice(text).map_err(|source| Error::Malformed {
        path: path.to_owned(),
        source,
    })?;
    if content.format == FORMAT {
        Ok(content)
    } else {
        Err(Error::Format {
            path: path.to_owned(),
            found: content.format,
        })
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(term: u64) -> Evidence {
        Evidence {
            ballot: Ballot::new(1, term),
            holder: Some(Site::try_from("pdsa1".to_owned()).unwrap()),
        }
    }

    #[test]
    fn a_new_volume_has_seen_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let volume = Volume::open(folder.path()).unwrap();
        assert_eq!(volume.evidence(), Evidence::NONE);
        assert_eq!(volume.copy().incarnation, 1);
    }

    #[test]
    fn a_volume_opened_again_keeps_its_id_and_evidence_in_the_next_incarnation() {
        let folder = tempfile::tempdir().unwrap();
        let mut volume = Volume::open(folder.path()).unwrap();
        let first = volume.copy();
        volume.record(&seen(4)).unwrap();
        drop(volume);
        let volume = Volume::open(folder.path()).unwrap();
        assert_eq!(volume.evidence(), seen(4));
        assert_eq!(volume.copy().volume, first.volume);
        assert_eq!(volume.copy().incarnation, 2);
    }

    #[test]
    fn an_emptied_volume_is_another_volume() {
        let folder = tempfile::tempdir().unwrap();
        let mut volume = Volume::open(folder.path()).unwrap();
        volume.record(&seen(4)).unwrap();
        let first = volume.copy();
        drop(volume);
        fs::remove_file(folder.path().join("guard.json")).unwrap();
        let volume = Volume::open(folder.path()).unwrap();
        assert_ne!(volume.copy().volume, first.volume);
        assert_eq!(volume.evidence(), Evidence::NONE);
    }

    #[test]
    fn a_restored_volume_is_another_copy_that_has_seen_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let mut volume = Volume::open(folder.path()).unwrap();
        volume.record(&seen(4)).unwrap();
        let first = volume.copy();
        volume.become_another().unwrap();
        drop(volume);
        let volume = Volume::open(folder.path()).unwrap();
        assert_ne!(volume.copy().volume, first.volume);
        assert_eq!(volume.copy().incarnation, 1);
        assert_eq!(volume.evidence(), seen(4));
    }

    #[test]
    fn a_discarded_volume_is_opened_as_another_and_empty_one_that_has_seen_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let mut volume = Volume::open(folder.path()).unwrap();
        volume.record(&seen(4)).unwrap();
        let first = volume.copy();
        let mail = volume.engine_data().join("spool/1.");
        fs::create_dir_all(volume.engine_data().join("spool")).unwrap();
        fs::write(&mail, "mail").unwrap();
        volume.discard().unwrap();
        assert_eq!(volume.copy(), first);
        assert!(mail.exists());
        drop(volume);
        let volume = Volume::open(folder.path()).unwrap();
        assert!(!volume.engine_data().exists());
        let second = volume.copy();
        assert_ne!(second.volume, first.volume);
        assert_eq!((second.incarnation, volume.evidence()), (1, seen(4)));
        drop(volume);
        assert_eq!(Volume::open(folder.path()).unwrap().copy().volume, second.volume);
    }

    #[test]
    fn a_volume_takes_one_guard() {
        let folder = tempfile::tempdir().unwrap();
        let _first = Volume::open(folder.path()).unwrap();
        assert!(matches!(Volume::open(folder.path()), Err(Error::Locked(_))));
    }

    #[test]
    fn a_spoilt_file_is_not_taken_for_an_emptied_volume() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("guard.json"), "{\"format\":1").unwrap();
        assert!(matches!(
            Volume::open(folder.path()),
            Err(Error::Malformed { .. })
        ));
    }

    #[test]
    fn a_later_format_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let text = r#"{"format":2,"volume":"v","incarnation":1,"era":1,"term":1,"holder":null}"#;
        fs::write(folder.path().join("guard.json"), text).unwrap();
        assert!(matches!(
            Volume::open(folder.path()),
            Err(Error::Format { found: 2, .. })
        ));
    }
}

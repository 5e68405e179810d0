//! The one setting of the host that labs need raised, and how it is put back with the last of them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::lab::{self, Error};
use crate::paths;

/// A data centre holds about 25 inotify instances, each pod some more; Debian gives a user 128.
const WANTED: u32 = 1024;

const SETTING: &str = "/proc/sys/fs/inotify/max_user_instances";

/// Raises the limit if it is too low, and keeps what it was.
pub fn raise_limits() -> Result<(), Error> {
    let _lock = lab::lock(&paths::labs())?;
    raise(Path::new(SETTING), &kept())
}

/// Puts the limit back if no lab is left.
pub fn restore_limits() -> Result<(), Error> {
    let _lock = lab::lock(&paths::labs())?;
    if lab::every()?.is_empty() {
        restore(Path::new(SETTING), &kept())
    } else {
        Ok(())
    }
}

fn raise(setting: &Path, kept: &Path) -> Result<(), Error> {
    let before = read(setting)?;
    if before.trim().parse().is_ok_and(|limit: u32| limit >= WANTED) {
        return Ok(());
    }
    // Kept first: a start that is killed between the two can still be taken back.
    if !kept.exists() {
        write(kept, &before)?;
    }
    write(setting, &WANTED.to_string())
}

fn restore(setting: &Path, kept: &Path) -> Result<(), Error> {
    if kept.exists() {
        write(setting, read(kept)?.trim())?;
        fs::remove_file(kept).map_err(|source| lab::file(kept, source))?;
    }
    Ok(())
}

fn kept() -> PathBuf {
    // No lab has a name with a dot.
    paths::labs().join("inotify.before")
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| lab::file(path, source))
}

fn write(path: &Path, value: &str) -> Result<(), Error> {
    fs::write(path, value).map_err(|source| lab::file(path, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_low_limit_is_raised_and_put_back() {
        let folder = tempfile::tempdir().unwrap();
        let (setting, kept) = (folder.path().join("setting"), folder.path().join("kept"));
        fs::write(&setting, "128\n").unwrap();
        raise(&setting, &kept).unwrap();
        // A second lab finds it raised, and must not take that for what it was.
        raise(&setting, &kept).unwrap();
        assert_eq!(fs::read_to_string(&setting).unwrap(), "1024");
        restore(&setting, &kept).unwrap();
        assert_eq!(fs::read_to_string(&setting).unwrap(), "128");
        assert!(!kept.exists());
    }

    #[test]
    fn a_high_limit_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (setting, kept) = (folder.path().join("setting"), folder.path().join("kept"));
        fs::write(&setting, "8192\n").unwrap();
        raise(&setting, &kept).unwrap();
        restore(&setting, &kept).unwrap();
        assert_eq!(fs::read_to_string(&setting).unwrap(), "8192\n");
    }
}

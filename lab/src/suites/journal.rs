//! What of a campaign is done, a line for each, so that one that was broken off goes on where it was.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use anyhow::Context;
use serde::{Serialize, de::DeserializeOwned};

pub fn read<T: DeserializeOwned>(path: &Path) -> anyhow::Result<Vec<T>> {
    match fs::read_to_string(path) {
        // A last line that was half written is of something that did not end.
        Ok(text) => Ok(text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

pub fn note(path: &Path, done: &impl Serialize) -> anyhow::Result<()> {
    let told = || path.display().to_string();
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(told)?;
    }
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .with_context(told)?;
    // Begins with the end of a line, so that a half-written one before it spoils nothing.
    let line = format!("\n{}\n", serde_json::to_string(done)?);
    file.write_all(line.as_bytes()).with_context(told)?;
    file.sync_all().with_context(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_campaign_that_was_broken_off_goes_on_after_its_last_whole_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        assert_eq!(read::<Vec<u32>>(&path).unwrap(), Vec::<Vec<u32>>::new());
        note(&path, &[1, 1]).unwrap();
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"[2, ").unwrap();
        assert_eq!(read::<Vec<u32>>(&path).unwrap(), [[1, 1]]);
        note(&path, &[2, 2]).unwrap();
        assert_eq!(read::<Vec<u32>>(&path).unwrap(), [[1, 1], [2, 2]]);
    }
}

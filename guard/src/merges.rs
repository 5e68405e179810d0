//! `govuc-guard merges`: what merges have done, read beside the guard that runs.

use std::{
    io::{self, Write},
    path::Path,
};

use crate::{merge::report, volume};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Report(#[from] report::Error),
    #[error("VOLUME is {volume:?}, and no merge of it was done here. Remedy: write one of: {known}")]
    Unknown { volume: String, known: String },
    #[error("VOLUME is {0:?}, and no merge was ever done here. Remedy: ask at the other site")]
    NoneAtAll(String),
    #[error("it can't be printed: {0}")]
    Print(#[from] io::Error),
}

/// Prints the report of the volume `merged`, or of which volumes there is one.
pub fn run(root: &Path, merged: Option<&str>, out: &mut impl Write) -> Result<(), Error> {
    let folder = volume::reports(root);
    let known = report::volumes(&folder)?;
    let Some(merged) = merged else {
        for volume in known {
            writeln!(out, "{volume}")?;
        }
        return Ok(out.flush()?);
    };
    // Of what is listed only: so no name leads out of the folder.
    if !known.iter().any(|volume| volume == merged) {
        let volume = merged.to_owned();
        return Err(match known.is_empty() {
            true => Error::NoneAtAll(volume),
            false => Error::Unknown {
                volume,
                known: known.join(", "),
            },
        });
    }
    io::copy(&mut report::open(&folder, merged)?, out)?;
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn printed(root: &Path, merged: Option<&str>) -> Result<String, String> {
        let mut out = Vec::new();
        run(root, merged, &mut out).map_err(|error| error.to_string())?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_report_is_printed_as_it_is_and_without_a_volume_which_there_are() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(printed(root.path(), None).unwrap(), "");
        fs::create_dir(root.path().join("merges")).unwrap();
        for name in ["0a", "0b"] {
            fs::write(root.path().join("merges").join(format!("{name}.jsonl")), name).unwrap();
        }
        let listed = printed(root.path(), None).unwrap();
        let mut listed: Vec<&str> = listed.lines().collect();
        listed.sort_unstable();
        assert_eq!(listed, ["0a", "0b"]);
        assert_eq!(printed(root.path(), Some("0b")).unwrap(), "0b");
    }

    #[test]
    fn only_what_is_a_report_is_printed() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("secret.jsonl"), "secret").unwrap();
        let error = printed(root.path(), Some("0a")).unwrap_err();
        assert!(error.contains("no merge was ever done here"), "{error}");
        fs::create_dir(root.path().join("merges")).unwrap();
        fs::write(root.path().join("merges/0a.jsonl"), "").unwrap();
        let error = printed(root.path(), Some("../secret")).unwrap_err();
        assert!(error.contains("write one of: 0a"), "{error}");
    }
}

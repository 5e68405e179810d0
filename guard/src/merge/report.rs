//! What a merge has done, for people: a line of JSON for each folder and message, on the primary's volume.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use govuc_roles::{VolumeId, record::MergeCounts};
use serde::Serialize;

use super::{inventory::Owner, plan::Counts};

pub struct Report {
    path: PathBuf,
    file: File,
}

/// A line. Names are as the engine has them inside: `user.<id>.Sent`.
#[derive(Serialize)]
#[serde(tag = "what", rename_all = "camelCase")]
pub enum Line<'a> {
    /// An attempt: after one that broke off there are several.
    Begun { era: u64, term: u64 },
    Made {
        owner: &'a Owner,
        folder: &'a str,
        /// At the copy.
        of: &'a str,
    },
    Appended {
        owner: &'a Owner,
        guid: String,
        /// At the copy.
        from: &'a str,
        to: &'a str,
        recovered: bool,
    },
    /// Everything is here.
    Ended(MergeCounts),
}

#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
pub struct Error {
    path: PathBuf,
    source: io::Error,
}

impl Report {
    /// Of the merge of this volume; earlier attempts have theirs in it.
    pub fn open(folder: &Path, volume: &VolumeId) -> Result<Self, Error> {
        fs::create_dir_all(folder).map_err(at(folder))?;
        let path = folder.join(format!("{}.jsonl", volume.0));
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(at(&path))?;
        Ok(Self { path, file })
    }

    pub fn line(&mut self, line: &Line<'_>) -> Result<(), Error> {
        let written = serde_json::to_vec(line)
            .map_err(io::Error::from)
            .and_then(|mut text| {
                text.push(b'\n');
                self.file.write_all(&text)
            });
        written.map_err(at(&self.path))
    }

    /// Returns once it would survive a power cut, with what etcd is told.
    pub fn end(mut self, counts: &Counts) -> Result<MergeCounts, Error> {
        let counts = MergeCounts {
            folders: counts.folders_made,
            messages: counts.appended,
            known: counts.known,
            expunged: counts.expunged,
        };
        self.line(&Line::Ended(counts))?;
        self.file.sync_all().map_err(at(&self.path))?;
        if let Some(folder) = self.path.parent() {
            File::open(folder)
                .and_then(|folder| folder.sync_all())
                .map_err(at(folder))?;
        }
        Ok(counts)
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_goes_on_where_an_earlier_attempt_ended() {
        let folder = tempfile::tempdir().unwrap();
        let volume = VolumeId("v".to_owned());
        let owner = Owner::User("3f".to_owned());
        for _ in 0..2 {
            let mut report = Report::open(&folder.path().join("merges"), &volume).unwrap();
            report.line(&Line::Begun { era: 2, term: 5 }).unwrap();
        }
        let mut report = Report::open(&folder.path().join("merges"), &volume).unwrap();
        report
            .line(&Line::Appended {
                owner: &owner,
                guid: "01".to_owned(),
                from: "user.3f",
                to: "user.3f.A",
                recovered: false,
            })
            .unwrap();
        report.end(&Counts::default()).unwrap();
        let text = fs::read_to_string(folder.path().join("merges/v.jsonl")).unwrap();
        let expected = [
            r#"{"what":"begun","era":2,"term":5}"#,
            r#"{"what":"begun","era":2,"term":5}"#,
            r#"{"what":"appended","owner":"3f","guid":"01","from":"user.3f","to":"user.3f.A","recovered":false}"#,
            r#"{"what":"ended","folders":0,"messages":0,"known":0,"expunged":0}"#,
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    }
}

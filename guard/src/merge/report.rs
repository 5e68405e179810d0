//! What a merge has done, for people: a line of JSON for each folder and message, on the primary's volume.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use govuc_roles::{Ballot, VolumeId, record::MergeCounts};
use govuc_wire::merge_report::{self, Line};

use super::plan::Counts;
use crate::clock::unix_now;

/// Of a file's name, after the volume's.
const ENDING: &str = ".jsonl";

pub struct Report {
    path: PathBuf,
    file: File,
}

#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
pub struct Error {
    path: PathBuf,
    source: io::Error,
}

impl Report {
    /// Of an attempt to merge this volume; earlier attempts have theirs in the same file.
    pub fn begin(folder: &Path, volume: &VolumeId, ballot: Ballot) -> Result<Self, Error> {
        fs::create_dir_all(folder).map_err(at(folder))?;
        let path = folder.join(format!("{}{ENDING}", volume.0));
        let mut file = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .open(&path)
            .map_err(at(&path))?;
        end_last_line(&mut file).map_err(at(&path))?;
        let mut report = Self { path, file };
        report.line(&Line::Begun {
            era: ballot.era.0,
            term: ballot.term.0,
            at: unix_now(),
        })?;
        Ok(report)
    }

    pub fn line(&mut self, line: &Line) -> Result<(), Error> {
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
        self.line(&Line::Ended {
            counts: merge_report::Counts {
                folders: counts.folders,
                messages: counts.messages,
                known: counts.known,
                expunged: counts.expunged,
            },
            at: unix_now(),
        })?;
        self.file.sync_all().map_err(at(&self.path))?;
        if let Some(folder) = self.path.parent() {
            File::open(folder)
                .and_then(|folder| folder.sync_all())
                .map_err(at(folder))?;
        }
        Ok(counts)
    }
}

/// The volumes of whose merge there is a report, the last one written to at the end.
pub fn volumes(folder: &Path) -> Result<Vec<String>, Error> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        // Nothing was ever merged.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(at(folder)(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(at(folder))?;
        let name = entry.file_name();
        let Some(volume) = name.to_str().and_then(|name| name.strip_suffix(ENDING)) else {
            continue;
        };
        let written = entry.metadata().and_then(|metadata| metadata.modified());
        found.push((written.map_err(at(&entry.path()))?, volume.to_owned()));
    }
    found.sort();
    Ok(found.into_iter().map(|(_, volume)| volume).collect())
}

/// The report of the merge of one of [`volumes`].
pub fn open(folder: &Path, volume: &str) -> Result<File, Error> {
    let path = folder.join(format!("{volume}{ENDING}"));
    File::open(&path).map_err(at(&path))
}

/// A power cut may have left half a line, to which the next one must not be added.
fn end_last_line(file: &mut File) -> io::Result<()> {
    if file.metadata()?.len() == 0 {
        return Ok(());
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    if last == *b"\n" {
        return Ok(());
    }
    file.write_all(b"\n")
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(folder: &Path, volume: &str) -> Report {
        Report::begin(folder, &VolumeId(volume.to_owned()), Ballot::new(2, 5)).unwrap()
    }

    /// The lines but for their times, which they have to have.
    fn lines(folder: &Path, volume: &str) -> Vec<String> {
        let mut text = String::new();
        open(folder, volume).unwrap().read_to_string(&mut text).unwrap();
        let untimed = |line: &str| match serde_json::from_str(line) {
            Ok(Line::Begun { era, term, at }) => {
                assert!(at.is_some(), "{line}");
                serde_json::to_string(&Line::Begun { era, term, at: None }).unwrap()
            }
            Ok(Line::Ended { counts, at }) => {
                assert!(at.is_some(), "{line}");
                serde_json::to_string(&Line::Ended { counts, at: None }).unwrap()
            }
            _ => line.to_owned(),
        };
        text.lines().map(untimed).collect()
    }

    #[test]
    fn a_report_goes_on_where_an_earlier_attempt_ended() {
        let folder = tempfile::tempdir().unwrap();
        let merges = folder.path().join("merges");
        begin(&merges, "v");
        begin(&merges, "v");
        let mut report = begin(&merges, "v");
        report
            .line(&Line::Appended {
                owner: Some("3f".to_owned()),
                guid: "01".to_owned(),
                from: "user.3f".to_owned(),
                to: "user.3f.A".to_owned(),
                recovered: false,
            })
            .unwrap();
        let counts = Counts {
            appended: 1,
            folders_made: 2,
            known: 3,
            expunged: 4,
            ..Counts::default()
        };
        report.end(&counts).unwrap();
        let expected = [
            r#"{"what":"begun","era":2,"term":5}"#,
            r#"{"what":"begun","era":2,"term":5}"#,
            r#"{"what":"begun","era":2,"term":5}"#,
            r#"{"what":"appended","owner":"3f","guid":"01","from":"user.3f","to":"user.3f.A","recovered":false}"#,
            r#"{"what":"ended","folders":2,"messages":1,"known":3,"expunged":4}"#,
        ];
        assert_eq!(lines(&merges, "v"), expected);
    }

    #[test]
    fn what_a_power_cut_left_of_a_line_spoils_no_other() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("v.jsonl"), r#"{"what":"appe"#).unwrap();
        begin(folder.path(), "v");
        begin(folder.path(), "v");
        let begun = r#"{"what":"begun","era":2,"term":5}"#;
        assert_eq!(lines(folder.path(), "v"), [r#"{"what":"appe"#, begun, begun]);
    }

    #[test]
    fn the_volumes_that_were_merged_are_listed_the_last_one_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let merges = folder.path().join("merges");
        assert_eq!(volumes(&merges).unwrap(), Vec::<String>::new());
        for (name, seconds) in [("b.jsonl", 10), ("a.jsonl", 20), ("c.jsonl", 5), ("d.json", 30)] {
            fs::create_dir_all(&merges).unwrap();
            let file = File::create(merges.join(name)).unwrap();
            file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds))
                .unwrap();
        }
        assert_eq!(volumes(&merges).unwrap(), ["c", "b", "a"]);
    }
}

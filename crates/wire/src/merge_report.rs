//! What a guard says a merge has done: a line of JSON for each folder and message, in a file on the primary's volume.
//!
//! Guards write it, and `kubectl govuc merge report` reads what guards of any version wrote.

use serde::{Deserialize, Serialize};

/// The command of `govuc-guard` that prints it.
pub const COMMAND: &str = "merges";

/// A line. Folders are named as Cyrus has them inside: `user.<account id>.Sent`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "camelCase")]
pub enum Line {
    /// An attempt: after one that broke off there are several.
    Begun {
        era: u64,
        term: u64,
        /// Unix seconds by the guard's clock. Guards of before did not say it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<u64>,
    },
    Made {
        /// The account; none of a folder that is no account's.
        owner: Option<String>,
        folder: String,
        /// At the copy.
        of: String,
    },
    Appended {
        /// As of a folder.
        owner: Option<String>,
        /// SHA-1 of the message.
        guid: String,
        /// At the copy.
        from: String,
        to: String,
        /// It could not go where it had been.
        recovered: bool,
    },
    /// Everything is here.
    Ended {
        #[serde(flatten)]
        counts: Counts,
        /// As of the beginning.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<u64>,
    },
}

/// Of the attempt that ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Folders that were made at the primary.
    pub folders: u64,
    /// Messages that were brought.
    pub messages: u64,
    /// Messages that the primary had, or had had.
    pub known: u64,
    /// Messages that had been deleted at the copy.
    pub expunged: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_written_as_it_ever_was_and_read_again() {
        let counts = Counts {
            folders: 1,
            messages: 2,
            known: 70,
            expunged: 3,
        };
        for (line, json) in [
            (
                Line::Begun {
                    era: 2,
                    term: 5,
                    at: None,
                },
                r#"{"what":"begun","era":2,"term":5}"#,
            ),
            (
                Line::Begun {
                    era: 2,
                    term: 5,
                    at: Some(1_790_000_000),
                },
                r#"{"what":"begun","era":2,"term":5,"at":1790000000}"#,
            ),
            (
                Line::Made {
                    owner: None,
                    folder: "team.a".into(),
                    of: "team.a".into(),
                },
                r#"{"what":"made","owner":null,"folder":"team.a","of":"team.a"}"#,
            ),
            (
                Line::Appended {
                    owner: Some("3f".into()),
                    guid: "01".into(),
                    from: "user.3f".into(),
                    to: "user.3f.A".into(),
                    recovered: false,
                },
                r#"{"what":"appended","owner":"3f","guid":"01","from":"user.3f","to":"user.3f.A","recovered":false}"#,
            ),
            (
                Line::Ended { counts, at: None },
                r#"{"what":"ended","folders":1,"messages":2,"known":70,"expunged":3}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&line).unwrap(), json);
            assert_eq!(serde_json::from_str::<Line>(json).unwrap(), line);
        }
    }
}

//! What one engine has of one owner: folders, and in each its messages, as Cyrus' sync protocol says it.

use std::{collections::BTreeSet, fmt};

use crate::relay::record::{self, Record, elements, text};

/// Whose mail it is: messages are told apart by their content within one owner's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    User(String),
    /// All mailboxes that are no user's.
    Everybody,
}

/// SHA-1 of a message, by which Cyrus itself knows it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid([u8; 20]);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    pub folders: Vec<Folder>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// As the engine names it: `user.<id>.Sent`, of a deleted one `DELETED.user.<id>.Sent.<time>`.
    pub name: String,
    pub unique_id: String,
    /// What the folder is for (RFC 6154).
    pub special_use: Option<String>,
    pub settings: Settings,
    pub messages: Vec<Message>,
}

/// Values of a folder as the engine wrote them, for making the same one elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    pub partition: Vec<u8>,
    pub acl: Vec<u8>,
    pub uid_validity: Vec<u8>,
    pub annotations: Option<Vec<u8>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub guid: Guid,
    pub uid: u32,
    /// Unix seconds.
    pub internal_date: i64,
    /// Bytes.
    pub size: u32,
    pub flags: Vec<String>,
    pub expunged: bool,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    #[error(transparent)]
    Record(#[from] record::Error),
    #[error("{what} lacks {field}, or it makes no sense")]
    Field { what: &'static str, field: &'static str },
}

/// What the engine itself says of a message, and no other one needs to hear.
const OWN_FLAGS: [&str; 4] = ["\\expunged", "\\unlinked", "\\archived", "\\snoozed"];
const EXPUNGED: [&str; 2] = ["\\expunged", "\\unlinked"];

impl Owner {
    /// Of a mailbox that an administrator's LIST shows.
    pub fn of_listed(name: &str) -> Self {
        let within = name.strip_prefix("DELETED/").unwrap_or(name);
        match within.strip_prefix("user/") {
            Some(rest) => Owner::User(rest.split('/').next().unwrap_or(rest).to_owned()),
            None => Owner::Everybody,
        }
    }

    pub fn user(&self) -> Option<&str> {
        match self {
            Owner::User(user) => Some(user),
            Owner::Everybody => None,
        }
    }

    /// The name of all its folders begins so.
    pub fn root(&self) -> String {
        match self {
            Owner::User(user) => format!("user.{user}"),
            Owner::Everybody => String::new(),
        }
    }
}

impl Folder {
    pub fn is_deleted(&self) -> bool {
        self.name.starts_with("DELETED.")
    }

    /// Of a `MAILBOX` record with its messages; nothing if no mail can be in it.
    pub fn parse(record: &Record<'_>) -> Result<Option<Self>, Error> {
        let missing = |field| Error::Field {
            what: "a folder",
            field,
        };
        // An ordinary one has no type. What has one is a name without a folder, or holds no mail.
        if record.value("MBOXTYPE").is_some_and(|kind| !kind.is_empty()) {
            return Ok(None);
        }
        let word = |field: &'static str| -> Result<String, Error> {
            let value = record.value(field).ok_or_else(|| missing(field))?;
            String::from_utf8(text(value)?).map_err(|_| missing(field))
        };
        let raw = |field| record.value(field).unwrap_or_default().to_vec();
        let mut messages = Vec::new();
        for message in elements(record.value("RECORD").unwrap_or(b"()"))? {
            messages.push(Message::parse(&Record::of_map(b"RECORD", message)?)?);
        }
        let annotations = record.value("ANNOTATIONS").map(<[u8]>::to_vec);
        Ok(Some(Self {
            name: word("MBOXNAME")?,
            unique_id: word("UNIQUEID")?,
            special_use: annotations.as_deref().map(special_use).transpose()?.flatten(),
            settings: Settings {
                partition: raw("PARTITION"),
                acl: raw("ACL"),
                uid_validity: raw("UIDVALIDITY"),
                annotations,
            },
            messages,
        }))
    }
}

fn special_use(annotations: &[u8]) -> Result<Option<String>, Error> {
    for annotation in elements(annotations)? {
        let annotation = Record::of_map(b"ANNOTATION", annotation)?;
        let is_use = annotation
            .value("ENTRY")
            .map(text)
            .transpose()?
            .is_some_and(|entry| entry == b"/specialuse");
        if let (true, Some(value)) = (is_use, annotation.value("VALUE")) {
            let value = String::from_utf8_lossy(&text(value)?).to_lowercase();
            return Ok(Some(value).filter(|value| !value.is_empty()));
        }
    }
    Ok(None)
}

impl Message {
    fn parse(record: &Record<'_>) -> Result<Self, Error> {
        let missing = |field| Error::Field {
            what: "a message",
            field,
        };
        let word = |field: &'static str| -> Result<&str, Error> {
            let value = record.value(field).ok_or_else(|| missing(field))?;
            std::str::from_utf8(value).map_err(|_| missing(field))
        };
        let mut flags = Vec::new();
        for flag in elements(record.value("FLAGS").unwrap_or(b"()"))? {
            flags.push(String::from_utf8(text(flag)?).map_err(|_| missing("FLAGS"))?);
        }
        let is = |known: &[&str], flag: &str| known.contains(&flag.to_lowercase().as_str());
        let expunged = flags.iter().any(|flag| is(&EXPUNGED, flag));
        flags.retain(|flag| !is(&OWN_FLAGS, flag));
        Ok(Self {
            guid: Guid::parse(word("GUID")?).ok_or_else(|| missing("GUID"))?,
            uid: word("UID")?.parse().map_err(|_| missing("UID"))?,
            internal_date: word("INTERNALDATE")?
                .parse()
                .map_err(|_| missing("INTERNALDATE"))?,
            size: word("SIZE")?.parse().map_err(|_| missing("SIZE"))?,
            flags,
            expunged,
        })
    }
}

impl Inventory {
    /// Of all messages ever seen there and not yet forgotten.
    pub fn guids(&self) -> BTreeSet<Guid> {
        let messages = self.folders.iter().flat_map(|folder| &folder.messages);
        messages.map(|message| message.guid).collect()
    }
}

impl Guid {
    pub fn parse(digits: &str) -> Option<Self> {
        let mut bytes = [0; 20];
        hex::decode_to_slice(digits, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "* MAILBOX %(UNIQUEID i1q MBOXNAME {14}\r\nuser.3f.Sent x PARTITION default UIDVALIDITY 17 \
        ACL \"3f\tlrs\t\" ANNOTATIONS (%(ENTRY /specialuse USERID 3f MODSEQ 4 VALUE \\Sent)) RECORD (\
        %(UID 1 MODSEQ 3 FLAGS (\\Seen word) INTERNALDATE 1790000000 SIZE 12 GUID 0123456789abcdef0123456789abcdef01234567) \
        %(UID 2 MODSEQ 4 FLAGS (\\Expunged \\Seen) INTERNALDATE 1790000001 SIZE 13 GUID \
        1123456789abcdef0123456789abcdef01234567)))\r\n";

    fn parse(line: &str) -> Result<Option<Folder>, Error> {
        Folder::parse(&Record::parse(line.as_bytes()).unwrap().unwrap())
    }

    #[test]
    fn a_folder_is_read_with_its_messages() {
        let folder = parse(LINE).unwrap().unwrap();
        assert_eq!(
            (folder.name.as_str(), folder.unique_id.as_str()),
            ("user.3f.Sent x", "i1q")
        );
        assert_eq!(folder.special_use.as_deref(), Some("\\sent"));
        assert_eq!(folder.settings.acl, b"\"3f\tlrs\t\"");
        let [first, second] = &folder.messages[..] else {
            panic!("{folder:?}");
        };
        assert_eq!(
            (first.uid, first.internal_date, first.size, first.expunged),
            (1, 1_790_000_000, 12, false)
        );
        assert_eq!(first.flags, ["\\Seen", "word"]);
        assert_eq!(first.guid.to_string(), "0123456789abcdef0123456789abcdef01234567");
        assert!(second.expunged);
        assert_eq!(second.flags, ["\\Seen"]);
    }

    #[test]
    fn a_name_without_a_folder_is_none_and_half_a_message_is_an_error() {
        assert_eq!(parse(&LINE.replace("UNIQUEID", "MBOXTYPE i UNIQUEID")), Ok(None));
        for (from, field) in [
            ("GUID 0", "GUID"),
            ("UID 1", "UID"),
            ("SIZE 12", "SIZE"),
            ("INTERNALDATE 1790000000", "INTERNALDATE"),
        ] {
            let error = parse(&LINE.replacen(from, &format!("{field} x"), 1)).unwrap_err();
            assert_eq!(
                error,
                Error::Field {
                    what: "a message",
                    field
                }
            );
        }
    }

    #[test]
    fn a_listed_mailbox_is_its_users_or_everybodys() {
        for (name, owner) in [
            ("user/3f", Owner::User("3f".into())),
            ("user/3f/Sent", Owner::User("3f".into())),
            ("DELETED/user/3f/Sent/6B", Owner::User("3f".into())),
            ("team/a.b", Owner::Everybody),
            ("DELETED/team/a/6B", Owner::Everybody),
        ] {
            assert_eq!(Owner::of_listed(name), owner, "{name}");
        }
    }
}

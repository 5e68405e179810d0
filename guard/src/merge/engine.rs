//! What a merge asks of an engine: Cyrus' sync protocol, since it tells of what is deleted too, and puts messages where they
//! belong with date and flags, over any quota and without being their owner.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time,
};

use super::{
    inventory::{self, Folder, Guid, Inventory, Message, Owner},
    plan::NewFolder,
};
use crate::relay::{
    digest,
    record::{self, Record, text},
    session::{self, Login, Session, quoted},
};

/// Bytes. An answer has all messages of a folder in a line: 200 bytes for each.
const LONGEST_LINE: usize = 512 * 1024 * 1024;
/// For one answer.
const ANSWER: Duration = Duration::from_secs(300);
/// Every mailbox is there; see `imapd.conf.in`.
const PARTITION: &str = "default";

/// An engine, and an administrator of it.
pub struct Engine<S>(Session<S>);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Session(#[from] session::Error),
    #[error("it has not answered within {ANSWER:?}")]
    Late,
    #[error(transparent)]
    Inventory(#[from] inventory::Error),
    #[error("message {0} is not there, or another one")]
    Message(Guid),
}

impl Error {
    /// A folder has gone between two questions, perhaps: people work with it meanwhile.
    pub fn may_pass(&self) -> bool {
        matches!(self, Error::Session(session::Error::Refused(_)))
    }
}

impl<S: AsyncRead + AsyncWrite> Engine<S> {
    pub async fn log_in(stream: S, login: Login) -> Result<Self, Error> {
        let session = Session::log_in(stream, login, LONGEST_LINE);
        Ok(Self(
            time::timeout(ANSWER, session).await.map_err(|_| Error::Late)??,
        ))
    }

    pub async fn leave(&mut self) -> Result<(), Error> {
        Ok(self.0.leave().await?)
    }

    /// All there are, as an administrator's LIST names them, by whose they are.
    pub async fn mailboxes(&mut self) -> Result<BTreeMap<Owner, BTreeSet<String>>, Error> {
        let mut owners: BTreeMap<Owner, BTreeSet<String>> = BTreeMap::new();
        self.ask(r#"LIST "" "*""#, |line| {
            if let Some(name) = record::listed(line)? {
                owners.entry(Owner::of_listed(&name)).or_default().insert(name);
            }
            Ok(())
        })
        .await?;
        Ok(owners)
    }

    /// Of everybody's mailboxes these, of a user's all.
    pub async fn inventory(&mut self, owner: &Owner, listed: &BTreeSet<String>) -> Result<Inventory, Error> {
        let questions: BTreeSet<String> = match owner {
            Owner::User(user) => [format!("SYNCGET USER {}", quoted(user))].into(),
            Owner::Everybody => listed.iter().map(|name| digest::question(name)).collect(),
        };
        let mut names = BTreeSet::new();
        for question in questions {
            self.ask(&question, |line| {
                if let Some(record) = Record::parse(line)?
                    && record.kind == b"MAILBOX"
                    && record.value("MBOXTYPE").is_none_or(<[u8]>::is_empty)
                    && let Some(name) = record.value("MBOXNAME")
                {
                    names.insert(String::from_utf8(text(name)?).map_err(|_| record::Error::Name)?);
                }
                Ok(())
            })
            .await?;
        }
        let mut inventory = Inventory::default();
        for name in names {
            let mut parsed = Ok(None);
            self.ask(&format!("SYNCGET FULLMAILBOX {}", quoted(&name)), |line| {
                if let Some(record) = Record::parse(line)?
                    && record.kind == b"MAILBOX"
                {
                    parsed = Folder::parse(&record);
                }
                Ok(())
            })
            .await?;
            inventory.folders.extend(parsed?);
        }
        Ok(inventory)
    }

    /// The whole message, as it was stored.
    pub async fn fetch(&mut self, folder: &Folder, message: &Message) -> Result<Vec<u8>, Error> {
        let mut content = None;
        let question = format!(
            "SYNCGET FETCH %(MBOXNAME {} PARTITION {PARTITION} UNIQUEID {} GUID {} UID {})",
            quoted(&folder.name),
            quoted(&folder.unique_id),
            message.guid,
            message.uid
        );
        self.ask(&question, |line| {
            content = content.take().or(file(line, message));
            Ok(())
        })
        .await?;
        content.ok_or(Error::Message(message.guid))
    }

    /// Like this folder of another engine, and empty.
    pub async fn make(&mut self, new: &NewFolder, like: &Folder, owner: &Owner) -> Result<(), Error> {
        let mut command = format!(
            "SYNCRESTORE MAILBOX %(MBOXNAME {} PARTITION {PARTITION}",
            quoted(&new.name)
        )
        .into_bytes();
        let mut field = |name: &str, value: &[u8]| {
            command.extend_from_slice(format!(" {name} ").as_bytes());
            command.extend_from_slice(value);
        };
        if !like.settings.acl.is_empty() {
            field("ACL", &like.settings.acl);
        }
        if new.keeps_id {
            // It has other messages under its numbers than the one of this id that clients may know.
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(1, |since| since.as_secs());
            field("UNIQUEID", quoted(&like.unique_id).as_bytes());
            field("HIGHESTMODSEQ", b"1");
            field("UIDVALIDITY", now.to_string().as_bytes());
        }
        if let (true, Some(annotations)) = (new.keeps_annotations, &like.settings.annotations) {
            field("ANNOTATIONS", annotations);
        }
        field("RECORD", b"())");
        self.tell(&command).await?;
        if let Owner::User(user) = owner {
            // What is not subscribed many programs do not show.
            let subscribe = format!(
                "SYNCAPPLY SUB %(USERID {} MBOXNAME {})",
                quoted(user),
                quoted(&new.name)
            );
            self.tell(subscribe.as_bytes()).await?;
        }
        Ok(())
    }

    /// All of them or none, in this order. It returns when they would survive a power cut as anything stored would.
    pub async fn append(&mut self, to: &str, messages: &[(&Message, Vec<u8>)]) -> Result<(), Error> {
        let mut upload = b"SYNCAPPLY MESSAGE (".to_vec();
        let mut restore = format!(
            "SYNCRESTORE MAILBOX %(MBOXNAME {} PARTITION {PARTITION} RECORD (",
            quoted(to)
        );
        for (at, (message, content)) in messages.iter().enumerate() {
            let space = if at == 0 { "" } else { " " };
            let Message {
                guid,
                uid,
                internal_date,
                flags,
                ..
            } = message;
            let length = content.len();
            upload.extend_from_slice(format!("{space}%{{{PARTITION} {guid} {length}}}\r\n").as_bytes());
            upload.extend_from_slice(content);
            // Number and sequence are the engine's to give.
            restore.push_str(&format!(
                "{space}%(UID {uid} MODSEQ 1 LAST_UPDATED {internal_date} FLAGS ({}) INTERNALDATE {internal_date} SIZE {length} \
                 GUID {guid})",
                flags.join(" ")
            ));
        }
        upload.push(b')');
        restore.push_str("))");
        self.tell(&upload).await?;
        self.tell(restore.as_bytes()).await?;
        // It keeps what was uploaded until then.
        self.tell(b"SYNCRESTART").await
    }

    async fn tell(&mut self, command: &[u8]) -> Result<(), Error> {
        self.ask(command, |_| Ok(())).await
    }

    async fn ask(
        &mut self,
        command: impl AsRef<[u8]>,
        take: impl FnMut(&[u8]) -> Result<(), session::Error>,
    ) -> Result<(), Error> {
        let commands = [command];
        let answered = self.0.ask(&commands, take);
        Ok(time::timeout(ANSWER, answered).await.map_err(|_| Error::Late)??)
    }
}

/// The content of `* MESSAGE %{partition guid length}`, if it is this one.
fn file(line: &[u8], message: &Message) -> Option<Vec<u8>> {
    let marker = line.strip_prefix(b"* MESSAGE %{")?;
    let end = marker.iter().position(|byte| *byte == b'\n')?;
    let (head, content) = marker.split_at(end + 1);
    let head = std::str::from_utf8(head).ok()?.strip_suffix("}\r\n")?;
    let mut words = head.split(' ').skip(1);
    let guid = Guid::parse(words.next()?)?;
    let length: usize = words.next()?.parse().ok()?;
    let is_it = guid == message.guid && length == usize::try_from(message.size).ok()?;
    content.get(..length).filter(|_| is_it).map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_taken_only_if_it_is_the_one_that_was_asked_for() {
        let digits = "01".repeat(20);
        let message = Message {
            guid: Guid::parse(&digits).unwrap(),
            uid: 1,
            internal_date: 7,
            size: 4,
            flags: Vec::new(),
            expunged: false,
        };
        let line = format!("* MESSAGE %{{default {digits} 4}}\r\na\r\nb\r\n");
        assert_eq!(file(line.as_bytes(), &message), Some(b"a\r\nb".to_vec()));
        for other in [
            line.replace("01", "02"),
            line.replace(" 4", " 3"),
            line.replace("MESSAGE", "FILE"),
            line[..line.len() - 4].to_owned(),
        ] {
            assert_eq!(file(other.as_bytes(), &message), None, "{other}");
        }
    }
}

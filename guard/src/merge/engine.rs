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
/// As [`digest::AHEAD`], where an answer has all messages of a folder.
const FOLDERS_AHEAD: usize = 16;
/// How the engine says that a mailbox is not there.
const GONE: &str = "IMAP_MAILBOX_NONEXISTENT";
/// How often an owner's folders are listed until all that are listed have been read.
const LISTINGS: u32 = 32;
/// Every mailbox is there; see `imapd.conf.in`.
const PARTITION: &str = "default";
/// The engine restores into a folder that is there wherever that is, and refuses to make one here.
const NO_PARTITION: &str = "govuc-none";

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
    #[error("folder {0} is there, though it was in no listing")]
    There(String),
    #[error(
        "folders are renamed or made faster than they can be read: {0} listings of one owner all differed"
    )]
    Changing(u32),
}

impl Error {
    /// Another try may succeed: people work with what is there meanwhile, and a folder goes between two questions.
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            Error::Session(session::Error::Refused(_)) | Error::There(_) | Error::Changing(_)
        )
    }
}

/// What is asked about may have gone, since people work with it meanwhile.
fn present(answers: Vec<Result<(), session::Error>>) -> Result<(), session::Error> {
    let gone = |answer: &Result<(), session::Error>| matches!(answer, Err(session::Error::Refused(reason)) if reason.contains(GONE));
    answers.into_iter().filter(|answer| !gone(answer)).collect()
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

    /// All folders of an owner, also those that people rename, make or delete meanwhile: a folder is one by its id, and this ends
    /// when every id of two listings has been read. One that is renamed during a listing can be behind where that is by its old
    /// name, and before it by its new one. A message that is moved meanwhile is in one of the two folders at least, since
    /// the one it was moved from goes on telling of it as expunged.
    pub async fn inventory(&mut self, owner: &Owner) -> Result<Inventory, Error> {
        let mut read: BTreeMap<String, Folder> = BTreeMap::new();
        let mut complete = 0;
        for _ in 0..LISTINGS {
            let listed = self.folders(owner).await?;
            for (unique_id, name) in &listed {
                if let Some(folder) = read.get_mut(unique_id) {
                    // What is brought goes where the folder is now.
                    folder.name.clone_from(name);
                }
            }
            let unread: Vec<&str> = listed
                .iter()
                .filter(|(unique_id, _)| !read.contains_key(*unique_id))
                .map(|(_, name)| name.as_str())
                .collect();
            complete = if unread.is_empty() { complete + 1 } else { 0 };
            if complete == 2 {
                return Ok(Inventory {
                    folders: read.into_values().collect(),
                });
            }
            for names in unread.chunks(FOLDERS_AHEAD) {
                for folder in self.read(names).await? {
                    read.insert(folder.unique_id.clone(), folder);
                }
            }
        }
        Err(Error::Changing(LISTINGS))
    }

    /// What an owner has now: names by ids.
    async fn folders(&mut self, owner: &Owner) -> Result<BTreeMap<String, String>, Error> {
        let questions: BTreeSet<String> = match owner {
            Owner::User(user) => [format!("SYNCGET USER {}", quoted(user))].into(),
            Owner::Everybody => {
                let names = self.mailboxes().await?.remove(owner).unwrap_or_default();
                names.iter().map(|name| digest::question(name)).collect()
            }
        };
        let questions: Vec<String> = questions.into_iter().collect();
        let mut folders = BTreeMap::new();
        for some in questions.chunks(digest::AHEAD) {
            let answers = self
                .ask_each(some, |_, line| {
                    if let Some(record) = Record::parse(line)?
                        && record.kind == b"MAILBOX"
                        && record.value("MBOXTYPE").is_none_or(<[u8]>::is_empty)
                        && let (Some(unique_id), Some(name)) =
                            (record.value("UNIQUEID"), record.value("MBOXNAME"))
                    {
                        let word = |value| String::from_utf8(text(value)?).map_err(|_| record::Error::Name);
                        folders.insert(word(unique_id)?, word(name)?);
                    }
                    Ok(())
                })
                .await?;
            present(answers)?;
        }
        Ok(folders)
    }

    /// Those of them that are there.
    async fn read(&mut self, names: &[&str]) -> Result<Vec<Folder>, Error> {
        let questions: Vec<String> = names
            .iter()
            .map(|name| format!("SYNCGET FULLMAILBOX {}", quoted(name)))
            .collect();
        let mut read = Vec::new();
        let answers = self
            .ask_each(&questions, |_, line| {
                if let Some(record) = Record::parse(line)?
                    && record.kind == b"MAILBOX"
                {
                    read.push(Folder::parse(&record));
                }
                Ok(())
            })
            .await?;
        present(answers)?;
        let folders: Result<Vec<_>, _> = read.into_iter().collect();
        Ok(folders?.into_iter().flatten().collect())
    }

    /// The whole messages, as they were stored, in this order.
    pub async fn fetch(&mut self, folder: &Folder, messages: &[&Message]) -> Result<Vec<Vec<u8>>, Error> {
        let questions: Vec<String> = messages
            .iter()
            .map(|message| {
                format!(
                    "SYNCGET FETCH %(MBOXNAME {} PARTITION {PARTITION} UNIQUEID {} GUID {} UID {})",
                    quoted(&folder.name),
                    quoted(&folder.unique_id),
                    message.guid,
                    message.uid
                )
            })
            .collect();
        let mut contents = vec![None; messages.len()];
        let answers = self
            .ask_each(&questions, |at, line| {
                if let (Some(content), Some(message)) = (contents.get_mut(at), messages.get(at)) {
                    *content = content.take().or(file(line, message));
                }
                Ok(())
            })
            .await?;
        answers.into_iter().collect::<Result<(), _>>()?;
        let whole = contents.into_iter().zip(messages);
        whole
            .map(|(content, message)| content.ok_or(Error::Message(message.guid)))
            .collect()
    }

    /// Like this folder of another engine, and empty.
    pub async fn make(&mut self, new: &NewFolder, like: &Folder, owner: &Owner) -> Result<(), Error> {
        if new.keeps_id && self.has(&like.unique_id).await? {
            return Err(Error::There(like.unique_id.clone()));
        }
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

    /// Whether there is a folder of this id, whatever its name.
    async fn has(&mut self, unique_id: &str) -> Result<bool, Error> {
        let mut found = false;
        self.ask(&format!("SYNCGET UNIQUEIDS ({})", quoted(unique_id)), |line| {
            found |= Record::parse(line)?.is_some_and(|record| record.kind == b"MAILBOX");
            Ok(())
        })
        .await?;
        Ok(found)
    }

    /// All of them or none, in this order, into a folder that is there: one that was renamed meanwhile is not made anew under its
    /// old name. It returns when they would survive a power cut as anything stored would.
    pub async fn append(&mut self, to: &str, messages: &[(&Message, Vec<u8>)]) -> Result<(), Error> {
        let mut upload = b"SYNCAPPLY MESSAGE (".to_vec();
        let mut restore = format!(
            "SYNCRESTORE MAILBOX %(MBOXNAME {} PARTITION {NO_PARTITION} RECORD (",
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

    async fn ask_each(
        &mut self,
        commands: &[String],
        take: impl FnMut(usize, &[u8]) -> Result<(), session::Error>,
    ) -> Result<Vec<Result<(), session::Error>>, Error> {
        let answered = self.0.ask_each(commands, take);
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

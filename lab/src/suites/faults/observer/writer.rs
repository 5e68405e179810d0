//! Clients that change what is stored, that only read, and that submit: all of them for as long as they are let.

use std::time::Duration;

use super::client::{Client, Session};
use super::imap::{self, quoted};
use super::record::{Change, Outcome};

/// Between two commands of a writer: a person's mail program does less.
const PACE: Duration = Duration::from_millis(400);
/// Between two messages that are submitted.
const SUBMISSION: Duration = Duration::from_secs(2);

/// Appends, flags, copies, moves and expunges messages, and makes and renames folders, in folders of its own. After an
/// answer that did not come it leaves what it had begun and begins anew beside it.
pub async fn write(client: Client, name: String) {
    let mut generation = 0;
    while let Some(mut session) = client.enter(0).await {
        generation += 1;
        let mut work = Work {
            client: &client,
            session: &mut session,
            folder: format!("{name}-{generation}"),
            appended: 0,
        };
        if let Err(error) = work.go_on().await {
            tracing::debug!(writer = client.writer, %error, "a session ended");
        }
        if !client.pause(Duration::from_millis(50)).await {
            return;
        }
    }
}

/// Reads INBOX over and over.
pub async fn read(client: Client) {
    while let Some(mut session) = client.enter(0).await {
        while session.imap.command("EXAMINE INBOX").await.is_ok()
            && session.imap.command("UID FETCH 1:* (FLAGS)").await.is_ok()
        {
            client.note(session.door, None, Change::Read, Outcome::Done);
            if !client.pause(PACE).await {
                return;
            }
        }
    }
}

/// Submits messages to `to`, whose place in the list of people is `client.user`.
pub async fn submit(client: Client, name: String, to: &'static str) {
    let mut count = 0;
    let mut door = 0;
    while client.pause(SUBMISSION).await {
        count += 1;
        let message = format!("{name}-{count}@observer.example");
        let from = client.login.user;
        let text = format!(
            "From: <{from}>\nTo: <{to}>\nSubject: Ujian\nMessage-ID: <{message}>\n\nSalam sejahtera\n"
        );
        let (site, at) = &client.doors[door % client.doors.len()];
        let sent = async {
            let mut smtp = at.smtp(client.login).await?;
            smtp.send(from, &[to], &text).await?;
            anyhow::Ok(())
        };
        let outcome = match client.stop.run_until_cancelled(sent).await {
            Some(Ok(())) => Outcome::Done,
            other => {
                tracing::debug!(door = %site, ?other, "not accepted");
                door += 1;
                Outcome::Unknown
            }
        };
        client.note(*site, None, Change::Submit { message }, outcome);
    }
}

struct Work<'a> {
    client: &'a Client,
    session: &'a mut Session,
    folder: String,
    appended: u32,
}

impl Work<'_> {
    /// Works until it is stopped, or until something is not answered.
    async fn go_on(&mut self) -> Result<(), imap::Error> {
        let folder = self.folder.clone();
        let archive = format!("{folder}/Arkib");
        self.create(&folder).await?;
        self.create(&archive).await?;
        self.session
            .imap
            .command(&format!("SELECT {}", quoted(&folder)))
            .await?;
        for round in 1.. {
            let kept = self.append().await?;
            let moved = self.append().await?;
            self.flag(&kept, true).await?;
            self.copy(&kept, &archive).await?;
            self.r#move(&moved, &archive).await?;
            self.flag(&kept, false).await?;
            let gone = self.append().await?;
            self.flag(&gone, true).await?;
            self.expunge(&gone).await?;
            if round % 4 == 1 {
                let (from, to) = (format!("{folder}/Baru-{round}"), format!("{folder}/Lama-{round}"));
                self.create(&from).await?;
                let command = format!("RENAME {} {}", quoted(&from), quoted(&to));
                self.change(Change::Rename { from, to }, &command).await?;
            }
            if self.client.stop.is_cancelled() {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn create(&mut self, folder: &str) -> Result<(), imap::Error> {
        let command = format!("CREATE {}", quoted(folder));
        let folder = folder.to_owned();
        self.change(Change::Create { folder }, &command).await.map(drop)
    }

    async fn append(&mut self) -> Result<Appended, imap::Error> {
        self.appended += 1;
        let message = format!("{}-{}@observer.example", self.folder, self.appended);
        let text = format!("Message-ID: <{message}>\r\nSubject: Ujian\r\n\r\nSalam sejahtera\r\n");
        let command = format!("APPEND {} {{{}+}}\r\n{text}", quoted(&self.folder), text.len());
        let change = Change::Append {
            message: message.clone(),
            folder: self.folder.clone(),
        };
        let answer = self.change(change, &command).await?;
        let uid = appended_uid(&answer).ok_or_else(|| imap::Error::Refused {
            command: "APPEND".into(),
            answer,
        })?;
        Ok(Appended { message, uid })
    }

    async fn flag(&mut self, of: &Appended, set: bool) -> Result<(), imap::Error> {
        let sign = if set { '+' } else { '-' };
        let command = format!("UID STORE {} {sign}FLAGS.SILENT (\\Flagged)", of.uid);
        let change = Change::Flag {
            message: of.message.clone(),
            folder: self.folder.clone(),
            set,
        };
        self.change(change, &command).await.map(drop)
    }

    async fn copy(&mut self, of: &Appended, to: &str) -> Result<(), imap::Error> {
        let command = format!("UID COPY {} {}", of.uid, quoted(to));
        let change = Change::Copy {
            message: of.message.clone(),
            from: self.folder.clone(),
            to: to.to_owned(),
        };
        self.change(change, &command).await.map(drop)
    }

    async fn r#move(&mut self, of: &Appended, to: &str) -> Result<(), imap::Error> {
        let command = format!("UID MOVE {} {}", of.uid, quoted(to));
        let change = Change::Move {
            message: of.message.clone(),
            from: self.folder.clone(),
            to: to.to_owned(),
        };
        self.change(change, &command).await.map(drop)
    }

    async fn expunge(&mut self, of: &Appended) -> Result<(), imap::Error> {
        self.session
            .imap
            .command(&format!("UID STORE {} +FLAGS.SILENT (\\Deleted)", of.uid))
            .await?;
        let change = Change::Expunge {
            message: of.message.clone(),
            folder: self.folder.clone(),
        };
        self.change(change, &format!("UID EXPUNGE {}", of.uid))
            .await
            .map(drop)
    }

    async fn change(&mut self, change: Change, command: &str) -> Result<String, imap::Error> {
        let answer = self.client.change(self.session, change, command).await?;
        self.client.pause(PACE).await;
        Ok(answer)
    }
}

/// A message and its UID in the folder it was appended to.
struct Appended {
    message: String,
    uid: u32,
}

/// The UID in `[APPENDUID validity uid]` (RFC 4315).
fn appended_uid(answer: &str) -> Option<u32> {
    let code = answer.split_once("[APPENDUID ")?.1.split_once(']')?.0;
    code.split_once(' ')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_uid_of_an_appended_message_is_in_the_answer() {
        assert_eq!(appended_uid("[APPENDUID 1700 42] Completed"), Some(42));
        assert_eq!(appended_uid("Completed"), None);
    }
}

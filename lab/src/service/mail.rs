//! One message on its way: sent at one front door, read at the other, found in both copies of the store.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use futures::TryStreamExt;
use ring::rand::{SecureRandom, SystemRandom};

use super::{Door, Login, Person, Service};
use crate::command;
use crate::network::Site;

/// How long a message may be on its way before it counts as lost.
const LIMIT: Duration = Duration::from_secs(60);

/// A message with a Message-ID that no other has.
#[derive(Clone, Debug)]
pub struct Message {
    pub id: String,
    pub text: String,
}

impl Message {
    /// A message from one person to another.
    pub fn new(from: Person, to: Person, subject: &str) -> anyhow::Result<Message> {
        let mut random = [0; 12];
        SystemRandom::new()
            .fill(&mut random)
            .ok()
            .context("the system's random numbers")?;
        let id = format!("{}@client.example", hex::encode(random));
        let text = format!(
            "From: <{}>\nTo: <{}>\nSubject: {subject}\nMessage-ID: <{id}>\nMIME-Version: 1.0\n\
             Content-Type: text/plain; charset=utf-8\n\nSalam sejahtera,\n{id}\n",
            from.address, to.address
        );
        Ok(Message { id, text })
    }
}

/// Sends `message` by authenticated submission at this door.
pub async fn send(door: &Door, from: Person, to: Person, message: &Message) -> anyhow::Result<()> {
    let mut smtp = door.smtp(from.login()).await?;
    smtp.send(from.address, &[to.address], &message.text).await?;
    Ok(())
}

/// Waits until `person` can read the message in INBOX at this door. Gives the seconds it took.
pub async fn read(door: &Door, person: Person, message: &Message) -> anyhow::Result<f64> {
    let id = &message.id;
    wait(door, person, &format!("HEADER Message-ID \"<{id}>\""), id).await
}

/// Waits until `person` can read, in INBOX at this door, that the message could not be delivered.
pub async fn read_notice(door: &Door, person: Person, message: &Message) -> anyhow::Result<f64> {
    wait(door, person, "FROM MAILER-DAEMON UNDELETED", &message.id).await
}

/// Waits for a message that IMAP finds by `criteria` and whose text has `word` in it.
async fn wait(door: &Door, person: Person, criteria: &str, word: &str) -> anyhow::Result<f64> {
    let start = Instant::now();
    loop {
        if find(door, person.login(), criteria, word).await? {
            return Ok(start.elapsed().as_secs_f64());
        }
        if start.elapsed() > LIMIT {
            bail!(
                "{}: no message {criteria} with {word} was there within {LIMIT:?}",
                person.address
            );
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Texts are fetched and compared, not only headers searched.
async fn find(door: &Door, login: Login<'_>, criteria: &str, word: &str) -> anyhow::Result<bool> {
    let mut session = door.imap(login).await?;
    session.select("INBOX").await?;
    let mut found: Vec<String> = session
        .uid_search(criteria)
        .await?
        .iter()
        .map(u32::to_string)
        .collect();
    if found.is_empty() {
        session.logout().await?;
        return Ok(false);
    }
    found.sort_unstable();
    let fetched: Vec<_> = session
        .uid_fetch(found.join(","), "BODY.PEEK[TEXT]")
        .await?
        .try_collect()
        .await?;
    session.logout().await?;
    Ok(fetched
        .iter()
        .filter_map(|message| message.text())
        .any(|text| String::from_utf8_lossy(text).contains(word)))
}

/// The files of a store's copy at `site` that hold the message.
pub fn copies(service: &Service, site: Site, store: &str, id: &str) -> anyhow::Result<usize> {
    let pod = format!("{store}-0");
    let arguments = [
        "-n",
        "govuc-mail",
        "exec",
        &pod,
        "--",
        "grep",
        "-rlF",
        id,
        "/var/lib/govuc/cyrus/spool",
    ];
    match service.kubectl.run(site, &arguments) {
        Ok(files) => Ok(files.lines().count()),
        // grep says 1 when it found nothing.
        Err(command::Error::Failed { stderr, .. }) if stderr.contains("exit code 1") => Ok(0),
        Err(error) => Err(error.into()),
    }
}

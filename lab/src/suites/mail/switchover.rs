//! Planned switchovers as an operator of the service asks for them, while people's programs go on.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use futures::TryStreamExt;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::command;
use crate::fault;
use crate::network::{Line, Site};
use crate::service::mail::{self, Message};
use crate::service::people::{ALI, SITI};
use crate::service::store::{IN_STEP, in_step, object, primary, replicated, sides, switch_over, term};
use crate::service::{Door, Person, Service};

const PERIOD: Duration = Duration::from_millis(300);
/// Between two messages of the writer, and before a program connects again.
const PACE: Duration = Duration::from_millis(200);
/// What the protocol allows a hand-over.
const AT_MOST: f64 = 45.0;

/// A store moves to the other site and back while somebody reads, somebody writes and mail comes in. Everything that was
/// stored is there afterwards.
pub async fn a_store_moves_and_moves_back_under_load(service: &Service) -> anyhow::Result<String> {
    let store = service.store_of(SITI).await?;
    let (from, to) = sides(service, &store).await?;
    let mut seen = Vec::new();
    for (from, to) in [(from, to), (to, from)] {
        in_step(service, &store).await?;
        let door = service.door(from).await?;
        let load = Load::begin(&door);
        let incoming = Message::new(ALI, SITI, "Semasa pertukaran / During a switchover")?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let asked = Instant::now();
        let moving = switch_over(service, &store, to, from);
        let sending = async {
            tokio::time::sleep(Duration::from_millis(700)).await;
            mail::send(&door, ALI, SITI, &incoming).await
        };
        let (receipt, sent) = tokio::join!(moving, sending);
        let receipt: Value = serde_json::from_str(&receipt?)?;
        sent?;
        let arrived = mail::read(&door, SITI, &incoming).await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let Seen {
            stored,
            gap,
            reader_gap,
        } = load.end().await;
        ensure!(receipt["state"] == "Done", "{receipt}");
        ensure!(!stored.is_empty(), "the writer stored nothing at all");
        ensure!(
            primary(service, &store).await? == to.name(),
            "the primary is not {to}"
        );
        let digest = receipt["digest"].as_str().unwrap_or_default();
        ensure!(digest.len() == 64, "the receipt has no digest: {receipt}");
        all_are_there(&service.door(to).await?, SITI, &stored).await?;
        ensure!(gap < AT_MOST, "nothing could be stored for {gap:.1} s");
        seen.push(format!(
            "to {to} in {} s, term {}: nothing stored for {gap:.1} s, nothing read for {reader_gap:.1} s, {} stored and all there, \
             mail sent meanwhile read {arrived:.1} s after the end, {:.1} s after the beginning",
            receipt["seconds"],
            receipt["term"],
            stored.len(),
            asked.elapsed().as_secs_f64(),
        ));
    }
    in_step(service, &store).await?;
    Ok(seen.join("; "))
}

/// To the primary already, to no site, and while the copies are not in step: it says so and nothing changes.
pub async fn what_can_not_move_is_refused_and_stays(service: &Service) -> anyhow::Result<String> {
    let store = service.store_of(SITI).await?;
    in_step(service, &store).await?;
    let (from, to) = sides(service, &store).await?;
    let before = term(service, &store).await?;
    refused(switch_over(service, &store, from, from).await, "already")?;
    let nowhere = service
        .kubectl
        .govuc(&["switchover", &store, "--to", "pdsa9", "--context", "pdsa1"]);
    refused(nowhere.map_err(Into::into), "pdsa1 and pdsa2")?;

    fault::change(&service.lab, |faults| {
        faults.cut(Line::BETWEEN_SITES);
    })?;
    let behind = async {
        replicated(service, &store, from, "False").await?;
        refused(switch_over(service, &store, to, from).await, "NotInStep")?;
        // Past the command's own look, the guard says the same.
        let wish = serde_json::json!({"spec": {"switchover": {
            "id": "by-hand", "to": to.name(), "notAfter": "2099-01-01T00:00:00Z",
        }}});
        service.kubectl.run(
            from,
            &[
                "patch",
                "mailstore",
                &store,
                "--type=merge",
                "-p",
                &wish.to_string(),
            ],
        )?;
        let start = Instant::now();
        loop {
            let said = object(service, &store, from).await?["status"]["switchover"].clone();
            if said["id"] == "by-hand" && said["state"] == "Refused" {
                let message = said["message"].as_str().unwrap_or_default().to_owned();
                ensure!(message.contains("NotInStep"), "the guard says {message:?}");
                return Ok(message);
            }
            ensure!(start.elapsed() < IN_STEP, "the guard does not refuse: {said}");
            tokio::time::sleep(PERIOD).await;
        }
    }
    .await;
    fault::change(&service.lab, |faults| {
        faults.heal(None);
    })?;
    let message = behind?;
    in_step(service, &store).await?;
    let after = term(service, &store).await?;
    ensure!(
        primary(service, &store).await? == from.name() && after == before,
        "the store was at {from} in term {before}, and is in term {after}"
    );
    Ok(format!("three commands refused; the guard: {message}"))
}

/// Asked for in both clusters at once, each ends in a definite state and the store is at one site.
pub async fn of_two_at_once_each_ends_in_a_word(service: &Service) -> anyhow::Result<String> {
    let store = service.store_of(SITI).await?;
    in_step(service, &store).await?;
    let (from, to) = sides(service, &store).await?;
    let (one, two) = tokio::join!(
        switch_over(service, &store, to, Site::Pdsa1),
        switch_over(service, &store, to, Site::Pdsa2)
    );
    let ended = [one, two];
    let done = ended.iter().filter(|ended| ended.is_ok()).count();
    ensure!(done == 1, "{done} of two are done: {ended:?}");
    let word = ended
        .into_iter()
        .find_map(Result::err)
        .map_or_else(String::new, |error| format!("{error:#}"));
    ensure!(
        ["already", "under way", "NotInStep"]
            .iter()
            .any(|reason| word.contains(reason)),
        "the other says {word}"
    );
    in_step(service, &store).await?;
    switch_over(service, &store, from, from).await?;
    in_step(service, &store).await?;
    let last = word.lines().last().unwrap_or_default().trim().to_owned();
    Ok(format!("one was done; the other: {last}"))
}

fn refused(outcome: anyhow::Result<String>, because: &str) -> anyhow::Result<()> {
    match outcome {
        Ok(told) => bail!("it was not refused: {told}"),
        Err(error) => match error.downcast_ref::<command::Error>() {
            Some(command::Error::Failed { stderr, .. }) if stderr.contains(because) => Ok(()),
            _ => Err(error.context(format!("it was refused for another reason than {because:?}"))),
        },
    }
}

/// A program that writes and one that reads, both of one person, which connect again whenever they are cut off.
struct Load {
    stop: CancellationToken,
    writer: JoinHandle<()>,
    reader: JoinHandle<()>,
    written: Arc<Mutex<Noted>>,
    read: Arc<Mutex<Noted>>,
}

/// When something succeeded last, the longest wait for it, and what it was about.
struct Noted {
    last: Instant,
    gap: Duration,
    ids: Vec<String>,
}

struct Seen {
    /// Message-IDs that were answered OK.
    stored: Vec<String>,
    /// The longest time without such an answer, in seconds.
    gap: f64,
    /// The same for the reader.
    reader_gap: f64,
}

impl Load {
    fn begin(door: &Door) -> Self {
        let stop = CancellationToken::new();
        let noted = || {
            Arc::new(Mutex::new(Noted {
                last: Instant::now(),
                gap: Duration::ZERO,
                ids: Vec::new(),
            }))
        };
        let (written, read) = (noted(), noted());
        let again = |door: Door, noted: Arc<Mutex<Noted>>, writes: bool| {
            let stop = stop.clone();
            tokio::spawn(async move {
                let for_ever = async {
                    loop {
                        // Being cut off is what is measured.
                        let _ = if writes {
                            write(&door, &noted).await
                        } else {
                            idle(&door, &noted).await
                        };
                        tokio::time::sleep(PACE).await;
                    }
                };
                tokio::select! { () = stop.cancelled() => {}, () = for_ever => {} }
            })
        };
        let writer = again(door.clone(), written.clone(), true);
        let reader = again(door.clone(), read.clone(), false);
        Self {
            stop,
            writer,
            reader,
            written,
            read,
        }
    }

    async fn end(self) -> Seen {
        self.stop.cancel();
        let _ = tokio::join!(self.writer, self.reader);
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner).longest();
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        Seen {
            stored: written.ids.clone(),
            gap: written.longest(),
            reader_gap: read,
        }
    }
}

impl Noted {
    fn succeeded(&mut self, id: Option<String>) {
        self.gap = self.gap.max(self.last.elapsed());
        self.last = Instant::now();
        self.ids.extend(id);
    }

    /// A wait that has not ended counts too.
    fn longest(&self) -> f64 {
        self.gap.max(self.last.elapsed()).as_secs_f64()
    }
}

async fn write(door: &Door, noted: &Mutex<Noted>) -> anyhow::Result<()> {
    let mut session = door.imap(SITI.login()).await?;
    loop {
        let message = Message::new(SITI, SITI, "Muatan / Load")?;
        // IMAP takes no bare line feeds.
        let text = message.text.replace('\n', "\r\n");
        session.append("INBOX", None, None, text.as_bytes()).await?;
        noted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .succeeded(Some(message.id));
        tokio::time::sleep(PACE).await;
    }
}

async fn idle(door: &Door, noted: &Mutex<Noted>) -> anyhow::Result<()> {
    let mut session = door.imap(SITI.login()).await?;
    session.select("INBOX").await?;
    loop {
        let mut idle = session.idle();
        idle.init().await?;
        let (news, _stop) = idle.wait_with_timeout(Duration::from_secs(2));
        news.await?;
        session = idle.done().await?;
        noted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .succeeded(None);
    }
}

/// Every one of these messages is in INBOX.
async fn all_are_there(door: &Door, person: Person, stored: &[String]) -> anyhow::Result<()> {
    let mut session = door.imap(person.login()).await?;
    session.select("INBOX").await?;
    let fetched: Vec<_> = session
        .fetch("1:*", "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]")
        .await?
        .try_collect()
        .await?;
    session.logout().await?;
    let there: String = fetched
        .iter()
        .filter_map(|message| message.header())
        .map(String::from_utf8_lossy)
        .collect();
    let lost: Vec<&String> = stored.iter().filter(|id| !there.contains(id.as_str())).collect();
    ensure!(
        lost.is_empty(),
        "{} of {} are lost: {lost:?}",
        lost.len(),
        stored.len()
    );
    Ok(())
}

//! A mail program of one person: it finds a door that is open, and comes back when a connection ends.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::guards::View;
use super::imap::{self, Imap};
use super::record::{Change, Entry, Holder, Outcome, Record, User};
use crate::network::Site;
use crate::service::{Door, Login, Stream};

/// Between two attempts to get in anywhere.
const PAUSE: Duration = Duration::from_millis(300);

/// Who it is, and which doors it knows, best first.
#[derive(Clone)]
pub struct Client {
    pub store: usize,
    pub user: User,
    pub writer: u16,
    pub login: Login<'static>,
    pub doors: Vec<(Site, Door)>,
    pub guards: View,
    pub record: Record,
    pub stop: CancellationToken,
}

/// A session that was let in.
pub struct Session {
    pub imap: Imap<Stream>,
    pub door: Site,
    since: Instant,
    holder: Option<Holder>,
}

impl Client {
    /// Tries one door after the other until one lets it in; None once it is stopped.
    pub async fn enter(&self, first: usize) -> Option<Session> {
        for attempt in first.. {
            let (site, door) = &self.doors[attempt % self.doors.len()];
            let entered = self.stop.run_until_cancelled(self.try_door(*site, door)).await?;
            match entered {
                Ok(session) => return Some(session),
                Err(error) => tracing::debug!(writer = self.writer, door = %site, "not let in: {error:#}"),
            }
            if attempt % self.doors.len() == self.doors.len() - 1 {
                self.stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await?;
            }
        }
        None
    }

    /// One attempt to get in.
    pub async fn try_door(&self, site: Site, door: &Door) -> anyhow::Result<Session> {
        let before = self.guards.holder(self.store);
        let mut imap = Imap::greeted(door.tls(993).await?).await?;
        imap.login(self.login.user, self.login.password).await?;
        // The session is with whoever held the store all the while.
        let holder = before.filter(|before| self.guards.holder(self.store) == Some(*before));
        Ok(Session {
            imap,
            door: site,
            since: Instant::now(),
            holder,
        })
    }

    /// Says a command that changes something, and records how it was answered.
    pub async fn change(
        &self,
        session: &mut Session,
        change: Change,
        command: &str,
    ) -> Result<String, imap::Error> {
        let answer = session.imap.command(command).await;
        // Right after a hand-over both copies were seen open a moment ago, and the login could not tell. A session is with
        // one copy to its end, so whoever says later that it holds the store has it.
        if session.holder.is_none() && answer.is_ok() {
            session.holder = self.guards.holder_since(self.store, session.since);
        }
        let outcome = if answer.is_ok() {
            Outcome::Done
        } else {
            Outcome::Unknown
        };
        self.note(session.door, session.holder, change, outcome);
        answer.map(|answer| answer.text)
    }

    pub fn note(&self, door: Site, holder: Option<Holder>, change: Change, outcome: Outcome) {
        self.record.add(Entry {
            store: self.store,
            user: self.user,
            writer: self.writer,
            at: Instant::now(),
            door,
            holder,
            change,
            outcome,
        });
    }

    /// Waits; false once it is stopped.
    pub async fn pause(&self, pause: Duration) -> bool {
        self.stop
            .run_until_cancelled(tokio::time::sleep(pause))
            .await
            .is_some()
    }
}

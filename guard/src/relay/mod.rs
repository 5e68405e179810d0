//! The sync relay of a primary: the engine's sync goes through this guard to the peer's guard, or nowhere.
//!
//! While no opening is there, the engine's sync connections are refused at once, so that it stores alone without
//! waiting. An opening begins with a handshake, and ends with the first failure of anything on it; then every
//! connection of it is closed, the turn is told, and pairing tries again after a pause.

mod answers;
mod carry;
mod commands;
mod dial;
pub mod incoming;
mod lines;
mod outgoing;
mod pairing;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use govuc_roles::{Ballot, Event, SlotCopy, timing};
use govuc_wire::preamble::SyncOffer;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use dial::Peer;
pub use pairing::FullSync;

use crate::{
    metrics::{Metrics, Reason},
    turn::Events,
};

pub struct Relay {
    store: String,
    peer: Peer,
    full_sync: FullSync,
    events: Events,
    metrics: Arc<Metrics>,
    state: Mutex<Progress>,
}

struct Progress {
    session: Option<Session>,
    ballot: Ballot,
    /// Openings so far, failed attempts included.
    openings: u64,
    /// Attempts to pair that failed in a row, and pairings that did not last.
    failed: u32,
    last_error: Option<String>,
}

/// From the machine's `Pair` to its `CloseRelay`.
struct Session {
    /// But for the opening's number.
    offer: SyncOffer,
    until: CancellationToken,
    opening: Option<Opening>,
    paired_at: Option<Instant>,
}

/// From an accepted handshake to the first failure.
#[derive(Clone)]
struct Opening {
    offer: SyncOffer,
    copy: SlotCopy,
    until: CancellationToken,
}

impl Relay {
    pub fn new(
        store: String,
        peer: Peer,
        full_sync: FullSync,
        events: Events,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            store,
            peer,
            full_sync,
            events,
            metrics,
            state: Mutex::new(Progress {
                session: None,
                ballot: Ballot::NONE,
                openings: 0,
                failed: 0,
                last_error: None,
            }),
        }
    }

    /// Brings the peer in step, trying until it is, or until `close`.
    pub fn pair(self: &Arc<Self>, ballot: Ballot, me: SlotCopy) {
        let until = CancellationToken::new();
        {
            let mut progress = self.progress();
            // What failed under another ballot says nothing of this one.
            if progress.ballot != ballot {
                (progress.ballot, progress.failed) = (ballot, 0);
            }
            progress.session = Some(Session {
                offer: SyncOffer {
                    store: self.store.clone(),
                    era: ballot.era.0,
                    term: ballot.term.0,
                    volume: me.volume.0,
                    incarnation: me.incarnation,
                    opening: 0,
                },
                until: until.clone(),
                opening: None,
                paired_at: None,
            });
        }
        let relay = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = until.cancelled() => {}
                () = relay.pair_until_paired() => {}
            }
        });
    }

    /// Closes every sync connection, and refuses new ones.
    pub fn close(&self) {
        let mut progress = self.progress();
        if let Some(session) = progress.session.take() {
            session.until.cancel();
            // It was paired to the end: nothing had failed.
            if session.paired_at.is_some() {
                progress.failed = 0;
            }
        }
    }

    /// Something on the relay failed: the opening is over. Without one there is nothing to fail.
    pub fn fail(&self, reason: String) {
        let mut progress = self.progress();
        let Some(session) = &mut progress.session else {
            return;
        };
        let Some(opening) = session.opening.take() else {
            return;
        };
        opening.until.cancel();
        let lasted = session
            .paired_at
            .take()
            .is_some_and(|since| since.elapsed() > timing::PAIRING_MOST);
        if lasted {
            progress.failed = 0;
        }
        progress.count(reason);
        // Sent under the lock: a Synced of the same opening is either before it in the queue or never sent.
        self.events.send(Event::SyncFailed);
    }

    /// An attempt to pair failed, with or without an opening.
    fn fail_attempt(&self, reason: String) {
        if self.opening().is_some() {
            self.fail(reason);
        } else {
            self.progress().count(reason);
        }
    }

    /// Why the relay failed last.
    pub fn last_error(&self) -> Option<String> {
        self.progress().last_error.clone()
    }

    /// Takes the engine's sync connections, for ever.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) {
        outgoing::serve(self, listener).await;
    }

    /// How long an answer may take. What is paired has no more to say than the last change.
    fn patience(&self) -> Duration {
        let progress = self.progress();
        match &progress.session {
            Some(Session {
                paired_at: Some(_), ..
            }) => timing::SYNC_ANSWER,
            _ => timing::CATCH_UP_ANSWER,
        }
    }

    fn opening(&self) -> Option<Opening> {
        self.progress().session.as_ref()?.opening.clone()
    }

    /// What to say for the next opening.
    fn next_offer(&self) -> Option<SyncOffer> {
        let mut progress = self.progress();
        progress.openings += 1;
        let opening = progress.openings;
        let offer = &progress.session.as_ref()?.offer;
        Some(SyncOffer {
            opening,
            ..offer.clone()
        })
    }

    /// The peer accepted: the engine's connections are let through from now on.
    fn open(&self, offer: SyncOffer, copy: SlotCopy) -> Option<Opening> {
        let mut progress = self.progress();
        let session = progress.session.as_mut()?;
        let opening = Opening {
            offer,
            copy,
            until: session.until.child_token(),
        };
        session.opening = Some(opening.clone());
        Some(opening)
    }

    /// A full sync ended well: in step, if nothing has failed since this opening began.
    fn synced(&self, opening: &Opening) -> bool {
        let mut progress = self.progress();
        let Some(session) = &mut progress.session else {
            return false;
        };
        if opening.until.is_cancelled() || session.opening.is_none() {
            return false;
        }
        session.paired_at = Some(Instant::now());
        progress.last_error = None;
        self.events.send(Event::Synced(opening.copy.clone()));
        true
    }

    fn pause(&self) -> Duration {
        timing::pairing_pause(self.progress().failed)
    }

    fn refuse(&self, error: &dial::Error) {
        self.metrics.refuse(Reason::Peer);
        if let dial::Error::Refused { seen, .. } = error {
            self.events.send(Event::Seen(*seen));
        }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress {
    fn count(&mut self, reason: String) {
        tracing::warn!(%reason, "the peer is not in step");
        self.failed = self.failed.saturating_add(1);
        self.last_error = Some(reason);
    }
}

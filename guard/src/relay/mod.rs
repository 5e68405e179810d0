//! The sync relay of a primary: the engine's sync goes through this guard to the peer's guard, or nowhere.
//!
//! While no opening is there, the engine's sync connections are refused at once, so that it stores alone without
//! waiting. An opening begins with a handshake, and ends with the first failure of anything on it; then every
//! connection of it is closed, the turn is told, and pairing tries again after a pause.

mod carry;
mod dial;
pub mod incoming;
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

#[derive(Default)]
struct Progress {
    session: Option<Session>,
    /// Attempts to pair that failed in a row, and pairings that did not last.
    failed: u32,
    last_error: Option<String>,
}

/// From the machine's `Pair` to its `CloseRelay`.
struct Session {
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
            state: Mutex::default(),
        }
    }

    /// Brings the peer in step, trying until it is, or until `close`.
    pub fn pair(self: &Arc<Self>, ballot: Ballot, me: SlotCopy) {
        let until = CancellationToken::new();
        self.progress().session = Some(Session {
            offer: SyncOffer {
                store: self.store.clone(),
                era: ballot.era.0,
                term: ballot.term.0,
                volume: me.volume.0,
                incarnation: me.incarnation,
            },
            until: until.clone(),
            opening: None,
            paired_at: None,
        });
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
        if let Some(session) = self.progress().session.take() {
            session.until.cancel();
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

    fn offer(&self) -> Option<SyncOffer> {
        Some(self.progress().session.as_ref()?.offer.clone())
    }

    /// The peer accepted: the engine's connections are let through from now on.
    fn open(&self, copy: SlotCopy) -> Option<Opening> {
        let mut progress = self.progress();
        let session = progress.session.as_mut()?;
        let opening = Opening {
            offer: session.offer.clone(),
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

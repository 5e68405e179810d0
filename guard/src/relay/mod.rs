//! The sync relay of a primary: the engine's sync goes through this guard to the peer's guard, or nowhere.
//!
//! While no opening is there, the engine's sync connections are refused at once, so that it stores alone without
//! waiting. An opening begins with a handshake. The full sync that fills the peer's copy is carried alone at first, at a port of
//! its own; then the engine's own syncs are too, and full syncs are repeated until nothing failed during one. From then on the
//! copies are in step, and the first failure of anything ends the opening; then the turn is told.
//! What was in step is withheld when the role is a lease: the engine's connections stay open without an answer, so it
//! answers nobody either, until the turn has recorded that it is alone and closes the relay (R2). Anything else is closed
//! at once, and pairing tries again after a pause.

mod answers;
mod carry;
mod commands;
mod dial;
pub mod digest;
pub mod incoming;
mod lines;
mod outgoing;
mod pairing;
pub mod record;
pub mod session;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use govuc_roles::{Ballot, Event, SlotCopy, timing};
use govuc_wire::preamble::SyncOffer;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

pub use dial::{Error as DialError, Peer};
pub use pairing::{Error, FullSync};

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
    /// Whether the engine is kept waiting after what was in step has failed.
    withholds: bool,
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
    /// The engine's connections are closed, whatever they wait for.
    released: CancellationToken,
    opening: Option<Opening>,
    /// Only the full sync is carried. The engine's own syncs are refused, so that nobody's answer waits for what takes long.
    filling: bool,
    /// What failed on the relay since the session began, while its openings were not in step.
    failures: u64,
    /// The last of them, since the last opening began.
    failure: Option<String>,
    /// The last opening was in step when it failed, and the engine is kept waiting.
    withheld: bool,
    paired_at: Option<Instant>,
}

/// From an accepted handshake to the first failure in step, or to the end of an attempt that did not come so far.
#[derive(Clone)]
struct Opening {
    offer: SyncOffer,
    copy: SlotCopy,
    /// Nothing more is carried.
    until: CancellationToken,
    /// The engine's connections are closed.
    released: CancellationToken,
}

/// What becomes of a connection of the engine's.
enum Fate {
    Carried(Opening),
    /// Kept without an answer until then.
    Withheld(CancellationToken),
    Refused,
}

impl Relay {
    pub fn new(
        store: String,
        peer: Peer,
        full_sync: FullSync,
        events: Events,
        metrics: Arc<Metrics>,
        withholds: bool,
    ) -> Self {
        Self {
            store,
            peer,
            full_sync,
            events,
            metrics,
            withholds,
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
                released: CancellationToken::new(),
                opening: None,
                filling: false,
                failures: 0,
                failure: None,
                withheld: false,
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
            session.released.cancel();
            // It was paired to the end: nothing had failed.
            if session.paired_at.is_some() {
                progress.failed = 0;
            }
        }
    }

    /// Something on the relay failed. What was in step is not any more: the opening is over. What is being brought in step
    /// takes another full sync: to begin anew after a pause would meet the same with many who write.
    pub fn fail(&self, reason: String) {
        let mut progress = self.progress();
        match &mut progress.session {
            Some(session) if session.paired_at.is_some() => self.end(&mut progress, reason),
            Some(session) if session.opening.is_some() => {
                tracing::debug!(%reason, "a sync failed while the peer is brought in step");
                session.failures += 1;
                session.failure = Some(reason);
            }
            _ => {}
        }
    }

    /// The engine says in its log that a sync failed. While its own are refused each says so, which would hide why the one that
    /// fills has failed.
    pub fn logged(&self, reason: String) {
        let filling = self
            .progress()
            .session
            .as_ref()
            .is_some_and(|session| session.filling);
        if !filling {
            self.fail(reason);
        }
    }

    /// The opening is over. Without one there is nothing to end.
    fn end(&self, progress: &mut Progress, reason: String) {
        let Some(session) = &mut progress.session else {
            return;
        };
        let Some(opening) = session.opening.take() else {
            return;
        };
        let paired_at = session.paired_at.take();
        session.withheld = self.withholds && paired_at.is_some();
        if !session.withheld {
            opening.released.cancel();
        }
        opening.until.cancel();
        let lasted = paired_at.is_some_and(|since| since.elapsed() > timing::PAIRING_MOST);
        if lasted {
            progress.failed = 0;
        }
        progress.count(reason);
        // Sent under the lock: a Synced of the same opening is either before it in the queue or never sent.
        self.events.send(Event::SyncFailed);
    }

    /// An attempt to pair failed, with or without an opening.
    fn fail_attempt(&self, reason: String) {
        let mut progress = self.progress();
        let failure = progress
            .session
            .as_mut()
            .and_then(|session| session.failure.take());
        let reason = match failure {
            Some(failure) => format!("{reason}: {failure}"),
            None => reason,
        };
        match &progress.session {
            Some(Session { opening: Some(_), .. }) => self.end(&mut progress, reason),
            _ => progress.count(reason),
        }
    }

    /// Once more everything, over the relay as it is; for a hand-over.
    pub async fn sync_fully(&self) -> Result<(), pairing::Error> {
        self.opening().ok_or(pairing::Error::Failed)?;
        self.full_sync.complete().await
    }

    /// A connection on which the peer's engine speaks next, under the opening that is in step.
    pub async fn reach_peer(&self) -> Result<TlsStream<TcpStream>, pairing::Error> {
        let opening = self.opening().ok_or(pairing::Error::Failed)?;
        let (stream, _) = self.peer.offer(&opening.offer).await?;
        Ok(stream)
    }

    /// Why the relay failed last.
    pub fn last_error(&self) -> Option<String> {
        self.progress().last_error.clone()
    }

    /// Takes the engine's sync connections, and at another port those of the full sync that fills a copy, for ever.
    pub async fn serve(self: Arc<Self>, own: TcpListener, fill: TcpListener) {
        tokio::join!(
            outgoing::serve(self.clone(), own, Relay::fate),
            outgoing::serve(self.clone(), fill, Relay::fate_of_fill),
        );
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

    /// What becomes of a connection that the engine opens now.
    fn fate(&self) -> Fate {
        match &self.progress().session {
            Some(Session {
                opening: Some(opening),
                filling: false,
                ..
            }) => Fate::Carried(opening.clone()),
            Some(Session {
                withheld: true,
                released,
                ..
            }) => Fate::Withheld(released.clone()),
            _ => Fate::Refused,
        }
    }

    fn fate_of_fill(&self) -> Fate {
        self.opening().map_or(Fate::Refused, Fate::Carried)
    }

    /// Whether the engine's own syncs are refused from now on, while there is an opening.
    fn set_filling(&self, filling: bool) {
        if let Some(session) = &mut self.progress().session {
            session.filling = filling;
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
            released: session.released.child_token(),
        };
        session.opening = Some(opening.clone());
        session.failure = None;
        session.filling = true;
        Some(opening)
    }

    fn failures(&self) -> u64 {
        self.progress()
            .session
            .as_ref()
            .map_or(0, |session| session.failures)
    }

    /// A full sync ended well: in step, if nothing has failed on this opening since there were so many failures.
    fn synced(&self, opening: &Opening, failures: u64) -> bool {
        let mut progress = self.progress();
        let Some(session) = &mut progress.session else {
            return false;
        };
        if opening.until.is_cancelled() || session.opening.is_none() || session.failures != failures {
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

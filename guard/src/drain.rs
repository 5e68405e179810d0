//! The last steps of a planned hand-over: nothing new, what is under way to its end, everything to the peer once more, and
//! both copies compared.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use govuc_roles::{Event, timing};
use tokio::time;
use tokio_util::sync::CancellationToken;

use crate::{
    engine,
    gate::Gate,
    relay::{
        self, Relay,
        digest::{self, Digest},
        session,
    },
    tokens::Logins,
    turn::Events,
};

/// Without a word to any client for as long, nothing is taken to be under way any more.
const QUIET: Duration = Duration::from_millis(300);

pub struct Drain {
    gate: Gate,
    relay: Arc<Relay>,
    imap: SocketAddr,
    events: Events,
    under_way: Mutex<Option<CancellationToken>>,
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("the last full sync took longer than {0:?}")]
    Late(Duration),
    #[error(transparent)]
    Relay(#[from] relay::Error),
    #[error("the engine can't be reached: {0}")]
    Engine(#[source] std::io::Error),
    #[error("{whose} engine does not say what it has: {source}")]
    Digest {
        whose: &'static str,
        source: session::Error,
    },
    #[error("the copies differ after the last full sync: {own} here, {peer} at the peer")]
    Differ { own: Digest, peer: Digest },
}

impl Drain {
    pub fn new(gate: Gate, relay: Arc<Relay>, imap: SocketAddr, events: Events) -> Self {
        Self {
            gate,
            relay,
            imap,
            events,
            under_way: Mutex::default(),
        }
    }

    /// Begins; the turn is told how it ends, unless it gives up before.
    pub fn begin(self: &Arc<Self>, logins: Logins) {
        let until = CancellationToken::new();
        if let Some(earlier) = self.swap(Some(until.clone())) {
            earlier.cancel();
        }
        self.gate.drain();
        let drain = self.clone();
        tokio::spawn(async move {
            let ended = tokio::select! {
                () = until.cancelled() => return,
                ended = drain.carry_out(logins) => ended,
            };
            drain.events.send(match ended {
                Ok(digest) => Event::Drained {
                    digest: digest.to_string(),
                },
                Err(error) => Event::DrainFailed {
                    reason: error.to_string(),
                },
            });
        });
    }

    /// What clients say passes again.
    pub fn give_up(&self) {
        if let Some(under_way) = self.swap(None) {
            under_way.cancel();
        }
        self.gate.resume();
    }

    fn swap(&self, next: Option<CancellationToken>) -> Option<CancellationToken> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut under_way, next)
    }

    async fn carry_out(&self, logins: Logins) -> Result<Digest, Error> {
        // Whoever is told nothing in time has no answer, and nothing was promised.
        let _ = time::timeout(timing::DRAIN, self.quiet()).await;
        time::timeout(timing::FINAL_SYNC, self.relay.sync_fully())
            .await
            .map_err(|_| Error::Late(timing::FINAL_SYNC))??;
        let of = |whose| move |source| Error::Digest { whose, source };
        let own = engine::dial(self.imap).await.map_err(Error::Engine)?;
        let peer = self.relay.reach_peer().await?;
        let (own, peer) = tokio::join!(digest::digest(own, logins.own), digest::digest(peer, logins.peer));
        let (own, peer) = (own.map_err(of("the own"))?, peer.map_err(of("the peer's"))?);
        if own == peer {
            Ok(own)
        } else {
            Err(Error::Differ { own, peer })
        }
    }

    async fn quiet(&self) {
        while self.gate.quiet_for() < QUIET {
            time::sleep(QUIET / 6).await;
        }
    }
}

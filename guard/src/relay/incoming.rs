//! The peer's sync connections at a follower, and the fenced handshake from the receiver's side (R3).

use std::{
    cmp::Ordering,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use govuc_roles::{Ballot, Refusal, timing};
use govuc_wire::preamble::{self, SyncAnswer, SyncOffer};
use tokio::{
    io::{AsyncRead, AsyncWrite, copy_bidirectional},
    sync::oneshot,
    time,
};
use tokio_util::sync::CancellationToken;

use crate::{
    engine,
    metrics::{Kind, Metrics, Reason},
    turn::{Events, Message},
};

pub struct Incoming {
    store: String,
    /// Where the engine takes sync: Cyrus does so where it takes IMAP.
    engine: SocketAddr,
    events: Events,
    metrics: Arc<Metrics>,
    current: Mutex<Option<Opening>>,
}

/// The sender's opening that connections are taken for.
struct Opening {
    volume: String,
    incarnation: u64,
    number: u64,
    until: CancellationToken,
}

impl Incoming {
    pub fn new(store: String, engine: SocketAddr, events: Events, metrics: Arc<Metrics>) -> Self {
        Self {
            store,
            engine,
            events,
            metrics,
            current: Mutex::default(),
        }
    }

    /// A connection from the peer's guard, which is authenticated.
    pub async fn serve(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Result<(), Reason> {
        let offer = time::timeout(timing::SYNC_ANSWER, preamble::read::<SyncOffer>(&mut stream))
            .await
            .map_err(|_| Reason::Preamble)?
            .map_err(|_| Reason::Preamble)?;
        if offer.store != self.store {
            return Err(Reason::Identity);
        }
        let (sender, answer) = oneshot::channel();
        self.events.message(Message::Offer {
            ballot: Ballot::new(offer.era, offer.term),
            answer: sender,
        });
        // The turn answers every offer; without it the process is ending.
        let answer = answer.await.map_err(|_| Reason::NotFollower)?;
        let say = answer.admitted();
        let (until, mut engine) = match answer.verdict.map(|until| self.join(&offer, until)) {
            Ok(None) => {
                refuse(
                    &mut stream,
                    say,
                    "a later opening of the relay is there".to_owned(),
                )
                .await;
                return Err(Reason::Stale);
            }
            Ok(Some(until)) => match engine::dial(self.engine).await {
                Ok(engine) => (until, engine),
                Err(error) => {
                    refuse(&mut stream, say, format!("the engine is away: {error}")).await;
                    return Err(Reason::Engine);
                }
            },
            Err(refusal) => {
                tracing::warn!(
                    era = offer.era,
                    term = offer.term,
                    volume = offer.volume,
                    %refusal,
                    "sync is refused"
                );
                refuse(&mut stream, say, refusal.to_string()).await;
                return Err(match refusal {
                    Refusal::Stale(_) => Reason::Stale,
                    _ => Reason::NotFollower,
                });
            }
        };
        let carried = async {
            preamble::write(&mut stream, &say)
                .await
                .map_err(|_| Reason::Preamble)?;
            let _counted = self.metrics.carry(Kind::SyncIn);
            // Either side may break it off; the sender judges what that means.
            let _ = copy_bidirectional(&mut stream, &mut engine).await;
            Ok(())
        };
        tokio::select! {
            biased;
            () = until.cancelled() => Ok(()),
            carried = carried => carried,
        }
    }
}

impl Incoming {
    /// Until when a connection of this opening may live; `None` if the sender has begun a later one. An engine's
    /// process whose sender is gone unseen would hold locks that the next opening needs.
    fn join(&self, offer: &SyncOffer, until: CancellationToken) -> Option<CancellationToken> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*current
            && (&known.volume, known.incarnation) == (&offer.volume, offer.incarnation)
            && !known.until.is_cancelled()
        {
            match offer.opening.cmp(&known.number) {
                Ordering::Less => return None,
                Ordering::Equal => return Some(known.until.clone()),
                Ordering::Greater => {}
            }
        }
        if let Some(known) = current.take() {
            known.until.cancel();
        }
        let until = until.child_token();
        *current = Some(Opening {
            volume: offer.volume.clone(),
            incarnation: offer.incarnation,
            number: offer.opening,
            until: until.clone(),
        });
        Some(until)
    }
}

/// Says why instead.
pub(crate) async fn refuse(stream: &mut (impl AsyncWrite + Unpin), answer: SyncAnswer, reason: String) {
    let answer = SyncAnswer {
        accepted: false,
        reason: Some(reason),
        ..answer
    };
    // Whoever is gone needs no reason.
    let _ = preamble::write(stream, &answer).await;
}

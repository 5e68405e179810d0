//! The engine's sync connections at a primary.

use std::{sync::Arc, time::Duration};

use govuc_roles::Event;
use tokio::net::{TcpListener, TcpStream};

use super::{Fate, Opening, Relay, carry::carry};
use crate::metrics::Kind;

pub(super) async fn serve(relay: Arc<Relay>, listener: TcpListener, fate: impl Fn(&Relay) -> Fate) {
    loop {
        let Ok((engine, _)) = listener.accept().await else {
            // Out of descriptors, most likely; it passes.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        match fate(&relay) {
            Fate::Carried(opening) => {
                let relay = relay.clone();
                tokio::spawn(async move { relay.serve_engine(engine, &opening).await });
            }
            Fate::Withheld(released) => {
                tokio::spawn(async move {
                    released.cancelled().await;
                    drop(engine);
                });
            }
            // Closed at once: the engine stores alone.
            Fate::Refused => drop(engine),
        }
    }
}

impl Relay {
    /// Until the engine ends the connection, or is to know that it has failed.
    async fn serve_engine(&self, mut engine: TcpStream, opening: &Opening) {
        tokio::select! {
            () = opening.until.cancelled() => {}
            () = self.carry(&mut engine, opening) => {}
        }
        // Only the engine itself ends a connection of an opening that goes on.
        if opening.until.is_cancelled() {
            opening.released.cancelled().await;
        }
    }

    async fn carry(&self, engine: &mut TcpStream, opening: &Opening) {
        let (mut peer, copy) = match self.peer.offer(&opening.offer).await {
            Ok(accepted) => accepted,
            Err(error) => {
                self.refuse(&error);
                return self.fail(error.to_string());
            }
        };
        self.events.send(Event::Relayed(copy.clone()));
        if copy != opening.copy {
            return self.fail_attempt("another copy answers at the peer".to_owned());
        }
        let _counted = self.metrics.carry(Kind::SyncOut);
        // What the engine says is small and waited for.
        let carried = match engine.set_nodelay(true) {
            Ok(()) => carry(engine, &mut peer, || self.patience()).await,
            Err(_) => return,
        };
        if let Err(error) = carried {
            self.fail(error.to_string());
        }
    }
}

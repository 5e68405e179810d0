//! Carries one sync connection from the engine to the peer, and notices when an answer is overdue.

use std::{
    io,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split},
    time::{self, Instant},
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the connection to the peer failed: {0}")]
    Peer(#[source] io::Error),
    #[error("the peer closed the connection")]
    PeerClosed,
    #[error("the peer owes an answer for more than {0:?}")]
    Late(Duration),
}

/// What the two directions know of each other.
struct Talk(Mutex<Turns>);

#[derive(Clone, Copy)]
struct Turns {
    /// Since when the engine waits for the peer.
    owed_since: Option<Instant>,
    asked: bool,
    leaving: bool,
}

/// Until the engine ends the connection, or an error on the peer's side.
pub async fn carry(
    engine: &mut (impl AsyncRead + AsyncWrite + Unpin),
    peer: &mut (impl AsyncRead + AsyncWrite + Unpin),
    patience: impl Fn() -> Duration,
) -> Result<(), Error> {
    let (mut from_engine, mut to_engine) = split(engine);
    let (mut from_peer, mut to_peer) = split(peer);
    let talk = Talk::new();
    let up = async {
        let mut buffer = vec![0; 32 * 1024];
        loop {
            // An engine's process that dies ends the connection like one that is done.
            let Ok(length @ 1..) = from_engine.read(&mut buffer).await else {
                return Ok(());
            };
            talk.says(&buffer[..length]);
            to_peer.write_all(&buffer[..length]).await.map_err(Error::Peer)?;
            to_peer.flush().await.map_err(Error::Peer)?;
            talk.moved();
        }
    };
    let down = async {
        let mut buffer = vec![0; 32 * 1024];
        loop {
            let length = match from_peer.read(&mut buffer).await {
                Ok(0) if talk.turns().leaving => return Ok(()),
                Ok(0) => return Err(Error::PeerClosed),
                Ok(length) => length,
                Err(_) if talk.turns().leaving => return Ok(()),
                Err(error) => return Err(Error::Peer(error)),
            };
            talk.answers(&buffer[..length]);
            if to_engine.write_all(&buffer[..length]).await.is_err() {
                return Ok(());
            }
        }
    };
    let watch = async {
        loop {
            time::sleep(Duration::from_millis(100)).await;
            let patience = patience();
            let owed_since = talk.turns().owed_since;
            if owed_since.is_some_and(|since| since.elapsed() > patience) {
                return Err(Error::Late(patience));
            }
        }
    };
    tokio::select! {
        ended = up => ended,
        ended = down => ended,
        late = watch => late,
    }
}

impl Talk {
    /// The peer's engine owes its greeting.
    fn new() -> Self {
        Self(Mutex::new(Turns {
            owed_since: Some(Instant::now()),
            asked: false,
            leaving: false,
        }))
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn says(&self, bytes: &[u8]) {
        *self.turns() = Turns {
            owed_since: Some(Instant::now()),
            asked: true,
            // After LOGOUT the peer's engine closes, which is no failure.
            leaving: bytes.to_ascii_uppercase().ends_with(b"LOGOUT\r\n"),
        };
    }

    /// A long message on a thin line: what moves is not late.
    fn moved(&self) {
        let mut turns = self.turns();
        turns.owed_since = turns.owed_since.map(|_| Instant::now());
    }

    /// An answer is complete with its tagged line, or with a request for more; what starts with `*` goes on.
    fn answers(&self, bytes: &[u8]) {
        let Some(text) = bytes.strip_suffix(b"\r\n") else {
            return self.moved();
        };
        let last = text.rsplit(|byte| *byte == b'\n').next().unwrap_or(text);
        if self.turns().asked && last.starts_with(b"* ") {
            self.moved();
        } else {
            self.turns().owed_since = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{DuplexStream, duplex};

    const SOON: Duration = Duration::from_millis(200);
    const NEVER: Duration = Duration::from_secs(600);

    struct Ends {
        engine: DuplexStream,
        peer: DuplexStream,
        carrying: tokio::task::JoinHandle<Result<(), Error>>,
    }

    fn carried(patience: Duration) -> Ends {
        let (engine, mut near) = duplex(1024);
        let (peer, mut far) = duplex(1024);
        let carrying = tokio::spawn(async move { carry(&mut near, &mut far, || patience).await });
        Ends {
            engine,
            peer,
            carrying,
        }
    }

    async fn pass(from: &mut DuplexStream, to: &mut DuplexStream, bytes: &[u8]) {
        from.write_all(bytes).await.unwrap();
        let mut received = vec![0; bytes.len()];
        to.read_exact(&mut received).await.unwrap();
        assert_eq!(received, bytes);
    }

    #[tokio::test]
    async fn an_engine_that_ends_its_connection_is_no_failure() {
        let mut ends = carried(NEVER);
        pass(&mut ends.peer, &mut ends.engine, b"* OK ready\r\n").await;
        drop(ends.engine);
        assert!(ends.carrying.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn a_peer_that_closes_is_a_failure() {
        let mut ends = carried(NEVER);
        pass(&mut ends.peer, &mut ends.engine, b"* OK ready\r\n").await;
        drop(ends.peer);
        assert!(matches!(ends.carrying.await.unwrap(), Err(Error::PeerClosed)));
    }

    #[tokio::test]
    async fn a_peer_that_closes_after_logout_is_no_failure() {
        let mut ends = carried(NEVER);
        pass(&mut ends.peer, &mut ends.engine, b"* OK ready\r\n").await;
        pass(&mut ends.engine, &mut ends.peer, b"X1 LOGOUT\r\n").await;
        drop(ends.peer);
        assert!(ends.carrying.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn an_answer_that_does_not_come_is_late() {
        let mut ends = carried(SOON);
        pass(&mut ends.peer, &mut ends.engine, b"* OK ready\r\n").await;
        pass(&mut ends.engine, &mut ends.peer, b"S1 SYNCAPPLY\r\n").await;
        pass(&mut ends.peer, &mut ends.engine, b"* half of it\r\n").await;
        assert!(matches!(ends.carrying.await.unwrap(), Err(Error::Late(_))));
    }

    #[tokio::test]
    async fn a_greeting_that_does_not_come_is_late() {
        let ends = carried(SOON);
        assert!(matches!(ends.carrying.await.unwrap(), Err(Error::Late(_))));
    }

    #[tokio::test]
    async fn an_idle_connection_owes_nothing() {
        let mut ends = carried(SOON);
        pass(&mut ends.peer, &mut ends.engine, b"* OK ready\r\n").await;
        pass(&mut ends.engine, &mut ends.peer, b"S1 NOOP\r\n").await;
        pass(&mut ends.peer, &mut ends.engine, b"S1 OK done\r\n").await;
        time::sleep(SOON * 3).await;
        pass(&mut ends.engine, &mut ends.peer, b"S2 NOOP\r\n").await;
        drop(ends.engine);
        assert!(ends.carrying.await.unwrap().is_ok());
    }
}

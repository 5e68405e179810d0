//! Carries one sync connection from the engine to the peer, and notices what fails on it.
//!
//! The engine answers its client once it knows how its sync has ended, well or not. So what fails is not passed on: when
//! `carry` ends with an error the engine has no answer yet, and waits as long as its connection stays open (R2).

use std::{
    io,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split},
    time::{self, Instant},
};

use super::{
    answers::{Answers, Refusal},
    commands::Commands,
};
use crate::engine::log::redact;

/// Characters of a refusal that are kept.
const LONGEST_REASON: usize = 200;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the connection to the peer failed: {0}")]
    Peer(#[source] io::Error),
    #[error("the peer closed the connection")]
    PeerClosed,
    #[error("the peer owes an answer for more than {0:?}")]
    Late(Duration),
    /// The beginning of what the peer's engine answered, which the own engine has not heard.
    #[error("the peer refuses: {0}")]
    Refused(String),
    /// Without LOGOUT: a sync failed in the engine, which waits to be hung up on before it answers its client; or its
    /// process died.
    #[error("the engine hung up")]
    HungUp,
}

/// What the two directions know of each other.
struct Talk(Mutex<Turns>);

struct Turns {
    /// Since when the engine waits for the peer.
    owed_since: Option<Instant>,
    commands: Commands,
}

/// Until the engine takes its leave, or something fails; then the engine's connection is as open as it was.
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
            let Ok(length @ 1..) = from_engine.read(&mut buffer).await else {
                return if talk.leaving() {
                    Ok(())
                } else {
                    Err(Error::HungUp)
                };
            };
            talk.says(&buffer[..length]);
            to_peer.write_all(&buffer[..length]).await.map_err(Error::Peer)?;
            to_peer.flush().await.map_err(Error::Peer)?;
            talk.moved();
        }
    };
    let down = async {
        let mut buffer = vec![0; 32 * 1024];
        let mut answers = Answers::default();
        let mut pass = Vec::new();
        loop {
            let length = match from_peer.read(&mut buffer).await {
                Ok(0) if talk.leaving() => return Ok(()),
                Ok(0) => return Err(Error::PeerClosed),
                Ok(length) => length,
                Err(_) if talk.leaving() => return Ok(()),
                Err(error) => return Err(Error::Peer(error)),
            };
            pass.clear();
            let taken = answers.take(&buffer[..length], talk.leaving(), &mut pass);
            // Before the engine can say more, which then is owed an answer of its own.
            match &taken {
                Ok(true) => talk.answered(),
                Ok(false) => talk.moved(),
                Err(_) => {}
            }
            // An engine that is gone is noticed where it speaks.
            let _ = to_engine.write_all(&pass).await;
            taken.map_err(|Refusal(line)| Error::Refused(reason(&line)))?;
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

/// The beginning of the line, fit for a log.
pub fn reason(line: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(line)
        .trim_end()
        .chars()
        .map(|c| {
            if c.is_control() {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect();
    redact(&text).chars().take(LONGEST_REASON).collect()
}

impl Talk {
    /// The peer's engine owes its greeting.
    fn new() -> Self {
        Self(Mutex::new(Turns {
            owed_since: Some(Instant::now()),
            commands: Commands::default(),
        }))
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn says(&self, bytes: &[u8]) {
        let mut turns = self.turns();
        turns.owed_since = Some(Instant::now());
        turns.commands.take(bytes);
    }

    /// After LOGOUT either side may close, which is no failure.
    fn leaving(&self) -> bool {
        self.turns().commands.leaving()
    }

    /// A long message on a thin line: what moves is not late.
    fn moved(&self) {
        let mut turns = self.turns();
        turns.owed_since = turns.owed_since.map(|_| Instant::now());
    }

    fn answered(&self) {
        self.turns().owed_since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{DuplexStream, duplex};

    const SOON: Duration = Duration::from_millis(200);
    const NEVER: Duration = Duration::from_secs(600);
    /// What must come has come by then.
    const LONGEST: Duration = Duration::from_secs(60);
    const GREETING: &[u8] = b"* OK ready\r\n";

    struct Ends {
        engine: DuplexStream,
        peer: DuplexStream,
        /// Gives back the guard's end of the engine's connection.
        carrying: tokio::task::JoinHandle<(Result<(), Error>, DuplexStream)>,
    }

    impl Ends {
        /// How it ended, and what the engine heard meanwhile; its connection must still be open then.
        async fn ended(mut self) -> (Result<(), Error>, String) {
            let carried = time::timeout(LONGEST, self.carrying).await;
            let (ended, near) = carried.expect("it goes on").unwrap();
            let mut heard = vec![0; 1024];
            let length = match time::timeout(SOON, self.engine.read(&mut heard)).await {
                Ok(length) => length.unwrap(),
                Err(_) => 0,
            };
            heard.truncate(length);
            let more = time::timeout(SOON, self.engine.read(&mut [0])).await;
            assert!(
                more.is_err(),
                "the engine's connection is closed, or says more: {more:?}"
            );
            drop(near);
            (ended, String::from_utf8(heard).unwrap())
        }
    }

    fn carried(patience: Duration) -> Ends {
        let (engine, mut near) = duplex(1024);
        let (peer, mut far) = duplex(1024);
        let carrying = tokio::spawn(async move {
            let ended = carry(&mut near, &mut far, || patience).await;
            (ended, near)
        });
        Ends {
            engine,
            peer,
            carrying,
        }
    }

    async fn pass(from: &mut DuplexStream, to: &mut DuplexStream, bytes: &[u8]) {
        from.write_all(bytes).await.unwrap();
        let mut received = vec![0; bytes.len()];
        let read = time::timeout(LONGEST, to.read_exact(&mut received)).await;
        read.expect("it does not come").unwrap();
        assert_eq!(received, bytes);
    }

    #[tokio::test]
    async fn an_engine_that_hangs_up_without_logout_is_a_failure() {
        let mut ends = carried(NEVER);
        pass(&mut ends.peer, &mut ends.engine, GREETING).await;
        // It closes its half, and waits.
        ends.engine.shutdown().await.unwrap();
        assert!(matches!(ends.ended().await, (Err(Error::HungUp), heard) if heard.is_empty()));
    }

    #[tokio::test]
    async fn an_engine_that_hangs_up_after_logout_is_no_failure() {
        let mut ends = carried(NEVER);
        pass(&mut ends.peer, &mut ends.engine, GREETING).await;
        pass(&mut ends.engine, &mut ends.peer, b"X1 LOGOUT\r\n").await;
        drop(ends.engine);
        assert!(ends.carrying.await.unwrap().0.is_ok());
    }

    #[tokio::test]
    async fn a_peer_that_closes_is_a_failure() {
        let mut ends = carried(NEVER);
        pass(&mut ends.peer, &mut ends.engine, GREETING).await;
        ends.peer.shutdown().await.unwrap();
        assert!(matches!(ends.ended().await, (Err(Error::PeerClosed), heard) if heard.is_empty()));
    }

    #[tokio::test]
    async fn a_peer_that_closes_after_logout_is_no_failure() {
        let mut ends = carried(NEVER);
        pass(&mut ends.peer, &mut ends.engine, GREETING).await;
        pass(&mut ends.engine, &mut ends.peer, b"X1 LOGOUT\r\n").await;
        drop(ends.peer);
        assert!(ends.carrying.await.unwrap().0.is_ok());
    }

    #[tokio::test]
    async fn the_engine_hears_what_came_before_a_refusal_and_not_the_refusal() {
        let mut ends = carried(NEVER);
        pass(&mut ends.peer, &mut ends.engine, GREETING).await;
        pass(&mut ends.engine, &mut ends.peer, b"S1 SYNCAPPLY\r\n").await;
        ends.peer
            .write_all(b"* half of it\r\nS1 NO [v1.0.QUJD] no\x07room\r\n")
            .await
            .unwrap();
        let (ended, heard) = ends.ended().await;
        assert_eq!(heard, "* half of it\r\n");
        assert_eq!(
            ended.unwrap_err().to_string(),
            "the peer refuses: S1 NO [[token]] no\u{fffd}room"
        );
    }

    #[tokio::test]
    async fn the_engine_does_not_hear_that_the_peer_shuts_down() {
        let mut ends = carried(NEVER);
        pass(&mut ends.peer, &mut ends.engine, GREETING).await;
        ends.peer.write_all(b"* BYE shutting down\r\n").await.unwrap();
        let (ended, heard) = ends.ended().await;
        assert!(matches!(ended, Err(Error::Refused(line)) if line == "* BYE shutting down"));
        assert_eq!(heard, "");
    }

    #[test]
    fn of_a_long_refusal_the_beginning_is_kept() {
        let line = format!("S1 BAD {}\r\n", "\u{e9}".repeat(4000));
        assert_eq!(reason(line.as_bytes()).chars().count(), LONGEST_REASON);
        assert_eq!(reason(b"S1 NO \xff\xfe\r\n"), "S1 NO \u{fffd}\u{fffd}");
    }

    #[tokio::test]
    async fn an_answer_that_does_not_come_is_late() {
        let mut ends = carried(SOON);
        pass(&mut ends.peer, &mut ends.engine, GREETING).await;
        pass(&mut ends.engine, &mut ends.peer, b"S1 SYNCAPPLY\r\n").await;
        ends.peer.write_all(b"* half of it\r\nS1 O").await.unwrap();
        let (ended, heard) = ends.ended().await;
        assert!(matches!(ended, Err(Error::Late(_))));
        assert_eq!(heard, "* half of it\r\n");
    }

    #[tokio::test]
    async fn a_greeting_that_does_not_come_is_late() {
        let ends = carried(SOON);
        assert!(matches!(ends.ended().await.0, Err(Error::Late(_))));
    }

    #[tokio::test]
    async fn an_idle_connection_owes_nothing() {
        let mut ends = carried(SOON);
        pass(&mut ends.peer, &mut ends.engine, GREETING).await;
        pass(&mut ends.engine, &mut ends.peer, b"S1 NOOP\r\n").await;
        pass(&mut ends.peer, &mut ends.engine, b"S1 OK done\r\n").await;
        time::sleep(SOON * 3).await;
        pass(&mut ends.engine, &mut ends.peer, b"S2 NOOP\r\n").await;
        ends.peer.shutdown().await.unwrap();
        assert!(matches!(ends.ended().await.0, Err(Error::PeerClosed)));
    }

    #[tokio::test]
    async fn a_message_passes_while_it_comes() {
        let mut ends = carried(NEVER);
        pass(&mut ends.peer, &mut ends.engine, GREETING).await;
        pass(&mut ends.engine, &mut ends.peer, b"S1 SYNCGET FETCH %(UID 1)\r\n").await;
        pass(
            &mut ends.peer,
            &mut ends.engine,
            b"* MESSAGE %{default 01ab 5000}\r\n",
        )
        .await;
        for _ in 0..100 {
            pass(&mut ends.peer, &mut ends.engine, &[b'x'; 50]).await;
        }
        pass(&mut ends.peer, &mut ends.engine, b"\r\nS1 OK success\r\n").await;
    }
}

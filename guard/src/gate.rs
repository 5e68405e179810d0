//! The gate: a byte passes only if it is open when the byte is handed to the kernel (R1).

use std::{
    io,
    pin::Pin,
    sync::{Arc, PoisonError, RwLock},
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::CancellationToken;

/// Shut at first.
#[derive(Clone, Default)]
pub struct Gate(Arc<Shared>);

/// The right to pass while the gate stays open. It ends with that opening: a later one gives new passes.
#[derive(Clone)]
pub struct Pass {
    gate: Arc<Shared>,
    opening: CancellationToken,
}

/// A stream whose writes go through the gate once it has a pass. Put around the socket itself, below TLS, so that
/// nothing held in a buffer above can leave later.
pub struct Gated<S> {
    stream: S,
    pass: Option<Pass>,
}

#[derive(Default)]
struct Shared {
    // A write to a socket holds this for reading; shutting waits for it. So after `shut` no write is under way.
    opening: RwLock<Option<CancellationToken>>,
}

impl Gate {
    /// Opens the gate; if it is open already it stays as it is.
    pub fn open(&self) {
        let mut opening = self.0.opening.write().unwrap_or_else(PoisonError::into_inner);
        opening.get_or_insert_with(CancellationToken::new);
    }

    /// From the return of this call on no byte passes. Carried connections are told to end.
    pub fn shut(&self) {
        let mut opening = self.0.opening.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(opening) = opening.take() {
            opening.cancel();
        }
    }

    /// `None` while shut.
    pub fn pass(&self) -> Option<Pass> {
        let opening = self.0.opening.read().unwrap_or_else(PoisonError::into_inner);
        opening.as_ref().map(|opening| Pass {
            gate: self.0.clone(),
            opening: opening.clone(),
        })
    }
}

impl Pass {
    /// Returns when the gate is shut.
    pub async fn ended(&self) {
        self.opening.cancelled().await;
    }

    fn through<T>(&self, release: impl FnOnce() -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let _not_shutting = self.gate.opening.read().unwrap_or_else(PoisonError::into_inner);
        if self.opening.is_cancelled() {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::ConnectionReset,
                "the gate is shut",
            )));
        }
        release()
    }
}

impl<S> Gated<S> {
    /// Not gated yet: whom the stream is for is known only after the TLS handshake.
    pub fn new(stream: S) -> Self {
        Self { stream, pass: None }
    }

    pub fn with_pass(stream: S, pass: Pass) -> Self {
        Self {
            stream,
            pass: Some(pass),
        }
    }

    /// From now on writes need the gate open.
    pub fn arm(&mut self, pass: Pass) {
        self.pass = Some(pass);
    }

    pub fn inner(&self) -> &S {
        &self.stream
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gated<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gated<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let Self { stream, pass } = self.get_mut();
        let write = || Pin::new(stream).poll_write(cx, buf);
        match pass {
            Some(pass) => pass.through(write),
            None => write(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    /// The engine's side of a connection, which shuts the gate between a read from it and what follows the read.
    struct ShutsOnceRead {
        stream: DuplexStream,
        gate: Gate,
    }

    impl AsyncRead for ShutsOnceRead {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let before = buf.filled().len();
            let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
            if buf.filled().len() > before {
                self.gate.shut();
            }
            polled
        }
    }

    async fn received(mut stream: DuplexStream) -> Vec<u8> {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        bytes
    }

    #[tokio::test]
    async fn bytes_pass_an_open_gate() {
        let gate = Gate::default();
        gate.open();
        let (near, far) = duplex(64);
        let mut gated = Gated::with_pass(near, gate.pass().unwrap());
        gated.write_all(b"* OK").await.unwrap();
        drop(gated);
        assert_eq!(received(far).await, b"* OK");
    }

    #[tokio::test]
    async fn a_byte_read_from_the_engine_before_the_shut_never_leaves_after_it() {
        let gate = Gate::default();
        gate.open();
        let pass = gate.pass().unwrap();
        let (mut engine, near) = duplex(64);
        let (client, far) = duplex(64);
        engine.write_all(b"a OK stored\r\n").await.unwrap();
        drop(engine);
        let mut from_engine = ShutsOnceRead { stream: near, gate };
        let mut to_client = Gated::with_pass(client, pass);
        let carried = tokio::io::copy(&mut from_engine, &mut to_client).await;
        assert_eq!(carried.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        drop(to_client);
        assert_eq!(received(far).await, b"");
    }

    #[tokio::test]
    async fn a_pass_of_an_earlier_opening_is_no_pass() {
        let gate = Gate::default();
        gate.open();
        let (near, far) = duplex(64);
        let mut gated = Gated::with_pass(near, gate.pass().unwrap());
        gate.shut();
        gate.open();
        assert!(gated.write_all(b"late").await.is_err());
        drop(gated);
        assert_eq!(received(far).await, b"");
    }

    #[tokio::test]
    async fn carried_connections_are_told_of_the_shut() {
        let gate = Gate::default();
        gate.open();
        let pass = gate.pass().unwrap();
        gate.shut();
        pass.ended().await;
        assert!(gate.pass().is_none());
    }

    #[test]
    fn no_write_is_under_way_once_shut_has_returned() {
        let gate = Gate::default();
        gate.open();
        let pass = gate.pass().unwrap();
        let written = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (entered, wait) = std::sync::mpsc::channel();
        let writing = std::thread::spawn({
            let written = written.clone();
            move || {
                let _ = pass.through(|| {
                    entered.send(()).unwrap();
                    std::thread::sleep(std::time::Duration::from_millis(50));
                    written.store(true, std::sync::atomic::Ordering::SeqCst);
                    Poll::Ready(Ok(()))
                });
            }
        });
        wait.recv().unwrap();
        gate.shut();
        assert!(written.load(std::sync::atomic::Ordering::SeqCst));
        writing.join().unwrap();
    }
}

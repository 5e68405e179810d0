//! The gate: a byte passes only if it is open when the byte is handed to the kernel, and the lease behind it has not run
//! out (R1).

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use govuc_roles::timing::Moment;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::CancellationToken;

use govuc_etcd::Clock;

/// Shut at first.
#[derive(Clone)]
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
    direction: Direction,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    ToClient,
    /// Waits while the gate is drained.
    ToEngine,
}

struct Shared {
    clock: Clock,
    // A write to a socket holds this for reading; shutting waits for it. So after `shut` no write is under way.
    opening: RwLock<Option<CancellationToken>>,
    /// Milliseconds after boot; looked at by each write, so that a guard that is held up still shuts in time.
    deadline: AtomicU64,
    draining: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
    /// Milliseconds after boot of the last byte to a client.
    passed: AtomicU64,
}

const NO_DEADLINE: u64 = u64::MAX;

impl Gate {
    pub fn new(clock: Clock) -> Self {
        Self(Arc::new(Shared {
            clock,
            opening: RwLock::default(),
            deadline: AtomicU64::new(NO_DEADLINE),
            draining: AtomicBool::new(false),
            waiting: Mutex::default(),
            passed: AtomicU64::new(0),
        }))
    }

    /// Opens the gate until `deadline`; if it is open already it stays as it is.
    pub fn open(&self, deadline: Option<Moment>) {
        let mut opening = self.0.opening.write().unwrap_or_else(PoisonError::into_inner);
        self.0
            .deadline
            .store(deadline.map_or(NO_DEADLINE, millis), Ordering::SeqCst);
        opening.get_or_insert_with(CancellationToken::new);
        drop(opening);
        self.resume();
    }

    /// The lease was kept.
    pub fn extend(&self, deadline: Moment) {
        self.0.deadline.store(millis(deadline), Ordering::SeqCst);
    }

    /// From the return of this call on no byte passes. Carried connections are told to end.
    pub fn shut(&self) {
        let mut opening = self.0.opening.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(opening) = opening.take() {
            opening.cancel();
        }
    }

    /// What clients say waits from now on; what the engine says passes.
    pub fn drain(&self) {
        self.0.draining.store(true, Ordering::SeqCst);
    }

    /// What clients say passes again.
    pub fn resume(&self) {
        self.0.draining.store(false, Ordering::SeqCst);
        let waiting = std::mem::take(&mut *self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        waiting.into_iter().for_each(Waker::wake);
    }

    /// For how long no client has been told anything.
    pub fn quiet_for(&self) -> Duration {
        let passed = Moment::new(Duration::from_millis(self.0.passed.load(Ordering::SeqCst)));
        self.0.clock.now().since(passed)
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

fn millis(moment: Moment) -> u64 {
    // Five hundred million years fit.
    u64::try_from(moment.since_boot().as_millis()).unwrap_or(NO_DEADLINE)
}

impl Pass {
    /// Returns when the gate is shut.
    pub async fn ended(&self) {
        self.opening.cancelled().await;
    }

    fn through<T>(
        &self,
        direction: Direction,
        cx: &mut Context<'_>,
        release: impl FnOnce(&mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let _not_shutting = self.gate.opening.read().unwrap_or_else(PoisonError::into_inner);
        let now = millis(self.gate.clock.now());
        let over = |what| Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionReset, what)));
        if self.opening.is_cancelled() {
            return over("the gate is shut");
        }
        if now >= self.gate.deadline.load(Ordering::SeqCst) {
            return over("the lease has run out");
        }
        match direction {
            Direction::ToEngine if self.gate.waits(cx) => Poll::Pending,
            Direction::ToEngine => release(cx),
            Direction::ToClient => {
                self.gate.passed.store(now, Ordering::SeqCst);
                release(cx)
            }
        }
    }
}

impl Shared {
    fn waits(&self, cx: &Context<'_>) -> bool {
        if !self.draining.load(Ordering::SeqCst) {
            return false;
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push(cx.waker().clone());
        // Resumed between the look and the entry: nobody would wake it.
        self.draining.load(Ordering::SeqCst)
    }
}

impl<S> Gated<S> {
    /// Towards a client. Not gated yet: whom the stream is for is known only after the TLS handshake.
    pub fn to_client(stream: S) -> Self {
        Self {
            stream,
            pass: None,
            direction: Direction::ToClient,
        }
    }

    /// Towards the engine.
    pub fn to_engine(stream: S, pass: Pass) -> Self {
        Self {
            stream,
            pass: Some(pass),
            direction: Direction::ToEngine,
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
        let Self {
            stream,
            pass,
            direction,
        } = self.get_mut();
        match pass {
            Some(pass) => pass.through(*direction, cx, |cx| Pin::new(stream).poll_write(cx, buf)),
            None => Pin::new(stream).poll_write(cx, buf),
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

    const BOOT: Duration = Duration::from_secs(100);

    fn shut() -> Gate {
        Gate::new(Clock::of(|| Moment::new(BOOT)))
    }

    fn client_of(stream: DuplexStream, pass: Pass) -> Gated<DuplexStream> {
        let mut gated = Gated::to_client(stream);
        gated.arm(pass);
        gated
    }

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
        let gate = shut();
        gate.open(None);
        let (near, far) = duplex(64);
        let mut gated = client_of(near, gate.pass().unwrap());
        gated.write_all(b"* OK").await.unwrap();
        drop(gated);
        assert_eq!(received(far).await, b"* OK");
    }

    #[tokio::test]
    async fn a_byte_read_from_the_engine_before_the_shut_never_leaves_after_it() {
        let gate = shut();
        gate.open(None);
        let pass = gate.pass().unwrap();
        let (mut engine, near) = duplex(64);
        let (client, far) = duplex(64);
        engine.write_all(b"a OK stored\r\n").await.unwrap();
        drop(engine);
        let mut from_engine = ShutsOnceRead { stream: near, gate };
        let mut to_client = client_of(client, pass);
        let carried = tokio::io::copy(&mut from_engine, &mut to_client).await;
        assert_eq!(carried.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        drop(to_client);
        assert_eq!(received(far).await, b"");
    }

    #[tokio::test]
    async fn a_pass_of_an_earlier_opening_is_no_pass() {
        let gate = shut();
        gate.open(None);
        let (near, far) = duplex(64);
        let mut gated = client_of(near, gate.pass().unwrap());
        gate.shut();
        gate.open(None);
        assert!(gated.write_all(b"late").await.is_err());
        drop(gated);
        assert_eq!(received(far).await, b"");
    }

    #[tokio::test]
    async fn carried_connections_are_told_of_the_shut() {
        let gate = shut();
        gate.open(None);
        let pass = gate.pass().unwrap();
        gate.shut();
        pass.ended().await;
        assert!(gate.pass().is_none());
    }

    #[test]
    fn no_write_is_under_way_once_shut_has_returned() {
        let gate = shut();
        gate.open(None);
        let pass = gate.pass().unwrap();
        let written = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (entered, wait) = std::sync::mpsc::channel();
        let writing = std::thread::spawn({
            let written = written.clone();
            move || {
                let mut context = Context::from_waker(Waker::noop());
                let _ = pass.through(Direction::ToClient, &mut context, |_| {
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

    #[tokio::test]
    async fn no_byte_passes_once_the_lease_has_run_out() {
        let now = Arc::new(AtomicU64::new(100));
        let clock = now.clone();
        let gate = Gate::new(Clock::of(move || {
            Moment::new(Duration::from_secs(clock.load(Ordering::SeqCst)))
        }));
        let at = |seconds| Moment::new(Duration::from_secs(seconds));
        gate.open(Some(at(111)));
        let (near, _far) = duplex(64);
        let mut gated = client_of(near, gate.pass().unwrap());
        now.store(110, Ordering::SeqCst);
        gated.write_all(b"in time").await.unwrap();
        gate.extend(at(114));
        now.store(113, Ordering::SeqCst);
        gated.write_all(b"in time").await.unwrap();
        // Nobody has shut it; the clock alone does.
        now.store(114, Ordering::SeqCst);
        assert!(gated.write_all(b"late").await.is_err());
    }

    #[tokio::test]
    async fn a_drained_gate_lets_the_engine_answer_and_keeps_clients_waiting() {
        let gate = shut();
        gate.open(None);
        let (near, _client) = duplex(64);
        let mut to_client = client_of(near, gate.pass().unwrap());
        let (near, mut engine) = duplex(64);
        let mut to_engine = Gated::to_engine(near, gate.pass().unwrap());
        gate.drain();
        to_client.write_all(b"a OK stored\r\n").await.unwrap();
        let said = tokio::spawn(async move { to_engine.write_all(b"b APPEND").await.map(|()| to_engine) });
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!said.is_finished());
        gate.resume();
        said.await.unwrap().unwrap();
        let mut heard = [0; 8];
        engine.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"b APPEND");
    }
}

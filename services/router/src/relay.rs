//! Carries a session's bytes to where its mail is: mutual TLS, so that no password or mail crosses a network in clear.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use govuc_wire::{
    names, preamble,
    tls::{self, Files},
};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
    time,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::sync::CancellationToken;

use crate::{providers::Chain, telemetry::Metrics, tickets::Tickets};

/// For dialling and the TLS handshake, of each place.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long sessions may go on when the pod is ending. The kubelet waits 30 s.
const DRAIN: Duration = Duration::from_secs(20);
/// A rotated certificate is used after this at the latest.
const CERTIFICATES_AGE: Duration = Duration::from_secs(60);

/// A session that was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    pub protocol: Protocol,
    /// Where to, best first.
    pub places: Vec<Place>,
    /// Said to the guard before the session's own bytes.
    pub preamble: Option<preamble::Session>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Imap,
    Submission,
}

/// A server that listens for TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// `host:port` to dial.
    pub address: String,
    /// The name in its certificate.
    pub server_name: String,
}

/// The router's certificate, read again now and then.
pub struct Certificates {
    files: Files,
    current: Mutex<Option<(Instant, [Arc<ClientConfig>; 2])>>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the certificate can't be used")]
    Certificate(#[from] tls::Error),
    #[error("{0} is no server name")]
    Name(String),
    #[error("{place} can't be reached")]
    Unreachable { place: String, source: io::Error },
    #[error("{place} did not answer within {} s", DEADLINE.as_secs())]
    Deadline { place: String },
    #[error("{place} took no preamble")]
    Preamble { place: String, source: preamble::Error },
    #[error("the session has nowhere to go")]
    Nowhere,
}

impl Protocol {
    /// For metrics.
    pub fn label(self) -> &'static str {
        match self {
            Protocol::Imap => "imap",
            Protocol::Submission => "submission",
        }
    }
}

impl Place {
    /// A part of a site, from either cluster.
    pub fn of_part(part: &str, site: &str, namespace: &str) -> Self {
        let server_name = names::server_name(part, site, namespace);
        Self {
            address: format!("{server_name}:{}", names::TLS_PORT),
            server_name,
        }
    }
}

impl Certificates {
    pub fn new(files: Files) -> Self {
        Self {
            files,
            current: Mutex::default(),
        }
    }

    fn config(&self, protocol: Protocol, now: Instant) -> Result<Arc<ClientConfig>, tls::Error> {
        let mut current = self
            .current
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some((read_at, configs)) = &*current
            && now.duration_since(*read_at) < CERTIFICATES_AGE
        {
            return Ok(configs[protocol as usize].clone());
        }
        let material = self.files.load()?;
        let configs = [
            Arc::new(material.client(&[tls::ALPN_IMAP])?),
            Arc::new(material.client(&[])?),
        ];
        let config = configs[protocol as usize].clone();
        *current = Some((now, configs));
        Ok(config)
    }
}

/// Listens at `port` of every loopback address, and of no other: the socket belongs to the loopback device.
pub fn listen(port: u16) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind_device(Some(b"lo"))?;
    socket.bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))?;
    socket.listen(1024)
}

/// Carries sessions until cancelled, and those under way for a while longer.
pub async fn serve(
    listener: TcpListener,
    tickets: Arc<Tickets<Admitted>>,
    certificates: Arc<Certificates>,
    metrics: Metrics,
    stop: CancellationToken,
) {
    let mut sessions = JoinSet::new();
    loop {
        let stream = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, most likely: they come back as sessions end.
                    tracing::error!(%error, "a connection could not be accepted");
                    time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        while sessions.try_join_next().is_some() {}
        let session = carry(stream, tickets.clone(), certificates.clone(), metrics.clone());
        sessions.spawn(session);
    }
    drop(listener);
    let ended = async { while sessions.join_next().await.is_some() {} };
    if time::timeout(DRAIN, ended).await.is_err() {
        tracing::info!(sessions = sessions.len(), "sessions are cut: the pod ends");
    }
}

async fn carry(
    mut near: TcpStream,
    tickets: Arc<Tickets<Admitted>>,
    certificates: Arc<Certificates>,
    metrics: Metrics,
) {
    let Ok(SocketAddr::V4(address)) = near.local_addr() else {
        return;
    };
    let Some(admitted) = tickets.take(*address.ip(), Instant::now()) else {
        tracing::warn!(%address, "somebody came whom nobody let in");
        return;
    };
    let protocol = admitted.protocol.label();
    let session = admitted
        .preamble
        .as_ref()
        .map_or("-", |preamble| preamble.session.as_str());
    // What is small and comes at once does not wait for an acknowledgement; where that can't be, it does.
    let _ = near.set_nodelay(true);
    let mut far = match dial(&admitted, &certificates).await {
        Ok(far) => far,
        Err(error) => {
            metrics.connected(protocol, "failed");
            tracing::error!(session, protocol, error = %Chain(&error), "a session could not be carried");
            return;
        }
    };
    metrics.connected(protocol, "carried");
    let _counted = metrics.session();
    tracing::debug!(session, protocol, "carrying");
    // How a session ends is between its two ends; an error here only says that one of them left without a word.
    if let Err(error) = copy_bidirectional(&mut near, &mut far).await {
        tracing::debug!(session, protocol, %error, "a session was cut");
    }
}

/// Connects to the first place that answers.
async fn dial(admitted: &Admitted, certificates: &Certificates) -> Result<TlsStream<TcpStream>, Error> {
    let mut outcome = Err(Error::Nowhere);
    for place in &admitted.places {
        let deadline = || Error::Deadline {
            place: place.server_name.clone(),
        };
        outcome = time::timeout(DEADLINE, connect(place, admitted, certificates))
            .await
            .unwrap_or_else(|_| Err(deadline()));
        match &outcome {
            Ok(_) => break,
            Err(error) => tracing::warn!(error = %Chain(error), "a place does not answer"),
        }
    }
    outcome
}

async fn connect(
    place: &Place,
    admitted: &Admitted,
    certificates: &Certificates,
) -> Result<TlsStream<TcpStream>, Error> {
    let unreachable = |source| Error::Unreachable {
        place: place.server_name.clone(),
        source,
    };
    let name = ServerName::try_from(place.server_name.clone())
        .map_err(|_| Error::Name(place.server_name.clone()))?;
    let config = certificates.config(admitted.protocol, Instant::now())?;
    let stream = TcpStream::connect(&place.address).await.map_err(unreachable)?;
    stream.set_nodelay(true).map_err(unreachable)?;
    let mut far = TlsConnector::from(config)
        .connect(name, stream)
        .await
        .map_err(unreachable)?;
    if let Some(session) = &admitted.preamble {
        preamble::write(&mut far, session)
            .await
            .map_err(|source| Error::Preamble {
                place: place.server_name.clone(),
                source,
            })?;
    }
    Ok(far)
}

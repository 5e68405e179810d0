//! Connections of mutual TLS to one member, and whether a request went out on one.

use std::{error::Error as _, io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{Either, Full, channel::Channel};
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    net::TcpStream,
    time::{self, Instant},
};
use tokio_rustls::TlsConnector;

use crate::{Endpoint, Error, credentials::Credentials, error::Failure};

/// Reaching a member: its name, TCP, TLS, and its own first word.
pub(crate) const CONNECT: Duration = Duration::from_secs(1);
/// When nothing was heard for as long while something is awaited, the member is asked for a sign of life. etcd takes it
/// for an attack more often than every 5 s (`--grpc-keepalive-min-time`).
const PING: Duration = Duration::from_secs(6);
/// Then the connection is given up after as long.
const PONG: Duration = Duration::from_secs(3);

/// Makes connections to one member.
pub(crate) struct Dialler {
    pub endpoint: Endpoint,
    name: ServerName<'static>,
    credentials: Arc<Credentials>,
}

/// A request's messages: one, or one after the other.
pub(crate) type Body = Either<Full<Bytes>, Channel<Bytes>>;

/// One connection, shared by those who have a clone.
#[derive(Clone)]
pub(crate) struct Connection {
    sender: http2::SendRequest<Body>,
    authority: Arc<str>,
}

/// A request that was not answered.
pub(crate) struct Unanswered {
    pub failure: Failure,
    /// Whether nothing of it was written.
    pub unsent: bool,
}

impl Dialler {
    pub fn new(endpoint: Endpoint, credentials: Arc<Credentials>) -> Result<Self, Error> {
        let name = ServerName::try_from(endpoint.server_name.clone())
            .map_err(|error| Error::malformed(format!("the name of {endpoint}"), error))?;
        Ok(Self {
            endpoint,
            name,
            credentials,
        })
    }

    pub async fn dial(&self, deadline: Instant) -> Result<Connection, Failure> {
        let config = self.credentials.config().map_err(Failure::Certificate)?;
        let connecting = async {
            let stream = TcpStream::connect(&self.endpoint.address).await?;
            stream.set_nodelay(true)?;
            let stream = TlsConnector::from(config)
                .connect(self.name.clone(), stream)
                .await?;
            greeted(stream).await
        };
        let stream = match time::timeout_at(deadline.min(Instant::now() + CONNECT), connecting).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                return Err(match distrust(&error) {
                    Some(reason) => Failure::Unauthorised(reason),
                    None => Failure::NotDone(error.to_string()),
                });
            }
            Err(_) => return Err(Failure::NotDone("no connection in time".to_owned())),
        };
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING)
            .keep_alive_timeout(PONG)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| Failure::NotDone(error.to_string()))?;
        let member = self.endpoint.address.clone();
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(member, %error, "a connection to etcd ended");
            }
        });
        Ok(Connection {
            sender,
            authority: self.endpoint.server_name.as_str().into(),
        })
    }
}

impl Connection {
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Sends a request of gRPC and waits for the head of its answer.
    pub async fn send(
        &mut self,
        method: &'static str,
        require_leader: bool,
        body: Body,
    ) -> Result<Response<Incoming>, Unanswered> {
        let mut request = Request::post(self.uri(method))
            .header(header::CONTENT_TYPE, "application/grpc")
            .header(header::TE, "trailers");
        if require_leader {
            request = request.header("hasleader", "true");
        }
        self.exchange(request.body(body)).await
    }

    async fn exchange(
        &mut self,
        request: http::Result<Request<Body>>,
    ) -> Result<Response<Incoming>, Unanswered> {
        let unsent = |reason: String| Unanswered {
            failure: Failure::NotDone(reason),
            unsent: true,
        };
        let request = request.map_err(|error| unsent(error.to_string()))?;
        self.sender.ready().await.map_err(|error| unsent(chain(&error)))?;
        self.sender.try_send_request(request).await.map_err(|mut error| {
            let reason = chain(error.error());
            match error.take_message() {
                Some(_) => unsent(reason),
                None => Unanswered {
                    failure: Failure::Open(reason),
                    unsent: false,
                },
            }
        })
    }

    fn uri(&self, path: &str) -> String {
        format!("https://{}{path}", self.authority)
    }
}

/// Waits for the member's first word. Under TLS 1.3 a server judges the client's certificate after the client has ended
/// its part of the handshake: what is sent before the server has spoken may go to one that refuses us.
async fn greeted(
    mut stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
    let mut word = [0; 64];
    let read = stream.read(&mut word).await?;
    if read == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let (rest, write) = tokio::io::split(stream);
    let word = io::Cursor::new(word[..read].to_vec());
    Ok(tokio::io::join(word.chain(rest), write))
}

/// An error with everything that caused it.
fn chain(error: &hyper::Error) -> String {
    let mut told = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        told = format!("{told}: {inner}");
        source = inner.source();
    }
    told
}

/// What either side finds wrong with a certificate.
pub(crate) fn distrust(error: &io::Error) -> Option<String> {
    use rustls::{AlertDescription as Alert, Error as Tls};
    match error.get_ref()?.downcast_ref::<Tls>()? {
        error @ (Tls::InvalidCertificate(_) | Tls::NoCertificatesPresented) => {
            Some(format!("its certificate: {error}"))
        }
        Tls::AlertReceived(
            alert @ (Alert::CertificateRequired
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied),
        ) => Some(format!("it does not take our certificate: {alert:?}")),
        _ => None,
    }
}

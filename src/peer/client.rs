//! What reads the other cluster: a client as any other, by way of the peer's operator.

use std::{io, sync::Arc, time::Duration};

use govuc_wire::{
    names::{self, MAIL_NAMESPACE, OPERATOR, SYSTEM_NAMESPACE, TLS_PORT},
    tls::{self, ALPN_HTTP, Material},
};
use http::{HeaderValue, Request, Response, header};
use hyper::{
    body::Incoming,
    client::conn::http1::{self, Connection, SendRequest},
};
use hyper_util::rt::TokioIo;
use kube::{Client, client::Body};
use rustls::pki_types::ServerName;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{ABOUT, About};
use crate::pki::OwnCertificate;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("this site is not connected to its peer yet")]
    NotConnected,
    #[error("{0} is not a name of a TLS server")]
    Name(String),
    #[error("the other site's operator can't be reached at {address}")]
    Unreachable { address: String, source: io::Error },
    #[error("the other site's operator was not reached, or said nothing, within {0} s")]
    Deadline(u64),
    #[error("the own certificate can't be shown to the other site's operator")]
    Certificate(#[from] tls::Error),
    #[error("the connection to the other site's operator broke")]
    Http(#[source] hyper::Error),
    #[error("the other site's operator or its API server refused")]
    Refused(#[source] Box<kube::core::Status>),
    #[error("the answer of the other site's operator can't be read")]
    Answer(#[source] Box<kube::Error>),
}

/// The way to the peer's operator.
struct Way {
    certificate: Arc<OwnCertificate>,
    /// The own gateway.
    address: String,
    /// Who is to be at the other end.
    name: String,
}

type Stream = TokioIo<TlsStream<TcpStream>>;

/// From the first packet to the end of the TLS handshake, which goes through two gateways.
const CONNECT: Duration = Duration::from_secs(10);
/// For a question that is answered with one object.
const DEADLINE: Duration = Duration::from_secs(15);

/// Reads the other cluster's agencies and mailboxes through the own gateway. Each request has a connection of its own, with the
/// certificate of its time: requests are few, and one that is left half open holds back no other. Besides connecting
/// nothing has a deadline, as watches go on for minutes: callers set one on whatever is none. Called in a runtime.
///
/// Its errors are [`kube::Error`]s; [`Error::from`] tells what they are.
pub fn client(certificate: Arc<OwnCertificate>, peer: &str) -> Client {
    let gateway = names::server_name(OPERATOR, peer, MAIL_NAMESPACE);
    by(certificate, peer, format!("{gateway}:{TLS_PORT}"))
}

/// As [`client`], with another address to dial.
pub(super) fn by(certificate: Arc<OwnCertificate>, peer: &str, address: String) -> Client {
    let way = Arc::new(Way {
        certificate,
        address,
        name: names::server_name(OPERATOR, peer, SYSTEM_NAMESPACE),
    });
    let service = tower::service_fn(move |request| {
        let way = way.clone();
        async move { way.send(request).await }
    });
    Client::new(service, "default")
}

/// What the other cluster is.
///
/// # Errors
/// It can't be reached or does not answer in time, or this site is not let in.
pub async fn about(client: &Client) -> Result<About, Error> {
    let mut request = Request::new(Vec::new());
    *request.uri_mut() = http::Uri::from_static(ABOUT);
    timeout(DEADLINE, client.request(request))
        .await
        .map_err(|_| Error::Deadline(DEADLINE.as_secs()))?
        .map_err(Error::from)
}

impl Way {
    async fn send(&self, mut request: Request<Body>) -> Result<Response<Incoming>, Error> {
        let material = self.certificate.current().ok_or(Error::NotConnected)?;
        let host = HeaderValue::from_str(&self.name).map_err(|_| Error::Name(self.name.clone()))?;
        request.headers_mut().insert(header::HOST, host);
        let (mut sender, connection) = timeout(CONNECT, self.connect(&material))
            .await
            .map_err(|_| Error::Deadline(CONNECT.as_secs()))??;
        let certificate = self.certificate.clone();
        // It ends with the answer, or when that is dropped.
        tokio::spawn(async move {
            tokio::select! {
                // What goes wrong is told where the answer is read.
                _ = connection => {}
                () = certificate.replaced(&material) => {}
            }
        });
        sender.send_request(request).await.map_err(Error::Http)
    }

    async fn connect(
        &self,
        material: &Material,
    ) -> Result<(SendRequest<Body>, Connection<Stream, Body>), Error> {
        let name = ServerName::try_from(self.name.clone()).map_err(|_| Error::Name(self.name.clone()))?;
        let connector = TlsConnector::from(Arc::new(material.client(&[ALPN_HTTP])?));
        let unreachable = |source| Error::Unreachable {
            address: self.address.clone(),
            source,
        };
        let tcp = TcpStream::connect(&self.address).await.map_err(unreachable)?;
        let stream = connector.connect(name, tcp).await.map_err(unreachable)?;
        http1::handshake(TokioIo::new(stream)).await.map_err(Error::Http)
    }
}

impl Error {
    /// For metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Error::NotConnected => "not_connected",
            Error::Name(_) => "name",
            Error::Unreachable { .. } => "unreachable",
            Error::Deadline(_) => "deadline",
            Error::Certificate(_) => "certificate",
            Error::Http(_) => "broken",
            Error::Refused(_) => "refused",
            Error::Answer(_) => "answer",
        }
    }
}

/// What a client of [`client`] failed with.
impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Error::Refused(status),
            kube::Error::HyperError(error) => Error::Http(error),
            kube::Error::Service(cause) => match cause.downcast() {
                Ok(own) => *own,
                Err(other) => Error::Answer(Box::new(kube::Error::Service(other))),
            },
            other => Error::Answer(Box::new(other)),
        }
    }
}

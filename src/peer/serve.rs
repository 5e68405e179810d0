//! The port at which the other site's operator reads.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use govuc_api::SCHEMA;
use govuc_wire::{
    names::OPERATOR,
    tls::{self, ALPN_HTTP},
};
use http::{HeaderValue, Request, Response, StatusCode, Uri, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use k8s_openapi::{api::core::v1::Namespace, apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kube::{Api, Client, ResourceExt, client::Body};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::{
    About, CLUSTER,
    asked::{Asked, failure},
};
use crate::{controller::chain, mirror::last_mark, names::SiteName, pki::OwnCertificate};

/// What is served, and with what.
pub struct Served {
    /// The current one is shown to each new connection, and whoever it trusts no longer is cut off.
    pub certificate: Arc<OwnCertificate>,
    /// The own site.
    pub site: SiteName,
    /// The own API server, which this module only reads.
    pub client: Client,
}

/// Why a connection is not served.
#[derive(Debug, thiserror::Error)]
enum Unserved {
    #[error("this site is not connected to its peer yet")]
    NotConnected,
    #[error("no TLS within {} s", HANDSHAKE.as_secs())]
    Slow,
    #[error("TLS failed")]
    Tls(#[source] io::Error),
    #[error("the own certificate can't be shown")]
    Material(#[from] tls::Error),
    #[error("the certificate is not that of the other site's operator")]
    Stranger,
}

/// A handful is used: a few watches, a list, a question. What comes beyond is closed at once.
pub(super) const CONNECTIONS: usize = 64;
const HANDSHAKE: Duration = Duration::from_secs(5);
/// From one request to the end of the next one's head.
const HEAD: Duration = Duration::from_secs(15);
/// Until the own API server begins to answer; a watch goes on after that for as long as it likes.
const ANSWER: Duration = Duration::from_secs(15);
/// A head may be as long, and what is written waits in no more.
const BUFFER: usize = 64 * 1024;
/// Out of descriptors, most likely; it passes.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop`, and cuts what is open then: the other side dials again, and gets another replica.
pub async fn serve(listener: TcpListener, served: Served, stop: CancellationToken) {
    let served = Arc::new(served);
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    let mut full = false;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let Ok((stream, address)) = accepted else {
            sleep(PAUSE).await;
            continue;
        };
        let Ok(permit) = free.clone().try_acquire_owned() else {
            // Said once: whoever can reach the gateway can have it said.
            if !full {
                tracing::warn!(%address, "too many connections at the port for the other site");
            }
            full = true;
            continue;
        };
        full = false;
        let (served, stop) = (served.clone(), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                ended = served.connection(stream, permit) => if let Err(error) = ended {
                    // The gateway is open to anybody, so this is not worth more.
                    tracing::debug!(%address, error = chain(&error), "a connection is not served");
                },
                () = stop.cancelled() => {}
            }
        });
    }
}

impl Served {
    async fn connection(&self, stream: TcpStream, _permit: OwnedSemaphorePermit) -> Result<(), Unserved> {
        let material = self.certificate.current().ok_or(Unserved::NotConnected)?;
        // Made anew for each, so that no session of before is resumed with a trust of before.
        let acceptor = TlsAcceptor::from(Arc::new(material.server(&[ALPN_HTTP])?));
        let stream = timeout(HANDSHAKE, acceptor.accept(stream))
            .await
            .map_err(|_| Unserved::Slow)?
            .map_err(Unserved::Tls)?;
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let is_peer = chain.first().is_some_and(|certificate| {
            let sites = tls::sites_of(certificate, OPERATOR);
            !sites.is_empty() && sites.iter().all(|site| site != self.site.as_str())
        });
        if !is_peer {
            return Err(Unserved::Stranger);
        }
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .max_buf_size(BUFFER)
            .serve_connection(TokioIo::new(stream), service_fn(|request| self.answer(request)));
        tokio::select! {
            // How it ends is the other side's affair.
            _ = connection => {}
            () = self.certificate.replaced(&material) => {}
        }
        Ok(())
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let asked = match Asked::of(request.method(), request.uri()) {
            Ok(asked) => asked,
            Err(refusal) => {
                tracing::warn!(%refusal, "the other site's operator asked for what it may not have");
                return Ok(json(refusal.code(), &refusal.status()));
            }
        };
        let read = self.read(asked, request.headers().get(header::ACCEPT));
        Ok(match timeout(ANSWER, read).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => unreachable(&error),
            Err(_) => late(),
        })
    }

    async fn read(&self, asked: Asked, accept: Option<&HeaderValue>) -> Result<Response<Body>, kube::Error> {
        match asked {
            Asked::About => Ok(json(StatusCode::OK, &self.about().await?)),
            Asked::Read(uri) => self.pass_on(uri, accept).await,
        }
    }

    /// Of the request only its path, its query and the form of the answer, and of the answer all but its headers.
    async fn pass_on(&self, uri: Uri, accept: Option<&HeaderValue>) -> Result<Response<Body>, kube::Error> {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = uri;
        if let Some(accept) = accept {
            request.headers_mut().insert(header::ACCEPT, accept.clone());
        }
        let (parts, body) = self.client.send(request).await?.into_parts();
        let mut response = Response::new(body);
        *response.status_mut() = parts.status;
        if let Some(kind) = parts.headers.get(header::CONTENT_TYPE) {
            response.headers_mut().insert(header::CONTENT_TYPE, kind.clone());
        }
        Ok(response)
    }

    async fn about(&self) -> Result<About, kube::Error> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let system = namespaces.get(CLUSTER).await?;
        Ok(About {
            cluster: system.uid().unwrap_or_default(),
            site: self.site.to_string(),
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            now: Time(Timestamp::now()),
            mark: last_mark(self.client.clone()).await?,
        })
    }
}

fn unreachable(error: &kube::Error) -> Response<Body> {
    let error = chain(error);
    tracing::warn!(error, "nothing can be passed on to the other site's operator");
    let message = format!("the API server of this site can't be read: {error}");
    let code = StatusCode::BAD_GATEWAY;
    json(code, &failure(code, "InternalError", message))
}

fn late() -> Response<Body> {
    let seconds = ANSWER.as_secs();
    let message = format!("the API server of this site did not answer within {seconds} s");
    let code = StatusCode::GATEWAY_TIMEOUT;
    json(code, &failure(code, "Timeout", message))
}

fn json(code: StatusCode, value: &impl serde::Serialize) -> Response<Body> {
    // Of what is written here nothing can fail: texts and numbers alone.
    let mut response = Response::new(Body::from(serde_json::to_vec(value).unwrap_or_default()));
    *response.status_mut() = code;
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

//! Where members speak with each other: for the witness, which serves no clients, the only place to find it.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use govuc_wire::tls::Material;
use http::{Request, StatusCode, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::{net::TcpStream, time};
use tokio_rustls::TlsConnector;

use crate::{Endpoint, Error, Tried};

/// Every version of etcd answers this page there, by itself and without a leader.
const PAGE: &str = "/version";

/// Whether a member runs and can be reached by another one, whose certificate is shown.
///
/// A member's own figure for it (`etcd_network_active_peers`) is no answer: a message that it gave up late, after the line
/// had healed and its streams were there again, leaves the peer inactive in it until the next break.
///
/// # Errors
/// Whatever keeps it from answering.
pub async fn greet(endpoint: &Endpoint, member: &Material, limit: Duration) -> Result<(), Error> {
    let tried = |reason: String| {
        let mut tried = Tried::default();
        tried.note(endpoint, reason);
        Error::Unreachable(tried)
    };
    let config = Arc::new(member.client(&[])?);
    let name = ServerName::try_from(endpoint.server_name.clone())
        .map_err(|error| Error::malformed(format!("the name of {endpoint}"), error))?;
    match time::timeout(limit, asked(endpoint, config, name)).await {
        Ok(Ok(StatusCode::OK)) => Ok(()),
        Ok(Ok(other)) => Err(tried(format!("HTTP status {other}"))),
        Ok(Err(error)) => Err(tried(error.to_string())),
        Err(_) => Err(tried("no answer in time".to_owned())),
    }
}

async fn asked(
    endpoint: &Endpoint,
    config: Arc<rustls::ClientConfig>,
    name: ServerName<'static>,
) -> io::Result<StatusCode> {
    let stream = TcpStream::connect(&endpoint.address).await?;
    let stream = TlsConnector::from(config).connect(name, stream).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    let request = Request::get(PAGE)
        .header(header::HOST, &endpoint.server_name)
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(io::Error::other)?;
    let answer = async move { sender.send_request(request).await.map(|answer| answer.status()) };
    // Without the connection's part nothing is written; it ends after the answer.
    let ((), status) = tokio::try_join!(connection, answer).map_err(io::Error::other)?;
    Ok(status)
}

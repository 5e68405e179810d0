//! Where members speak with each other: for the witness, which serves no clients, the only place to find it.

use std::{error::Error as StdError, io, sync::Arc, time::Duration};

use bytes::Bytes;
use govuc_wire::tls::Material;
use http::{Request, Response, StatusCode, header};
use http_body_util::Empty;
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::{net::TcpStream, time};
use tokio_rustls::TlsConnector;

use crate::{Endpoint, Error, Tried, connection::distrust};

/// Every version of etcd answers this page there, by itself and without a leader.
const PAGE: &str = "/members";
/// In the head of the answer: the id of the cluster, in hexadecimal digits.
const CLUSTER: &str = "x-etcd-cluster-id";

/// Whether a member runs and can be reached by another one, whose certificate is shown; and of which cluster it is.
///
/// A member's own figure for it (`etcd_network_active_peers`) is no answer: a message that it gave up late, after the line
/// had healed and its streams were there again, leaves the peer inactive in it until the next break.
///
/// # Errors
/// [`Error::Unreachable`] when nobody answers, [`Error::Unauthorised`] when who answers is not believed or does not believe
/// us, [`Error::Malformed`] when it is no etcd.
pub async fn greet(endpoint: &Endpoint, member: &Material, limit: Duration) -> Result<u64, Error> {
    let config = Arc::new(member.client(&[])?);
    let name = ServerName::try_from(endpoint.server_name.clone())
        .map_err(|error| Error::malformed(format!("the name of {endpoint}"), error))?;
    let answer = match time::timeout(limit, asked(endpoint, config, name)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return Err(refusal(endpoint, &error)),
        Err(_) => return Err(Error::Unreachable(tried(endpoint, "no answer in time"))),
    };
    let stranger = |why: String| Error::malformed(format!("what answers at {endpoint}"), why);
    if answer.status() != StatusCode::OK {
        return Err(stranger(format!("HTTP status {}", answer.status())));
    }
    answer
        .headers()
        .get(CLUSTER)
        .and_then(|cluster| u64::from_str_radix(cluster.to_str().ok()?, 16).ok())
        .ok_or_else(|| stranger("it names no cluster of etcd".to_owned()))
}

async fn asked(
    endpoint: &Endpoint,
    config: Arc<rustls::ClientConfig>,
    name: ServerName<'static>,
) -> io::Result<Response<Incoming>> {
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
    let mut connection = std::pin::pin!(connection);
    let mut answer = std::pin::pin!(sender.send_request(request));
    // Without the connection's part nothing is written. Only the head is wanted, so it need not end.
    tokio::select! {
        answered = &mut answer => answered.map_err(io::Error::other),
        ended = &mut connection => match ended {
            Ok(()) => answer.await.map_err(io::Error::other),
            Err(error) => Err(io::Error::other(error)),
        },
    }
}

/// Why somebody did not answer as a member of etcd does.
fn refusal(endpoint: &Endpoint, error: &io::Error) -> Error {
    // What TLS says stands below what HTTP says of it.
    let mut inner: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(current) = inner {
        if let Some(error) = current.downcast_ref::<io::Error>() {
            if let Some(reason) = distrust(error) {
                return Error::Unauthorised(tried(endpoint, &reason));
            }
            if let Some(Some(tls)) = error.get_ref().map(|inner| inner.downcast_ref::<rustls::Error>()) {
                return Error::malformed(format!("what answers at {endpoint}"), tls);
            }
        }
        if let Some(error) = current.downcast_ref::<hyper::Error>()
            && error.is_parse()
        {
            return Error::malformed(format!("what answers at {endpoint}"), error);
        }
        inner = match current.downcast_ref::<io::Error>() {
            // An io::Error passes its own content over.
            Some(error) => error.get_ref().map(|inner| inner as &(dyn StdError + 'static)),
            None => current.source(),
        };
    }
    Error::Unreachable(tried(endpoint, &error.to_string()))
}

fn tried(endpoint: &Endpoint, reason: &str) -> Tried {
    let mut tried = Tried::default();
    tried.note(endpoint, reason);
    tried
}

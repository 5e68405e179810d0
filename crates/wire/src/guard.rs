//! Asking a store's guard, and telling it something.

use std::{sync::Arc, time::Duration};

use rustls_pki_types::ServerName;
use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    names,
    preamble::{self, HoldAnswer, HoldOrder},
    status::Status,
    tls::{self, ALPN_HOLD, ALPN_STATUS, Material},
};

/// A guard answers at once, or its site is in trouble.
const DEADLINE: Duration = Duration::from_secs(3);
/// A status is a few hundred bytes.
const LIMIT: u64 = 64 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the guard did not answer within {} s", DEADLINE.as_secs())]
    Deadline,
    #[error("the guard can't be reached")]
    Reach(#[source] std::io::Error),
    #[error("the own certificate can't be used")]
    Certificate(#[from] tls::Error),
    #[error("{0:?} is no name to dial")]
    Name(String),
    #[error("the guard's status can't be read")]
    Document(#[from] serde_json::Error),
    #[error("the guard can't be told")]
    Preamble(#[from] preamble::Error),
    #[error("the guard refuses: {0}")]
    Refused(String),
}

/// Asks the guard of a store at a site, over the line if it is the other one.
pub async fn status(material: &Material, store: &str, site: &str) -> Result<Status, Error> {
    let ask = async {
        let stream = dial(material, store, site, ALPN_STATUS).await?;
        let mut text = Vec::new();
        let read = stream.take(LIMIT).read_to_end(&mut text).await;
        read.map_err(Error::Reach)?;
        Ok(serde_json::from_slice(&text)?)
    };
    timeout(DEADLINE, ask).await.map_err(|_| Error::Deadline)?
}

/// Tells the guard at the own site that a person has decided on a hold.
///
/// # Errors
/// [`Error::Refused`] when it does not take that up.
pub async fn hold(material: &Material, site: &str, order: &HoldOrder) -> Result<(), Error> {
    let ask = async {
        let mut stream = dial(material, &order.store, site, ALPN_HOLD).await?;
        preamble::write(&mut stream, order).await?;
        let answer: HoldAnswer = preamble::read(&mut stream).await?;
        match answer.accepted {
            true => Ok(()),
            false => Err(Error::Refused(answer.reason.unwrap_or_default())),
        }
    };
    timeout(DEADLINE, ask).await.map_err(|_| Error::Deadline)?
}

async fn dial(
    material: &Material,
    store: &str,
    site: &str,
    alpn: &'static [u8],
) -> Result<TlsStream<TcpStream>, Error> {
    let host = names::server_name(store, site, names::MAIL_NAMESPACE);
    let name = ServerName::try_from(host.clone()).map_err(|_| Error::Name(host.clone()))?;
    let connector = TlsConnector::from(Arc::new(material.client(&[alpn])?));
    let stream = TcpStream::connect((host.as_str(), names::TLS_PORT)).await;
    let stream = stream.map_err(Error::Reach)?;
    connector.connect(name, stream).await.map_err(Error::Reach)
}

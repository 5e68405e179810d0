//! What a store's guards say of themselves.

use std::{sync::Arc, time::Duration};

use govuc_wire::{
    names,
    status::Status,
    tls::{ALPN_STATUS, Material},
};
use rustls::pki_types::ServerName;
use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

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
    #[error("the operator's certificate can't be used")]
    Certificate(#[from] govuc_wire::tls::Error),
    #[error("{0:?} is no name to dial")]
    Name(String),
    #[error("the guard's status can't be read")]
    Document(#[from] serde_json::Error),
}

/// Asks the guard of a store at a site, over the line if it is the other one.
pub async fn status(material: &Material, store: &str, site: &str) -> Result<Status, Error> {
    let host = names::server_name(store, site, names::MAIL_NAMESPACE);
    let name = ServerName::try_from(host.clone()).map_err(|_| Error::Name(host.clone()))?;
    let connector = TlsConnector::from(Arc::new(material.client(&[ALPN_STATUS])?));
    let ask = async {
        let stream = TcpStream::connect((host.as_str(), names::TLS_PORT)).await?;
        let stream = connector.connect(name, stream).await?;
        let mut text = Vec::new();
        stream.take(LIMIT).read_to_end(&mut text).await?;
        Ok(text)
    };
    let text = timeout(DEADLINE, ask)
        .await
        .map_err(|_| Error::Deadline)?
        .map_err(Error::Reach)?;
    Ok(serde_json::from_slice(&text)?)
}

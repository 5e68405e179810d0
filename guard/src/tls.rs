//! The guard's certificate, as the files have it now: rotation needs no restart.

use std::{
    fs, io,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use govuc_wire::tls::{self, ALPN_HOLD, ALPN_IMAP, ALPN_MERGE, ALPN_PEER, ALPN_STATUS, ALPN_SYNC, Files};
use rustls::{ClientConfig, ServerConfig};

/// How often the files are looked at. The kubelet itself takes up to a minute to bring a changed Secret.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Read for every new connection.
pub struct Tls {
    directory: PathBuf,
    current: RwLock<Current>,
}

struct Current {
    content: Content,
    /// For being dialled.
    server: Arc<ServerConfig>,
    /// For dialling the peer's guard.
    sync: Arc<ClientConfig>,
    peer: Arc<ClientConfig>,
    merge: Arc<ClientConfig>,
}

type Content = [Vec<u8>; 3];

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{path} can't be read")]
    Read { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Material(#[from] tls::Error),
}

impl Tls {
    pub fn load(directory: PathBuf) -> Result<Self, Error> {
        let current = RwLock::new(read(&directory)?);
        Ok(Self { directory, current })
    }

    pub fn server(&self) -> Arc<ServerConfig> {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .server
            .clone()
    }

    pub fn sync(&self) -> Arc<ClientConfig> {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .sync
            .clone()
    }

    /// For asking the peer's guard.
    pub fn peer(&self) -> Arc<ClientConfig> {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .peer
            .clone()
    }

    /// For reading a copy of the peer's that was passed over.
    pub fn merge(&self) -> Arc<ClientConfig> {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .merge
            .clone()
    }

    /// Takes up changed files, for ever. Files that make no sense are said once, and the last good ones stay.
    pub async fn follow(self: Arc<Self>) {
        let mut refused = None;
        loop {
            tokio::time::sleep(LOOK_AGAIN).await;
            let Ok(content) = content(&self.directory) else {
                continue;
            };
            let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
            if content == current.content || refused.as_ref() == Some(&content) {
                continue;
            }
            match parse(&self.directory, content.clone()) {
                Ok(new) => {
                    tracing::info!("the certificate has changed");
                    *current = new;
                }
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "the changed certificate is not taken"
                    );
                    refused = Some(content);
                }
            }
        }
    }
}

fn read(directory: &std::path::Path) -> Result<Current, Error> {
    parse(directory, content(directory)?)
}

fn content(directory: &std::path::Path) -> Result<Content, Error> {
    let file = |name: &str| {
        let path = directory.join(name);
        fs::read(&path).map_err(|source| Error::Read { path, source })
    };
    Ok([file("tls.crt")?, file("tls.key")?, file("ca.crt")?])
}

fn parse(directory: &std::path::Path, content: Content) -> Result<Current, Error> {
    let material = Files::new(directory).load()?;
    Ok(Current {
        content,
        server: Arc::new(material.server(&[
            ALPN_IMAP,
            ALPN_SYNC,
            ALPN_PEER,
            ALPN_MERGE,
            ALPN_HOLD,
            ALPN_STATUS,
        ])?),
        sync: Arc::new(material.client(&[ALPN_SYNC])?),
        peer: Arc::new(material.client(&[ALPN_PEER])?),
        merge: Arc::new(material.client(&[ALPN_MERGE])?),
    })
}

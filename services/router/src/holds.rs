//! Stores that a person has the own site serve while the roles' etcd does not answer: etcd knows nothing of them, so their
//! guards are asked.

use std::{collections::BTreeMap, io, sync::Arc, time::Duration};

use futures::future::join_all;
use govuc_etcd::roles::Holders;
use govuc_wire::{
    names,
    status::Status,
    tls::{self, ALPN_STATUS, Files, Material},
};
use rustls_pki_types::ServerName;
use tokio::{io::AsyncReadExt, net::TcpStream, sync::watch, time};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use crate::providers::{Chain, Providers};

/// As the protocol calls it, and so a guard.
const HELD: &str = "Held";
/// Between two questions.
const PERIOD: Duration = Duration::from_secs(5);
/// A guard answers at once, or it is not there.
const DEADLINE: Duration = Duration::from_secs(3);
/// A status is a few hundred bytes.
const LIMIT: u64 = 64 * 1024;

/// What is held at the own site, by store, with the era for the token that its guard takes. Cheap to clone.
#[derive(Clone)]
pub struct Holds(watch::Receiver<BTreeMap<String, u64>>);

/// Asks the guards.
pub struct Guards {
    pub site: String,
    pub files: Files,
    pub providers: Providers,
    pub holders: Holders,
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("the guard did not answer within {} s", DEADLINE.as_secs())]
    Deadline(#[from] time::error::Elapsed),
    #[error("the guard can't be asked")]
    Reach(#[from] io::Error),
    #[error("{0:?} is no name to dial")]
    Name(String),
    #[error("the certificate can't be used")]
    Certificate(#[from] tls::Error),
    #[error("the guard's status can't be read")]
    Document(#[from] serde_json::Error),
}

impl Holds {
    /// As they are told to the other end.
    pub fn channel() -> (watch::Sender<BTreeMap<String, u64>>, Self) {
        let (sender, holds) = watch::channel(BTreeMap::new());
        (sender, Self(holds))
    }

    /// The era of a store that is held here.
    pub fn of(&self, store: &str) -> Option<u64> {
        self.0.borrow().get(store).copied()
    }

    pub fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }
}

impl Guards {
    /// Asks over and over while etcd is not followed, until cancelled.
    pub async fn watch(self, told: watch::Sender<BTreeMap<String, u64>>, stop: CancellationToken) {
        loop {
            let held = if self.holders.known().is_current {
                BTreeMap::new()
            } else {
                self.held().await
            };
            told.send_if_modified(|known| {
                let news = *known != held;
                if news {
                    tracing::warn!(?held, "stores that this site serves by a hold");
                    *known = held;
                }
                news
            });
            tokio::select! {
                () = stop.cancelled() => return,
                () = time::sleep(PERIOD) => {}
            }
        }
    }

    async fn held(&self) -> BTreeMap<String, u64> {
        let material = match self.files.load() {
            Ok(material) => material,
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "the certificate can't be used");
                return BTreeMap::new();
            }
        };
        let asked = self.stores().await.into_iter().map(async |store| {
            let said = time::timeout(DEADLINE, self.status(&material, &store)).await;
            match said.map_err(Error::from).flatten() {
                Ok(status) => (status.state == HELD).then_some((store, status.era)),
                Err(error) => {
                    tracing::debug!(store, error = %Chain(&error), "whether the store is held is not known");
                    None
                }
            }
        });
        join_all(asked).await.into_iter().flatten().collect()
    }

    /// A router that was started while etcd was away knows them from the directory.
    async fn stores(&self) -> Vec<String> {
        let listed = self
            .providers
            .ask(|directory| async move { directory.stores().await })
            .await;
        match listed {
            Ok(stores) => stores.into_iter().map(|store| store.name).collect(),
            Err(error) => {
                tracing::debug!(error = %Chain(&error), "no directory lists the stores");
                let known = self.holders.known();
                known.stores.keys().map(ToString::to_string).collect()
            }
        }
    }

    async fn status(&self, material: &Material, store: &str) -> Result<Status, Error> {
        let host = names::server_name(store, &self.site, names::MAIL_NAMESPACE);
        let name = ServerName::try_from(host.clone()).map_err(|_| Error::Name(host.clone()))?;
        let connector = TlsConnector::from(Arc::new(material.client(&[ALPN_STATUS])?));
        let stream = TcpStream::connect((host.as_str(), names::TLS_PORT)).await?;
        let stream = connector.connect(name, stream).await?;
        let mut text = Vec::new();
        stream.take(LIMIT).read_to_end(&mut text).await?;
        Ok(serde_json::from_slice(&text)?)
    }
}

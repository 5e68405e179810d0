//! Stores that a person has the own site serve while the roles' etcd does not answer: etcd knows nothing of them, so their
//! guards are asked.

use std::{collections::BTreeMap, time::Duration};

use futures::future::join_all;
use govuc_etcd::roles::Holders;
use govuc_roles::State;
use govuc_wire::{guard, tls::Files};
use tokio::{sync::watch, time};
use tokio_util::sync::CancellationToken;

use crate::providers::{Chain, Providers};

/// Between two questions.
const PERIOD: Duration = Duration::from_secs(5);

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
            match guard::status(&material, &store, &self.site).await {
                Ok(status) => (status.state == State::Held.name()).then_some((store, status.era)),
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
}

//! The operator's own client of the roles' etcd, and what changes there.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::{Stream, stream};
use govuc_etcd::{
    Endpoint, Error as EtcdError, Etcd,
    roles::{Key, PREFIX, Roles},
};
use govuc_roles::StoreName;
use govuc_wire::{names::SYSTEM_NAMESPACE, tls::Material};
use k8s_openapi::api::core::v1::Secret;
use tokio::{
    sync::{mpsc, watch},
    time,
};

use super::CLIENT_SECRET;
use crate::{
    cluster::{self, Cluster},
    controller::chain,
    part::pod::digest,
    platform::Installation,
};

/// Reading everything, and beginning to watch.
const READ: Duration = Duration::from_secs(5);
/// Before etcd is asked again after a watch broke off.
const PAUSE: Duration = Duration::from_secs(2);
/// Stores that have changed and wait for their reconcile.
const WAITING: usize = 64;

/// The client, made when the operator's certificate for etcd is there and anew when that is another.
#[derive(Debug)]
pub struct Client {
    /// Of the certificate it was made with.
    digest: Mutex<Option<String>>,
    made: watch::Sender<Option<Connected>>,
}

/// [`Roles`] has no `Debug`.
#[derive(Clone)]
struct Connected(Roles);

impl Default for Client {
    fn default() -> Self {
        Self {
            digest: Mutex::default(),
            made: watch::Sender::new(None),
        }
    }
}

impl std::fmt::Debug for Connected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Roles").finish_non_exhaustive()
    }
}

impl Client {
    /// `None` where there is no witness, or Platform's reconcile has not issued the certificate yet.
    ///
    /// # Errors
    /// The Secret can't be read.
    pub async fn current(
        &self,
        cluster: &Cluster,
        installation: &Installation,
    ) -> Result<Option<Roles>, cluster::Error> {
        if !installation.leases() {
            return Ok(None);
        }
        let secret: Option<Secret> = cluster.read(Some(SYSTEM_NAMESPACE), CLIENT_SECRET).await?;
        let Some([certificate, key, trusted]) = secret.and_then(texts) else {
            return Ok(None);
        };
        let now = digest([certificate.as_str(), key.as_str(), trusted.as_str()]);
        let mut known = self.digest.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref() != Some(&now) {
            let sites = [&installation.own.name, &installation.peer.name];
            let endpoints = sites.map(|site| Endpoint::of_site(site)).to_vec();
            let made = Material::from_pem(&certificate, &key, &trusted)
                .map_err(EtcdError::from)
                .and_then(|material| Etcd::with_material(endpoints, &material));
            match made {
                Ok(etcd) => {
                    *known = Some(now);
                    self.made.send_replace(Some(Connected(Roles::new(etcd))));
                }
                Err(error) => tracing::warn!(error = chain(&error), "the roles' etcd can't be asked"),
            }
        }
        Ok(self.made.borrow().clone().map(|Connected(roles)| roles))
    }

    /// Every store of which something changes in etcd, and all of them whenever it is followed anew. Ends with this value.
    pub fn changes(&self) -> impl Stream<Item = StoreName> + Send + use<> {
        let (sender, receiver) = mpsc::channel(WAITING);
        tokio::spawn(follow(self.made.subscribe(), sender));
        stream::unfold(receiver, |mut receiver| async move {
            let store = receiver.recv().await?;
            Some((store, receiver))
        })
    }
}

/// Until nobody listens.
async fn follow(mut made: watch::Receiver<Option<Connected>>, changed: mpsc::Sender<StoreName>) {
    loop {
        let roles = match made.wait_for(Option::is_some).await {
            Ok(made) => made.clone(),
            Err(_) => return,
        };
        let Some(Connected(roles)) = roles else {
            continue;
        };
        tokio::select! {
            // With another certificate the old connection is of no use.
            renewed = made.changed() => if renewed.is_err() { return },
            broken = until_it_breaks(&roles, &changed) => match broken {
                Ok(()) => return,
                Err(error) => {
                    tracing::info!(error = chain(&error), "what changes in the roles' etcd is not heard");
                    time::sleep(PAUSE).await;
                }
            },
        }
    }
}

/// `Ok` when nobody listens any more.
async fn until_it_breaks(roles: &Roles, changed: &mpsc::Sender<StoreName>) -> Result<(), EtcdError> {
    let all = roles.read_all(READ).await?;
    for store in all.stores.into_keys() {
        if changed.send(store).await.is_err() {
            return Ok(());
        }
    }
    let mut watch = roles.etcd().watch(PREFIX, all.revision.next(), READ).await?;
    loop {
        for change in watch.next().await?.changes {
            if let Some(store) = store_of(change.key())
                && changed.send(store).await.is_err()
            {
                return Ok(());
            }
        }
    }
}

fn store_of(key: &str) -> Option<StoreName> {
    Key::parse(key)?.store().cloned()
}

/// Certificate, key and whom it trusts.
fn texts(secret: Secret) -> Option<[String; 3]> {
    let data = secret.data?;
    let text = |key| String::from_utf8(data.get(key)?.0.clone()).ok();
    Some([text("tls.crt")?, text("tls.key")?, text("ca.crt")?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_a_store_is_news_of_it_and_the_others_of_none() {
        for key in ["state", "lease", "want", "outcome", "slots/pdsa1"] {
            let store = store_of(&format!("/govuc/stores/mail-1/{key}"));
            assert_eq!(store.as_ref().map(StoreName::as_str), Some("mail-1"), "{key}");
        }
        for key in ["/govuc/era", "/govuc/lead", "/govuc/sites/pdsa1", "/govuc/later"] {
            assert_eq!(store_of(key), None, "{key}");
        }
    }
}

//! The operator's own certificate. It lives in memory only: a replica mints its own and takes it to its grave.

use std::sync::{Arc, Mutex, PoisonError};

use govuc_wire::{
    names::{OPERATOR, SYSTEM_NAMESPACE},
    tls::Material,
};
use k8s_openapi::jiff::Timestamp;
use tokio::sync::watch;

use super::{Authority, Decision, Error, Leaf, Wanted, decide, end};

/// What the operator shows to the parts it talks to, and to the other site's operator. Empty until the authorities of both
/// sites are there.
#[derive(Debug, Default)]
pub struct OwnCertificate {
    held: Mutex<Option<(Leaf, Arc<Material>)>>,
    changes: watch::Sender<()>,
}

impl OwnCertificate {
    /// Issues it when it is missing or due, or when the authorities changed.
    pub fn renew(
        &self,
        authority: &Authority,
        site: &str,
        trusted: &str,
        now: Timestamp,
    ) -> Result<Arc<Material>, Error> {
        let wanted = Wanted::part(OPERATOR, site, SYSTEM_NAMESPACE, Vec::new(), trusted);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((leaf, material)) = &*held
            && decide(Some(leaf), &wanted, now) == Decision::Keep
        {
            return Ok(material.clone());
        }
        let leaf = authority.issue(&wanted, now)?;
        let material = Arc::new(Material::from_pem(&leaf.certificate, &leaf.key, &leaf.trusted)?);
        *held = Some((leaf, material.clone()));
        self.changes.send_replace(());
        Ok(material)
    }

    /// Whatever this says, of whichever authority.
    #[cfg(test)]
    pub(crate) fn of(leaf: Leaf) -> Result<Self, Error> {
        let material = Material::from_pem(&leaf.certificate, &leaf.key, &leaf.trusted)?;
        Ok(Self {
            held: Mutex::new(Some((leaf, Arc::new(material)))),
            ..Self::default()
        })
    }

    /// Shows nothing any more and trusts nobody: the site is not connected to its peer.
    pub fn forget(&self) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.changes.send_replace(());
    }

    /// For dialling a part; `None` while the site is not connected to its peer.
    pub fn current(&self) -> Option<Arc<Material>> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().map(|(_, material)| material.clone())
    }

    /// When it is good no longer; `None` while there is none.
    pub fn end(&self) -> Option<Timestamp> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().and_then(|(leaf, _)| end(leaf))
    }

    /// Until `shown` is no longer the current one: because it was due, or because whom it trusts has changed.
    pub async fn replaced(&self, shown: &Arc<Material>) {
        let mut changes = self.changes.subscribe();
        while self.current().is_some_and(|current| Arc::ptr_eq(&current, shown)) {
            // Its sender is borrowed here, so there is always one.
            if changes.changed().await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_minted_once_and_again_when_an_authority_joins() {
        let now = "2026-11-24T00:00:00Z".parse().unwrap();
        let authority = Authority::from_pair(Authority::generate("pdsa1", now).unwrap()).unwrap();
        let peer = Authority::generate("pdsa2", now).unwrap();
        let own = OwnCertificate::default();
        assert!(own.current().is_none());
        let first = own
            .renew(&authority, "pdsa1", authority.certificate(), now)
            .unwrap();
        let same = own
            .renew(&authority, "pdsa1", authority.certificate(), now)
            .unwrap();
        assert!(Arc::ptr_eq(&first, &same));
        let trusted = crate::pki::trusted(authority.certificate(), &peer.certificate);
        let next = own.renew(&authority, "pdsa1", &trusted, now).unwrap();
        assert!(!Arc::ptr_eq(&first, &next));
        assert!(Arc::ptr_eq(&own.current().unwrap(), &next));
        next.client(&[]).unwrap();
    }

    #[tokio::test]
    async fn who_shows_it_hears_that_it_is_another_or_none() {
        let now = "2026-11-24T00:00:00Z".parse().unwrap();
        let authority = Authority::from_pair(Authority::generate("pdsa1", now).unwrap()).unwrap();
        let own = OwnCertificate::default();
        let renew = |trusted: &str| own.renew(&authority, "pdsa1", trusted, now).unwrap();
        let first = renew(authority.certificate());
        let mut wait = std::pin::pin!(own.replaced(&first));
        assert!(futures::poll!(wait.as_mut()).is_pending());
        renew(authority.certificate());
        assert!(futures::poll!(wait.as_mut()).is_pending(), "it is the same");
        let peer = Authority::generate("pdsa2", now).unwrap();
        let second = renew(&crate::pki::trusted(authority.certificate(), &peer.certificate));
        wait.await;
        own.forget();
        own.replaced(&second).await;
        assert!(own.current().is_none());
    }
}

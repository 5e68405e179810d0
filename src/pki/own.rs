//! The operator's own certificate. It lives in memory only: a replica mints its own and takes it to its grave.

use std::sync::{Arc, Mutex, PoisonError};

use govuc_wire::{names, tls::Material};
use k8s_openapi::jiff::Timestamp;

use super::{Authority, Decision, Error, Leaf, Usage, Wanted, decide};

/// What the operator shows to the parts it talks to. Empty until Platform's reconcile has the authorities.
#[derive(Debug, Default)]
pub struct OwnCertificate(Mutex<Option<(Leaf, Arc<Material>)>>);

impl OwnCertificate {
    /// Issues it when it is missing or due, or when the authorities changed.
    pub fn renew(
        &self,
        authority: &Authority,
        site: &str,
        trusted: &str,
        now: Timestamp,
    ) -> Result<Arc<Material>, Error> {
        let wanted = Wanted {
            identity: names::identity("operator", site),
            names: Vec::new(),
            usage: Usage::ServerAndClient,
            trusted: trusted.to_owned(),
        };
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((leaf, material)) = &*held
            && decide(Some(leaf), &wanted, now) == Decision::Keep
        {
            return Ok(material.clone());
        }
        let leaf = authority.issue(&wanted, now)?;
        let material = Arc::new(Material::from_pem(&leaf.certificate, &leaf.key, &leaf.trusted)?);
        *held = Some((leaf, material.clone()));
        Ok(material)
    }

    /// For dialling a part; `None` while the site is not connected to its peer.
    pub fn current(&self) -> Option<Arc<Material>> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().map(|(_, material)| material.clone())
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
}

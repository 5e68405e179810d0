//! The provider of the own site, over mutual TLS.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use govuc_directory::{
    Account, AccountRecord, Agency, Conflict, Credentials, Directory, Endpoint, Error, Store, Suffix,
};
use govuc_wire::tls::Material;
use k8s_openapi::jiff::Timestamp;
use uuid::Uuid;

use super::{Open, Registry};
use crate::{names::SiteName, pki::OwnCertificate};

/// One connection, opened anew when certificate or domain change.
pub struct OwnSite {
    certificate: Arc<OwnCertificate>,
    site: SiteName,
    kept: Mutex<Option<Kept>>,
}

struct Kept {
    material: Arc<Material>,
    domain: String,
    registry: Arc<dyn Registry>,
}

struct Connected {
    directory: Directory,
}

impl OwnSite {
    pub fn new(certificate: Arc<OwnCertificate>, site: &SiteName) -> Self {
        Self {
            certificate,
            site: site.clone(),
            kept: Mutex::default(),
        }
    }
}

impl Open for OwnSite {
    fn open(&self, domain: &str) -> Option<Arc<dyn Registry>> {
        let material = self.certificate.current()?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = &*kept
            && Arc::ptr_eq(&kept.material, &material)
            && kept.domain == domain
        {
            return Some(kept.registry.clone());
        }
        let directory = Directory::new(
            Endpoint::of_site(self.site.as_str()),
            Credentials::Material(material.clone()),
            Suffix::of_domain(domain).ok()?,
        );
        let registry: Arc<dyn Registry> = Arc::new(Connected { directory });
        *kept = Some(Kept {
            material,
            domain: domain.to_owned(),
            registry: registry.clone(),
        });
        Some(registry)
    }
}

#[async_trait]
impl Registry for Connected {
    async fn agency(&self, name: &str) -> Result<Option<Agency>, Error> {
        self.directory.agency(name).await
    }

    async fn agencies(&self) -> Result<Vec<Agency>, Error> {
        self.directory.agencies().await
    }

    async fn stores(&self) -> Result<Vec<Store>, Error> {
        self.directory.stores().await
    }

    async fn store(&self, name: &str) -> Result<Option<Store>, Error> {
        self.directory.store(name).await
    }

    async fn conflict_of_agency(&self, agency: &Agency) -> Result<Option<Conflict>, Error> {
        self.directory.conflict_of_agency(agency).await
    }

    async fn account_by_mailbox(&self, mailbox: &str) -> Result<Option<AccountRecord>, Error> {
        self.directory.account_by_mailbox(mailbox).await
    }

    async fn account_by_id(&self, id: Uuid) -> Result<Option<AccountRecord>, Error> {
        self.directory.account_by_id(id).await
    }

    async fn accounts(&self) -> Result<Vec<AccountRecord>, Error> {
        self.directory.accounts().await
    }

    async fn conflict_of_account(&self, account: &Account) -> Result<Option<Conflict>, Error> {
        self.directory.conflict_of_account(account).await
    }

    async fn put_agency(&self, term: u64, agency: &Agency) -> Result<(), Error> {
        self.directory.as_lead(term).put_agency(agency).await
    }

    async fn put_store(&self, term: u64, store: &Store) -> Result<(), Error> {
        self.directory.as_lead(term).put_store(store).await
    }

    async fn add_account(&self, term: u64, account: &Account) -> Result<(), Error> {
        self.directory.as_lead(term).add_account(account).await
    }

    async fn update_account(&self, term: u64, account: &Account) -> Result<(), Error> {
        self.directory.as_lead(term).update_account(account).await
    }

    async fn set_first_password(&self, term: u64, id: Uuid, password: &str, site: &str) -> Result<(), Error> {
        let lead = self.directory.as_lead(term);
        lead.set_first_password(id, password, site).await
    }

    async fn retain(&self, term: u64, id: Uuid, until: Timestamp) -> Result<(), Error> {
        self.directory.as_lead(term).retain(id, until).await
    }

    async fn restore(&self, term: u64, id: Uuid) -> Result<(), Error> {
        self.directory.as_lead(term).restore(id).await
    }
}

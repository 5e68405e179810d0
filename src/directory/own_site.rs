//! The provider of the own site, over mutual TLS.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use govuc_directory::{
    Account, AccountRecord, Agency, Conflict, Credentials, Directory, Endpoint, Error, Lead, Store, Suffix,
};
use govuc_wire::tls::Material;
use k8s_openapi::jiff::Timestamp;
use uuid::Uuid;

use super::{LEAD_TERM, Open, Registry};
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
    lead: Lead,
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
        let registry: Arc<dyn Registry> = Arc::new(Connected {
            lead: directory.as_lead(LEAD_TERM),
            directory,
        });
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

    async fn conflict_of_account(&self, account: &Account) -> Result<Option<Conflict>, Error> {
        self.directory.conflict_of_account(account).await
    }

    async fn put_agency(&self, agency: &Agency) -> Result<(), Error> {
        self.lead.put_agency(agency).await
    }

    async fn put_store(&self, store: &Store) -> Result<(), Error> {
        self.lead.put_store(store).await
    }

    async fn add_account(&self, account: &Account) -> Result<(), Error> {
        self.lead.add_account(account).await
    }

    async fn update_account(&self, account: &Account) -> Result<(), Error> {
        self.lead.update_account(account).await
    }

    async fn set_first_password(&self, id: Uuid, password: &str) -> Result<(), Error> {
        self.lead.set_first_password(id, password).await
    }

    async fn retain(&self, id: Uuid, until: Timestamp) -> Result<(), Error> {
        self.lead.retain(id, until).await
    }

    async fn restore(&self, id: Uuid) -> Result<(), Error> {
        self.lead.restore(id).await
    }
}

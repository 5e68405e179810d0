//! The directory as the operator uses it: decisions are read by both sites, and written by the lead.

mod own_site;

pub use own_site::OwnSite;

use std::sync::Arc;

use async_trait::async_trait;
use govuc_directory::{Account, AccountRecord, Agency, Conflict, Error, Store};
use k8s_openapi::jiff::Timestamp;
use uuid::Uuid;

/// Opens the directory of the own site.
pub trait Open: Send + Sync {
    /// `None` while the site is not connected to its peer, and so has no certificate to show.
    fn open(&self, domain: &str) -> Option<Arc<dyn Registry>>;
}

/// Agencies, stores and accounts. Writes are the lead's alone, and name the term under which it makes them: once a newer one
/// has written there, they are refused.
#[async_trait]
pub trait Registry: Send + Sync {
    async fn agency(&self, name: &str) -> Result<Option<Agency>, Error>;
    async fn agencies(&self) -> Result<Vec<Agency>, Error>;
    async fn stores(&self) -> Result<Vec<Store>, Error>;
    async fn store(&self, name: &str) -> Result<Option<Store>, Error>;
    /// Who has one of its domains already.
    async fn conflict_of_agency(&self, agency: &Agency) -> Result<Option<Conflict>, Error>;
    async fn account_by_mailbox(&self, mailbox: &str) -> Result<Option<AccountRecord>, Error>;
    async fn account_by_id(&self, id: Uuid) -> Result<Option<AccountRecord>, Error>;
    /// Every account, in pages.
    async fn accounts(&self) -> Result<Vec<AccountRecord>, Error>;
    /// Who has one of its addresses or its staff number already.
    async fn conflict_of_account(&self, account: &Account) -> Result<Option<Conflict>, Error>;

    async fn put_agency(&self, term: u64, agency: &Agency) -> Result<(), Error>;
    async fn put_store(&self, term: u64, store: &Store) -> Result<(), Error>;
    async fn add_account(&self, term: u64, account: &Account) -> Result<(), Error>;
    async fn update_account(&self, term: u64, account: &Account) -> Result<(), Error>;
    /// Says too at which site it is. A password that its holder has chosen is never replaced.
    async fn set_first_password(&self, term: u64, id: Uuid, password: &str, site: &str) -> Result<(), Error>;
    async fn retain(&self, term: u64, id: Uuid, until: Timestamp) -> Result<(), Error>;
    async fn restore(&self, term: u64, id: Uuid) -> Result<(), Error>;
}

//! A directory and a mail store in memory, that can be told to fail.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use govuc::{
    cyrus_admin::{self, Administrator, Place, Tree},
    directory::{Open, Registry},
};
use govuc_directory::{
    Account, AccountRecord, Agency, Conflict, Error, PasswordState, Store, UniqueAttribute,
};
use k8s_openapi::jiff::Timestamp;
use uuid::Uuid;

/// The directory of both sites.
#[derive(Default)]
pub struct Directory {
    pub entries: Mutex<Entries>,
    /// The site is not connected.
    pub closed: AtomicBool,
    /// The next search for a mailbox's account comes before what the other site has written has arrived.
    pub behind: AtomicBool,
    failure: Failure,
}

#[derive(Default)]
pub struct Entries {
    pub agencies: BTreeMap<String, Agency>,
    pub stores: BTreeMap<String, Store>,
    pub accounts: BTreeMap<Uuid, AccountRecord>,
    pub passwords: BTreeMap<Uuid, String>,
    pub writes: usize,
    /// The highest under which anything was written.
    pub lead_term: u64,
}

/// The mail stores of both sites.
#[derive(Default)]
pub struct Mail {
    pub trees: Mutex<BTreeMap<Uuid, (Place, Tree)>>,
    failure: Failure,
}

/// Fails the nth write from now, once.
#[derive(Default)]
struct Failure(AtomicUsize);

impl Failure {
    fn strikes(&self) -> bool {
        let count = self.0.load(Ordering::SeqCst);
        if count > 0 {
            self.0.store(count - 1, Ordering::SeqCst);
        }
        count == 1
    }
}

/// Shared with the context.
#[derive(Clone)]
pub struct Opened(pub Arc<Directory>);

impl Open for Opened {
    fn open(&self, _: &str) -> Option<Arc<dyn Registry>> {
        let connected = !self.0.closed.load(Ordering::SeqCst);
        connected.then(|| self.0.clone() as Arc<dyn Registry>)
    }
}

impl Directory {
    pub fn fail_at(&self, write: usize) {
        self.failure.0.store(write, Ordering::SeqCst);
    }

    /// The one account there is.
    pub fn account(&self) -> AccountRecord {
        let entries = self.entries.lock().unwrap();
        assert_eq!(entries.accounts.len(), 1);
        entries.accounts.values().next().unwrap().clone()
    }

    /// Every first password, and how often anything was written.
    pub fn written(&self) -> (BTreeMap<Uuid, String>, usize) {
        let entries = self.entries.lock().unwrap();
        (entries.passwords.clone(), entries.writes)
    }

    /// As a person does with the first password.
    pub fn change_password(&self, id: Uuid) {
        self.entries
            .lock()
            .unwrap()
            .accounts
            .get_mut(&id)
            .unwrap()
            .password
            .must_change = false;
    }

    fn write<T>(&self, term: u64, change: impl FnOnce(&mut Entries) -> T) -> Result<T, Error> {
        if self.failure.strikes() {
            return Err(Error::Deadline(5));
        }
        let mut entries = self.entries.lock().unwrap();
        if term < entries.lead_term {
            return Err(Error::NewerLead { term });
        }
        entries.lead_term = term;
        entries.writes += 1;
        Ok(change(&mut entries))
    }

    fn find(&self, which: impl Fn(&AccountRecord) -> bool) -> Option<AccountRecord> {
        let entries = self.entries.lock().unwrap();
        entries.accounts.values().find(|record| which(record)).cloned()
    }
}

#[async_trait]
impl Registry for Directory {
    async fn agency(&self, name: &str) -> Result<Option<Agency>, Error> {
        Ok(self.entries.lock().unwrap().agencies.get(name).cloned())
    }

    async fn agencies(&self) -> Result<Vec<Agency>, Error> {
        Ok(self.entries.lock().unwrap().agencies.values().cloned().collect())
    }

    async fn stores(&self) -> Result<Vec<Store>, Error> {
        Ok(self.entries.lock().unwrap().stores.values().cloned().collect())
    }

    async fn store(&self, name: &str) -> Result<Option<Store>, Error> {
        Ok(self.entries.lock().unwrap().stores.get(name).cloned())
    }

    async fn conflict_of_agency(&self, agency: &Agency) -> Result<Option<Conflict>, Error> {
        let entries = self.entries.lock().unwrap();
        let others = entries
            .agencies
            .values()
            .filter(|other| other.name != agency.name);
        for other in others {
            if let Some(domain) = other
                .domains
                .iter()
                .find(|domain| agency.domains.contains(domain))
            {
                return Ok(Some(Conflict {
                    attribute: UniqueAttribute::Domain,
                    value: domain.clone(),
                    holder: other.name.clone(),
                }));
            }
        }
        Ok(None)
    }

    async fn account_by_mailbox(&self, mailbox: &str) -> Result<Option<AccountRecord>, Error> {
        if self.behind.swap(false, Ordering::SeqCst) {
            return Ok(None);
        }
        Ok(self.find(|record| record.account.mailbox == mailbox))
    }

    async fn account_by_id(&self, id: Uuid) -> Result<Option<AccountRecord>, Error> {
        Ok(self.find(|record| record.account.id == id))
    }

    async fn accounts(&self) -> Result<Vec<AccountRecord>, Error> {
        Ok(self.entries.lock().unwrap().accounts.values().cloned().collect())
    }

    async fn conflict_of_account(&self, account: &Account) -> Result<Option<Conflict>, Error> {
        let wanted: Vec<&str> = account.addresses().collect();
        let found = self.find(|other| {
            other.account.id != account.id
                && (other.account.addresses().any(|address| wanted.contains(&address))
                    || other.account.staff_number == account.staff_number)
        });
        Ok(found.map(|other| {
            let address = other.account.addresses().find(|address| wanted.contains(address));
            Conflict {
                attribute: address.map_or(UniqueAttribute::StaffNumber, |_| UniqueAttribute::Address),
                value: address
                    .map_or_else(|| account.staff_number.clone().unwrap_or_default(), str::to_owned),
                holder: other.account.mailbox.clone(),
            }
        }))
    }

    async fn put_agency(&self, term: u64, agency: &Agency) -> Result<(), Error> {
        self.write(term, |entries| {
            entries.agencies.insert(agency.name.clone(), agency.clone());
        })
    }

    async fn put_store(&self, term: u64, store: &Store) -> Result<(), Error> {
        self.write(term, |entries| {
            entries.stores.insert(store.name.clone(), store.clone());
        })
    }

    async fn add_account(&self, term: u64, account: &Account) -> Result<(), Error> {
        self.write(term, |entries| {
            let record = AccountRecord {
                account: account.clone(),
                retain_until: None,
                password: PasswordState::default(),
                lead_term: Some(term),
            };
            entries.accounts.insert(account.id, record);
        })
    }

    async fn update_account(&self, term: u64, account: &Account) -> Result<(), Error> {
        self.write(term, |entries| {
            entries.accounts.get_mut(&account.id).unwrap().account = account.clone()
        })
    }

    async fn set_first_password(&self, term: u64, id: Uuid, password: &str, site: &str) -> Result<(), Error> {
        let state = self.find(|record| record.account.id == id).unwrap().password;
        if state.changed_at.is_some() && !state.must_change {
            return Err(Error::PasswordChosen);
        }
        self.write(term, |entries| {
            entries.passwords.insert(id, password.to_owned());
            let state = &mut entries.accounts.get_mut(&id).unwrap().password;
            state.must_change = true;
            state.minted_at = Some(site.to_owned());
            state.changed_at = Some(Timestamp::UNIX_EPOCH);
        })
    }

    async fn retain(&self, term: u64, id: Uuid, until: Timestamp) -> Result<(), Error> {
        self.write(term, |entries| {
            entries.accounts.get_mut(&id).unwrap().retain_until = Some(until)
        })
    }

    async fn restore(&self, term: u64, id: Uuid) -> Result<(), Error> {
        self.write(term, |entries| {
            entries.accounts.get_mut(&id).unwrap().retain_until = None
        })
    }
}

impl Mail {
    pub fn fail_once(&self) {
        self.failure.0.store(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Administrator for Mail {
    async fn ensure(&self, _: u64, place: &Place, tree: &Tree) -> Result<(), cyrus_admin::Error> {
        if self.failure.strikes() {
            return Err(cyrus_admin::Error::Ended);
        }
        self.trees
            .lock()
            .unwrap()
            .insert(tree.account, (place.clone(), *tree));
        Ok(())
    }
}

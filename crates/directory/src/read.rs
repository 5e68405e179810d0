//! What services ask.

use ldap3::{
    Ldap, LdapError, LdapResult, Scope, SearchEntry,
    adapters::{Adapter, EntriesOnly, PagedResults},
};
use uuid::Uuid;

use crate::{
    AccountRecord, Agency, ContextCsn, Directory, Error, Store,
    connection::unexpected,
    entry::{self, ACCOUNT_ATTRIBUTES, AGENCY_ATTRIBUTES, STORE_ATTRIBUTES},
    filter::{all, class, equals},
    name::Branch,
};

const NO_SUCH_OBJECT: u32 = 32;
/// Entries per page: some hundred KiB.
const PAGE: i32 = 500;

impl Directory {
    /// The account with this address or alias; retained ones too.
    pub async fn account_by_address(&self, address: &str) -> Result<Option<AccountRecord>, Error> {
        self.account(equals("mailLocalAddress", address)).await
    }

    /// The account made from the object `<agency>/<name>`; retained ones too.
    pub async fn account_by_mailbox(&self, mailbox: &str) -> Result<Option<AccountRecord>, Error> {
        self.account(equals("govucMailbox", mailbox)).await
    }

    pub async fn account_by_staff_number(&self, number: &str) -> Result<Option<AccountRecord>, Error> {
        self.account(equals("employeeNumber", number)).await
    }

    pub async fn account_by_id(&self, id: Uuid) -> Result<Option<AccountRecord>, Error> {
        self.account(equals("govucAccountId", &id.to_string())).await
    }

    /// Every account, retained ones too, page by page.
    pub async fn accounts(&self) -> Result<Vec<AccountRecord>, Error> {
        self.accounts_where(class("govucAccount")).await
    }

    /// Every account of an agency, retained ones too, page by page.
    pub async fn accounts_of(&self, agency: &str) -> Result<Vec<AccountRecord>, Error> {
        self.accounts_where(all([class("govucAccount"), equals("govucAgencyName", agency)]))
            .await
    }

    pub async fn agency(&self, name: &str) -> Result<Option<Agency>, Error> {
        self.agency_where(equals("ou", name)).await
    }

    pub async fn agency_of_domain(&self, domain: &str) -> Result<Option<Agency>, Error> {
        self.agency_where(equals("govucDomain", domain)).await
    }

    pub async fn agencies(&self) -> Result<Vec<Agency>, Error> {
        self.paged(Branch::Agencies, class("govucAgency"), AGENCY_ATTRIBUTES.to_vec())
            .await?
            .iter()
            .map(Agency::of_entry)
            .collect()
    }

    pub async fn store(&self, name: &str) -> Result<Option<Store>, Error> {
        let filter = all([class("govucMailStore"), equals("cn", name)]);
        let base = self.suffix().branch(Branch::Stores);
        let found = self
            .search(base, Scope::OneLevel, filter, &STORE_ATTRIBUTES)
            .await?;
        found.first().map(Store::of_entry).transpose()
    }

    pub async fn stores(&self) -> Result<Vec<Store>, Error> {
        self.paged(Branch::Stores, class("govucMailStore"), STORE_ATTRIBUTES.to_vec())
            .await?
            .iter()
            .map(Store::of_entry)
            .collect()
    }

    /// How far this provider has come.
    pub async fn context_csn(&self) -> Result<ContextCsn, Error> {
        let found = self.entry(self.suffix().dn().to_owned(), &["contextCSN"]).await?;
        let found = found.ok_or(Error::Empty)?;
        Ok(ContextCsn::of_values(&entry::values(&found, "contextCSN")))
    }

    /// The term of the lead that has begun here last; `None` before there were leads.
    pub async fn lead_term(&self) -> Result<Option<u64>, Error> {
        let root = self.suffix().dn().to_owned();
        let found = self.entry(root, &["govucLeadTerm"]).await?;
        entry::optional_number(&found.ok_or(Error::Empty)?, "govucLeadTerm")
    }

    /// One entry by its name; `None` when there is none.
    pub(crate) async fn entry(
        &self,
        dn: String,
        attributes: &[&'static str],
    ) -> Result<Option<SearchEntry>, Error> {
        match self
            .search(dn, Scope::Base, "(objectClass=*)".to_owned(), attributes)
            .await
        {
            Ok(mut found) => Ok(found.pop()),
            Err(Error::Empty) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn account(&self, which: String) -> Result<Option<AccountRecord>, Error> {
        let filter = all([class("govucAccount"), which]);
        let base = self.suffix().branch(Branch::Accounts);
        let found = self
            .search(base, Scope::OneLevel, filter, &ACCOUNT_ATTRIBUTES)
            .await?;
        found.first().map(AccountRecord::of_entry).transpose()
    }

    async fn accounts_where(&self, filter: String) -> Result<Vec<AccountRecord>, Error> {
        self.paged(Branch::Accounts, filter, ACCOUNT_ATTRIBUTES.to_vec())
            .await?
            .iter()
            .map(AccountRecord::of_entry)
            .collect()
    }

    async fn agency_where(&self, which: String) -> Result<Option<Agency>, Error> {
        let filter = all([class("govucAgency"), which]);
        let base = self.suffix().branch(Branch::Agencies);
        let found = self
            .search(base, Scope::OneLevel, filter, &AGENCY_ATTRIBUTES)
            .await?;
        found.first().map(Agency::of_entry).transpose()
    }

    /// A base that is missing says that the provider is empty: the branches are made before anything else.
    pub(crate) async fn search(
        &self,
        base: String,
        scope: Scope,
        filter: String,
        attributes: &[&'static str],
    ) -> Result<Vec<SearchEntry>, Error> {
        let (base, filter) = (&base, &filter);
        let operation =
            |mut ldap: Ldap| async move { ldap.search(base, scope, filter, attributes.to_vec()).await };
        let found = self.run(operation).await?;
        judged(&found.1)?;
        Ok(found.0.into_iter().map(SearchEntry::construct).collect())
    }

    async fn paged(
        &self,
        branch: Branch,
        filter: String,
        attributes: Vec<&'static str>,
    ) -> Result<Vec<SearchEntry>, Error> {
        let base = self.suffix().branch(branch);
        let (base, filter, attributes) = (&base, &filter, &attributes);
        let operation = |mut ldap: Ldap| async move {
            let adapters: Vec<Box<dyn Adapter<_, _>>> =
                vec![Box::new(EntriesOnly::new()), Box::new(PagedResults::new(PAGE))];
            let mut stream = ldap
                .streaming_search_with(
                    adapters,
                    base,
                    Scope::OneLevel,
                    filter.as_str(),
                    attributes.clone(),
                )
                .await?;
            let mut found = Vec::new();
            while let Some(entry) = stream.next().await? {
                found.push(SearchEntry::construct(entry));
            }
            Ok::<_, LdapError>((found, stream.finish().await))
        };
        let (found, result) = self.run(operation).await?;
        judged(&result)?;
        Ok(found)
    }
}

fn judged(result: &LdapResult) -> Result<(), Error> {
    match result.rc {
        0 => Ok(()),
        NO_SUCH_OBJECT => Err(Error::Empty),
        _ => Err(unexpected(result)),
    }
}

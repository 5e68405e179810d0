//! What the lead writes. Every write is refused once a lead with a newer term has written there.

use std::{collections::HashSet, fmt};

use jiff::Timestamp;
use ldap3::{
    Ldap, LdapResult, Mod, Scope,
    controls::{Assertion, RawControl},
};
use uuid::Uuid;

use crate::{
    Account, Agency, Directory, Error, PasswordPolicy, Store,
    connection::unexpected,
    entry::{self, Values, classes, one},
    name::Branch,
    password, time,
};

/// The right to write, for as long as no newer term has written.
#[derive(Clone)]
pub struct Lead {
    directory: Directory,
    term: u64,
}

/// What [`Lead::bootstrap`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bootstrapped {
    Made,
    /// Everything was as it should be; nothing was written.
    Unchanged,
}

/// What is unique in the whole tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UniqueAttribute {
    Address,
    Domain,
    StaffNumber,
    Mailbox,
}

/// A value that belongs to another entry already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    pub attribute: UniqueAttribute,
    pub value: String,
    /// The agency, or the object `<agency>/<name>`, that has it.
    pub holder: String,
}

const CONSTRAINT_VIOLATION: u32 = 19;
const NO_SUCH_OBJECT: u32 = 32;
const ALREADY_EXISTS: u32 = 68;
const ASSERTION_FAILED: u32 = 122;

impl UniqueAttribute {
    /// For messages.
    pub fn label(self) -> &'static str {
        match self {
            UniqueAttribute::Address => "address",
            UniqueAttribute::Domain => "domain",
            UniqueAttribute::StaffNumber => "staff number",
            UniqueAttribute::Mailbox => "mailbox",
        }
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Conflict {
            attribute,
            value,
            holder,
        } = self;
        write!(f, "the {} {value} belongs to {holder}", attribute.label())
    }
}

impl Directory {
    /// The writes of the lead that holds this term.
    pub fn as_lead(&self, term: u64) -> Lead {
        Lead {
            directory: self.clone(),
            term,
        }
    }

    /// Who has one of these domains already, if not this agency.
    pub async fn conflict_of_agency(&self, agency: &Agency) -> Result<Option<Conflict>, Error> {
        for domain in &agency.domains {
            if let Some(holder) = self.agency_of_domain(domain).await?
                && holder.name != agency.name
            {
                return Ok(Some(Conflict {
                    attribute: UniqueAttribute::Domain,
                    value: domain.clone(),
                    holder: holder.name,
                }));
            }
        }
        Ok(None)
    }

    /// Who has an address, the staff number or the object of this account already, if not the account itself.
    pub async fn conflict_of_account(&self, account: &Account) -> Result<Option<Conflict>, Error> {
        use UniqueAttribute::{Address, Mailbox, StaffNumber};
        let mut claims: Vec<_> = account.addresses().map(|address| (Address, address)).collect();
        claims.extend(
            account
                .staff_number
                .as_deref()
                .map(|number| (StaffNumber, number)),
        );
        claims.push((Mailbox, account.mailbox.as_str()));
        for (attribute, value) in claims {
            let found = match attribute {
                StaffNumber => self.account_by_staff_number(value).await?,
                Mailbox => self.account_by_mailbox(value).await?,
                _ => self.account_by_address(value).await?,
            };
            if let Some(holder) = found
                && holder.account.id != account.id
            {
                return Ok(Some(Conflict {
                    attribute,
                    value: value.to_owned(),
                    holder: holder.account.mailbox,
                }));
            }
        }
        Ok(None)
    }
}

impl Lead {
    /// Makes what every other entry stands on, and says that this term has begun. Writes nothing that is there already.
    pub async fn bootstrap(&self, policy: &PasswordPolicy) -> Result<Bootstrapped, Error> {
        let suffix = self.directory.suffix().clone();
        let root = suffix.dn().to_owned();
        let mut made = self
            .ensure(
                root,
                vec![
                    classes(&["organization", "dcObject", "govucEntry"]),
                    one("dc", suffix.component()),
                    one("o", suffix.domain()),
                ],
                Vec::new(),
            )
            .await?;
        for branch in Branch::ALL {
            let kind = vec![
                classes(&["organizationalUnit", "govucEntry"]),
                one("ou", branch.label()),
            ];
            made |= self.ensure(suffix.branch(branch), kind, Vec::new()).await?;
        }
        let kind = vec![
            classes(&["organizationalRole", "pwdPolicy", "govucEntry"]),
            one("cn", "default"),
        ];
        let rules = policy
            .attributes()
            .into_iter()
            .map(|(name, value)| one(name, value));
        made |= self
            .ensure(suffix.default_policy(), kind, rules.collect())
            .await?;
        Ok(if made {
            Bootstrapped::Made
        } else {
            Bootstrapped::Unchanged
        })
    }

    /// Adds or changes an agency. A domain of another agency is [`Error::Taken`].
    pub async fn put_agency(&self, agency: &Agency) -> Result<(), Error> {
        let dn = self.directory.suffix().agency(&agency.name);
        let outcome = self.put(dn, agency.identifying(), agency.changeable()).await;
        match outcome {
            Err(error) if is_conflict(&error) => Err(self
                .directory
                .conflict_of_agency(agency)
                .await?
                .map_or(error, Error::Taken)),
            outcome => outcome,
        }
    }

    /// Adds or changes a store.
    pub async fn put_store(&self, store: &Store) -> Result<(), Error> {
        let dn = self.directory.suffix().store(&store.name);
        self.put(dn, store.identifying(), store.changeable()).await
    }

    /// Adds an account, without a password: nobody can sign in yet. What belongs to another is [`Error::Taken`]. An account of
    /// this id is brought to these values: an answer may have been lost.
    pub async fn add_account(&self, account: &Account) -> Result<(), Error> {
        let dn = self.directory.suffix().account(account.id);
        let mut values = account.identifying();
        values.extend(account.changeable());
        match self.add(dn, values).await {
            Err(Error::Exists(_)) => self.update_account(account).await,
            outcome => self.named(account, outcome).await,
        }
    }

    /// Changes all of an account but its id, its password and whether it is retained.
    pub async fn update_account(&self, account: &Account) -> Result<(), Error> {
        let dn = self.directory.suffix().account(account.id);
        let outcome = self.replace(dn, account.changeable()).await;
        self.named(account, outcome).await
    }

    /// Sets a password that must be changed before it opens anything, and says which site has it. Never in the place of one
    /// that its holder has chosen: that is [`Error::PasswordChosen`].
    pub async fn set_first_password(&self, id: Uuid, password: &str, site: &str) -> Result<(), Error> {
        let values = vec![
            one("userPassword", password),
            one("pwdReset", "TRUE"),
            one("govucPasswordSite", site),
        ];
        let dn = self.directory.suffix().account(id);
        let unchosen = format!("(&{}(|(!(pwdChangedTime=*))(pwdReset=TRUE)))", self.condition());
        match self.replace_if(&dn, unchosen, values).await {
            // Of the two, which it was decides what the caller has to know.
            Err(Error::NewerLead { term }) => {
                let found = self.directory.account_by_id(id).await?;
                Err(match found {
                    Some(record) if record.lead_term.is_none_or(|written| written <= self.term) => {
                        Error::PasswordChosen
                    }
                    _ => Error::NewerLead { term },
                })
            }
            outcome => outcome,
        }
    }

    /// Ends an account: no mail, no sign-in; its addresses stay taken until then.
    pub async fn retain(&self, id: Uuid, until: Timestamp) -> Result<(), Error> {
        let values = vec![one("govucRetainUntil", time::format(until))];
        self.replace(self.directory.suffix().account(id), values).await
    }

    /// Takes [`Lead::retain`] back.
    pub async fn restore(&self, id: Uuid) -> Result<(), Error> {
        let values = vec![("govucRetainUntil", Vec::new())];
        self.replace(self.directory.suffix().account(id), values).await
    }

    async fn named(&self, account: &Account, outcome: Result<(), Error>) -> Result<(), Error> {
        match outcome {
            Err(error) if is_conflict(&error) => Err(self
                .directory
                .conflict_of_account(account)
                .await?
                .map_or(error, Error::Taken)),
            outcome => outcome,
        }
    }

    /// Whether anything had to be written.
    async fn ensure(&self, dn: String, identifying: Vec<Values>, rules: Vec<Values>) -> Result<bool, Error> {
        let mut attributes: Vec<_> = rules.iter().map(|(name, _)| *name).collect();
        attributes.push("govucLeadTerm");
        let Some(found) = self.directory.entry(dn.clone(), &attributes).await? else {
            let mut values = identifying;
            values.extend(rules);
            return match self.add_unfenced(dn, values).await {
                Ok(()) | Err(Error::Exists(_)) => Ok(true),
                Err(error) => Err(error),
            };
        };
        let older = entry::first(&found, "govucLeadTerm")
            .and_then(|term| term.parse::<u64>().ok())
            .is_none_or(|term| term < self.term);
        let differs = rules
            .iter()
            .any(|(name, values)| entry::values(&found, name) != *values);
        if older || differs {
            self.replace(dn, rules).await?;
        }
        Ok(older || differs)
    }

    async fn put(&self, dn: String, identifying: Vec<Values>, values: Vec<Values>) -> Result<(), Error> {
        match self.replace(dn.clone(), values.clone()).await {
            Err(Error::Missing(_)) => {
                let mut all = identifying;
                all.extend(values);
                self.add(dn, all).await
            }
            outcome => outcome,
        }
    }

    /// An entry that is not there yet has no term to compare, so the root's is asked first. A lead that is replaced between
    /// the two can still add one entry; what is unique stays unique.
    async fn add(&self, dn: String, values: Vec<Values>) -> Result<(), Error> {
        let root = self.directory.suffix().dn().to_owned();
        let allowed = self
            .directory
            .search(root, Scope::Base, self.condition(), &["govucLeadTerm"])
            .await?;
        if allowed.is_empty() {
            return Err(Error::NewerLead { term: self.term });
        }
        self.add_unfenced(dn, values).await
    }

    async fn add_unfenced(&self, dn: String, mut values: Vec<Values>) -> Result<(), Error> {
        values.push(one("govucLeadTerm", self.term));
        let attributes: Vec<(String, HashSet<String>)> = values
            .into_iter()
            .filter(|(_, values)| !values.is_empty())
            .map(|(name, values)| (name.to_owned(), values.into_iter().collect()))
            .collect();
        let (entry, attributes) = (&dn, &attributes);
        let operation = |mut ldap: Ldap| async move { ldap.add(entry, attributes.clone()).await };
        self.judged(&dn, &self.directory.run(operation).await?)
    }

    async fn replace(&self, dn: String, values: Vec<Values>) -> Result<(), Error> {
        self.replace_if(&dn, self.condition(), values).await
    }

    /// RFC 4528: what does not meet the condition stays as it is.
    async fn replace_if(&self, dn: &str, condition: String, mut values: Vec<Values>) -> Result<(), Error> {
        values.push(one("govucLeadTerm", self.term));
        let changes: Vec<Mod<String>> = values
            .into_iter()
            .map(|(name, values)| Mod::Replace(name.to_owned(), values.into_iter().collect()))
            .collect();
        // Critical: a provider that does not know it must refuse the write.
        let fence = &RawControl {
            crit: true,
            ..Assertion::new(condition)
        };
        let changes = &changes;
        let operation = |mut ldap: Ldap| async move {
            ldap.with_controls(vec![fence.clone(), password::request()])
                .modify(dn, changes.clone())
                .await
        };
        self.judged(dn, &self.directory.run(operation).await?)
    }

    fn condition(&self) -> String {
        format!("(|(!(govucLeadTerm=*))(govucLeadTerm<={}))", self.term)
    }

    fn judged(&self, dn: &str, answer: &LdapResult) -> Result<(), Error> {
        if let Some(fault) = password::fault(answer) {
            return Err(Error::Password(fault));
        }
        match answer.rc {
            0 => Ok(()),
            NO_SUCH_OBJECT => Err(Error::Missing(dn.to_owned())),
            ALREADY_EXISTS => Err(Error::Exists(dn.to_owned())),
            ASSERTION_FAILED => Err(Error::NewerLead { term: self.term }),
            _ => Err(unexpected(answer)),
        }
    }
}

fn is_conflict(error: &Error) -> bool {
    matches!(
        error,
        Error::Answer {
            code: CONSTRAINT_VIOLATION,
            ..
        }
    )
}

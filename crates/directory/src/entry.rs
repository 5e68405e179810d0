//! Entries as types, and what they are made of in the directory.

use std::collections::HashSet;

use jiff::Timestamp;
use ldap3::SearchEntry;
use uuid::Uuid;

use crate::{Error, time};

/// An account as the lead wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub id: Uuid,
    pub agency: String,
    /// The object it is made from: `<agency>/<name>`.
    pub mailbox: String,
    /// The holder's name.
    pub name: String,
    /// The primary address. Addresses are kept in lower case.
    pub address: String,
    /// Further addresses, without the primary one.
    pub aliases: Vec<String>,
    pub store: String,
    /// Bytes.
    pub quota: u64,
    pub staff_number: Option<String>,
    pub grade: Option<u8>,
    /// Of the specification that was carried out last.
    pub spec_hash: Option<String>,
}

/// An account as it is in the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRecord {
    pub account: Account,
    /// The account has ended and its data is kept until then.
    pub retain_until: Option<Timestamp>,
    pub password: PasswordState,
    /// The term of the lead that wrote it last.
    pub lead_term: Option<u64>,
}

/// What is known about a password without knowing it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PasswordState {
    /// Since when it is what it is; `None` when there is none.
    pub changed_at: Option<Timestamp>,
    /// It must be changed before anything else.
    pub must_change: bool,
    /// The site whose lead minted the first one, and whose cluster has the Secret with it.
    pub minted_at: Option<String>,
    /// When wrong passwords locked the account. The mark stays after the lock is over, until the next right password.
    pub locked_at: Option<String>,
    /// The last right password, to the hour.
    pub used_at: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agency {
    pub name: String,
    pub domains: Vec<String>,
    /// Where its accounts are placed. `None` until it is decided.
    pub store: Option<String>,
    pub preferred_site: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    pub name: String,
    pub usage: StoreUse,
    pub preferred_site: String,
    pub primary_site: String,
    pub era: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreUse {
    Mail,
    Archive,
}

/// An attribute and its values; none takes the attribute away.
pub(crate) type Values = (&'static str, Vec<String>);

pub(crate) const ACCOUNT_ATTRIBUTES: [&str; 19] = [
    "govucAccountId",
    "govucAgencyName",
    "govucMailbox",
    "cn",
    "mail",
    "mailLocalAddress",
    "govucStore",
    "govucQuota",
    "employeeNumber",
    "govucGrade",
    "govucSpecHash",
    "govucRetainUntil",
    "govucLeadTerm",
    "pwdChangedTime",
    "pwdReset",
    "govucPasswordSite",
    "pwdAccountLockedTime",
    "pwdLastSuccess",
    "objectClass",
];
pub(crate) const AGENCY_ATTRIBUTES: [&str; 4] = ["ou", "govucDomain", "govucStore", "govucPreferredSite"];
pub(crate) const STORE_ATTRIBUTES: [&str; 5] = [
    "cn",
    "govucStoreUse",
    "govucPreferredSite",
    "govucPrimarySite",
    "govucEra",
];

impl StoreUse {
    pub fn label(self) -> &'static str {
        match self {
            StoreUse::Mail => "Mail",
            StoreUse::Archive => "Archive",
        }
    }
}

impl Account {
    /// Every address: the primary one first.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.address.as_str()).chain(self.aliases.iter().map(String::as_str))
    }

    /// What the lead may change. `mailLocalAddress` holds the primary address too, because uniqueness is watched within
    /// one attribute.
    pub(crate) fn changeable(&self) -> Vec<Values> {
        let mut addresses: Vec<String> = self.addresses().map(str::to_owned).collect();
        let mut seen = HashSet::new();
        addresses.retain(|address| seen.insert(address.clone()));
        vec![
            one("govucAgencyName", &self.agency),
            one("govucMailbox", &self.mailbox),
            one("cn", &self.name),
            one("sn", &self.name),
            one("mail", &self.address),
            ("mailLocalAddress", addresses),
            one("govucStore", &self.store),
            one("govucQuota", self.quota),
            optional("employeeNumber", self.staff_number.as_deref()),
            optional("govucGrade", self.grade),
            optional("govucSpecHash", self.spec_hash.as_deref()),
        ]
    }

    pub(crate) fn identifying(&self) -> Vec<Values> {
        vec![
            classes(&["inetOrgPerson", "govucAccount", "govucEntry"]),
            one("govucAccountId", self.id),
        ]
    }
}

impl Agency {
    pub(crate) fn changeable(&self) -> Vec<Values> {
        vec![
            ("govucDomain", self.domains.clone()),
            optional("govucStore", self.store.as_deref()),
            one("govucPreferredSite", &self.preferred_site),
        ]
    }

    pub(crate) fn identifying(&self) -> Vec<Values> {
        vec![classes(&["govucAgency", "govucEntry"]), one("ou", &self.name)]
    }

    pub(crate) fn of_entry(entry: &SearchEntry) -> Result<Self, Error> {
        Ok(Self {
            name: text(entry, "ou")?,
            domains: values(entry, "govucDomain"),
            store: first(entry, "govucStore").map(str::to_owned),
            preferred_site: text(entry, "govucPreferredSite")?,
        })
    }
}

impl Store {
    pub(crate) fn changeable(&self) -> Vec<Values> {
        vec![
            one("govucStoreUse", self.usage.label()),
            one("govucPreferredSite", &self.preferred_site),
            one("govucPrimarySite", &self.primary_site),
            one("govucEra", self.era),
        ]
    }

    pub(crate) fn identifying(&self) -> Vec<Values> {
        vec![classes(&["govucMailStore", "govucEntry"]), one("cn", &self.name)]
    }

    pub(crate) fn of_entry(entry: &SearchEntry) -> Result<Self, Error> {
        let usage = match first(entry, "govucStoreUse") {
            Some("Mail") => StoreUse::Mail,
            Some("Archive") => StoreUse::Archive,
            _ => return Err(malformed(entry, "govucStoreUse")),
        };
        Ok(Self {
            name: text(entry, "cn")?,
            usage,
            preferred_site: text(entry, "govucPreferredSite")?,
            primary_site: text(entry, "govucPrimarySite")?,
            era: number(entry, "govucEra")?,
        })
    }
}

impl AccountRecord {
    pub(crate) fn of_entry(entry: &SearchEntry) -> Result<Self, Error> {
        let address = text(entry, "mail")?;
        let mut aliases = values(entry, "mailLocalAddress");
        aliases.retain(|alias| *alias != address);
        aliases.sort_unstable();
        let account = Account {
            id: Uuid::try_parse(&text(entry, "govucAccountId")?)
                .map_err(|_| malformed(entry, "govucAccountId"))?,
            agency: text(entry, "govucAgencyName")?,
            mailbox: text(entry, "govucMailbox")?,
            name: text(entry, "cn")?,
            address,
            aliases,
            store: text(entry, "govucStore")?,
            quota: number(entry, "govucQuota")?,
            staff_number: first(entry, "employeeNumber").map(str::to_owned),
            grade: optional_number(entry, "govucGrade")?,
            spec_hash: first(entry, "govucSpecHash").map(str::to_owned),
        };
        Ok(Self {
            account,
            retain_until: point(entry, "govucRetainUntil")?,
            password: PasswordState {
                changed_at: point(entry, "pwdChangedTime")?,
                must_change: first(entry, "pwdReset") == Some("TRUE"),
                minted_at: first(entry, "govucPasswordSite").map(str::to_owned),
                locked_at: first(entry, "pwdAccountLockedTime").map(str::to_owned),
                used_at: point(entry, "pwdLastSuccess")?,
            },
            lead_term: optional_number(entry, "govucLeadTerm")?,
        })
    }
}

pub(crate) fn one(attribute: &'static str, value: impl ToString) -> Values {
    (attribute, vec![value.to_string()])
}

fn optional(attribute: &'static str, value: Option<impl ToString>) -> Values {
    (attribute, value.iter().map(ToString::to_string).collect())
}

pub(crate) fn classes(names: &[&str]) -> Values {
    (
        "objectClass",
        names.iter().map(|name| (*name).to_owned()).collect(),
    )
}

/// The first value of an attribute, however the directory spells the attribute.
pub(crate) fn first<'a>(entry: &'a SearchEntry, attribute: &str) -> Option<&'a str> {
    stored(entry, attribute)?.first().map(String::as_str)
}

pub(crate) fn values(entry: &SearchEntry, attribute: &str) -> Vec<String> {
    stored(entry, attribute).cloned().unwrap_or_default()
}

fn stored<'a>(entry: &'a SearchEntry, attribute: &str) -> Option<&'a Vec<String>> {
    entry
        .attrs
        .iter()
        .find_map(|(name, values)| name.eq_ignore_ascii_case(attribute).then_some(values))
}

fn text(entry: &SearchEntry, attribute: &'static str) -> Result<String, Error> {
    first(entry, attribute)
        .map(str::to_owned)
        .ok_or_else(|| malformed(entry, attribute))
}

fn number<T: std::str::FromStr>(entry: &SearchEntry, attribute: &'static str) -> Result<T, Error> {
    optional_number(entry, attribute)?.ok_or_else(|| malformed(entry, attribute))
}

pub(crate) fn optional_number<T: std::str::FromStr>(
    entry: &SearchEntry,
    attribute: &'static str,
) -> Result<Option<T>, Error> {
    first(entry, attribute)
        .map(|value| value.parse().map_err(|_| malformed(entry, attribute)))
        .transpose()
}

fn point(entry: &SearchEntry, attribute: &'static str) -> Result<Option<Timestamp>, Error> {
    first(entry, attribute)
        .map(|value| time::parse(value).ok_or_else(|| malformed(entry, attribute)))
        .transpose()
}

fn malformed(entry: &SearchEntry, attribute: &'static str) -> Error {
    Error::Malformed {
        dn: entry.dn.clone(),
        attribute,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ali() -> Account {
        Account {
            id: Uuid::nil(),
            agency: "kkr".into(),
            mailbox: "kkr/ali".into(),
            name: "Ali bin Ahmad".into(),
            address: "ali@kkr.gov.my".into(),
            aliases: vec!["a.ahmad@kkr.gov.my".into(), "ali@kkr.gov.my".into()],
            store: "mail-1".into(),
            quota: 524_288_000,
            staff_number: Some("KKR-1".into()),
            grade: Some(41),
            spec_hash: None,
        }
    }

    fn entry(values: Vec<Values>) -> SearchEntry {
        SearchEntry {
            dn: "govucAccountId=…".into(),
            attrs: values
                .into_iter()
                .filter(|(_, values)| !values.is_empty())
                .map(|(name, values)| (name.to_owned(), values))
                .collect(),
            bin_attrs: Default::default(),
        }
    }

    #[test]
    fn an_account_is_read_as_it_was_written() {
        let mut written = ali().identifying();
        written.extend(ali().changeable());
        written.push(one("pwdReset", "TRUE"));
        let record = AccountRecord::of_entry(&entry(written)).unwrap();
        let want = Account {
            aliases: vec!["a.ahmad@kkr.gov.my".into()],
            ..ali()
        };
        assert_eq!(record.account, want);
        assert!(record.password.must_change);
    }

    #[test]
    fn every_address_is_where_uniqueness_is_watched() {
        let changeable = ali().changeable();
        let (_, addresses) = changeable
            .iter()
            .find(|(name, _)| *name == "mailLocalAddress")
            .unwrap();
        assert_eq!(addresses, &["ali@kkr.gov.my", "a.ahmad@kkr.gov.my"]);
    }

    #[test]
    fn a_missing_or_malformed_attribute_is_named() {
        let mut written = ali().identifying();
        written.extend(ali().changeable());
        written.retain(|(name, _)| *name != "govucQuota");
        let without = AccountRecord::of_entry(&entry(written.clone())).unwrap_err();
        assert!(without.to_string().contains("govucQuota"), "{without}");
        written.push(one("govucQuota", "much"));
        let malformed = AccountRecord::of_entry(&entry(written)).unwrap_err();
        assert!(malformed.to_string().contains("govucQuota"), "{malformed}");
    }
}

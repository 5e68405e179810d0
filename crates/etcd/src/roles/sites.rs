//! What each site's Platform says, so that either can tell whether both say the same.

use std::{collections::BTreeMap, time::Duration};

use govuc_roles::{Site, record::SiteRecord};

use super::{Key, Roles, Versioned, key::SITES, reading::versioned};
use crate::{Error, KeyValue, Operation, Revision};

impl Roles {
    /// What every site has put, as the majority has it now.
    ///
    /// # Errors
    /// [`Error::Malformed`] when a record can't be understood.
    pub async fn read_sites(&self, limit: Duration) -> Result<BTreeMap<Site, Versioned<SiteRecord>>, Error> {
        let reads = vec![Operation::ReadAll {
            prefix: SITES.to_owned(),
        }];
        let answer = self.etcd().read(reads, limit).await?;
        sites(answer.reads.into_iter().flatten())
    }

    /// Puts what the own site says, if that was last put at `expected`; [`Revision::ABSENT`] for the first time.
    ///
    /// # Errors
    /// [`Error::Refused`]: it has been put since.
    pub async fn put_site(
        &self,
        site: &Site,
        record: &SiteRecord,
        expected: Revision,
        limit: Duration,
    ) -> Result<Revision, Error> {
        self.swap(&Key::Site(site.clone()), record, expected, limit).await
    }
}

fn sites(found: impl Iterator<Item = KeyValue>) -> Result<BTreeMap<Site, Versioned<SiteRecord>>, Error> {
    let ours = found.filter_map(|found| match Key::parse(&found.key) {
        Some(Key::Site(site)) => Some((site, found)),
        _ => None,
    });
    ours.map(|(site, found)| Ok((site, versioned(&found)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_site_has_its_own_and_keys_of_later_versions_are_passed_over() {
        let found = |key: &str, value: &str| KeyValue {
            key: key.to_owned(),
            value: value.as_bytes().to_vec(),
            created: Revision(2),
            modified: Revision(5),
            lease: None,
        };
        let record = r#"{"order":["pdsa1","pdsa2"],"domain":"1govuc.gov.my","windows":{},"later":1}"#;
        let read = sites(
            [
                found("/govuc/sites/pdsa2", record),
                found("/govuc/sites/pdsa2/later", "{"),
            ]
            .into_iter(),
        );
        let read = read.unwrap();
        let [(site, told)] = Vec::from_iter(&read)[..] else {
            panic!("{read:?}")
        };
        assert_eq!((site.as_str(), told.revision), ("pdsa2", Revision(5)));
        assert_eq!(told.record.domain, "1govuc.gov.my");
        assert!(sites([found("/govuc/sites/pdsa2", "{")].into_iter()).is_err());
    }
}

//! Whether both sites' Platforms mean the same service, as they tell each other through the roles' etcd.
//!
//! The order of `spec.sites` can't change in a cluster, and nobody but the other site can tell that it was another one there from
//! the beginning.

use std::{collections::BTreeMap, time::Duration};

use govuc_api::{Platform, conditions::types};
use govuc_etcd::{
    Error as EtcdError, Revision,
    roles::{Roles, Versioned},
};
use govuc_roles::{Site, SiteError, record::SiteRecord};
use k8s_openapi::jiff::Timestamp;

use crate::{
    controller::chain,
    maintenance::announced::{self, Said},
};

/// For each question to etcd.
const LIMIT: Duration = Duration::from_secs(3);

/// What both sites have said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    own: SiteRecord,
    /// The other site by its name, and what it said; none as long as it has said nothing.
    peer: Option<(Site, SiteRecord)>,
}

/// Whether both mean the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// Nothing was heard: what was known stays.
    Unheard,
    /// They do, as far as the other one has said anything.
    Same,
    /// They don't; what and the remedy, for people.
    Differs(String),
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Etcd(#[from] EtcdError),
    #[error("spec.sites has a name that no site can have")]
    Site(#[from] SiteError),
}

/// Says what this site's Platform has, if that is news, and hears of the other's. None if etcd does not answer.
pub async fn tell(roles: &Roles, platform: &Platform, own: &str, now: Timestamp) -> Option<Told> {
    let told = exchange(roles, platform, own, now).await;
    told.inspect_err(|error| {
        tracing::info!(
            error = chain(error),
            "the sites can't tell each other of their Platforms"
        );
    })
    .ok()
}

async fn exchange(roles: &Roles, platform: &Platform, own: &str, now: Timestamp) -> Result<Told, Error> {
    let site = Site::try_from(own.to_owned())?;
    let sites = roles.read_sites(LIMIT).await?;
    let known = sites.get(&site);
    let record = record(platform, known.map(|known| &known.record), now)?;
    if known.is_none_or(|known| known.record != record) {
        let expected = known.map_or(Revision::ABSENT, |known| known.revision);
        roles.put_site(&site, &record, expected, LIMIT).await?;
        tracing::info!(
            site = own,
            "what this site's Platform says is told to the other one"
        );
    }
    Ok(Told {
        peer: peer(&record, &site, sites),
        own: record,
    })
}

/// What this site is to say.
fn record(platform: &Platform, known: Option<&SiteRecord>, now: Timestamp) -> Result<SiteRecord, SiteError> {
    let sites = platform.spec.sites.iter();
    let announced = platform.status.as_ref().map_or(&[][..], |status| &status.windows);
    Ok(SiteRecord {
        order: sites
            .map(|site| Site::try_from(site.name.clone()))
            .collect::<Result<_, _>>()?,
        domain: platform.spec.domain.clone(),
        windows: announced::records(
            platform.spec.maintenance.as_ref(),
            known.map(|known| &known.windows),
            announced,
            now,
        ),
    })
}

/// The other site is the one that the own Platform names; if there is nothing of it, whoever else said something.
fn peer(
    own: &SiteRecord,
    site: &Site,
    mut sites: BTreeMap<Site, Versioned<SiteRecord>>,
) -> Option<(Site, SiteRecord)> {
    sites.remove(site);
    let named = own.order.iter().find(|name| sites.contains_key(*name)).cloned();
    let name = named.or_else(|| sites.keys().next().cloned())?;
    let record = sites.remove(&name)?.record;
    Some((name, record))
}

impl Told {
    pub fn agreement(&self) -> Agreement {
        let Some((site, peer)) = &self.peer else {
            return Agreement::Same;
        };
        if peer.order != self.own.order {
            return Agreement::Differs(format!(
                "spec.sites is {} here, and {} at {site}: with the order go the halves of maintenance windows and the directory's ids, so \
                 nothing is restarted in a window at either site. Remedy: at the site that is wrong, kubectl delete platform platform \
                 --cascade=orphan, and apply the Platform of the other one",
                names(&self.own.order),
                names(&peer.order),
            ));
        }
        if peer.domain != self.own.domain {
            return Agreement::Differs(format!(
                "spec.domain is {} here, and {} at {site}: they are two services, and nothing is restarted in a window at either site. \
                 Remedy: install the site that is wrong anew",
                self.own.domain, peer.domain,
            ));
        }
        Agreement::Same
    }

    /// What was said of windows.
    pub fn windows(&self) -> Said<'_> {
        static NONE: announced::Records = announced::Records::new();
        Said {
            own: &self.own.windows,
            peer: self.peer.as_ref().map_or(&NONE, |(_, peer)| &peer.windows),
        }
    }
}

impl Agreement {
    /// In what they differ, for people. While nothing is heard, that is what Platform's status says.
    pub fn difference(&self, platform: &Platform) -> Option<String> {
        match self {
            Agreement::Differs(message) => Some(message.clone()),
            Agreement::Same => None,
            Agreement::Unheard => known(platform).map(str::to_owned),
        }
    }
}

/// In what the sites differ, by Platform's status.
pub fn known(platform: &Platform) -> Option<&str> {
    let conditions = &platform.status.as_ref()?.conditions;
    let differ = conditions
        .iter()
        .find(|condition| condition.type_ == types::SITES_DIFFER)?;
    Some(&differ.message)
}

fn names(order: &[Site]) -> String {
    order.iter().map(Site::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn site(name: &str) -> Site {
        Site::try_from(name.to_owned()).unwrap()
    }

    fn platform(order: [&str; 2]) -> Platform {
        let sites = order.map(|name| json!({"name": name, "gateway": "gw:8443"}));
        serde_json::from_value(json!({
            "apiVersion": "1govuc.gov.my/v1alpha1", "kind": "Platform", "metadata": {"name": "platform"},
            "spec": {"domain": "1govuc.gov.my", "sites": sites, "maintenance": {"windows": [
                {"name": "sekali", "start": "2026-12-06T01:00:00+08:00", "end": "2026-12-06T04:00:00+08:00"},
            ]}},
        }))
        .unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn says(order: [&str; 2]) -> SiteRecord {
        record(&platform(order), None, at(9)).unwrap()
    }

    /// What pdsa1 is told while etcd has these beside its own.
    fn told(others: &[(&str, SiteRecord)]) -> Told {
        let own = says(["pdsa1", "pdsa2"]);
        let others = others.iter().cloned().chain([("pdsa1", own.clone())]);
        let versioned = |record| Versioned {
            record,
            revision: Revision(5),
        };
        let sites = others
            .map(|(name, record)| (site(name), versioned(record)))
            .collect();
        Told {
            peer: peer(&own, &site("pdsa1"), sites),
            own,
        }
    }

    #[rstest]
    #[case::nothing_said(&[], None)]
    #[case::the_same(&[("pdsa2", says(["pdsa1", "pdsa2"]))], None)]
    #[case::the_other_order(&[("pdsa2", says(["pdsa2", "pdsa1"]))], Some(["is pdsa1, pdsa2 here", "pdsa2, pdsa1 at pdsa2", "--cascade=orphan"]))]
    #[case::another_site(&[("pdsa3", says(["pdsa1", "pdsa3"]))], Some(["is pdsa1, pdsa2 here", "pdsa1, pdsa3 at pdsa3", "Remedy"]))]
    #[case::a_site_that_was_called_otherwise_once(&[("pdsa0", says(["pdsa1", "pdsa0"])), ("pdsa2", says(["pdsa1", "pdsa2"]))], None)]
    #[case::another_domain(&[("pdsa2", SiteRecord { domain: "gov.my".into(), ..says(["pdsa1", "pdsa2"]) })],
        Some(["is 1govuc.gov.my here", "gov.my at pdsa2", "Remedy"]))]
    fn what_the_sites_differ_in_is_told_with_both_and_a_remedy(
        #[case] others: &[(&str, SiteRecord)],
        #[case] parts: Option<[&str; 3]>,
    ) {
        let agreement = told(others).agreement();
        let Agreement::Differs(message) = agreement else {
            assert_eq!(agreement, Agreement::Same);
            assert_eq!(parts, None);
            return;
        };
        for part in parts.unwrap() {
            assert!(message.contains(part), "{part}: {message}");
        }
        // A condition's message is no longer.
        assert!(message.len() <= 400, "{}", message.len());
    }

    #[test]
    fn windows_are_no_reason_to_differ_and_are_heard_of() {
        let mut other = says(["pdsa1", "pdsa2"]);
        other.windows.clear();
        let told = told(&[("pdsa2", other)]);
        assert_eq!(told.agreement(), Agreement::Same);
        assert_eq!((told.windows().own.len(), told.windows().peer.len()), (1, 0));
    }

    #[test]
    fn what_was_said_is_not_said_anew() {
        let platform = platform(["pdsa1", "pdsa2"]);
        let first = record(&platform, None, at(9)).unwrap();
        assert_eq!(record(&platform, Some(&first), at(99)).unwrap(), first);
    }

    #[test]
    fn while_nothing_is_heard_the_status_is_what_is_known() {
        let mut platform = platform(["pdsa1", "pdsa2"]);
        assert_eq!(Agreement::Unheard.difference(&platform), None);
        platform.status = serde_json::from_value(json!({"conditions": [{
            "type": "SitesDiffer", "status": "True", "reason": "SitesDiffer", "message": "order",
            "lastTransitionTime": "2026-12-01T00:00:00Z",
        }]}))
        .unwrap();
        assert_eq!(Agreement::Unheard.difference(&platform).as_deref(), Some("order"));
        assert_eq!(Agreement::Same.difference(&platform), None);
    }
}

//! Which site leads: whose operator does what must be done once. With a witness that is whoever holds a lease in the roles'
//! etcd, under a term that only rises; without one it is the first site of Platform, for ever.
//!
//! ```text
//!  campaign (I/O) ──> office ──> Lead, a value ──> observe, plan, status
//!      └─ candidate (pure)         └─ news ──> reconciles of every kind
//! ```

mod campaign;
mod candidate;
mod office;
mod takeover;

pub use campaign::Campaign;
pub use candidate::{Candidacy, Step};
pub use office::{Ground, Mandate, Office};
pub use takeover::{Directories, Providers, Taken};

use govuc_api::{Platform, RolesMode};

/// The term of a lead without a lease. The first lease has a higher one, so that an operator of before it is outranked.
pub const ASSIGNED_TERM: u64 = 1;

/// Who leads, as this site knows it at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lead {
    pub known: Known,
    /// The term under which this site does what must be done once. None: another site does, or nobody.
    pub term: Option<u64>,
}

/// What was heard of who leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Known {
    /// Nothing, so far or any more.
    #[default]
    Nothing,
    Nobody,
    Site(String),
}

impl Lead {
    /// The first site of Platform, as `own` sees it.
    pub fn assigned(platform: &Platform, own: &str) -> Self {
        let first = platform.spec.sites.first();
        first.map_or_else(Self::default, |first| Self::assigned_to(&first.name, own))
    }

    fn assigned_to(first: &str, own: &str) -> Self {
        Self {
            known: Known::Site(first.to_owned()),
            term: (first == own).then_some(ASSIGNED_TERM),
        }
    }

    /// As Platform says it is decided; `office` is what the campaign has made known.
    pub fn of(platform: &Platform, own: &str, office: &Office) -> Self {
        match platform.spec.roles.mode {
            RolesMode::TwoSite => Self::assigned(platform, own),
            RolesMode::Witness => office.lead(),
        }
    }

    /// Whether this site acts.
    pub fn is_here(&self) -> bool {
        self.term.is_some()
    }

    /// The site that leads, where there is one and it is known.
    pub fn site(&self) -> Option<&str> {
        match &self.known {
            Known::Site(site) => Some(site),
            Known::Nothing | Known::Nobody => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(roles: &str) -> Platform {
        let text = format!(
            r#"
            apiVersion: 1govuc.gov.my/v1alpha1
            kind: Platform
            metadata: {{name: platform}}
            spec:
              domain: 1govuc.gov.my
              sites: [{{name: pdsa1, gateway: "a:8443"}}, {{name: pdsa2, gateway: "b:8443"}}]
              roles: {roles}
            "#
        );
        serde_yaml::from_str(&text).unwrap()
    }

    #[test]
    fn without_a_witness_the_first_site_leads_whoever_looks() {
        let (platform, office) = (platform("{mode: TwoSite}"), Office::default());
        let [one, two] = ["pdsa1", "pdsa2"].map(|own| Lead::of(&platform, own, &office));
        assert_eq!((one.site(), two.site()), (Some("pdsa1"), Some("pdsa1")));
        assert_eq!((one.term, two.term), (Some(ASSIGNED_TERM), None));
    }

    #[test]
    fn with_a_witness_nobody_leads_by_its_place() {
        let platform = platform(r#"{mode: Witness, witness: {endpoint: "w:8443"}}"#);
        assert_eq!(Lead::of(&platform, "pdsa1", &Office::default()), Lead::default());
    }
}

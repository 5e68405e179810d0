//! An Agency, parsed.

use govuc_api::{Administrators, Agency, DecisionKind, Placement};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Resource, ResourceExt};

use crate::names::{self, AgencyName, MailDomain, SiteName};

/// An agency as its object asks for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Tenant {
    pub name: AgencyName,
    pub decision: Decision,
    /// The primary one first.
    pub domains: Vec<MailDomain>,
    pub preferred_site: SiteName,
    pub expected_users: u32,
    pub placement: Placement,
    pub administrators: Administrators,
    /// The Agency, which owns what is made for it.
    pub owner: OwnerReference,
}

/// What was decided on its application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    Pending,
    Approved {
        by: String,
        on: String,
    },
    Rejected {
        by: String,
        reason: String,
    },
    /// It was approved once: its namespace is there.
    Withdrawn,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the Agency has no uid: it was not read from a cluster")]
    NoUid,
    #[error("{field}: {source}")]
    Field {
        field: &'static str,
        source: names::Error,
    },
    #[error("spec.domains is empty: name the agency's domains")]
    NoDomain,
}

impl Tenant {
    pub fn of(agency: &Agency) -> Result<Self, Error> {
        let spec = &agency.spec;
        let field = |field| move |source| Error::Field { field, source };
        let mut domains: Vec<_> = spec.domains.iter().collect();
        domains.sort_by_key(|domain| !domain.primary);
        let domains: Vec<MailDomain> = domains
            .into_iter()
            .map(|domain| domain.name.parse().map_err(field("spec.domains[].name")))
            .collect::<Result<_, _>>()?;
        if domains.is_empty() {
            return Err(Error::NoDomain);
        }
        Ok(Self {
            name: agency.name_any().parse().map_err(field("metadata.name"))?,
            decision: Decision::of(agency),
            domains,
            preferred_site: spec.preferred_site.parse().map_err(field("spec.preferredSite"))?,
            // The schema keeps it above nought.
            expected_users: u32::try_from(spec.application.expected_users).unwrap_or(1),
            placement: spec.mail.placement,
            administrators: spec.administrators.clone(),
            owner: agency.controller_owner_ref(&()).ok_or(Error::NoUid)?,
        })
    }
}

impl Decision {
    fn of(agency: &Agency) -> Self {
        let existed = agency
            .status
            .as_ref()
            .is_some_and(|status| status.namespace.is_some());
        match &agency.spec.approval {
            Some(approval) if approval.decision == DecisionKind::Approved => Decision::Approved {
                by: approval.decided_by.clone(),
                on: approval.on.clone(),
            },
            Some(approval) if !existed => Decision::Rejected {
                by: approval.decided_by.clone(),
                reason: approval.reason.clone().unwrap_or_default(),
            },
            _ if existed => Decision::Withdrawn,
            _ => Decision::Pending,
        }
    }
}

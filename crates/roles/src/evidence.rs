//! What a slot knows of who holds its store, and what of it is durable.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Ballot, name};

/// A data centre. A DNS label, since service names and identities are made from it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Site(String);

/// Random, made when a volume is first used: an emptied volume is another volume (R7).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VolumeId(pub String);

/// One copy of a store: a volume, and which start of its guard this is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SlotCopy {
    pub volume: VolumeId,
    pub incarnation: u64,
}

/// Who holds a store from a ballot on, as the source of the role says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Assignment {
    pub ballot: Ballot,
    pub primary: Site,
}

/// The highest ballot a slot has seen, and who holds it. Durable before it is acted on (R8).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Evidence {
    pub ballot: Ballot,
    /// Unknown while only the number was seen, in a peer's refusal.
    pub holder: Option<Site>,
}

/// Why a claim to a store is not honoured.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Stale {
    #[error("{claimed} is older than {seen}, which this volume has seen")]
    Older { claimed: Ballot, seen: Ballot },
    #[error("{ballot} is {holder}'s already; another holder needs a higher term")]
    Taken { ballot: Ballot, holder: Site },
    #[error("etcd has gone back: what it says of {0} is older than what it said before")]
    Rewound(Ballot),
}

/// Characters: leaves room for a part and the domain in host names.
const LONGEST_SITE: usize = 30;

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no site: it takes 1 to {LONGEST_SITE} of a-z, 0-9 and '-', a letter first")]
pub struct SiteError(String);

impl Site {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Site {
    type Error = SiteError;

    fn try_from(name: String) -> Result<Self, SiteError> {
        if name::is_label(&name, LONGEST_SITE) {
            Ok(Self(name))
        } else {
            Err(SiteError(name))
        }
    }
}

impl From<Site> for String {
    fn from(site: Site) -> String {
        site.0
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Evidence {
    /// What a new volume knows.
    pub const NONE: Evidence = Evidence {
        ballot: Ballot::NONE,
        holder: None,
    };

    /// Whether `holder` may hold `ballot` as far as this slot knows, and what it knows more if so: `None` when nothing
    /// new. A ballot has one holder for ever, so the same ballot for another site is refused like an older one.
    pub fn admit(&self, ballot: Ballot, holder: &Site) -> Result<Option<Evidence>, Stale> {
        let more = Evidence {
            ballot,
            holder: Some(holder.clone()),
        };
        match (ballot.cmp(&self.ballot), &self.holder) {
            (std::cmp::Ordering::Less, _) => Err(Stale::Older {
                claimed: ballot,
                seen: self.ballot,
            }),
            (std::cmp::Ordering::Equal, Some(known)) if known == holder => Ok(None),
            (std::cmp::Ordering::Equal, Some(known)) => Err(Stale::Taken {
                ballot,
                holder: known.clone(),
            }),
            (std::cmp::Ordering::Equal, None) | (std::cmp::Ordering::Greater, _) => Ok(Some(more)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(name: &str) -> Site {
        Site::try_from(name.to_owned()).unwrap()
    }

    fn seen(era: u64, term: u64, holder: Option<&str>) -> Evidence {
        Evidence {
            ballot: Ballot::new(era, term),
            holder: holder.map(site),
        }
    }

    #[test]
    fn a_new_volume_admits_any_claim() {
        let known = Evidence::NONE.admit(Ballot::new(1, 1), &site("pdsa1")).unwrap();
        assert_eq!(known, Some(seen(1, 1, Some("pdsa1"))));
    }

    #[test]
    fn the_same_claim_again_is_nothing_new() {
        let claim = seen(1, 2, Some("pdsa1")).admit(Ballot::new(1, 2), &site("pdsa1"));
        assert_eq!(claim, Ok(None));
    }

    #[test]
    fn an_older_claim_is_refused() {
        let error = seen(1, 2, Some("pdsa1"))
            .admit(Ballot::new(1, 1), &site("pdsa1"))
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "era 1 term 1 is older than era 1 term 2, which this volume has seen"
        );
    }

    #[test]
    fn one_ballot_never_has_two_holders() {
        let error = seen(1, 2, Some("pdsa1"))
            .admit(Ballot::new(1, 2), &site("pdsa2"))
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "era 1 term 2 is pdsa1's already; another holder needs a higher term"
        );
    }

    #[test]
    fn a_ballot_seen_without_its_holder_takes_the_first_that_claims_it() {
        let known = seen(1, 2, None).admit(Ballot::new(1, 2), &site("pdsa2")).unwrap();
        assert_eq!(known, Some(seen(1, 2, Some("pdsa2"))));
    }

    #[test]
    fn a_site_is_a_dns_label() {
        for name in ["Pdsa1", &"p".repeat(31)] {
            assert!(Site::try_from(name.to_owned()).is_err(), "{name}");
        }
        for name in ["pdsa-1", &"p".repeat(30)] {
            assert!(
                serde_json::from_str::<Site>(&format!("{name:?}")).is_ok(),
                "{name}"
            );
        }
    }
}

//! Where entries are in the tree.

use std::fmt;

use ldap3::dn_escape;
use uuid::Uuid;

/// The root of the tree: `dc=1govuc,dc=gov,dc=my`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suffix {
    domain: String,
    dn: String,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no domain: it takes labels of lower-case letters, digits and -, joined by dots")]
pub struct SuffixError(String);

/// A branch below the suffix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Branch {
    Agencies,
    Accounts,
    Stores,
    Policies,
    /// Empty: the names to which certificates are mapped lie here.
    Services,
}

impl Branch {
    pub const ALL: [Branch; 5] = [
        Branch::Agencies,
        Branch::Accounts,
        Branch::Stores,
        Branch::Policies,
        Branch::Services,
    ];

    pub fn label(self) -> &'static str {
        match self {
            Branch::Agencies => "agencies",
            Branch::Accounts => "accounts",
            Branch::Stores => "stores",
            Branch::Policies => "policies",
            Branch::Services => "services",
        }
    }
}

impl Suffix {
    /// The suffix for `Platform.spec.domain`.
    pub fn of_domain(domain: &str) -> Result<Self, SuffixError> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let label = |label: &str| (1..=63).contains(&label.len()) && label.chars().all(allowed);
        if domain.len() > 253 || !domain.split('.').all(label) {
            return Err(SuffixError(domain.to_owned()));
        }
        let components: Vec<String> = domain.split('.').map(|label| format!("dc={label}")).collect();
        Ok(Self {
            domain: domain.to_owned(),
            dn: components.join(","),
        })
    }

    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// As a distinguished name: the value of `suffix` in slapd's configuration.
    pub fn dn(&self) -> &str {
        &self.dn
    }

    /// The first label of the domain.
    pub(crate) fn component(&self) -> &str {
        self.domain.split('.').next().unwrap_or_default()
    }

    pub(crate) fn branch(&self, branch: Branch) -> String {
        format!("ou={},{}", branch.label(), self.dn)
    }

    pub(crate) fn account(&self, id: Uuid) -> String {
        format!("govucAccountId={id},{}", self.branch(Branch::Accounts))
    }

    pub(crate) fn agency(&self, name: &str) -> String {
        format!("ou={},{}", dn_escape(name), self.branch(Branch::Agencies))
    }

    pub(crate) fn store(&self, name: &str) -> String {
        format!("cn={},{}", dn_escape(name), self.branch(Branch::Stores))
    }

    pub(crate) fn default_policy(&self) -> String {
        format!("cn=default,{}", self.branch(Branch::Policies))
    }
}

impl fmt::Display for Suffix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.dn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suffix() -> Suffix {
        Suffix::of_domain("1govuc.gov.my").unwrap()
    }

    #[test]
    fn every_label_of_the_domain_is_a_component() {
        assert_eq!(suffix().dn(), "dc=1govuc,dc=gov,dc=my");
        assert_eq!(suffix().component(), "1govuc");
    }

    #[test]
    fn what_is_no_domain_is_refused() {
        for domain in ["", "gov..my", "Gov.my", "gov,dc=my", "gov.my."] {
            assert_eq!(
                Suffix::of_domain(domain),
                Err(SuffixError(domain.into())),
                "{domain}"
            );
        }
    }

    #[test]
    fn a_name_can_not_leave_its_branch() {
        assert_eq!(
            suffix().agency("kkr,ou=services"),
            r"ou=kkr\2cou\3dservices,ou=agencies,dc=1govuc,dc=gov,dc=my"
        );
    }
}

//! Names as they come from objects, parsed once and valid from then on.

use std::{fmt, str::FromStr};

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// The name of an agency: at most 56 characters, so that `agency-<name>` is a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AgencyName(String);

/// The name of a site: a part of DNS names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SiteName(String);

/// The name of a store: a part of DNS names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StoreName(String);

/// A mail domain in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MailDomain(String);

/// A mail address in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EmailAddress(String);

/// The grade of a post, 1 to 60.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grade(u8);

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(u64);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} {value:?} is not usable: {rule}")]
pub struct Error {
    what: &'static str,
    value: String,
    rule: &'static str,
}

const MEBIBYTE: u64 = 1 << 20;

macro_rules! text {
    ($type:ident) => {
        impl $type {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text!(AgencyName);
text!(SiteName);
text!(StoreName);
text!(MailDomain);
text!(EmailAddress);

impl AgencyName {
    /// Where its mailboxes live.
    pub fn namespace(&self) -> String {
        format!("{NAMESPACE_PREFIX}{}", self.0)
    }

    /// The agency of a namespace that [`AgencyName::namespace`] made.
    pub fn of_namespace(namespace: &str) -> Option<Self> {
        namespace.strip_prefix(NAMESPACE_PREFIX)?.parse().ok()
    }
}

const NAMESPACE_PREFIX: &str = "agency-";

impl FromStr for AgencyName {
    type Err = Error;

    fn from_str(value: &str) -> Result<Self, Error> {
        label("agency", value, 56, "at most 56 lower-case letters, digits and -").map(Self)
    }
}

impl FromStr for SiteName {
    type Err = Error;

    fn from_str(value: &str) -> Result<Self, Error> {
        label("site", value, 20, "at most 20 lower-case letters, digits and -").map(Self)
    }
}

impl FromStr for StoreName {
    type Err = Error;

    fn from_str(value: &str) -> Result<Self, Error> {
        label("store", value, 40, "at most 40 lower-case letters, digits and -").map(Self)
    }
}

impl FromStr for MailDomain {
    type Err = Error;

    fn from_str(value: &str) -> Result<Self, Error> {
        let is_label = |text: &str| label("", text, 63, "").is_ok() || digit_label(text);
        let labels: Vec<&str> = value.split('.').collect();
        if value.len() <= 190 && labels.len() >= 2 && labels.iter().copied().all(is_label) {
            Ok(Self(value.to_owned()))
        } else {
            Err(error(
                "domain",
                value,
                "labels of lower-case letters, digits and -, with dots",
            ))
        }
    }
}

impl EmailAddress {
    pub fn domain(&self) -> &str {
        self.0.split_once('@').map_or("", |(_, domain)| domain)
    }
}

impl FromStr for EmailAddress {
    type Err = Error;

    fn from_str(value: &str) -> Result<Self, Error> {
        let fault = || error("address", value, "lower case, of the form name@domain");
        let (local, domain) = value.split_once('@').ok_or_else(fault)?;
        domain.parse::<MailDomain>().map_err(|_| fault())?;
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
        let starts = local.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        if value.len() > 254
            || local.len() > 64
            || !starts
            || local.ends_with('.')
            || local.contains("..")
            || !local.chars().all(allowed)
        {
            return Err(fault());
        }
        Ok(Self(value.to_owned()))
    }
}

impl Grade {
    /// The least quota of the grade (circular 3/2017, paragraph 10(iii)).
    pub fn minimum_quota(self) -> Bytes {
        Bytes(match self.0 {
            ..=40 => 500 * MEBIBYTE,
            41..=47 => 1024 * MEBIBYTE,
            48..=53 => 2048 * MEBIBYTE,
            54.. => 4096 * MEBIBYTE,
        })
    }

    pub fn number(self) -> u8 {
        self.0
    }
}

impl TryFrom<i32> for Grade {
    type Error = Error;

    fn try_from(value: i32) -> Result<Self, Error> {
        u8::try_from(value)
            .ok()
            .filter(|grade| (1..=60).contains(grade))
            .map(Self)
            .ok_or_else(|| error("grade", &value.to_string(), "a number from 1 to 60"))
    }
}

impl Bytes {
    pub fn count(self) -> u64 {
        self.0
    }
}

impl TryFrom<&Quantity> for Bytes {
    type Error = Error;

    /// Rounds down to whole bytes; sizes of 2^63 bytes and more are refused.
    fn try_from(Quantity(text): &Quantity) -> Result<Self, Error> {
        quantity(text)
            .filter(|bytes| (1.0..9.2e18).contains(bytes))
            // In range by the filter above; a fraction of a byte is no byte.
            .map(|bytes| Self(bytes as u64))
            .ok_or_else(|| error("size", text, "a quantity above nought, for example 2Gi"))
    }
}

/// The number a Kubernetes quantity stands for.
pub fn quantity(text: &str) -> Option<f64> {
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || "+-.".contains(c)))
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let number: f64 = number.parse().ok()?;
    let factor = match suffix {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1024f64.powi(2),
        "Gi" => 1024f64.powi(3),
        "Ti" => 1024f64.powi(4),
        "Pi" => 1024f64.powi(5),
        "Ei" => 1024f64.powi(6),
        exponent => {
            let digits = exponent.strip_prefix(['e', 'E'])?;
            10f64.powi(digits.parse().ok()?)
        }
    };
    Some(number * factor)
}

fn label(what: &'static str, value: &str, limit: usize, rule: &'static str) -> Result<String, Error> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if (1..=limit).contains(&value.len())
        && value.starts_with(|c: char| c.is_ascii_lowercase())
        && !value.ends_with('-')
        && value.chars().all(allowed)
    {
        Ok(value.to_owned())
    } else {
        Err(error(what, value, rule))
    }
}

/// A label of a domain may begin with a digit, as that of the service itself does.
fn digit_label(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit()) && label("", &format!("a{text}"), 63, "").is_ok()
}

fn error(what: &'static str, value: &str, rule: &'static str) -> Error {
    Error {
        what,
        value: value.to_owned(),
        rule,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("kkr.gov.my", true)]
    #[case("1govuc.gov.my", true)]
    #[case("my", false)]
    #[case("KKR.gov.my", false)]
    #[case("kkr..my", false)]
    #[case("-kkr.gov.my", false)]
    fn a_domain_is_lower_case_labels(#[case] text: &str, #[case] valid: bool) {
        assert_eq!(text.parse::<MailDomain>().is_ok(), valid);
    }

    #[rstest]
    #[case("ali.ahmad@kkr.gov.my", true)]
    #[case("a@kkr.gov.my", true)]
    #[case("Ali@kkr.gov.my", false)]
    #[case("ali+x@kkr.gov.my", false)]
    #[case("ali..ahmad@kkr.gov.my", false)]
    #[case(".ali@kkr.gov.my", false)]
    #[case("ali.@kkr.gov.my", false)]
    #[case("ali", false)]
    #[case("ali@kkr@gov.my", false)]
    fn an_address_is_a_plain_name_at_a_domain(#[case] text: &str, #[case] valid: bool) {
        assert_eq!(text.parse::<EmailAddress>().is_ok(), valid);
    }

    #[rstest]
    #[case(1, 500)]
    #[case(40, 500)]
    #[case(41, 1024)]
    #[case(47, 1024)]
    #[case(48, 2048)]
    #[case(53, 2048)]
    #[case(54, 4096)]
    #[case(60, 4096)]
    fn the_least_quota_follows_the_grade(#[case] grade: i32, #[case] mebibytes: u64) {
        let least = Grade::try_from(grade).unwrap().minimum_quota();
        assert_eq!(least.count(), mebibytes * MEBIBYTE);
    }

    #[rstest]
    #[case(0)]
    #[case(61)]
    #[case(-1)]
    #[case(300)]
    fn other_grades_do_not_exist(#[case] grade: i32) {
        assert!(Grade::try_from(grade).is_err());
    }

    #[rstest]
    #[case("2Gi", Some(2 << 30))]
    #[case("1.5Gi", Some(3 << 29))]
    #[case("1073741824", Some(1 << 30))]
    #[case("500M", Some(500_000_000))]
    #[case("1e3", Some(1000))]
    #[case("0", None)]
    #[case("-1Gi", None)]
    #[case("2GB", None)]
    #[case("", None)]
    fn a_size_is_read_as_kubernetes_reads_it(#[case] text: &str, #[case] bytes: Option<u64>) {
        let read = Bytes::try_from(&Quantity(text.to_owned())).ok();
        assert_eq!(read.map(Bytes::count), bytes);
    }

    #[test]
    fn an_agency_is_found_by_its_namespace() {
        let agency: AgencyName = "kkr".parse().unwrap();
        assert_eq!(AgencyName::of_namespace(&agency.namespace()), Some(agency));
        assert_eq!(AgencyName::of_namespace("kube-system"), None);
    }
}

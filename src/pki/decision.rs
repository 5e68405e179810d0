//! Whether a certificate is kept or issued anew: pure.

use std::net::IpAddr;

use k8s_openapi::jiff::Timestamp;
use rcgen::KeyPair;
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, pem::parse_x509_pem};

use super::{Leaf, Wanted};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Keep,
    Issue(Reason),
}

/// Why a certificate is issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// There is none yet.
    Missing,
    /// What is there is no certificate with its key.
    Unreadable,
    /// It is good for other names than are wanted.
    NamesChanged,
    /// An authority came, went or was replaced. The own one is among them, so a leaf of an old authority falls here too.
    AuthoritiesChanged,
    /// A third of its life or less is left.
    Due,
}

impl Reason {
    /// For logs.
    pub fn label(self) -> &'static str {
        match self {
            Reason::Missing => "missing",
            Reason::Unreadable => "unreadable",
            Reason::NamesChanged => "names changed",
            Reason::AuthoritiesChanged => "authorities changed",
            Reason::Due => "due for renewal",
        }
    }
}

pub fn decide(existing: Option<&Leaf>, wanted: &Wanted, now: Timestamp) -> Decision {
    let Some(leaf) = existing else {
        return Decision::Issue(Reason::Missing);
    };
    let Ok((_, pem)) = parse_x509_pem(leaf.certificate.as_bytes()) else {
        return Decision::Issue(Reason::Unreadable);
    };
    let Ok(certificate) = pem.parse_x509() else {
        return Decision::Issue(Reason::Unreadable);
    };
    if !belongs(&certificate, &leaf.key) {
        return Decision::Issue(Reason::Unreadable);
    }
    if names(&certificate) != wanted.sorted_names() {
        return Decision::Issue(Reason::NamesChanged);
    }
    if leaf.trusted != wanted.trusted {
        return Decision::Issue(Reason::AuthoritiesChanged);
    }
    if now.as_second() >= due(&certificate) {
        return Decision::Issue(Reason::Due);
    }
    Decision::Keep
}

/// When a certificate is to be renewed: with a third of its life left, so that months remain to notice a failure.
/// `None` when it can't be read.
pub fn renewal(leaf: &Leaf) -> Option<Timestamp> {
    let (_, pem) = parse_x509_pem(leaf.certificate.as_bytes()).ok()?;
    Timestamp::from_second(due(&pem.parse_x509().ok()?)).ok()
}

/// When a certificate is good no longer. `None` when it can't be read.
pub fn end(leaf: &Leaf) -> Option<Timestamp> {
    let (_, pem) = parse_x509_pem(leaf.certificate.as_bytes()).ok()?;
    Timestamp::from_second(pem.parse_x509().ok()?.validity().not_after.timestamp()).ok()
}

pub(super) fn due(certificate: &X509Certificate<'_>) -> i64 {
    let validity = certificate.validity();
    let (from, to) = (validity.not_before.timestamp(), validity.not_after.timestamp());
    to - (to - from) / 3
}

pub(super) fn belongs(certificate: &X509Certificate<'_>, key: &str) -> bool {
    KeyPair::from_pem(key)
        .is_ok_and(|key| key.public_key_raw() == &*certificate.public_key().subject_public_key.data)
}

pub(super) fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let mut names: Vec<String> = extension
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            GeneralName::IPAddress(octets) => address(octets).map(|address| address.to_string()),
            _ => None,
        })
        .collect();
    names.sort_unstable();
    names
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(octets)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::Authority;
    use rstest::rstest;

    const ISSUED: &str = "2026-11-24T00:00:00Z";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn wanted() -> Wanted {
        Wanted::part(
            "front-door",
            "pdsa1",
            "govuc-mail",
            vec!["mail.1govuc.gov.my".into(), "mail.pdsa1.1govuc.gov.my".into()],
            "CA 1, CA 2",
        )
    }

    fn issued() -> Leaf {
        let pair = Authority::generate("pdsa1", at(ISSUED)).unwrap();
        let authority = Authority::from_pair(pair).unwrap();
        authority.issue(&wanted(), at(ISSUED)).unwrap()
    }

    #[rstest]
    #[case::at_once(ISSUED, Decision::Keep)]
    #[case::two_thirds_less_a_day("2027-07-24T00:00:00Z", Decision::Keep)]
    #[case::with_a_third_left("2027-07-26T00:00:00Z", Decision::Issue(Reason::Due))]
    #[case::expired("2028-01-01T00:00:00Z", Decision::Issue(Reason::Due))]
    fn a_certificate_is_renewed_when_a_third_of_its_year_is_left(#[case] now: &str, #[case] want: Decision) {
        assert_eq!(decide(Some(&issued()), &wanted(), at(now)), want);
    }

    #[test]
    fn what_is_missing_is_issued() {
        assert_eq!(
            decide(None, &wanted(), at(ISSUED)),
            Decision::Issue(Reason::Missing)
        );
    }

    #[rstest]
    #[case::no_pem(Leaf { certificate: "no PEM".into(), ..issued() })]
    #[case::no_key(Leaf { key: "no PEM".into(), ..issued() })]
    #[case::another_key(Leaf { key: issued().key, ..issued() })]
    fn what_is_no_certificate_with_its_key_is_issued_anew(#[case] leaf: Leaf) {
        assert_eq!(
            decide(Some(&leaf), &wanted(), at(ISSUED)),
            Decision::Issue(Reason::Unreadable)
        );
    }

    #[rstest]
    #[case::one_more(|w: &mut Wanted| w.names.push("mail.gov.my".into()))]
    #[case::one_less(|w: &mut Wanted| { w.names.pop(); })]
    #[case::another_identity(|w: &mut Wanted| w.identity = "mx.pdsa1.govuc.internal".into())]
    fn other_names_are_a_reason(#[case] change: fn(&mut Wanted)) {
        let mut wanted = wanted();
        change(&mut wanted);
        assert_eq!(
            decide(Some(&issued()), &wanted, at(ISSUED)),
            Decision::Issue(Reason::NamesChanged)
        );
    }

    #[test]
    fn the_order_of_names_is_no_reason() {
        let mut wanted = wanted();
        wanted.names.reverse();
        assert_eq!(decide(Some(&issued()), &wanted, at(ISSUED)), Decision::Keep);
    }

    #[test]
    fn an_address_is_a_name() {
        let mut wanted = wanted();
        wanted.names.push("127.0.0.1".into());
        wanted.names.push("2001:db8::7".into());
        let authority = Authority::from_pair(Authority::generate("pdsa1", at(ISSUED)).unwrap()).unwrap();
        let leaf = authority.issue(&wanted, at(ISSUED)).unwrap();
        assert_eq!(decide(Some(&leaf), &wanted, at(ISSUED)), Decision::Keep);
        wanted.names.pop();
        assert_eq!(
            decide(Some(&leaf), &wanted, at(ISSUED)),
            Decision::Issue(Reason::NamesChanged)
        );
    }

    #[test]
    fn another_authority_is_a_reason() {
        let wanted = Wanted {
            trusted: "CA 1, CA 3".into(),
            ..wanted()
        };
        assert_eq!(
            decide(Some(&issued()), &wanted, at(ISSUED)),
            Decision::Issue(Reason::AuthoritiesChanged)
        );
    }

    #[test]
    fn the_renewal_is_when_the_decision_turns() {
        let leaf = issued();
        let due = renewal(&leaf).unwrap();
        let before = Timestamp::from_second(due.as_second() - 1).unwrap();
        assert_eq!(decide(Some(&leaf), &wanted(), before), Decision::Keep);
        assert_eq!(decide(Some(&leaf), &wanted(), due), Decision::Issue(Reason::Due));
        assert!(due < end(&leaf).unwrap());
    }
}

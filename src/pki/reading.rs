//! What a certificate says, and whose signature it has: pure.

use k8s_openapi::jiff::Timestamp;
use x509_parser::{
    certificate::X509Certificate,
    pem::Pem,
    prelude::FromDer,
    x509::{SubjectPublicKeyInfo, X509Name},
};

use super::decision::{belongs, due, names};

/// A certificate as whoever looks at it reads it. Of keys it knows only what is public.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The common name, or the whole subject where there is none.
    pub subject: String,
    /// The same of who signed it, as the certificate itself says.
    pub issuer: String,
    /// The DNS names and addresses it is good for, sorted.
    pub names: Vec<String>,
    /// When it is good no longer.
    pub until: Timestamp,
    /// When a third of its life is left.
    pub due: Timestamp,
    der: Vec<u8>,
}

impl Reading {
    /// The first certificate of a text. `None` when that can't be read.
    pub fn of(pem: &str) -> Option<Self> {
        Self::all(pem)?.into_iter().next()
    }

    /// Every certificate of a text. `None` when there is none, or one that can't be read.
    pub fn all(pem: &str) -> Option<Vec<Self>> {
        let blocks = Pem::iter_from_buffer(pem.as_bytes());
        let read: Option<Vec<Self>> = blocks.map(|block| Self::of_der(block.ok()?.contents)).collect();
        read.filter(|read| !read.is_empty())
    }

    fn of_der(der: Vec<u8>) -> Option<Self> {
        let certificate = parsed(&der)?;
        let validity = certificate.validity();
        Some(Self {
            subject: name(certificate.subject()),
            issuer: name(certificate.issuer()),
            names: names(&certificate).iter().map(|name| printable(name)).collect(),
            until: Timestamp::from_second(validity.not_after.timestamp()).ok()?,
            due: Timestamp::from_second(due(&certificate)).ok()?,
            der,
        })
    }

    /// Whether this private key, as PEM, is its own.
    pub fn fits(&self, key: &str) -> bool {
        parsed(&self.der).is_some_and(|certificate| belongs(&certificate, key))
    }

    /// By the authority's name and key: whoever verifies goes by these, and by no date.
    pub fn is_signed_by(&self, authority: &Self) -> bool {
        let (Some(own), Some(authority)) = (parsed(&self.der), parsed(&authority.der)) else {
            return false;
        };
        own.issuer() == authority.subject() && own.verify_signature(Some(authority.public_key())).is_ok()
    }

    /// Whether both are one authority to whoever verifies: one name and one key, whatever the dates.
    pub fn is_one_with(&self, other: &Self) -> bool {
        let (Some(own), Some(other)) = (parsed(&self.der), parsed(&other.der)) else {
            return false;
        };
        own.subject() == other.subject() && bits(own.public_key()) == bits(other.public_key())
    }
}

fn parsed(der: &[u8]) -> Option<X509Certificate<'_>> {
    X509Certificate::from_der(der)
        .ok()
        .map(|(_, certificate)| certificate)
}

fn bits<'a>(key: &'a SubjectPublicKeyInfo<'_>) -> &'a [u8] {
    &key.subject_public_key.data
}

fn name(name: &X509Name<'_>) -> String {
    let common = name
        .iter_common_name()
        .find_map(|common| common.as_str().ok().map(str::to_owned));
    printable(&common.unwrap_or_else(|| name.to_string()))
}

/// Whoever may write the text steers no terminal by it.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Authority, Pair, Wanted, end, renewal},
        *,
    };

    fn now() -> Timestamp {
        "2026-11-24T00:00:00Z".parse().unwrap()
    }

    fn pair(site: &str) -> Pair {
        Authority::generate(site, now()).unwrap()
    }

    fn authority(pair: &Pair) -> Authority {
        Authority::from_pair(pair.clone()).unwrap()
    }

    #[test]
    fn a_certificate_says_whose_it_is_who_signed_it_and_how_long_it_is_good() {
        let wanted = Wanted::part("mx", "pdsa1", "govuc-mta", vec!["127.0.0.1".into()], "");
        let leaf = authority(&pair("pdsa1")).issue(&wanted, now()).unwrap();
        let read = Reading::of(&leaf.certificate).unwrap();
        assert_eq!(read.subject, "mx.pdsa1.govuc.internal");
        assert_eq!(read.issuer, "pdsa1 authority");
        assert_eq!(
            read.names,
            ["127.0.0.1", "mx-pdsa1.govuc-mta.svc", "mx.pdsa1.govuc.internal"]
        );
        assert_eq!(Some(read.until), end(&leaf));
        assert_eq!(Some(read.due), renewal(&leaf));
        assert!(read.fits(&leaf.key));
        assert!(!read.fits(&pair("pdsa1").key));
        assert!(!read.fits("no key"));
    }

    #[test]
    fn a_signature_is_told_by_the_key_and_not_by_the_name_alone() {
        let (one, namesake, other) = (pair("pdsa1"), pair("pdsa1"), pair("pdsa2"));
        let leaf = authority(&one).issue(&Wanted::part("mx", "pdsa1", "govuc-mta", Vec::new(), ""), now());
        let leaf = Reading::of(&leaf.unwrap().certificate).unwrap();
        let read = |pair: &Pair| Reading::of(&pair.certificate).unwrap();
        assert!(leaf.is_signed_by(&read(&one)));
        assert!(!leaf.is_signed_by(&read(&namesake)));
        assert!(!leaf.is_signed_by(&read(&other)));
        assert!(read(&one).is_signed_by(&read(&one)));
    }

    #[test]
    fn the_same_key_under_the_same_name_is_one_authority_whatever_the_dates() {
        let key = pair("pdsa1").key;
        let dated = |name: &str, since: &str| {
            let key = rcgen::KeyPair::from_pem(&key).unwrap();
            let authority = Authority::with_key(key, name, since.parse().unwrap()).unwrap();
            Reading::of(authority.certificate()).unwrap()
        };
        let (old, new) = (
            dated("a authority", "2026-11-24T00:00:00Z"),
            dated("a authority", "2036-11-24T00:00:00Z"),
        );
        assert_ne!(old, new);
        assert!(old.is_one_with(&new));
        assert!(!old.is_one_with(&dated("b", "2026-11-24T00:00:00Z")));
        assert!(!old.is_one_with(&Reading::of(&pair("a").certificate).unwrap()));
    }

    #[test]
    fn of_several_certificates_in_a_text_each_is_read() {
        let text = super::super::trusted(&pair("pdsa1").certificate, &pair("pdsa2").certificate);
        let subjects: Vec<String> = Reading::all(&text)
            .unwrap()
            .into_iter()
            .map(|it| it.subject)
            .collect();
        assert_eq!(subjects, ["pdsa1 authority", "pdsa2 authority"]);
        for text in [
            "",
            "certificate one",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ] {
            assert_eq!(Reading::all(text), None, "{text}");
        }
    }

    #[test]
    fn a_name_steers_no_terminal() {
        assert_eq!(printable("a\u{1b}[31mb"), "a\u{fffd}[31mb");
    }
}

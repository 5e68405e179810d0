//! One certificate authority per site, and what it signs.

use k8s_openapi::jiff::{Timestamp, ToSpan};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType,
};
use time::OffsetDateTime;

use super::{Error, Leaf, Usage, Wanted};

/// Ten years: as long as the service plans ahead. Leaves live one, so no leaf outlives it for nine.
pub(super) const AUTHORITY_DAYS: i64 = 3650;
const LEAF_DAYS: i64 = 365;
/// Certificates are valid from a little earlier: the sites' clocks differ by less than this.
const SKEW_MINUTES: i64 = 5;
/// RFC 5280, ub-common-name.
const COMMON_NAME_LIMIT: usize = 64;

/// A certificate and its private key, as PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

/// A site's certificate authority, able to sign.
pub struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Makes a new one: ECDSA P-256, self-signed. The caller keeps the pair with create-only semantics, so that of two
    /// replicas that race one wins and both use what is kept.
    pub fn generate(site: &str, now: Timestamp) -> Result<Pair, Error> {
        let key = KeyPair::generate().map_err(Error::Make)?;
        Ok(Pair {
            certificate: self_signed(&key, &format!("{site} authority"), now)?,
            key: key.serialize_pem(),
        })
    }

    /// The authority with this key, whose certificate is valid from `since`.
    pub(super) fn with_key(key: KeyPair, name: &str, since: Timestamp) -> Result<Self, Error> {
        let certificate = self_signed(&key, name, since)?;
        let issuer = Issuer::from_ca_cert_pem(&certificate, key).map_err(Error::Make)?;
        Ok(Self { certificate, issuer })
    }

    pub fn from_pair(pair: Pair) -> Result<Self, Error> {
        let key = KeyPair::from_pem(&pair.key).map_err(Error::Authority)?;
        let issuer = Issuer::from_ca_cert_pem(&pair.certificate, key).map_err(Error::Authority)?;
        Ok(Self {
            certificate: pair.certificate,
            issuer,
        })
    }

    /// The authority's own certificate, as PEM: public.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Signs a certificate with a new key.
    pub fn issue(&self, wanted: &Wanted, now: Timestamp) -> Result<Leaf, Error> {
        let key = KeyPair::generate().map_err(Error::Make)?;
        let mut params = params(&wanted.identity, now, LEAF_DAYS)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = match wanted.usage {
            Usage::ServerAndClient => vec![
                ExtendedKeyUsagePurpose::ServerAuth,
                ExtendedKeyUsagePurpose::ClientAuth,
            ],
            Usage::Client => vec![ExtendedKeyUsagePurpose::ClientAuth],
        };
        params.subject_alt_names = wanted
            .sorted_names()
            .into_iter()
            .map(subject_name)
            .collect::<Result<_, Error>>()?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(Error::Make)?;
        Ok(Leaf {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            trusted: wanted.trusted.clone(),
        })
    }
}

fn self_signed(key: &KeyPair, name: &str, since: Timestamp) -> Result<String, Error> {
    let mut params = params(name, since, AUTHORITY_DAYS)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params.self_signed(key).map_err(Error::Make)?.pem())
}

fn subject_name(name: &str) -> Result<SanType, Error> {
    if let Ok(address) = name.parse() {
        return Ok(SanType::IpAddress(address));
    }
    let dns = name.try_into().map_err(|source| Error::Name {
        name: name.to_owned(),
        source,
    })?;
    Ok(SanType::DnsName(dns))
}

/// The directory maps a service from this subject to its entry: O and CN, and nothing else. Only a store's name can be
/// too long for a common name, and stores do not ask the directory.
fn params(common_name: &str, now: Timestamp, days: i64) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::default();
    let mut subject = DistinguishedName::new();
    subject.push(DnType::OrganizationName, "govuc");
    if common_name.len() <= COMMON_NAME_LIMIT {
        subject.push(DnType::CommonName, common_name);
    }
    params.distinguished_name = subject;
    params.not_before = offset(now, -SKEW_MINUTES * 60)?;
    params.not_after = offset(now, days * 86_400)?;
    Ok(params)
}

fn offset(now: Timestamp, seconds: i64) -> Result<OffsetDateTime, Error> {
    let then = now.checked_add(seconds.seconds()).map_err(|_| Error::Time(now))?;
    OffsetDateTime::from_unix_timestamp(then.as_second()).map_err(|_| Error::Time(now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::roles::tests::greets;
    use govuc_wire::tls::Material;

    fn now() -> Timestamp {
        "2026-11-24T00:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_kept_authority_signs_certificates_its_holder_can_use() {
        let pair = Authority::generate("pdsa1", now()).unwrap();
        let authority = Authority::from_pair(pair.clone()).unwrap();
        assert_eq!(authority.certificate(), pair.certificate);
        let wanted = Wanted::part("mx", "pdsa1", "govuc-mta", Vec::new(), authority.certificate());
        let leaf = authority.issue(&wanted, now()).unwrap();
        Material::from_pem(&leaf.certificate, &leaf.key, &leaf.trusted)
            .unwrap()
            .server(&[])
            .unwrap();
    }

    #[test]
    fn a_certificate_says_who_its_holder_is_in_the_subject_the_directory_maps() {
        let authority = Authority::from_pair(Authority::generate("pdsa1", now()).unwrap()).unwrap();
        let wanted = Wanted::part("directory", "pdsa1", "govuc-mail", Vec::new(), "");
        let leaf = authority.issue(&wanted, now()).unwrap();
        let (_, pem) = x509_parser::pem::parse_x509_pem(leaf.certificate.as_bytes()).unwrap();
        let certificate = pem.parse_x509().unwrap();
        assert_eq!(
            certificate.subject().to_string(),
            "O=govuc, CN=directory.pdsa1.govuc.internal"
        );
        assert!(!certificate.is_ca());
    }

    /// Ten years on. TLS judges by the real clock, so it was made ten years ago.
    #[tokio::test]
    async fn an_authority_that_has_ended_still_signs_and_our_own_programs_go_by_its_key_alone() {
        let now = Timestamp::now();
        let begun = now.checked_sub((24 * (AUTHORITY_DAYS + 30)).hours()).unwrap();
        let authority = Authority::from_pair(Authority::generate("pdsa1", begun).unwrap()).unwrap();
        let material = |issued: Timestamp| {
            let wanted = Wanted::part("mx", "pdsa1", "govuc-mta", Vec::new(), authority.certificate());
            let leaf = authority.issue(&wanted, issued).unwrap();
            Material::from_pem(&leaf.certificate, &leaf.key, &leaf.trusted).unwrap()
        };
        let (current, expired) = (material(now), material(begun));
        let name = "mx-pdsa1.govuc-mta.svc";
        assert!(greets(&current, name, &current).await);
        assert!(!greets(&expired, name, &current).await);
        assert!(!greets(&current, name, &expired).await);
    }

    #[test]
    fn half_a_pair_is_no_authority() {
        let one = Authority::generate("pdsa1", now()).unwrap();
        let rubbish = Pair {
            key: "no key".into(),
            ..one
        };
        assert!(matches!(Authority::from_pair(rubbish), Err(Error::Authority(_))));
    }
}

//! The keys and certificates of one cluster: two authorities and everybody they vouch for.

use std::fs;
use std::io::Write;
use std::net::Ipv4Addr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType,
};

/// A certificate authority kept as `<name>.crt` and `<name>.key` in a site's folder.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
}

/// Whom a certificate is for, and as what.
pub enum Subject<'a> {
    /// A client of the API server: its user name, and at most one group.
    Client { user: &'a str, group: Option<&'a str> },
    /// A server, with every name and address it is called by.
    Server {
        name: &'a str,
        names: &'a [&'a str],
        addresses: &'a [Ipv4Addr],
    },
}

/// A certificate with its key, both PEM.
pub struct Credential {
    pub certificate: String,
    pub key: String,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{path}: {source}")]
    File { path: String, source: std::io::Error },
    #[error("certificate {name}: {source}")]
    Certificate { name: String, source: rcgen::Error },
}

impl Authority {
    /// Makes an authority and writes it to `folder`.
    pub fn create(folder: &Path, file: &str, name: &str) -> Result<Authority, Error> {
        let wrong = |source| Error::Certificate {
            name: name.to_owned(),
            source,
        };
        let key = KeyPair::generate().map_err(wrong)?;
        let mut params = parameters(name, None);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let certificate = params.self_signed(&key).map_err(wrong)?;
        Credential {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
        .write(folder, file)?;
        Ok(Authority {
            issuer: Issuer::new(params, key),
        })
    }

    /// Reads an authority that [`Authority::create`] wrote.
    pub fn open(folder: &Path, file: &str) -> Result<Authority, Error> {
        let wrong = |source| Error::Certificate {
            name: file.to_owned(),
            source,
        };
        let key = KeyPair::from_pem(&read(&folder.join(format!("{file}.key")))?).map_err(wrong)?;
        let certificate = read(&folder.join(format!("{file}.crt")))?;
        Ok(Authority {
            issuer: Issuer::from_ca_cert_pem(&certificate, key).map_err(wrong)?,
        })
    }

    /// A new key and a certificate for it.
    pub fn issue(&self, subject: &Subject) -> Result<Credential, Error> {
        let (mut params, name) = match subject {
            Subject::Client { user, group } => {
                let mut params = parameters(user, *group);
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
                (params, user)
            }
            Subject::Server {
                name,
                names,
                addresses,
            } => {
                let mut params = parameters(name, None);
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
                for dns in *names {
                    let dns = (*dns).try_into().map_err(|source| Error::Certificate {
                        name: dns.to_string(),
                        source,
                    })?;
                    params.subject_alt_names.push(SanType::DnsName(dns));
                }
                params
                    .subject_alt_names
                    .extend(addresses.iter().map(|a| SanType::IpAddress((*a).into())));
                (params, name)
            }
        };
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let wrong = |source| Error::Certificate {
            name: (*name).to_owned(),
            source,
        };
        let key = KeyPair::generate().map_err(wrong)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(wrong)?;
        Ok(Credential {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}

impl Credential {
    /// Writes `<name>.crt` and `<name>.key` (readable by the owner alone) to `folder`.
    pub fn write(&self, folder: &Path, name: &str) -> Result<(), Error> {
        write(&folder.join(format!("{name}.crt")), &self.certificate, 0o644)?;
        write(&folder.join(format!("{name}.key")), &self.key, 0o600)
    }
}

/// Makes the key that signs ServiceAccount tokens: `sa.key` and `sa.pub`. ECDSA, which the API server takes as well as RSA.
pub fn token_key(folder: &Path) -> Result<(), Error> {
    let wrong = |source| Error::Certificate {
        name: "sa".to_owned(),
        source,
    };
    let key = KeyPair::generate().map_err(wrong)?;
    write(&folder.join("sa.pub"), &key.public_key_pem(), 0o644)?;
    write(&folder.join("sa.key"), &key.serialize_pem(), 0o600)
}

/// A subject's name; rcgen's default validity (1975 to 4096) stays, since a lab is thrown away long before.
fn parameters(name: &str, organization: Option<&str>) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    if let Some(organization) = organization {
        params
            .distinguished_name
            .push(DnType::OrganizationName, organization);
    }
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::File {
        path: path.display().to_string(),
        source,
    })
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), Error> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(mode);
    let file = options
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    file.map_err(|source| Error::File {
        path: path.display().to_string(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn an_authority_read_back_issues_for_the_same_root() {
        let folder = tempfile::tempdir().unwrap();
        Authority::create(folder.path(), "ca", "pdsa1-ca").unwrap();
        let again = Authority::open(folder.path(), "ca").unwrap();
        let client = Subject::Client {
            user: "zainab",
            group: Some("agency-moh"),
        };
        let credential = again.issue(&client).unwrap();
        assert!(credential.certificate.starts_with("-----BEGIN CERTIFICATE"));
        assert!(credential.key.contains("PRIVATE KEY"));
    }

    #[test]
    fn a_private_key_is_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        token_key(folder.path()).unwrap();
        let mode = fs::metadata(folder.path().join("sa.key"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

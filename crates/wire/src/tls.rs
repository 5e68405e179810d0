//! Mutual TLS between the parts: files in, rustls configurations out, and whom a certificate names.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};

use crate::names;

/// A user's IMAP, or the operator's.
pub const ALPN_IMAP: &[u8] = b"govuc-imap/1";
/// Cyrus' replication, guard to guard.
pub const ALPN_SYNC: &[u8] = b"govuc-sync/1";
/// A primary's question to its follower while it hears nothing of etcd.
pub const ALPN_PEER: &[u8] = b"govuc-peer/1";
/// What a copy has that was passed over, read by the primary's guard.
pub const ALPN_MERGE: &[u8] = b"govuc-merge/1";
/// A guard's status, to the operator.
pub const ALPN_STATUS: &[u8] = b"govuc-status/1";
/// The operator to the guard of its own site: a person has decided that it serves without etcd.
pub const ALPN_HOLD: &[u8] = b"govuc-hold/1";
/// HTTP/1.1, by its registered name: between the operators.
pub const ALPN_HTTP: &[u8] = b"http/1.1";

/// Where a part's `tls-<part>` Secret is mounted.
#[derive(Clone, Debug)]
pub struct Files {
    directory: PathBuf,
}

/// A part's own certificate and the CAs it trusts.
#[derive(Debug)]
pub struct Material {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    roots: Arc<RootCertStore>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{path} can't be read as PEM")]
    File {
        path: PathBuf,
        source: rustls_pki_types::pem::Error,
    },
    #[error("the PEM text can't be read")]
    Text(#[source] rustls_pki_types::pem::Error),
    #[error("{0} has no certificate")]
    Empty(PathBuf),
    #[error("a CA certificate is not usable")]
    Root(#[source] rustls::Error),
    #[error("certificate and key do not make a TLS configuration")]
    Configuration(#[source] rustls::Error),
    #[error("client certificates can't be verified with these CAs")]
    Verifier(#[source] rustls::server::VerifierBuilderError),
}

impl Files {
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
        }
    }

    /// Reads the files as they are now; call it again after a rotation.
    pub fn load(&self) -> Result<Material, Error> {
        let file = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::File { path, source }
        };
        let certificates = |name: &str| -> Result<Vec<CertificateDer<'static>>, Error> {
            let path = self.directory.join(name);
            let list: Vec<_> = CertificateDer::pem_file_iter(&path)
                .map_err(file(&path))?
                .collect::<Result<_, _>>()
                .map_err(file(&path))?;
            if list.is_empty() {
                Err(Error::Empty(path))
            } else {
                Ok(list)
            }
        };
        let key_path = self.directory.join("tls.key");
        let key = PrivateKeyDer::from_pem_file(&key_path).map_err(file(&key_path))?;
        Material::new(certificates("tls.crt")?, key, certificates("ca.crt")?)
    }
}

impl Material {
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        authorities: Vec<CertificateDer<'static>>,
    ) -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        for authority in authorities {
            roots.add(authority).map_err(Error::Root)?;
        }
        Ok(Self {
            chain,
            key,
            roots: Arc::new(roots),
        })
    }

    /// From PEM texts, for whoever holds them in memory.
    pub fn from_pem(chain: &str, key: &str, authorities: &str) -> Result<Self, Error> {
        let certificates = |pem: &str| {
            CertificateDer::pem_slice_iter(pem.as_bytes())
                .collect::<Result<Vec<_>, _>>()
                .map_err(Error::Text)
        };
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(Error::Text)?;
        Self::new(certificates(chain)?, key, certificates(authorities)?)
    }

    /// For dialling another part, showing the own certificate. An empty `alpn` sends none.
    pub fn client(&self, alpn: &[&[u8]]) -> Result<ClientConfig, Error> {
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(Error::Configuration)?
            .with_root_certificates(self.roots.clone())
            .with_client_auth_cert(self.chain.clone(), self.key.clone_key())
            .map_err(Error::Configuration)?;
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(config)
    }

    /// For being dialled by parts that show a certificate of either site's CA. An empty `alpn` negotiates none.
    pub fn server(&self, alpn: &[&[u8]]) -> Result<ServerConfig, Error> {
        let verifier: Arc<dyn ClientCertVerifier> =
            WebPkiClientVerifier::builder_with_provider(self.roots.clone(), provider())
                .build()
                .map_err(Error::Verifier)?;
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(Error::Configuration)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(self.chain.clone(), self.key.clone_key())
            .map_err(Error::Configuration)?;
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(config)
    }
}

/// Whether a verified peer certificate carries this identity (`names::identity`).
pub fn is(certificate: &CertificateDer<'_>, identity: &str) -> bool {
    let Ok(name) = ServerName::try_from(identity) else {
        return false;
    };
    webpki::EndEntityCert::try_from(certificate)
        .is_ok_and(|certificate| certificate.verify_is_valid_for_subject_name(&name).is_ok())
}

/// The sites of which a verified peer certificate is this part's (`names::identity`).
pub fn sites_of(certificate: &CertificateDer<'_>, part: &str) -> Vec<String> {
    let Ok(parsed) = webpki::EndEntityCert::try_from(certificate) else {
        return Vec::new();
    };
    parsed
        .valid_dns_names()
        .filter_map(|name| names::site_of_identity(part, name))
        // Who it is for is for the verifier alone to say: what was listed is only what to ask it.
        .filter(|site| is(certificate, &names::identity(part, site)))
        .map(str::to_owned)
        .collect()
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    struct Authority {
        certificate: CertificateDer<'static>,
        issuer: Issuer<'static, KeyPair>,
    }

    impl Authority {
        fn new() -> Self {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::default();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let certificate = params.self_signed(&key).unwrap().der().clone();
            Self {
                certificate,
                issuer: Issuer::new(params, key),
            }
        }

        fn material(&self, identity: &str, trusted: &[&Authority]) -> Material {
            let key = KeyPair::generate().unwrap();
            let certificate = CertificateParams::new(vec![identity.to_owned()])
                .unwrap()
                .signed_by(&key, &self.issuer)
                .unwrap();
            let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
            let trusted = trusted
                .iter()
                .map(|authority| authority.certificate.clone())
                .collect();
            Material::new(vec![certificate.der().clone()], key, trusted).unwrap()
        }
    }

    async fn greet(server: &Material, client: &Material, name: &str) -> std::io::Result<(bool, Vec<u8>)> {
        let (near, far) = tokio::io::duplex(4096);
        let acceptor = TlsAcceptor::from(Arc::new(server.server(&[ALPN_IMAP, ALPN_SYNC]).unwrap()));
        let connector = TlsConnector::from(Arc::new(client.client(&[ALPN_SYNC]).unwrap()));
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let serve = async {
            let mut stream = acceptor.accept(far).await?;
            stream.write_all(b"x").await?;
            stream.flush().await?;
            let session = stream.get_ref().1;
            let peer = &session.peer_certificates().unwrap()[0];
            Ok((
                is(peer, "mail-1.pdsa2.govuc.internal"),
                session.alpn_protocol().unwrap_or_default().to_vec(),
            ))
        };
        let dial = async {
            let mut stream = connector.connect(name, near).await?;
            stream.read_u8().await
        };
        let (served, dialled) = tokio::join!(serve, dial);
        dialled?;
        served
    }

    #[tokio::test]
    async fn parts_of_two_sites_know_each_other_by_identity_and_protocol() {
        let (one, two) = (Authority::new(), Authority::new());
        let server = one.material("mail-1-pdsa1.govuc-mail.svc", &[&one, &two]);
        let client = two.material("mail-1.pdsa2.govuc.internal", &[&one, &two]);
        let (known, alpn) = greet(&server, &client, "mail-1-pdsa1.govuc-mail.svc")
            .await
            .unwrap();
        assert!(known);
        assert_eq!(alpn, ALPN_SYNC);
    }

    #[tokio::test]
    async fn a_certificate_of_a_foreign_authority_is_refused() {
        let (one, foreign) = (Authority::new(), Authority::new());
        let server = one.material("mail-1-pdsa1.govuc-mail.svc", &[&one]);
        let client = foreign.material("mail-1.pdsa2.govuc.internal", &[&one]);
        assert!(
            greet(&server, &client, "mail-1-pdsa1.govuc-mail.svc")
                .await
                .is_err()
        );
    }

    #[tokio::test]
    async fn a_server_of_another_name_is_refused() {
        let one = Authority::new();
        let server = one.material("mail-2-pdsa1.govuc-mail.svc", &[&one]);
        let client = one.material("mail-1.pdsa2.govuc.internal", &[&one]);
        assert!(
            greet(&server, &client, "mail-1-pdsa1.govuc-mail.svc")
                .await
                .is_err()
        );
    }

    #[test]
    fn a_certificate_tells_at_which_sites_it_is_which_part() {
        let authority = Authority::new();
        for (name, sites) in [
            ("operator.pdsa2.govuc.internal", &["pdsa2"][..]),
            ("operator-pdsa2.govuc-system.svc", &[]),
            ("mail-1.pdsa2.govuc.internal", &[]),
            ("operator.a.b.govuc.internal", &[]),
            ("*.pdsa2.govuc.internal", &[]),
        ] {
            let material = authority.material(name, &[&authority]);
            assert_eq!(sites_of(&material.chain[0], "operator"), sites, "{name}");
        }
    }

    #[test]
    fn missing_files_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = Files::new(folder.path()).load().unwrap_err();
        assert!(error.to_string().contains("tls.key"), "{error}");
    }
}

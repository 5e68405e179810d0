//! Who may speak to etcd, and whom it is believed to be.

use std::sync::Arc;

use govuc_etcd::{
    Endpoint, Error, Etcd, Operation, Settings, Txn,
    testbed::{Authority, Testbed, dns},
};
use govuc_wire::tls::Files;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tempfile::TempDir;
use tokio::{io::AsyncReadExt, net::TcpStream};
use tokio_rustls::TlsConnector;

use crate::LIMIT;

/// The certificate of a client, by `issuer`, that believes in `trusted`.
fn client(folder: &TempDir, issuer: &Authority, trusted: &Authority) -> Files {
    let names = vec![dns("roles-client.pdsa1.govuc.internal")];
    issuer.write(folder.path(), names, trusted);
    Files::new(folder.path())
}

fn settings(bed: &Testbed, tls: Files) -> Settings {
    Settings {
        tls,
        ..bed.settings()
    }
}

#[tokio::test]
async fn a_client_of_another_authority_is_refused_before_anything_is_sent() {
    let bed = Testbed::start(1).await;
    let (folder, foreign) = (tempfile::tempdir().unwrap(), Authority::new("foreign"));
    let tls = client(&folder, &foreign, bed.authority());
    let etcd = Etcd::new(settings(&bed, tls)).unwrap();
    let read = etcd.range("/", LIMIT).await;
    assert!(matches!(read, Err(Error::Unauthorised(_))), "{read:?}");
    let txn = Txn {
        then: vec![Operation::Delete { key: "/a".to_owned() }],
        ..Txn::default()
    };
    let changed = etcd.txn(&txn, LIMIT).await;
    assert!(matches!(changed, Err(Error::Unauthorised(_))), "{changed:?}");
    let status = etcd.status(&bed.endpoint(0), LIMIT).await;
    assert!(matches!(status, Err(Error::Unauthorised(_))), "{status:?}");
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused() {
    let bed = Testbed::start(1).await;
    let authority = CertificateDer::from_pem_file(bed.client_folder().join("ca.crt")).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(authority).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let endpoint = bed.endpoint(0);
    let stream = TcpStream::connect(&endpoint.address).await.unwrap();
    let name = ServerName::try_from(endpoint.server_name).unwrap();
    let greeted = async {
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        stream.read_u8().await
    };
    let refused = greeted.await.unwrap_err();
    assert!(refused.to_string().contains("CertificateRequired"), "{refused}");
}

#[tokio::test]
async fn a_member_of_another_authority_is_not_believed() {
    let bed = Testbed::start(1).await;
    let (folder, foreign) = (tempfile::tempdir().unwrap(), Authority::new("foreign"));
    let tls = client(&folder, bed.authority(), &foreign);
    let etcd = Etcd::new(settings(&bed, tls)).unwrap();
    let read = etcd.range("/", LIMIT).await;
    assert!(matches!(read, Err(Error::Unauthorised(_))), "{read:?}");
}

#[tokio::test]
async fn a_member_that_answers_as_another_is_passed_over() {
    let bed = Testbed::start(1).await;
    let posing = Endpoint {
        server_name: Endpoint::of_site("pdsa2").server_name,
        ..bed.endpoint(0)
    };
    let only = Settings {
        endpoints: vec![posing.clone()],
        ..bed.settings()
    };
    let read = Etcd::new(only).unwrap().range("/", LIMIT).await;
    assert!(matches!(read, Err(Error::Unauthorised(_))), "{read:?}");
    let first = Settings {
        endpoints: vec![posing, bed.endpoint(0)],
        ..bed.settings()
    };
    Etcd::new(first).unwrap().range("/", LIMIT).await.unwrap();
}

#[tokio::test]
async fn a_renewed_certificate_is_used_and_a_spoilt_one_is_not() {
    let mut bed = Testbed::start(1).await;
    let (folder, foreign) = (tempfile::tempdir().unwrap(), Authority::new("foreign"));
    let tls = client(&folder, &foreign, bed.authority());
    let etcd = Etcd::new(settings(&bed, tls)).unwrap();
    let read = etcd.range("/", LIMIT).await;
    assert!(matches!(read, Err(Error::Unauthorised(_))), "{read:?}");
    client(&folder, bed.authority(), bed.authority());
    etcd.range("/", LIMIT).await.unwrap();
    // Half replaced: the key is another's than the certificate's.
    let other = tempfile::tempdir().unwrap();
    client(&other, bed.authority(), bed.authority());
    std::fs::copy(other.path().join("tls.key"), folder.path().join("tls.key")).unwrap();
    bed.kill(0);
    bed.start_member(0);
    etcd.range("/", LIMIT).await.unwrap();
}

#[tokio::test]
async fn files_that_can_not_be_used_are_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let settings = |endpoints| Settings {
        endpoints,
        tls: Files::new(folder.path()),
    };
    let unusable = Etcd::new(settings(vec![Endpoint::of_site("pdsa1")]))
        .err()
        .unwrap();
    assert!(matches!(unusable, Error::Certificate(_)), "{unusable:?}");
    client(&folder, &Authority::new("roles"), &Authority::new("roles"));
    let nobody = Etcd::new(settings(Vec::new())).err().unwrap();
    assert!(matches!(nobody, Error::NoMember), "{nobody:?}");
}

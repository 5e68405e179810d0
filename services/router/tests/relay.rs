//! A session's way from nginx to its store, with a TLS server in the store's place.

// Helpers of tests are tests too.
#![allow(clippy::unwrap_used)]

use std::{net::Ipv4Addr, path::Path, sync::Arc, time::Instant};

use govuc_router::{
    relay::{self, Admitted, Certificates, Place, Protocol},
    telemetry::Metrics,
    tickets::Tickets,
};
use govuc_wire::{
    preamble::{self, Session},
    tls::{self, Files},
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

const STORE: &str = "mail-1-pdsa1.govuc-mail.svc";

/// The store's and the router's certificates, of one authority.
fn certificates(folder: &Path) -> [Files; 2] {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    [STORE, "front-door.pdsa1.govuc.internal"].map(|name| {
        let folder = folder.join(name);
        std::fs::create_dir(&folder).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        std::fs::write(folder.join("tls.crt"), certificate.pem()).unwrap();
        std::fs::write(folder.join("tls.key"), key.serialize_pem()).unwrap();
        std::fs::write(folder.join("ca.crt"), &authority).unwrap();
        Files::new(folder)
    })
}

struct Running {
    tickets: Arc<Tickets<Admitted>>,
    port: u16,
    stop: CancellationToken,
    relay: tokio::task::JoinHandle<()>,
}

fn running(files: Files) -> Running {
    let listener = relay::listen(0).unwrap();
    let port = listener.local_addr().unwrap().port();
    let tickets = Arc::new(Tickets::new(Instant::now()));
    let stop = CancellationToken::new();
    let relay = tokio::spawn(relay::serve(
        listener,
        tickets.clone(),
        Arc::new(Certificates::new(files)),
        Metrics::default(),
        stop.clone(),
    ));
    Running {
        tickets,
        port,
        stop,
        relay,
    }
}

fn ali() -> Session {
    Session {
        user: "3f".into(),
        client: "198.18.0.9".into(),
        session: "a1".into(),
    }
}

/// Somebody who accepts one session and echoes one line.
async fn store(files: Files, listener: TcpListener) -> (Session, Vec<u8>) {
    let config = files.load().unwrap().server(&[tls::ALPN_IMAP]).unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let mut stream = TlsAcceptor::from(Arc::new(config)).accept(stream).await.unwrap();
    let alpn = stream.get_ref().1.alpn_protocol().unwrap_or_default().to_vec();
    let session = preamble::read(&mut stream).await.unwrap();
    stream.write_all(b"* OK\r\n").await.unwrap();
    stream.flush().await.unwrap();
    let mut line = [0; 8];
    stream.read_exact(&mut line).await.unwrap();
    assert_eq!(&line, b"a LOGIN\n");
    stream.shutdown().await.unwrap();
    (session, alpn)
}

async fn place() -> (Place, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = Place {
        address: listener.local_addr().unwrap().to_string(),
        server_name: STORE.into(),
    };
    (place, listener)
}

fn to(places: Vec<Place>) -> Admitted {
    Admitted {
        protocol: Protocol::Imap,
        places,
        preamble: Some(ali()),
    }
}

#[tokio::test]
async fn a_session_is_carried_to_its_store_with_who_it_is_before_its_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let [server, client] = certificates(folder.path());
    let Running {
        tickets,
        port,
        stop,
        relay,
    } = running(client);
    let (alive, listener) = place().await;
    let serving = tokio::spawn(store(server, listener));
    let (gone, unused) = place().await;
    drop(unused);

    let address = tickets.issue(to(vec![gone, alive]), Instant::now()).unwrap();
    let mut near = TcpStream::connect((address, port)).await.unwrap();
    let mut greeting = [0; 6];
    near.read_exact(&mut greeting).await.unwrap();
    assert_eq!(&greeting, b"* OK\r\n");
    near.write_all(b"a LOGIN\n").await.unwrap();
    let (session, alpn) = serving.await.unwrap();
    assert_eq!(session, ali());
    assert_eq!(alpn, tls::ALPN_IMAP);
    assert_eq!(near.read(&mut greeting).await.unwrap(), 0);
    drop(near);
    stop.cancel();
    relay.await.unwrap();
}

#[tokio::test]
async fn nobody_is_carried_who_was_not_let_in_or_whose_store_is_another() {
    let folder = tempfile::tempdir().unwrap();
    let [server, client] = certificates(folder.path());
    let Running { tickets, port, .. } = running(client);
    let mut byte = [0; 1];
    let mut stranger = TcpStream::connect((Ipv4Addr::new(127, 64, 9, 9), port))
        .await
        .unwrap();
    assert_eq!(stranger.read(&mut byte).await.unwrap(), 0);

    let (place, listener) = place().await;
    let impostor = Place {
        server_name: "mail-2-pdsa1.govuc-mail.svc".into(),
        ..place
    };
    let config = server.load().unwrap().server(&[tls::ALPN_IMAP]).unwrap();
    let accepting = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        TlsAcceptor::from(Arc::new(config)).accept(stream).await.is_err()
    });
    let address = tickets.issue(to(vec![impostor]), Instant::now()).unwrap();
    let mut near = TcpStream::connect((address, port)).await.unwrap();
    assert_eq!(near.read(&mut byte).await.unwrap(), 0);
    assert!(accepting.await.unwrap());
    let mut again = TcpStream::connect((address, port)).await.unwrap();
    assert_eq!(again.read(&mut byte).await.unwrap(), 0);
}

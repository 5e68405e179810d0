//! A site's public addresses as a mail client, or another mail server, sees them from a machine of the lab: no packet
//! leaves the lab.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_imap::{Client, Session};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::line::{self, DEADLINE};
use super::smtp::{self, Reply, Smtp};
use crate::machine::Machine;

/// A connection with TLS on it.
pub type Stream = TlsStream<tokio::net::TcpStream>;

/// A public address of one site: its front door, or its mx.
#[derive(Clone)]
pub struct Door {
    /// From where the client dials.
    pub machine: Machine,
    pub address: Ipv4Addr,
    /// The name a client was told, which the certificate must carry: `mail.1govuc.gov.my`, or mx's own.
    pub name: String,
    /// The authorities a client trusts, PEM.
    pub authorities: PathBuf,
}

/// What a person types into a mail client.
#[derive(Clone, Copy)]
pub struct Login<'a> {
    pub user: &'a str,
    pub password: &'a str,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0} can't be dialled")]
    Dial(SocketAddr, #[source] io::Error),
    #[error("{0} did not answer within {DEADLINE:?}")]
    Silent(SocketAddr),
    #[error("no TLS with {0}")]
    Tls(SocketAddr, #[source] io::Error),
    #[error("{path} is no list of certificates")]
    Authorities {
        path: PathBuf,
        source: rustls::pki_types::pem::Error,
    },
    #[error("these certificates and names make no TLS client")]
    Client(#[source] rustls::Error),
    #[error("{0:?} is no name of a server")]
    Name(String),
    #[error(transparent)]
    Smtp(#[from] smtp::Error),
    #[error("IMAP")]
    Imap(#[from] async_imap::error::Error),
    #[error("{user} was refused by {protocol}: {answer}")]
    Login {
        protocol: &'static str,
        user: String,
        answer: String,
    },
    #[error(transparent)]
    Command(#[from] crate::command::Error),
}

impl Door {
    /// An authenticated IMAP session (993).
    pub async fn imap(&self, login: Login<'_>) -> Result<Session<Stream>, Error> {
        let client = self.imap_greeted().await?;
        let answer = tokio::time::timeout(DEADLINE, client.login(login.user, login.password)).await;
        answer
            .map_err(|_| Error::Silent(self.at(993)))?
            .map_err(|(error, _)| Error::Login {
                protocol: "IMAP",
                user: login.user.to_owned(),
                answer: error.to_string(),
            })
    }

    /// Waits until somebody gets in by it: a door that was shut, or whose site was lost, opens a moment later.
    pub async fn opens(&self, login: Login<'_>, limit: Duration) -> anyhow::Result<()> {
        let start = Instant::now();
        while let Err(error) = self.imap(login).await {
            if start.elapsed() > limit {
                let told = format!("nobody gets in by {} within {limit:?}", self.name);
                return Err(anyhow::Error::new(error).context(told));
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Ok(())
    }

    /// An IMAP connection before login.
    pub async fn imap_greeted(&self) -> Result<Client<Stream>, Error> {
        let mut client = Client::new(self.tls(993).await?);
        let greeting = tokio::time::timeout(DEADLINE, client.read_response()).await;
        greeting
            .map_err(|_| Error::Silent(self.at(993)))?
            .map_err(async_imap::error::Error::Io)?;
        Ok(client)
    }

    /// An authenticated submission session (465).
    pub async fn smtp(&self, login: Login<'_>) -> Result<Smtp<Stream>, Error> {
        let mut smtp = Smtp::greet(self.tls(465).await?).await?;
        let Reply { code, text } = smtp.authenticate(login.user, login.password).await?;
        if code != 235 {
            let answer = format!("{code} {text}");
            return Err(Error::Login {
                protocol: "SMTP",
                user: login.user.to_owned(),
                answer,
            });
        }
        Ok(smtp)
    }

    /// What another mail server does (25), without TLS.
    pub async fn relay_in_clear(&self) -> Result<Smtp<tokio::net::TcpStream>, Error> {
        Ok(Smtp::greet(self.dial(25).await?).await?)
    }

    /// What another mail server does (25), with STARTTLS.
    pub async fn relay(&self) -> Result<Smtp<Stream>, Error> {
        let stream = self.relay_in_clear().await?.starttls().await?;
        Ok(Smtp::resume(self.encrypt(25, stream).await?).await?)
    }

    /// A TLS connection to one port of the door.
    pub async fn tls(&self, port: u16) -> Result<Stream, Error> {
        let stream = self.dial(port).await?;
        self.encrypt(port, stream).await
    }

    async fn encrypt(&self, port: u16, stream: tokio::net::TcpStream) -> Result<Stream, Error> {
        let at = self.at(port);
        let name = ServerName::try_from(self.name.clone()).map_err(|_| Error::Name(self.name.clone()))?;
        let tls = TlsConnector::from(Arc::new(self.client()?)).connect(name, stream);
        tokio::time::timeout(DEADLINE, tls)
            .await
            .map_err(|_| Error::Silent(at))?
            .map_err(|error| Error::Tls(at, error))
    }

    /// A plain connection to one port of the door.
    pub async fn dial(&self, port: u16) -> Result<tokio::net::TcpStream, Error> {
        let at = self.at(port);
        line::dial(&self.machine, at)
            .await
            .map_err(|error| Error::Dial(at, error))
    }

    fn at(&self, port: u16) -> SocketAddr {
        SocketAddr::from((self.address, port))
    }

    fn client(&self) -> Result<ClientConfig, Error> {
        let unreadable = |source| Error::Authorities {
            path: self.authorities.clone(),
            source,
        };
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(&self.authorities).map_err(unreadable)? {
            roots
                .add(certificate.map_err(unreadable)?)
                .map_err(Error::Client)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        Ok(builder
            .map_err(Error::Client)?
            .with_root_certificates(roots)
            .with_no_client_auth())
    }
}

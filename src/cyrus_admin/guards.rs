//! The way to a store: its guard, over mutual TLS, with a token that stands for the administrator's password.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use govuc_wire::{
    names::{self, MAIL_NAMESPACE, OPERATOR_USER, SYSTEM_NAMESPACE, TLS_PORT},
    preamble::{self, Session},
    tls::ALPN_IMAP,
    token::{Purpose, SessionKey, Subject},
};
use k8s_openapi::{api::core::v1::Secret, jiff::Timestamp};
use rustls::pki_types::ServerName;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};
use uuid::Uuid;

use super::{Administrator, Error, Place, Tree, imap};
use crate::{
    cluster::Cluster,
    pki::{OwnCertificate, Root, kept::ROOT_SECRET, session_key},
};

/// For all that is done in one connection: a few commands, each of which waits for the other site's copy.
const DEADLINE: Duration = Duration::from_secs(20);

/// The key in the root secret.
const ROOT_KEY: &str = "root";

/// The guards of every store.
pub struct Guards {
    cluster: Cluster,
    certificate: Arc<OwnCertificate>,
}

impl Guards {
    pub fn new(cluster: Cluster, certificate: Arc<OwnCertificate>) -> Self {
        Self { cluster, certificate }
    }

    async fn token(&self, term: u64, place: &Place) -> Result<String, Error> {
        let secret: Option<Secret> = self
            .cluster
            .read(Some(SYSTEM_NAMESPACE), ROOT_SECRET)
            .await
            .map_err(Error::Root)?;
        let root = secret
            .and_then(|secret| secret.data?.remove(ROOT_KEY))
            .ok_or(Error::NotConnected)?;
        let key = SessionKey::new(&session_key(&Root::new(&root.0)?))?;
        let subject = Subject {
            purpose: Purpose::Admin,
            user: OPERATOR_USER,
            store: &place.store,
            era: place.era,
        };
        // A clock before 1970 makes a token that has expired, which is what it deserves.
        let now = u64::try_from(Timestamp::now().as_second()).unwrap_or(0);
        Ok(key.mint_of_lead(subject, term, now))
    }

    async fn dial(&self, place: &Place) -> Result<TlsStream<TcpStream>, Error> {
        let material = self.certificate.current().ok_or(Error::NotConnected)?;
        let host = names::server_name(&place.store, &place.primary, MAIL_NAMESPACE);
        let address = format!("{host}:{TLS_PORT}");
        let name = ServerName::try_from(host.clone()).map_err(|_| Error::Name(host))?;
        let connector = TlsConnector::from(Arc::new(material.client(&[ALPN_IMAP])?));
        let unreachable = |source| Error::Unreachable {
            address: address.clone(),
            source,
        };
        let tcp = TcpStream::connect(&address).await.map_err(unreachable)?;
        let mut stream = connector.connect(name, tcp).await.map_err(unreachable)?;
        let session = Session {
            user: OPERATOR_USER.to_owned(),
            client: "operator".to_owned(),
            session: Uuid::new_v4().to_string(),
        };
        preamble::write(&mut stream, &session).await?;
        Ok(stream)
    }
}

#[async_trait]
impl Administrator for Guards {
    async fn ensure(&self, term: u64, place: &Place, tree: &Tree) -> Result<(), Error> {
        let work = async {
            let token = self.token(term, place).await?;
            imap::inbox_and_quota(self.dial(place).await?, &token, tree).await?;
            imap::folders(self.dial(place).await?, &token, tree).await
        };
        timeout(DEADLINE, work)
            .await
            .map_err(|_| Error::Deadline(DEADLINE.as_secs()))?
    }
}

//! Reaching the peer's guard, and the fenced handshake from the sender's side (R3).

use std::{io, sync::Arc};

use govuc_roles::{Ballot, SlotCopy, VolumeId, timing};
use govuc_wire::{
    preamble::{self, MergeOffer, PeerQuestion, PeerReply, SyncAnswer, SyncOffer},
    tls::is,
};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    net::TcpStream,
    time::{self, error::Elapsed},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::tls::Tls;

/// The peer's guard.
pub struct Peer {
    /// `host:port`.
    pub address: String,
    pub server_name: ServerName<'static>,
    pub identity: String,
    pub tls: Arc<Tls>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{address} can't be reached: {source}")]
    Connect { address: String, source: io::Error },
    #[error("{address} can't be reached within {limit:?}")]
    ConnectLate {
        address: String,
        limit: std::time::Duration,
    },
    #[error("{address} is not {identity}")]
    Identity { address: String, identity: String },
    #[error("the peer did not answer within {limit:?}")]
    AnswerLate { limit: std::time::Duration },
    #[error("the peer's answer failed: {0}")]
    Answer(#[from] preamble::Error),
    #[error("the peer refuses: {reason}")]
    Refused { reason: String, seen: Ballot },
}

impl Peer {
    /// A connection on which the peer's engine speaks next, and the copy it belongs to.
    pub async fn offer(&self, offer: &SyncOffer) -> Result<(TlsStream<TcpStream>, SlotCopy), Error> {
        self.offered(self.tls.sync(), offer).await
    }

    /// A connection on which what was passed over can be read.
    pub async fn offer_merge(&self, offer: &MergeOffer) -> Result<TlsStream<TcpStream>, Error> {
        Ok(self.offered(self.tls.merge(), offer).await?.0)
    }

    async fn offered(
        &self,
        tls: Arc<ClientConfig>,
        offer: &impl Serialize,
    ) -> Result<(TlsStream<TcpStream>, SlotCopy), Error> {
        let mut stream = self.connect_in_time(tls).await?;
        let answer: SyncAnswer = ask(&mut stream, offer).await?;
        if answer.accepted {
            let copy = SlotCopy {
                volume: VolumeId(answer.volume),
                incarnation: answer.incarnation,
            };
            Ok((stream, copy))
        } else {
            Err(Error::Refused {
                reason: answer.reason.unwrap_or_else(|| "it gives no reason".to_owned()),
                seen: Ballot::new(answer.era, answer.term),
            })
        }
    }

    /// What the peer's guard says to a primary that hears nothing of etcd (R5).
    pub async fn ask(&self, question: &PeerQuestion) -> Result<PeerReply, Error> {
        let mut stream = self.connect_in_time(self.tls.peer()).await?;
        ask(&mut stream, question).await
    }

    async fn connect_in_time(&self, tls: Arc<ClientConfig>) -> Result<TlsStream<TcpStream>, Error> {
        time::timeout(timing::SYNC_CONNECT, self.connect(tls))
            .await
            .map_err(|Elapsed { .. }| Error::ConnectLate {
                address: self.address.clone(),
                limit: timing::SYNC_CONNECT,
            })?
    }

    async fn connect(&self, tls: Arc<ClientConfig>) -> Result<TlsStream<TcpStream>, Error> {
        let connect = |source| Error::Connect {
            address: self.address.clone(),
            source,
        };
        let stream = TcpStream::connect(&self.address).await.map_err(connect)?;
        stream.set_nodelay(true).map_err(connect)?;
        let stream = TlsConnector::from(tls)
            .connect(self.server_name.clone(), stream)
            .await
            .map_err(connect)?;
        // The server name is any part's that was given it; the identity is the store's own.
        let known = stream
            .get_ref()
            .1
            .peer_certificates()
            .and_then(|chain| chain.first())
            .is_some_and(|certificate| is(certificate, &self.identity));
        if known {
            Ok(stream)
        } else {
            Err(Error::Identity {
                address: self.address.clone(),
                identity: self.identity.clone(),
            })
        }
    }
}

/// One line each way, in time.
async fn ask<Q: Serialize, A: DeserializeOwned>(
    stream: &mut TlsStream<TcpStream>,
    question: &Q,
) -> Result<A, Error> {
    let answer = async {
        preamble::write(stream, question).await?;
        preamble::read(stream).await
    };
    let answer = time::timeout(timing::SYNC_ANSWER, answer).await;
    Ok(answer.map_err(|_| Error::AnswerLate {
        limit: timing::SYNC_ANSWER,
    })??)
}

//! The one TLS port: what a connection is for is its ALPN, and who may open it its certificate.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use govuc_roles::Site;
use govuc_wire::{
    names,
    preamble::{self, Session},
    tls::{ALPN_HOLD, ALPN_IMAP, ALPN_MERGE, ALPN_PEER, ALPN_STATUS, ALPN_SYNC, is},
};
use rustls_pki_types::CertificateDer;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    time,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{
    config::Slot,
    engine,
    gate::{Gate, Gated, Pass},
    hold::Holds,
    lease::PeerAnswers,
    merge,
    metered::Metered,
    metrics::{Kind, Metrics, Reason},
    relay::incoming::Incoming,
    status::Reporter,
    tls::Tls,
};

/// A peer that wants something does its handshake at once.
const HANDSHAKE: Duration = Duration::from_secs(5);

pub struct Listener {
    pub slot: Slot,
    pub tls: Arc<Tls>,
    pub gate: Gate,
    pub imap: SocketAddr,
    pub lmtp: SocketAddr,
    pub incoming: Incoming,
    pub answers: PeerAnswers,
    pub holds: Holds,
    pub merge: merge::incoming::Incoming,
    pub reporter: Reporter,
    pub metrics: Arc<Metrics>,
}

type Client = TlsStream<Gated<TcpStream>>;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Imap,
    Lmtp,
    Sync,
    Peer,
    Merge,
    Status,
    Hold,
}

impl Purpose {
    /// Postfix sends no ALPN.
    fn of(alpn: Option<&[u8]>) -> Option<Self> {
        match alpn {
            None => Some(Purpose::Lmtp),
            Some(alpn) if alpn == ALPN_IMAP => Some(Purpose::Imap),
            Some(alpn) if alpn == ALPN_SYNC => Some(Purpose::Sync),
            Some(alpn) if alpn == ALPN_PEER => Some(Purpose::Peer),
            Some(alpn) if alpn == ALPN_MERGE => Some(Purpose::Merge),
            Some(alpn) if alpn == ALPN_STATUS => Some(Purpose::Status),
            Some(alpn) if alpn == ALPN_HOLD => Some(Purpose::Hold),
            Some(_) => None,
        }
    }

    /// The identities that may, one of which the certificate must carry.
    fn admitted(self, slot: &Slot) -> Vec<String> {
        let either =
            |part: &str| [&slot.site, &slot.peer].map(|site: &Site| names::identity(part, site.as_str()));
        match self {
            Purpose::Imap => [either("front-door"), either("operator")].concat(),
            Purpose::Lmtp => [either("mx"), either("submission")].concat(),
            Purpose::Sync | Purpose::Peer | Purpose::Merge => {
                vec![names::identity(slot.store.as_str(), slot.peer.as_str())]
            }
            // Of its own site, those who bring mail and people ask whether it was held.
            Purpose::Status => {
                let parts = ["front-door", "mx", "submission"];
                let own = parts.map(|part| names::identity(part, slot.site.as_str()));
                [&either("operator")[..], &own].concat()
            }
            // A decision of this site for this site.
            Purpose::Hold => vec![names::identity("operator", slot.site.as_str())],
        }
    }
}

impl Listener {
    /// Serves for ever.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) {
        loop {
            let Ok((stream, address)) = listener.accept().await else {
                // Out of descriptors, most likely; it passes.
                time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let listener = self.clone();
            tokio::spawn(async move {
                if let Err(reason) = listener.connection(stream).await {
                    listener.metrics.refuse(reason);
                    tracing::warn!(%address, ?reason, "a connection is not served");
                }
            });
        }
    }

    async fn connection(&self, stream: TcpStream) -> Result<(), Reason> {
        stream.set_nodelay(true).map_err(|_| Reason::Tls)?;
        let accept = TlsAcceptor::from(self.tls.server()).accept(Gated::to_client(stream));
        let mut stream = time::timeout(HANDSHAKE, accept)
            .await
            .map_err(|_| Reason::Tls)?
            .map_err(|_| Reason::Tls)?;
        let session = stream.get_ref().1;
        let purpose = Purpose::of(session.alpn_protocol()).ok_or(Reason::Tls)?;
        let certificate = session
            .peer_certificates()
            .and_then(|chain| chain.first())
            .ok_or(Reason::Tls)?;
        if !self.may(certificate, purpose) {
            return Err(Reason::Identity);
        }
        match purpose {
            Purpose::Imap => self.imap(stream).await,
            Purpose::Lmtp => self.client(stream, self.lmtp, Kind::Lmtp).await,
            Purpose::Sync => self.incoming.serve(stream).await,
            Purpose::Peer => self.answers.serve(stream).await,
            Purpose::Merge => self.merge.serve(stream).await,
            Purpose::Hold => self.holds.serve(stream).await,
            // Whoever asks again gets another.
            Purpose::Status => {
                let _ = self.reporter.write(&mut stream).await;
                Ok(())
            }
        }
    }

    fn may(&self, certificate: &CertificateDer<'_>, purpose: Purpose) -> bool {
        purpose
            .admitted(&self.slot)
            .iter()
            .any(|identity| is(certificate, identity))
    }

    async fn imap(&self, mut stream: Client) -> Result<(), Reason> {
        let Session {
            user,
            client,
            session,
        } = time::timeout(HANDSHAKE, preamble::read(&mut stream))
            .await
            .map_err(|_| Reason::Preamble)?
            .map_err(|_| Reason::Preamble)?;
        tracing::info!(user, client, session, "an IMAP session is brought");
        self.client(stream, self.imap, Kind::Imap).await
    }

    /// Through the gate, as long as it stays open.
    async fn client(&self, mut client: Client, engine: SocketAddr, kind: Kind) -> Result<(), Reason> {
        let Some(pass) = self.gate.pass() else {
            reset(&client);
            return Err(Reason::Gate);
        };
        client.get_mut().0.arm(pass.clone());
        let engine = engine::dial(engine).await.map_err(|_| Reason::Engine)?;
        let engine = Gated::to_engine(engine, pass.clone());
        let _counted = self.metrics.carry(kind);
        self.carry(client, engine, &pass).await;
        Ok(())
    }

    async fn carry(&self, mut client: Client, engine: Gated<TcpStream>, pass: &Pass) {
        let mut engine = Metered::new(engine, &self.metrics);
        tokio::select! {
            biased;
            () = pass.ended() => reset(&client),
            // Either side may break it off.
            _ = copy_bidirectional(&mut client, &mut engine) => {}
        }
    }
}

/// The connection will end with a reset, which also drops what the kernel holds for the client.
fn reset(client: &Client) {
    if let Err(error) = client.get_ref().0.inner().set_zero_linger() {
        tracing::warn!(%error, "a cut connection is closed without a reset");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot() -> Slot {
        let site = |name: &str| Site::try_from(name.to_owned()).unwrap();
        Slot {
            store: "mail-1".to_owned().try_into().unwrap(),
            site: site("pdsa1"),
            peer: site("pdsa2"),
        }
    }

    #[test]
    fn a_connection_without_a_protocol_is_a_delivery() {
        assert_eq!(Purpose::of(None), Some(Purpose::Lmtp));
        assert_eq!(Purpose::of(Some(b"govuc-sync/1")), Some(Purpose::Sync));
        assert_eq!(Purpose::of(Some(b"h2")), None);
    }

    #[test]
    fn sync_and_what_was_passed_over_are_for_the_same_store_of_the_other_site_alone() {
        for purpose in [Purpose::Sync, Purpose::Merge] {
            assert_eq!(purpose.admitted(&slot()), ["mail-1.pdsa2.govuc.internal"]);
        }
    }

    #[test]
    fn a_hold_is_the_own_operators_and_the_own_parts_may_see_it() {
        assert_eq!(Purpose::of(Some(b"govuc-hold/1")), Some(Purpose::Hold));
        assert_eq!(Purpose::Hold.admitted(&slot()), ["operator.pdsa1.govuc.internal"]);
        assert_eq!(
            Purpose::Status.admitted(&slot()),
            [
                "operator.pdsa1.govuc.internal",
                "operator.pdsa2.govuc.internal",
                "front-door.pdsa1.govuc.internal",
                "mx.pdsa1.govuc.internal",
                "submission.pdsa1.govuc.internal"
            ]
        );
    }

    #[test]
    fn clients_come_from_the_parts_of_either_site() {
        assert_eq!(
            Purpose::Lmtp.admitted(&slot()),
            [
                "mx.pdsa1.govuc.internal",
                "mx.pdsa2.govuc.internal",
                "submission.pdsa1.govuc.internal",
                "submission.pdsa2.govuc.internal"
            ]
        );
    }
}

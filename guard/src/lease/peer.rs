//! What a follower says to its primary that hears nothing of etcd (R5).

use std::time::Duration;

use govuc_roles::{Ballot, PeerAnswer, timing};
use govuc_wire::preamble::{self, PeerQuestion, PeerReply};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::oneshot,
    time,
};

use super::Orders;
use crate::{
    metrics::Reason,
    turn::{Events, Message},
};

/// The question is sent with the connection.
const QUESTION: Duration = timing::SYNC_ANSWER;

pub struct PeerAnswers {
    pub store: String,
    pub events: Events,
    /// None when roles are assigned; nobody asks then.
    pub lease: Option<Orders>,
}

impl PeerAnswers {
    /// A connection from the peer's guard, which is authenticated.
    pub async fn serve(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Result<(), Reason> {
        let question: PeerQuestion = time::timeout(QUESTION, preamble::read(&mut stream))
            .await
            .map_err(|_| Reason::Preamble)?
            .map_err(|_| Reason::Preamble)?;
        if question.store != self.store {
            return Err(Reason::Identity);
        }
        let reply = self.reply(&question).await;
        // Whoever is gone has no use for it.
        let _ = preamble::write(&mut stream, &reply).await;
        Ok(())
    }

    async fn reply(&self, question: &PeerQuestion) -> PeerReply {
        let ballot = Ballot::new(question.era, question.term);
        let mut answer = self.ask(ballot, false).await;
        if let (Some(PeerAnswer::KeepAlive), Some(lease)) = (answer, &self.lease) {
            if lease.keep_for_peer(question.lease).await {
                return PeerReply::Kept;
            }
            // Etcd has not been silent for long here, and it is now: the peer may not have the time to find that out. Or the
            // lease ran out while nobody could keep it, and the peer takes another once etcd answers it.
            answer = self.ask(ballot, true).await;
        }
        match answer {
            Some(PeerAnswer::Promise) => PeerReply::Promised,
            _ => PeerReply::Declined,
        }
    }

    /// `None` when the process is ending.
    async fn ask(&self, ballot: Ballot, in_vain: bool) -> Option<PeerAnswer> {
        let (sender, answer) = oneshot::channel();
        self.events.message(Message::Ask {
            ballot,
            in_vain,
            answer: sender,
        });
        answer.await.ok()
    }
}

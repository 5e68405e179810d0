//! Keeping leases alive: one stream for as long as a member answers, which costs etcd half of what a request each does.

use bytes::Bytes;
use http_body_util::{
    Either,
    channel::{Channel, Sender},
};
use tokio::time::{self, Instant};

use crate::{
    LeaseId,
    error::Failure,
    grpc::{self, Messages},
    member::{Member, begun, within},
    wire::{LeaseRequest, LeaseResponse, method},
};

/// A stream of questions and their answers.
pub(crate) struct Keeping {
    questions: Sender<Bytes>,
    answers: Messages,
}

impl Member {
    pub async fn keep_alive(&self, lease: LeaseId, deadline: Instant) -> Result<LeaseResponse, Failure> {
        let question = grpc::framed(&LeaseRequest { id: lease.0 });
        let Ok(mut keeping) = time::timeout_at(deadline, self.keeping.lock()).await else {
            // It waits for the answer to another lease's, so nothing was sent.
            return Err(Failure::NotDone("no turn in time".to_owned()));
        };
        // A stream on which something failed, or that is waited for no longer, is not used again.
        let outcome = match keeping.take() {
            Some(known) => match within(deadline, known.ask(question.clone())).await {
                Err(_) if Instant::now() < deadline => {
                    within(deadline, self.begin_keeping(question, deadline)).await
                }
                outcome => outcome,
            },
            None => within(deadline, self.begin_keeping(question, deadline)).await,
        };
        self.note(outcome.as_ref().err());
        match outcome {
            Ok((known, answer)) => {
                *keeping = Some(known);
                Ok(answer)
            }
            Err(failure) => {
                self.hang_up();
                Err(failure)
            }
        }
    }

    async fn begin_keeping(
        &self,
        question: Bytes,
        deadline: Instant,
    ) -> Result<(Keeping, LeaseResponse), Failure> {
        let (mut connection, _) = self.connection(deadline).await?;
        let (mut questions, body) = Channel::new(1);
        // Sent before anybody reads: the channel has room for one.
        questions
            .send_data(question)
            .await
            .map_err(|error| Failure::NotDone(error.to_string()))?;
        let response = connection
            .send(method::KEEP_ALIVE, true, Either::Right(body))
            .await
            .map_err(|unanswered| unanswered.failure)?;
        Keeping {
            questions,
            answers: begun(response, connection)?,
        }
        .answer()
        .await
    }
}

impl Keeping {
    async fn ask(mut self, question: Bytes) -> Result<(Self, LeaseResponse), Failure> {
        self.questions
            .send_data(question)
            .await
            .map_err(|error| Failure::NotDone(error.to_string()))?;
        self.answer().await
    }

    async fn answer(mut self) -> Result<(Self, LeaseResponse), Failure> {
        let answer = self.answers.next().await?;
        let answer = answer.ok_or_else(|| Failure::Open("the stream ended".to_owned()))?;
        Ok((self, answer))
    }
}

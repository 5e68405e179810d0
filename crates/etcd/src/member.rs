//! One member of etcd: what is asked of it, and whether it is well.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::{Response, StatusCode, body::Incoming};
use prost::Message;
use tokio::{
    sync,
    time::{self, Instant},
};

use crate::{
    Endpoint, Error,
    connection::{Connection, Dialler, Unanswered},
    credentials::Credentials,
    error::Failure,
    grpc::{self, Messages},
    keeping::Keeping,
    wire::{RangeRequest, RangeResponse, method},
};

/// A member that failed is asked again after as long, beside what is asked of another.
const PAUSE: Duration = Duration::from_secs(2);
/// How long it may take then to show that it is well.
const PROBE: Duration = Duration::from_secs(2);

/// Cheap to share; connects when it is first asked.
pub(crate) struct Member {
    dialler: Dialler,
    shared: Mutex<Option<Connection>>,
    /// The stream on which leases are kept alive, one question at a time.
    pub(crate) keeping: sync::Mutex<Option<Keeping>>,
    health: Mutex<Health>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Health {
    /// When it last failed, unless it has answered since.
    failed: Option<Instant>,
    /// Whether it is being asked if it is back.
    probed: bool,
}

/// What a member needs for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// A leader; one that knows none refuses at once.
    Leader,
    Nothing,
}

impl Member {
    pub fn new(endpoint: Endpoint, credentials: Arc<Credentials>) -> Result<Self, Error> {
        Ok(Self {
            dialler: Dialler::new(endpoint, credentials)?,
            shared: Mutex::default(),
            keeping: sync::Mutex::default(),
            health: Mutex::default(),
        })
    }

    pub fn endpoint(&self) -> &Endpoint {
        &self.dialler.endpoint
    }

    /// One request and its answer, until `deadline`.
    pub async fn ask<A: Message + Default>(
        &self,
        method: &'static str,
        needs: Needs,
        question: &impl Message,
        deadline: Instant,
    ) -> Result<A, Failure> {
        let outcome = self
            .exchange(method, needs, grpc::framed(question), deadline)
            .await;
        // What a member answers by itself does not show that it can do anything.
        if needs == Needs::Leader {
            self.note(outcome.as_ref().err());
        }
        outcome
    }

    /// A request whose answer goes on, on a connection of its own: a slow reader holds up nothing else. `deadline` is for
    /// the beginning of the answer.
    pub async fn open(
        &self,
        method: &'static str,
        question: &impl Message,
        deadline: Instant,
    ) -> Result<Messages, Failure> {
        let body = grpc::framed(question);
        let opening = async {
            let mut connection = self.dialler.dial(deadline).await?;
            let answering = async {
                let sent = connection.send(method, true, Either::Left(Full::new(body))).await;
                begun(sent.map_err(|unanswered| unanswered.failure)?, connection)
            };
            within(deadline, answering).await
        };
        let outcome = opening.await;
        self.note(outcome.as_ref().err());
        outcome
    }

    /// Asks a member that has failed whether it is back, once in a while and beside everything else.
    pub fn probe_if_failed(self: &Arc<Self>) {
        {
            let mut health = self.health();
            let due = health.failed.is_some_and(|failed| failed.elapsed() >= PAUSE);
            if !due || health.probed {
                return;
            }
            health.probed = true;
        }
        let member = self.clone();
        tokio::spawn(async move {
            let question = RangeRequest {
                key: crate::roles::PREFIX.into(),
                keys_only: true,
                ..RangeRequest::default()
            };
            // What comes of it is noted where every request's is.
            let _ = member
                .ask::<RangeResponse>(method::RANGE, Needs::Leader, &question, Instant::now() + PROBE)
                .await;
            member.health().probed = false;
        });
    }

    /// When the member last failed, if it has not answered since.
    pub fn failed(&self) -> Option<Instant> {
        self.health().failed
    }

    pub(crate) fn note(&self, failure: Option<&Failure>) {
        self.health().failed = match failure {
            None | Some(Failure::Rejected { .. }) => None,
            Some(_) => Some(Instant::now()),
        };
    }

    async fn exchange<A: Message + Default>(
        &self,
        method: &'static str,
        needs: Needs,
        body: Bytes,
        deadline: Instant,
    ) -> Result<A, Failure> {
        loop {
            let (mut connection, reused) = self.connection(deadline).await?;
            let asking = async {
                let body = Either::Left(Full::new(body.clone()));
                let response = match connection.send(method, needs == Needs::Leader, body).await {
                    Ok(response) => response,
                    // A known connection that was closed meanwhile, before anything was written to it.
                    Err(Unanswered { unsent: true, .. }) if reused => return Ok(None),
                    Err(Unanswered { failure, .. }) => return Err(failure),
                };
                begun(response, connection)?.only().await.map(Some)
            };
            let outcome = within(deadline, asking).await;
            if !matches!(outcome, Ok(Some(_)) | Err(Failure::Rejected { .. })) {
                self.hang_up();
            }
            if let Some(answer) = outcome? {
                return Ok(answer);
            }
        }
    }

    /// The connection that all requests share, and whether it was there already.
    pub(crate) async fn connection(&self, deadline: Instant) -> Result<(Connection, bool), Failure> {
        let known = self.shared().clone().filter(|connection| !connection.is_closed());
        if let Some(connection) = known {
            return Ok((connection, true));
        }
        let connection = self.dialler.dial(deadline).await?;
        *self.shared() = Some(connection.clone());
        Ok((connection, false))
    }

    /// The shared connection is not used again, so that whoever comes next finds out within a second whether the member
    /// takes connections at all. What is under way on it goes on.
    pub(crate) fn hang_up(&self) {
        self.shared().take();
    }

    fn shared(&self) -> MutexGuard<'_, Option<Connection>> {
        self.shared
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// What was sent and not answered in time may be done.
pub(crate) async fn within<T>(
    deadline: Instant,
    answer: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    time::timeout_at(deadline, answer)
        .await
        .unwrap_or_else(|_| Err(Failure::Open("no answer in time".to_owned())))
}

/// The messages of an answer that has begun, unless it ends with its head.
pub(crate) fn begun(response: Response<Incoming>, connection: Connection) -> Result<Messages, Failure> {
    let response = accepted(response)?;
    match grpc::status(response.headers()) {
        Some(Err(failure)) => Err(failure),
        Some(Ok(())) | None => Ok(Messages::new(response.into_body(), connection)),
    }
}

/// etcd has its own status for what it refuses; HTTP's is always good.
fn accepted(response: Response<Incoming>) -> Result<Response<Incoming>, Failure> {
    if response.status() == StatusCode::OK {
        return Ok(response);
    }
    Err(Failure::Malformed {
        what: "an answer".to_owned(),
        why: format!("HTTP status {}, which is not etcd's way", response.status()),
    })
}

//! One member of etcd: requests on connections of mutual TLS, and whether each was sent.

use std::{
    error::Error as _,
    io,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use serde::{Serialize, de::DeserializeOwned};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::TcpStream,
    time::{self, Instant},
};
use tokio_rustls::TlsConnector;

use crate::{
    Endpoint,
    credentials::Credentials,
    error::Failure,
    wire::{self, RangeRequest, RangeResponse},
};

/// Reaching a member: name, TCP and TLS.
pub(crate) const CONNECT: Duration = Duration::from_secs(1);
/// A silent member is asked again after as long, beside what is asked of another.
const PAUSE: Duration = Duration::from_secs(2);
/// How long a member may take to show that it is well.
const PROBE: Duration = Duration::from_secs(2);
/// More connections than these are closed after use.
const KEPT: usize = 2;
/// The longest answer: a thousand stores are about a megabyte.
const LONGEST: usize = 64 << 20;
/// When a connection is called dead on which nothing comes.
const TCP_IDLE: Duration = Duration::from_secs(10);
const TCP_INTERVAL: Duration = Duration::from_secs(5);

type Sender = http1::SendRequest<Full<Bytes>>;

/// Cheap to share; connects when it is first asked.
pub(crate) struct Member {
    pub endpoint: Endpoint,
    name: ServerName<'static>,
    credentials: Arc<Credentials>,
    kept: Mutex<Vec<Sender>>,
    health: Mutex<Health>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Health {
    /// When it last answered.
    answered: Option<Instant>,
    /// When it last did not, unless it has answered since.
    failed: Option<Instant>,
    probed: bool,
}

/// What a member may do for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quorum {
    /// Refused at once by a member that knows no leader.
    Needed,
    /// Answered from what this member has.
    Own,
}

impl Member {
    pub fn new(endpoint: Endpoint, credentials: Arc<Credentials>) -> Result<Self, crate::Error> {
        let name = ServerName::try_from(endpoint.server_name.clone())
            .map_err(|error| crate::Error::malformed(format!("the name of {endpoint}"), error))?;
        Ok(Self {
            endpoint,
            name,
            credentials,
            kept: Mutex::default(),
            health: Mutex::default(),
        })
    }

    /// One request and its answer, until `deadline`.
    pub async fn post<Q: Serialize, A: DeserializeOwned>(
        &self,
        path: &'static str,
        quorum: Quorum,
        question: &Q,
        deadline: Instant,
    ) -> Result<A, Failure> {
        let body = encode(path, question)?;
        let outcome = self.exchange(path, quorum, body, deadline).await;
        // What a member answers by itself does not show that it can do anything.
        if quorum == Quorum::Needed {
            self.note(outcome.as_ref().err());
        }
        serde_json::from_slice(&outcome?).map_err(|error| Failure::Malformed {
            what: format!("the answer of {} to {path}", self.endpoint),
            why: error.to_string(),
        })
    }

    /// A request whose answer is a stream, on a connection of its own. `deadline` is for the beginning of the answer.
    pub async fn open<Q: Serialize>(
        &self,
        path: &'static str,
        question: &Q,
        deadline: Instant,
    ) -> Result<Incoming, Failure> {
        let body = encode(path, question)?;
        let opening = async {
            let sender = self.dial(deadline).await?;
            let answering = async {
                let (response, _) = self
                    .send(sender, path, Quorum::Needed, body)
                    .await
                    .map_err(|(failure, _)| failure)?;
                if response.status().is_success() {
                    Ok(response.into_body())
                } else {
                    Err(refusal(&self.endpoint, path, response).await)
                }
            };
            within(deadline, answering).await
        };
        let outcome = opening.await;
        self.note(outcome.as_ref().err());
        outcome
    }

    /// Whether the member answers with the others' consent.
    pub async fn probe(&self) -> Result<(), Failure> {
        let question = RangeRequest {
            key: crate::roles::PREFIX.into(),
            keys_only: true,
            ..RangeRequest::default()
        };
        let _: RangeResponse = self
            .post("/v3/kv/range", Quorum::Needed, &question, Instant::now() + PROBE)
            .await?;
        Ok(())
    }

    /// Asks a member that has failed whether it is back, once in a while and beside everything else.
    pub fn probe_if_failed(self: &Arc<Self>) {
        let due =
            |health: &Health| health.failed.is_some_and(|failed| failed.elapsed() >= PAUSE) && !health.probed;
        {
            let mut health = self.health();
            if !due(&health) {
                return;
            }
            health.probed = true;
        }
        let member = self.clone();
        tokio::spawn(async move {
            // What comes of it is noted where every request's is.
            let _ = member.probe().await;
            member.health().probed = false;
        });
    }

    /// When the member last failed, if it has not answered since.
    pub fn failed(&self) -> Option<Instant> {
        self.health().failed
    }

    /// Whether the member has answered something within `time`.
    pub fn answered_within(&self, time: Duration) -> bool {
        let health = *self.health();
        health.failed.is_none() && health.answered.is_some_and(|answered| answered.elapsed() < time)
    }

    fn note(&self, failure: Option<&Failure>) {
        let mut health = self.health();
        match failure {
            None | Some(Failure::Rejected { .. }) => {
                health.answered = Some(Instant::now());
                health.failed = None;
            }
            Some(_) => health.failed = Some(Instant::now()),
        }
    }

    async fn exchange(
        &self,
        path: &'static str,
        quorum: Quorum,
        body: Bytes,
        deadline: Instant,
    ) -> Result<Bytes, Failure> {
        loop {
            let (sender, reused) = match self.kept(deadline).await {
                Some(sender) => (sender, true),
                None => (self.dial(deadline).await?, false),
            };
            let asking = async {
                let (response, sender) = match self.send(sender, path, quorum, body.clone()).await {
                    Ok(answered) => answered,
                    // A kept connection that was closed meanwhile, before anything was written to it.
                    Err((_, Sent::No)) if reused => return Ok(None),
                    Err((failure, _)) => return Err(failure),
                };
                if !response.status().is_success() {
                    return Err(refusal(&self.endpoint, path, response).await);
                }
                let bytes = read(response.into_body()).await?;
                self.keep(sender);
                Ok(Some(bytes))
            };
            if let Some(bytes) = within(deadline, asking).await? {
                return Ok(bytes);
            }
        }
    }

    async fn send(
        &self,
        mut sender: Sender,
        path: &'static str,
        quorum: Quorum,
        body: Bytes,
    ) -> Result<(Response<Incoming>, Sender), (Failure, Sent)> {
        let mut request = Request::post(path)
            .header(header::HOST, &self.endpoint.server_name)
            .header(header::CONTENT_TYPE, "application/json");
        if quorum == Quorum::Needed {
            request = request.header("Grpc-Metadata-hasleader", "true");
        }
        let request = request
            .body(Full::new(body))
            .map_err(|error| (Failure::NotDone(error.to_string()), Sent::No))?;
        match sender.try_send_request(request).await {
            Ok(response) => Ok((response, sender)),
            Err(mut error) => {
                let sent = if error.take_message().is_some() {
                    Sent::No
                } else {
                    Sent::Maybe
                };
                Err((broken(error.error(), sent), sent))
            }
        }
    }

    async fn dial(&self, deadline: Instant) -> Result<Sender, Failure> {
        let config = self.credentials.config().map_err(Failure::Certificate)?;
        let connecting = async {
            let stream = TcpStream::connect(&self.endpoint.address).await?;
            stream.set_nodelay(true)?;
            let keepalive = TcpKeepalive::new()
                .with_time(TCP_IDLE)
                .with_interval(TCP_INTERVAL)
                .with_retries(3);
            SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
            TlsConnector::from(config)
                .connect(self.name.clone(), stream)
                .await
        };
        let stream = match time::timeout_at(deadline.min(Instant::now() + CONNECT), connecting).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                return Err(match distrust(&error) {
                    Some(reason) => Failure::Unauthorised(reason),
                    None => Failure::NotDone(error.to_string()),
                });
            }
            Err(_) => return Err(Failure::NotDone("no connection in time".to_owned())),
        };
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| Failure::NotDone(error.to_string()))?;
        let address = self.endpoint.address.clone();
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(member = address, %error, "a connection to etcd ended");
            }
        });
        Ok(sender)
    }

    /// A connection on which nothing is under way any more.
    async fn kept(&self, deadline: Instant) -> Option<Sender> {
        loop {
            let mut sender = self.senders().pop()?;
            if let Ok(Ok(())) = time::timeout_at(deadline, sender.ready()).await {
                return Some(sender);
            }
        }
    }

    fn keep(&self, sender: Sender) {
        let mut kept = self.senders();
        kept.retain(|sender| !sender.is_closed());
        if kept.len() < KEPT {
            kept.push(sender);
        }
    }

    fn senders(&self) -> MutexGuard<'_, Vec<Sender>> {
        self.kept.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    No,
    Maybe,
}

fn encode<Q: Serialize>(path: &'static str, question: &Q) -> Result<Bytes, Failure> {
    serde_json::to_vec(question)
        .map(Bytes::from)
        .map_err(|error| Failure::Malformed {
            what: format!("the request to {path}"),
            why: error.to_string(),
        })
}

/// What was sent and not answered in time may be done.
async fn within<T>(
    deadline: Instant,
    answer: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    time::timeout_at(deadline, answer)
        .await
        .unwrap_or_else(|_| Err(Failure::Open("no answer in time".to_owned())))
}

/// A connection that failed under a request.
fn broken(error: &hyper::Error, sent: Sent) -> Failure {
    if let Some(reason) = distrust(error) {
        // Under TLS 1.3 a server judges the client's certificate after the client's first request is on its way.
        return Failure::Unauthorised(reason);
    }
    let mut reason = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        reason = format!("{reason}: {inner}");
        source = inner.source();
    }
    match sent {
        Sent::No => Failure::NotDone(reason),
        Sent::Maybe => Failure::Open(reason),
    }
}

/// What either side finds wrong with a certificate.
fn distrust(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    use rustls::{AlertDescription as Alert, Error as Tls};
    let mut source = Some(error);
    while let Some(inner) = source {
        let found = inner
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            .and_then(|cause| cause.downcast_ref::<Tls>());
        match found {
            Some(
                Tls::InvalidCertificate(_) | Tls::NoCertificatesPresented | Tls::InvalidCertRevocationList(_),
            ) => {
                return found.map(|error| format!("its certificate: {error}"));
            }
            Some(Tls::AlertReceived(
                alert @ (Alert::CertificateRequired
                | Alert::BadCertificate
                | Alert::UnsupportedCertificate
                | Alert::CertificateRevoked
                | Alert::CertificateExpired
                | Alert::CertificateUnknown
                | Alert::UnknownCA
                | Alert::AccessDenied),
            )) => return Some(format!("it does not take our certificate: {alert:?}")),
            _ => {}
        }
        source = inner.source();
    }
    None
}

async fn read(body: Incoming) -> Result<Bytes, Failure> {
    match Limited::new(body, LONGEST).collect().await {
        Ok(read) => Ok(read.to_bytes()),
        Err(error) => Err(Failure::Open(format!("the answer broke off: {error}"))),
    }
}

/// What an answer says that is no success.
async fn refusal(endpoint: &Endpoint, path: &'static str, response: Response<Incoming>) -> Failure {
    let status = response.status();
    let body = match read(response.into_body()).await {
        Ok(body) => body,
        Err(failure) => return failure,
    };
    // In a stream the error has an envelope.
    let known = serde_json::from_slice::<wire::Streamed<wire::Nothing>>(&body)
        .ok()
        .and_then(|streamed| match streamed {
            wire::Streamed::Error(status) => Some(status),
            wire::Streamed::Result(_) => None,
        })
        .or_else(|| serde_json::from_slice(&body).ok())
        .filter(|status: &wire::Status| status.code != 0);
    match known {
        Some(known) => Failure::of_status(known.code, &known.message),
        None => Failure::Malformed {
            what: format!("the answer of {endpoint} to {path}"),
            why: format!("HTTP status {status} and no status of etcd's"),
        },
    }
}

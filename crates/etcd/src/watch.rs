//! Following changes, until the stream breaks.

use std::{sync::Arc, time::Duration};

use bytes::{Buf, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{self, Instant},
};

use crate::{
    Code, Error, Etcd, KeyValue, Revision, Tried,
    client::Repeat,
    error::Failure,
    member::Member,
    wire::{self, Int, Streamed},
};

/// When nothing was heard for as long, the member is asked whether it is well: a stopped process keeps its connections.
const QUIET: Duration = Duration::from_secs(5);
/// Changes that wait for the watcher; more wait at etcd.
const WAITING: usize = 64;
/// The longest message: a transaction's changes come as one.
const LONGEST: usize = 64 << 20;

/// The changes after a revision, in order, none left out. Ends when dropped.
pub struct Watch {
    changes: mpsc::Receiver<Result<Changes, Error>>,
    /// The task that reads the stream; it ends with this value.
    _reading: JoinSet<()>,
}

/// What one or more transactions changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    pub revision: Revision,
    pub changes: Vec<Change>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Put(KeyValue),
    Deleted { key: String, at: Revision },
}

/// A stream that has begun.
struct Reading {
    member: Arc<Member>,
    body: Incoming,
    buffer: BytesMut,
    /// How much of the buffer holds no end of a line.
    searched: usize,
}

impl Watch {
    /// The next changes. May be dropped and called anew without losing any.
    ///
    /// # Errors
    /// Once, when the stream is broken; the caller then reads anew and watches from there. After that,
    /// [`Error::Unknown`].
    pub async fn next(&mut self) -> Result<Changes, Error> {
        match self.changes.recv().await {
            Some(changes) => changes,
            None => Err(Error::Unknown(Tried::default())),
        }
    }
}

impl Change {
    pub fn key(&self) -> &str {
        match self {
            Change::Put(found) => &found.key,
            Change::Deleted { key, .. } => key,
        }
    }
}

impl Etcd {
    /// All changes of keys that begin with `prefix` from the revision `from` on. `limit` is for the beginning of the
    /// stream.
    ///
    /// # Errors
    /// [`Code::OutOfRange`] when `from` was compacted away.
    pub async fn watch(&self, prefix: &str, from: Revision, limit: Duration) -> Result<Watch, Error> {
        let question = &wire::WatchRequest {
            create_request: wire::WatchCreateRequest {
                key: prefix.into(),
                range_end: wire::end_of_prefix(prefix),
                start_revision: Int(from.0),
                progress_notify: true,
            },
        };
        let reading = self
            .at_first_well(Repeat::Always, limit, |member, deadline| async move {
                let body = member.open("/v3/watch", question, deadline).await?;
                let mut reading = Reading {
                    member,
                    body,
                    buffer: BytesMut::new(),
                    searched: 0,
                };
                reading.begin(deadline).await?;
                Ok(reading)
            })
            .await?;
        let (sender, changes) = mpsc::channel(WAITING);
        let mut task = JoinSet::new();
        task.spawn(reading.pass_on(sender));
        Ok(Watch {
            changes,
            _reading: task,
        })
    }
}

impl Reading {
    /// Waits for the word that the watch is there.
    async fn begin(&mut self, deadline: Instant) -> Result<(), Failure> {
        let first = time::timeout_at(deadline, self.message())
            .await
            .unwrap_or_else(|_| Err(Failure::Open("no watch in time".to_owned())))?;
        if first.created && !first.canceled {
            return Ok(());
        }
        Err(cancelled(first))
    }

    /// Reads to the end and says how it came.
    async fn pass_on(mut self, sender: mpsc::Sender<Result<Changes, Error>>) {
        loop {
            let changes = match self.changes().await {
                Ok(changes) if changes.changes.is_empty() => continue,
                Ok(changes) => Ok(changes),
                Err(failure) => {
                    let endpoint = &self.member.endpoint;
                    tracing::debug!(member = %endpoint, %failure, "a watch of etcd ended");
                    let mut tried = Tried::default();
                    tried.note(endpoint, &failure);
                    Err(failure.into_error(tried))
                }
            };
            let ended = changes.is_err();
            // Without a receiver nobody wants to know.
            if sender.send(changes).await.is_err() || ended {
                return;
            }
        }
    }

    async fn changes(&mut self) -> Result<Changes, Failure> {
        let message = loop {
            match time::timeout(QUIET, self.message()).await {
                Ok(message) => break message?,
                // Whoever uses the same member otherwise has shown already that it is well.
                Err(_) if self.member.answered_within(QUIET) => {}
                Err(_) => self.member.probe().await?,
            }
        };
        if message.canceled {
            return Err(cancelled(message));
        }
        let changes = message
            .events
            .into_iter()
            .map(Change::try_from)
            .collect::<Result<_, _>>();
        Ok(Changes {
            revision: Revision(message.header.revision.0),
            changes: changes.map_err(|error: Error| Failure::Malformed {
                what: "a change".to_owned(),
                why: error.to_string(),
            })?,
        })
    }

    /// The next line. Loses nothing when it is dropped halfway.
    async fn message(&mut self) -> Result<wire::WatchResponse, Failure> {
        loop {
            if let Some(at) = self.buffer[self.searched..]
                .iter()
                .position(|byte| *byte == b'\n')
            {
                let line = self.buffer.split_to(self.searched + at);
                self.buffer.advance(1);
                self.searched = 0;
                return match serde_json::from_slice(&line) {
                    Ok(Streamed::Result(response)) => Ok(response),
                    Ok(Streamed::Error(status)) => Err(Failure::of_status(status.code, &status.message)),
                    Err(error) => Err(Failure::Malformed {
                        what: format!("a message of {}", self.member.endpoint),
                        why: error.to_string(),
                    }),
                };
            }
            self.searched = self.buffer.len();
            if self.searched > LONGEST {
                return Err(Failure::Open(format!("a message of more than {LONGEST} bytes")));
            }
            let frame = match self.body.frame().await {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => return Err(Failure::Open(format!("the stream broke off: {error}"))),
                None => return Err(Failure::Open("the stream ended".to_owned())),
            };
            if let Some(data) = frame.data_ref() {
                self.buffer.extend_from_slice(data);
            }
        }
    }
}

impl TryFrom<wire::Event> for Change {
    type Error = Error;

    fn try_from(event: wire::Event) -> Result<Self, Error> {
        let found = KeyValue::try_from(event.kv)?;
        Ok(match event.r#type {
            wire::EventType::Put => Change::Put(found),
            wire::EventType::Delete => Change::Deleted {
                key: found.key,
                at: found.modified,
            },
        })
    }
}

fn cancelled(message: wire::WatchResponse) -> Failure {
    if message.compact_revision.0 > 0 {
        return Failure::Rejected {
            code: Code::OutOfRange,
            message: format!("compacted up to revision {}", message.compact_revision.0),
        };
    }
    Failure::Open(format!("the watch was not taken: {}", message.cancel_reason))
}

//! Following changes, until the stream breaks.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{self, Instant},
};

use crate::{
    Code, Error, Etcd, KeyValue, Revision, Tried,
    client::Repeat,
    error::Failure,
    grpc::Messages,
    member::Member,
    wire::{self, EventType, WatchResponse, method},
};

/// Changes that wait for the watcher; more wait at etcd.
const WAITING: usize = 64;

/// The changes after a revision, in order, none left out. Ends when dropped.
///
/// A member that is frozen or cut off is noticed within ten seconds, one that has lost its leader within three elections.
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
    messages: Messages,
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
            create_request: Some(wire::WatchCreateRequest {
                key: prefix.into(),
                range_end: wire::end_of_prefix(prefix),
                start_revision: from.0,
            }),
        };
        let reading = self
            .at_first_well(Repeat::Always, limit, |member, deadline| async move {
                let messages = member.open(method::WATCH, question, deadline).await?;
                let mut reading = Reading { member, messages };
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
                    let endpoint = self.member.endpoint();
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
        let message = self.message().await?;
        if message.canceled {
            return Err(cancelled(message));
        }
        Ok(Changes {
            revision: Revision::of(message.header),
            changes: message.events.into_iter().map(change).collect::<Result<_, _>>()?,
        })
    }

    async fn message(&mut self) -> Result<WatchResponse, Failure> {
        let message = self.messages.next().await?;
        message.ok_or_else(|| Failure::Open("the stream ended".to_owned()))
    }
}

fn change(event: wire::Event) -> Result<Change, Failure> {
    let malformed = |why: String| Failure::Malformed {
        what: "a change".to_owned(),
        why,
    };
    let kind = EventType::try_from(event.r#type).map_err(|error| malformed(error.to_string()))?;
    let found =
        KeyValue::try_from(event.kv.unwrap_or_default()).map_err(|error| malformed(error.to_string()))?;
    Ok(match kind {
        EventType::Put => Change::Put(found),
        EventType::Delete => Change::Deleted {
            key: found.key,
            at: found.modified,
        },
    })
}

fn cancelled(message: WatchResponse) -> Failure {
    if message.compact_revision > 0 {
        return Failure::Rejected {
            code: Code::OutOfRange,
            message: format!("compacted up to revision {}", message.compact_revision),
        };
    }
    Failure::Open(format!("the watch was not taken: {}", message.cancel_reason))
}

//! The merge of a copy that was passed over by a forced promotion: what only it has is brought to the primary (protocol §5).
//!
//! The primary's guard reads, over a connection that the copy's guard answers only for it, what the copy's engine has of each
//! owner, and asks its own engine the same. What is missing is fetched and put there, owner by owner, until nothing is. It may
//! break off anywhere: what was brought is known by its content the next time.

mod carry;
mod engine;
pub mod incoming;
pub mod inventory;
pub mod plan;
pub mod report;

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use govuc_roles::{
    Ballot, Event, VolumeId,
    record::{MergeCounts, Merged, Unmerged},
    timing,
};
use govuc_wire::preamble::MergeOffer;
use tokio_util::sync::CancellationToken;

use self::{engine::Engine, plan::Counts, report::Report};
use crate::{
    metrics::Metrics,
    relay::{DialError, Peer},
    tokens::Tokens,
    turn::Events,
};

pub struct Merge {
    pub peer: Peer,
    /// Where the own engine takes IMAP.
    pub imap: SocketAddr,
    pub tokens: Tokens,
    /// Where reports go.
    pub reports: PathBuf,
    pub events: Events,
    pub metrics: Arc<Metrics>,
    pub state: Mutex<Option<UnderWay>>,
}

/// From the machine's `Merge` to its `CloseRelay`.
pub struct UnderWay {
    until: CancellationToken,
    passed_over: Unmerged,
    progress: Progress,
}

/// How far a merge is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Owners at the copy, once they are known.
    pub owners: Option<u64>,
    /// Owners of whom everything is here.
    pub done: u64,
    pub counts: Counts,
    /// Why the last attempt failed, for people.
    pub last_error: Option<String>,
    pub failed: u32,
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("the own engine can't be reached: {0}")]
    Connect(#[source] std::io::Error),
    #[error("the copy: {0}")]
    Copy(#[source] engine::Error),
    #[error("the own engine: {0}")]
    Own(#[source] engine::Error),
    /// Something is missing after it was brought.
    #[error("of one owner {0} messages and folders are missing here though they were brought")]
    Missing(usize),
    #[error("the report can't be written: {0}")]
    Report(#[from] report::Error),
}

impl Merge {
    /// Tries until everything is here, or until `end`.
    pub fn begin(self: &Arc<Self>, ballot: Ballot, passed_over: Unmerged) {
        let until = CancellationToken::new();
        let under_way = UnderWay {
            until: until.clone(),
            passed_over: passed_over.clone(),
            progress: Progress::default(),
        };
        if let Some(earlier) = self.state().replace(under_way) {
            earlier.until.cancel();
        }
        let merge = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = until.cancelled() => {}
                () = merge.try_until_merged(ballot, &passed_over) => {}
            }
        });
    }

    pub fn end(&self) {
        if let Some(under_way) = self.state().take() {
            under_way.until.cancel();
        }
    }

    /// What is merged now, and how far it is.
    pub fn progress(&self) -> Option<(Unmerged, Progress)> {
        let state = self.state();
        let under_way = state.as_ref()?;
        Some((under_way.passed_over.clone(), under_way.progress.clone()))
    }

    async fn try_until_merged(&self, ballot: Ballot, passed_over: &Unmerged) {
        loop {
            match self.attempt(ballot, &passed_over.volume).await {
                Ok(counts) => {
                    tracing::info!(
                        ?counts,
                        volume = passed_over.volume.0,
                        "what was passed over is merged"
                    );
                    return self.events.send(Event::Merged(Merged {
                        site: passed_over.site.clone(),
                        volume: passed_over.volume.clone(),
                        counts,
                    }));
                }
                Err(error) => {
                    if let Error::Dial(DialError::Refused { seen, .. }) = &error {
                        self.events.send(Event::Seen(*seen));
                    }
                    tracing::warn!(%error, "what was passed over is not merged");
                    self.note(|progress| {
                        progress.last_error = Some(error.to_string());
                        progress.failed = progress.failed.saturating_add(1);
                    });
                }
            }
            let failed = self.progress().map_or(0, |(_, progress)| progress.failed);
            tokio::time::sleep(timing::pairing_pause(failed)).await;
        }
    }

    async fn attempt(&self, ballot: Ballot, volume: &VolumeId) -> Result<MergeCounts, Error> {
        let logins = self.tokens.logins(ballot.era);
        let offer = MergeOffer {
            store: self.tokens.store.to_string(),
            era: ballot.era.0,
            term: ballot.term.0,
            passed_over: volume.0.clone(),
        };
        let stream = self.peer.offer_merge(&offer).await?;
        let mut copy = Engine::log_in(stream, logins.peer).await.map_err(Error::Copy)?;
        let stream = crate::engine::dial(self.imap).await.map_err(Error::Connect)?;
        let mut own = Engine::log_in(stream, logins.own).await.map_err(Error::Own)?;

        let mut report = Report::begin(&self.reports, volume, ballot)?;
        let listed = copy.mailboxes().await.map_err(Error::Copy)?;
        let owners = listed.len() as u64;
        self.note(|progress| {
            *progress = Progress {
                owners: Some(owners),
                failed: progress.failed,
                ..Progress::default()
            };
        });
        let mut total = Counts::default();
        for owner in listed.into_keys() {
            let counts = carry::bring(&mut copy, &mut own, &owner, &mut report).await?;
            total.add(&counts);
            self.metrics.merged_messages.inc_by(counts.appended);
            self.note(|progress| {
                progress.done += 1;
                progress.counts = total;
            });
        }
        // What the transaction says has to be found again after a power cut.
        let counts = report.end(&total)?;
        // Whoever closed already has said everything.
        let _ = copy.leave().await;
        let _ = own.leave().await;
        Ok(counts)
    }

    fn note(&self, change: impl FnOnce(&mut Progress)) {
        if let Some(under_way) = &mut *self.state() {
            let progress = &mut under_way.progress;
            change(progress);
            // None of them outgrows it.
            let number = |count| i64::try_from(count).unwrap_or(i64::MAX);
            self.metrics
                .merge_owners
                .set(number(progress.owners.unwrap_or(0)));
            self.metrics.merge_owners_done.set(number(progress.done));
        }
    }

    fn state(&self) -> MutexGuard<'_, Option<UnderWay>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(all(test, feature = "cyrus"))]
mod engines;

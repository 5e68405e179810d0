//! A site that reaches nobody (R10 of `docs/protocol.md`): it is sent nobody, so that people and mail servers take the other
//! site instead of waiting here.

use std::{
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use govuc_directory::{Directory, Error};
use govuc_etcd::{Clock, Etcd, Operation, roles::Key};
use govuc_roles::Reach;
use tokio::time::{self, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::{holds::Holds, providers::Chain, telemetry::Metrics};

/// Why nobody is sent here then.
pub const ISOLATED: &str = "neither a majority of the roles' etcd nor the other site is reached";
/// Between two questions.
const PERIOD: Duration = Duration::from_secs(5);
/// How long etcd may take. The directory's client has a deadline of its own.
const LIMIT: Duration = Duration::from_secs(3);

/// Knows whether the site is isolated. Cheap to clone.
#[derive(Clone)]
pub struct Isolation(Arc<Inner>);

struct Inner {
    etcd: Etcd,
    /// The other site's, whose own answer shows that this site is reached.
    peer: Directory,
    /// Somebody is served here all the same.
    holds: Holds,
    clock: Clock,
    metrics: Metrics,
    reach: Mutex<Reach>,
    /// What was told last.
    told: AtomicBool,
}

impl Isolation {
    pub fn new(etcd: Etcd, peer: Directory, holds: Holds, clock: Clock, metrics: Metrics) -> Self {
        Self(Arc::new(Inner {
            etcd,
            peer,
            holds,
            clock,
            metrics,
            reach: Mutex::default(),
            told: AtomicBool::default(),
        }))
    }

    pub fn is_isolated(&self) -> bool {
        self.reach().is_isolated(self.0.clock.now()) && self.0.holds.is_empty()
    }

    /// Asks over and over, until cancelled.
    pub async fn watch(self, stop: CancellationToken) {
        let mut period = time::interval(PERIOD);
        period.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = period.tick() => self.look().await,
            }
        }
    }

    /// Asks etcd, and the other site only if no majority of it answers: one answer is enough.
    pub async fn look(&self) {
        let mut sent = self.0.clock.now();
        let mut answered = self.etcd_answers().await;
        if !answered {
            sent = self.0.clock.now();
            answered = self.peer_answers().await;
        }
        if answered {
            self.reach().heard(sent);
        } else {
            self.reach().missed();
        }
        self.tell();
    }

    fn tell(&self) {
        let isolated = self.is_isolated();
        self.0.metrics.isolated(isolated);
        match (self.0.told.swap(isolated, Ordering::Relaxed), isolated) {
            (false, true) => tracing::error!("this site is sent nobody: {ISOLATED}"),
            (true, false) => tracing::info!("this site is no longer cut off"),
            _ => {}
        }
    }

    /// What is read is of no interest. A member answers it only as the majority's.
    async fn etcd_answers(&self) -> bool {
        let read = Operation::Read {
            key: Key::Era.to_string(),
        };
        let answer = self.0.etcd.read(vec![read], LIMIT).await;
        if let Err(error) = &answer {
            tracing::debug!(%error, "no majority of the roles' etcd answers");
        }
        answer.is_ok()
    }

    async fn peer_answers(&self) -> bool {
        match self.0.peer.context_csn().await {
            // One that has nothing yet is there all the same.
            Ok(_) | Err(Error::Empty) => true,
            Err(error) => {
                tracing::debug!(error = %Chain(&error), "the other site's directory does not answer");
                false
            }
        }
    }

    fn reach(&self) -> MutexGuard<'_, Reach> {
        self.0
            .reach
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

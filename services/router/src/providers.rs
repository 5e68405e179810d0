//! The directory as the router uses it: the own site's provider, or the peer's when that one can't answer.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use govuc_directory::{Credentials, Directory, Endpoint, Error, Suffix};
use govuc_wire::tls::Files;

use crate::telemetry::Metrics;

/// How long the peer's provider is asked first after the own one could not be asked. A frozen provider costs a deadline;
/// this way it costs one, and not one for each question of a sign-in.
const AVOIDANCE: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub struct Providers {
    own: Directory,
    peer: Directory,
    /// The own one is asked second until then.
    avoided: Arc<Mutex<Option<Instant>>>,
    metrics: Metrics,
}

impl Providers {
    pub fn new(own: Directory, peer: Directory, metrics: Metrics) -> Self {
        Self {
            own,
            peer,
            avoided: Arc::default(),
            metrics,
        }
    }

    pub fn of_sites(site: &str, peer: &str, suffix: &Suffix, files: &Files, metrics: Metrics) -> Self {
        let directory = |site: &str| {
            Directory::new(
                Endpoint::of_site(site),
                Credentials::Files(files.clone()),
                suffix.clone(),
            )
        };
        Self::new(directory(site), directory(peer), metrics)
    }

    /// The other site's provider, for whoever wants an answer of that site and no other.
    pub fn peer(&self) -> &Directory {
        &self.peer
    }

    /// Puts a question to one provider, and to the other only when the first could not be asked: an answer is never
    /// shopped for.
    pub async fn ask<T, F>(&self, question: impl Fn(Directory) -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let avoided = self.avoids_own(Instant::now());
        let (first, second) = if avoided {
            (&self.peer, &self.own)
        } else {
            (&self.own, &self.peer)
        };
        match question(first.clone()).await {
            Err(error) if error.is_unavailable() => {
                tracing::warn!(own = !avoided, error = %Chain(&error), "a directory can't be asked; asking the other");
                if !avoided {
                    self.metrics.asked_peer(error.label());
                    self.avoid_own(Instant::now());
                }
                question(second.clone()).await
            }
            answer => answer,
        }
    }

    fn avoids_own(&self, now: Instant) -> bool {
        let avoided = self
            .avoided
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        avoided.is_some_and(|until| now < until)
    }

    fn avoid_own(&self, now: Instant) {
        let mut avoided = self
            .avoided
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        *avoided = Some(now + AVOIDANCE);
    }
}

/// An error with its causes, on one line.
pub struct Chain<'a>(pub &'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

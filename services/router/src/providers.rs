//! The directory as the router uses it: the own site's provider, or the peer's when that one can't answer.

use govuc_directory::{Credentials, Directory, Endpoint, Error, Suffix};
use govuc_wire::tls::Files;

use crate::telemetry::Metrics;

#[derive(Clone)]
pub struct Providers {
    own: Directory,
    peer: Directory,
    metrics: Metrics,
}

impl Providers {
    pub fn new(own: Directory, peer: Directory, metrics: Metrics) -> Self {
        Self { own, peer, metrics }
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

    /// Puts a question to one provider, and to the other only when the first could not be asked: an answer is never
    /// shopped for.
    pub async fn ask<T, F>(&self, question: impl Fn(Directory) -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        match question(self.own.clone()).await {
            Err(error) if error.is_unavailable() => {
                tracing::warn!(error = %Chain(&error), "the own site's directory can't be asked; asking the peer's");
                self.metrics.asked_peer(error.label());
                question(self.peer.clone()).await
            }
            answer => answer,
        }
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

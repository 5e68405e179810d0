//! What a new lead does before it acts: its own directory has all that the other site's has, and knows its term.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use govuc_directory::{ContextCsn, Directory, Error};
use govuc_wire::tls::Material;
use tokio::time;

use super::{ASSIGNED_TERM, office::Ground};
use crate::{
    controller::chain,
    pki::OwnCertificate,
    platform::observe::{bootstrap, directory},
};

/// Before what failed is tried again.
const PAUSE: Duration = Duration::from_secs(2);
/// Between two looks at how far the own directory has come.
const LOOK: Duration = Duration::from_millis(200);
/// How often in a row the other site's directory must be silent to be called so: one lost packet is no lost site.
const SILENT: u32 = 2;

/// How a takeover ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    Over,
    /// What had arrived by then is of a lead with a higher term, which etcd has forgotten.
    Outranked,
}

/// The directories of both sites, as a candidate and a new lead ask them.
#[async_trait]
pub trait Directories: Send + Sync {
    /// The highest term that the own one knows of; none if it does not answer.
    async fn written(&self, ground: &Ground) -> Option<u64>;
    /// Ends when it is done. Whoever keeps the lease meanwhile drops it when that is lost.
    async fn take_over(&self, ground: &Ground, term: u64) -> Taken;
}

/// The providers of both sites, over mutual TLS.
pub struct Providers {
    certificate: Arc<OwnCertificate>,
}

impl Providers {
    pub fn new(certificate: Arc<OwnCertificate>) -> Self {
        Self { certificate }
    }
}

#[async_trait]
impl Directories for Providers {
    async fn written(&self, ground: &Ground) -> Option<u64> {
        let installation = &ground.installation;
        let own = directory(installation, &installation.own.name, self.certificate.current()?);
        match own.lead_term().await {
            Ok(term) => Some(term.unwrap_or(0)),
            Err(Error::Empty) => Some(0),
            Err(error) => {
                tracing::info!(
                    error = chain(&error),
                    "this site can't lead: its directory does not answer"
                );
                None
            }
        }
    }

    async fn take_over(&self, ground: &Ground, term: u64) -> Taken {
        loop {
            if let Some(material) = self.certificate.current() {
                match attempt(ground, &material, term).await {
                    Ok(taken) => return taken,
                    Err(error) => {
                        tracing::info!(
                            error = chain(&error),
                            "this site does not lead yet, though nobody else does"
                        );
                    }
                }
            }
            time::sleep(PAUSE).await;
        }
    }
}

async fn attempt(ground: &Ground, material: &Arc<Material>, term: u64) -> Result<Taken, Error> {
    let installation = &ground.installation;
    let of = |site: &str| directory(installation, site, material.clone());
    let own = of(&installation.own.name);
    let peer = newest(&of(&installation.peer.name)).await?;
    if let Peer::Has(theirs) = &peer {
        // What it had when it was asked: it goes on having more.
        while !own.context_csn().await?.reaches(theirs) {
            time::sleep(LOOK).await;
        }
    }
    match own.lead_term().await {
        Ok(Some(written)) if written > term => return Ok(Taken::Outranked),
        Ok(_) => {}
        Err(Error::Empty) if may_begin(&peer, term) => {}
        Err(error) => return Err(error),
    }
    // From here on whoever led before adds nothing there.
    bootstrap(installation, &own, term).await?;
    Ok(Taken::Over)
}

/// Whether a new tree may be made where there is none. Beside one that only can't be seen it would be a second service: only
/// the very first lead does not ask the other site.
fn may_begin(peer: &Peer, term: u64) -> bool {
    *peer == Peer::Empty || term <= ASSIGNED_TERM + 1
}

/// How far the other site's directory has come.
#[derive(Debug, PartialEq)]
enum Peer {
    Has(ContextCsn),
    Empty,
    Away,
}

async fn newest(peer: &Directory) -> Result<Peer, Error> {
    let mut silent = 0;
    loop {
        match peer.context_csn().await {
            Ok(newest) => return Ok(Peer::Has(newest)),
            Err(Error::Empty) => return Ok(Peer::Empty),
            Err(error) if error.is_unavailable() => {
                silent += 1;
                if silent == SILENT {
                    tracing::info!(
                        error = chain(&error),
                        "the other site's directory is not waited for"
                    );
                    return Ok(Peer::Away);
                }
            }
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_begun_where_nobody_can_have_one() {
        let csn = || Peer::Has(ContextCsn::default());
        assert!(may_begin(&Peer::Empty, 2) && may_begin(&Peer::Empty, 7));
        assert!(may_begin(&Peer::Away, 2));
        assert!(!may_begin(&Peer::Away, 3) && !may_begin(&csn(), 3));
    }
}

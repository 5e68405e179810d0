//! Both clusters, as what mirrors has them at hand.

use std::{collections::BTreeSet, sync::Arc};

use govuc_api::Platform;
use govuc_mirror::Lead;
use kube::runtime::reflector::Store;

use super::{
    MANAGER,
    notes::{self, Notes},
};
use crate::{cluster::Cluster, operator::Context, peer};

/// What reconciles of every kind share.
pub struct Sites {
    pub context: Arc<Context>,
    /// The own cluster, as the mirror writes to it.
    pub cluster: Cluster,
    /// The own cluster's uid.
    pub uid: String,
    /// The other cluster, which is only read: its operator refuses all else.
    pub peer: Cluster,
    pub peer_site: String,
    platforms: Store<Platform>,
    pub notes: Notes,
}

/// What is known of the other cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    pub uid: String,
    pub schema: u32,
}

/// What it said of itself, and what follows from that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    pub other: Other,
    /// It was restored from a backup, and of these kinds what it lacks is not made good yet.
    pub restored: BTreeSet<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error("the other site's operator does not say who it is")]
    Peer(#[from] peer::Error),
    #[error("what it said can't be written down")]
    Note(#[from] notes::Error),
}

impl Sites {
    pub fn new(context: Arc<Context>, platforms: Store<Platform>, peer_site: String, uid: String) -> Self {
        let cluster = context.cluster.writing_as(MANAGER);
        let client = peer::client(context.certificate.clone(), &peer_site);
        Self {
            peer: Cluster::new(client, context.metrics.clone()),
            notes: Notes::new(cluster.clone(), context.metrics.clone()),
            cluster,
            uid,
            peer_site,
            platforms,
            context,
        }
    }

    /// Whether there is another site: without its authority the own operator has no certificate to show.
    pub fn is_connected(&self) -> bool {
        self.context.certificate.current().is_some()
    }

    pub fn lead(&self) -> Lead {
        let platforms = self.platforms.state();
        let Some(platform) = platforms.first() else {
            return Lead::Nobody;
        };
        let lead = self.context.lead(platform);
        match lead.site() {
            Some(site) if site == self.peer_site => Lead::There,
            _ if lead.is_here() => Lead::Here,
            _ => Lead::Nobody,
        }
    }

    /// Who the peer is now.
    pub async fn ask(&self) -> Result<Heard, AskError> {
        let about = peer::about(self.peer.client()).await?;
        let restored = self.notes.heard(&about.cluster, about.mark).await?;
        Ok(Heard {
            other: Other {
                uid: about.cluster,
                schema: about.schema,
            },
            restored,
        })
    }
}

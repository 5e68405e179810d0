//! I/O: what there is about an agency, in its cluster and in the directory.

use std::sync::Arc;

use govuc_api::{Agency, MailStore, Mailbox, PLATFORM, Platform};
use govuc_directory::{Agency as Registered, Conflict, Store};
use kube::runtime::reflector::{ObjectRef, Store as Cache};

use super::Tenant;
use crate::{
    cluster::{self, Cluster},
    controller::chain,
    directory::Registry,
    operator::Context,
};

/// The caches a reconcile reads.
#[derive(Clone)]
pub struct Caches {
    pub platforms: Cache<Platform>,
    pub stores: Cache<MailStore>,
    pub agencies: Cache<Agency>,
}

/// All that is known when it is decided what to do.
#[derive(Clone, Default)]
pub struct Observed {
    pub platform: Option<Arc<Platform>>,
    pub directory: Directory,
    /// MailStores of this cluster.
    pub stores: Vec<Arc<MailStore>>,
    /// Agencies of this cluster, this one too.
    pub agencies: Vec<Arc<Agency>>,
}

/// What the directory says.
#[derive(Clone, Debug, Default)]
pub enum Directory {
    /// It was not asked: the site is not connected, or there is no Platform.
    #[default]
    NotOpen,
    /// It did not answer, and why.
    Away(String),
    Says(View),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Every agency that was decided on.
    pub agencies: Vec<Registered>,
    pub stores: Vec<Store>,
    /// Who has one of this agency's domains.
    pub conflict: Option<Conflict>,
}

impl Observed {
    pub fn read(caches: &Caches) -> Self {
        Self {
            platform: caches.platforms.get(&ObjectRef::new(PLATFORM)),
            directory: Directory::NotOpen,
            stores: caches.stores.state(),
            agencies: caches.agencies.state(),
        }
    }
}

/// The directory of the own site, if it can be opened.
pub fn registry(context: &Context, platform: Option<&Platform>) -> Option<Arc<dyn Registry>> {
    context.directory.open(&platform?.spec.domain)
}

/// Asks the directory about an agency.
pub async fn directory(registry: &dyn Registry, tenant: &Tenant, store: Option<&str>) -> Directory {
    let claimed = Registered {
        name: tenant.name.to_string(),
        domains: tenant.domains.iter().map(ToString::to_string).collect(),
        store: store.map(str::to_owned),
        preferred_site: tenant.preferred_site.to_string(),
    };
    let asked = async {
        Ok::<_, govuc_directory::Error>(View {
            agencies: registry.agencies().await?,
            stores: registry.stores().await?,
            conflict: registry.conflict_of_agency(&claimed).await?,
        })
    };
    match asked.await {
        Ok(view) => Directory::Says(view),
        Err(error) => Directory::Away(chain(&error)),
    }
}

/// Whether the agency's namespace still has mailboxes.
pub async fn has_mailboxes(cluster: &Cluster, tenant: &Tenant) -> Result<bool, cluster::Error> {
    let mailboxes: Vec<Mailbox> = cluster.list(Some(&tenant.name.namespace()), "").await?;
    Ok(!mailboxes.is_empty())
}

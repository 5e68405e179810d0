//! Where the store's guard learns who writes the store: `store.json`.

use std::collections::BTreeMap;

use govuc_api::StoreUse;
use k8s_openapi::api::core::v1::ConfigMap;
use serde::Serialize;

use crate::{
    mail_store::Store,
    part::{Owner, pod, workload},
    platform::Installation,
};

/// The key in the ConfigMap, and the file at `/etc/govuc/store`.
pub const FILE: &str = "store.json";

/// Without a witness: the preferred site, for ever.
pub const ERA: u64 = 1;
const TERM: u64 = 1;

#[derive(Serialize)]
struct File<'a> {
    store: &'a str,
    #[serde(rename = "use")]
    usage: StoreUse,
    site: &'a str,
    peer: &'a str,
    #[serde(flatten)]
    role: RoleSource<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum RoleSource<'a> {
    Assignment { era: u64, term: u64, primary: &'a str },
    Lease { roles: Lease<'a> },
}

/// What the roles' etcd is asked for.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Lease<'a> {
    /// Takes the store as long as nobody has ever held it.
    preferred_site: &'a str,
}

/// What the ConfigMap is called.
pub fn name(store: &Store) -> String {
    format!("store-{}", store.part.name)
}

pub fn text(store: &Store, installation: &Installation) -> Result<String, serde_json::Error> {
    let role = if installation.leases() {
        RoleSource::Lease {
            roles: Lease {
                preferred_site: &store.preferred_site,
            },
        }
    } else {
        RoleSource::Assignment {
            era: ERA,
            term: TERM,
            primary: &store.preferred_site,
        }
    };
    serde_json::to_string_pretty(&File {
        store: &store.part.name,
        usage: store.usage,
        site: &installation.own.name,
        peer: &installation.peer.name,
        role,
    })
}

/// Changes with what the guard reads only when it starts: store, site and peer in the file, whether roles are leases, and
/// the key of session tokens, by its digest. Who is primary, and since which term, it follows while it runs.
pub fn restarts_with(store: &Store, installation: &Installation, session: &str) -> String {
    let (site, peer) = (&installation.own.name, &installation.peer.name);
    let roles = if installation.leases() {
        "leased"
    } else {
        "assigned"
    };
    pod::digest([store.part.name.as_str(), site, peer, roles, session])
}

pub fn config_map(store: &Store, text: String, owner: Owner<'_>) -> ConfigMap {
    let files = BTreeMap::from([(FILE.to_owned(), text)]);
    workload::config_map(&store.part, &name(store), files, owner)
}

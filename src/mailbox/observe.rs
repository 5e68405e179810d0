//! I/O: what there is about a mailbox, in its cluster and in the directory.

use std::sync::Arc;

use govuc_api::{Agency, PLATFORM, Platform};
use govuc_directory::{Account, AccountRecord, Conflict, Error, Store};
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::reflector::{ObjectRef, Store as Cache};
use uuid::Uuid;

use super::{account::Wanted, desired};
use crate::{
    cluster::{self, Cluster},
    directory::Registry,
};

/// The caches a reconcile reads.
#[derive(Clone)]
pub struct Caches {
    pub platforms: Cache<Platform>,
    pub agencies: Cache<Agency>,
}

/// What this cluster has.
#[derive(Clone, Debug, Default)]
pub struct Local {
    pub platform: Option<Arc<Platform>>,
    pub agency: Option<Arc<Agency>>,
}

/// What the directory has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct View {
    /// The account made from this object.
    pub record: Option<AccountRecord>,
    /// The account that is to be taken up again.
    pub restored: Option<AccountRecord>,
    /// Who has an address or the staff number already.
    pub claim: Option<Claim>,
    pub store: Option<Store>,
    /// Whether the Secret with the first password is there. Asked only while it matters.
    pub secret: bool,
    /// The id of the account, or one that is new.
    pub id: Uuid,
}

/// Another's claim.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    pub conflict: Conflict,
    pub holder: Option<AccountRecord>,
}

impl Local {
    pub fn read(caches: &Caches, wanted: &Wanted) -> Self {
        Self {
            platform: caches.platforms.get(&ObjectRef::new(PLATFORM)),
            agency: caches.agencies.get(&ObjectRef::new(wanted.agency.as_str())),
        }
    }

    /// The store of the agency, once it is decided here.
    pub fn store(&self) -> Option<&str> {
        let status = self.agency.as_ref()?.status.as_ref()?;
        status.stores.first().map(|placed| placed.name.as_str())
    }
}

/// Asks the directory about a mailbox. In steady state that is one search.
pub async fn directory(
    registry: &dyn Registry,
    wanted: &Wanted,
    store: &str,
    former: &[String],
) -> Result<View, Error> {
    let record = registry.account_by_mailbox(&wanted.key).await?;
    let done = record
        .as_ref()
        .is_some_and(|record| record.account.spec_hash.as_ref() == Some(&wanted.digest));
    let store_entry = registry.store(store).await?;
    if let Some(id) = record.as_ref().filter(|_| done).map(|record| record.account.id) {
        return Ok(View {
            record,
            id,
            store: store_entry,
            ..View::default()
        });
    }
    let restored = match wanted.restore {
        Some(id) if record.is_none() => registry.account_by_id(id).await?,
        _ => None,
    };
    let known = record.as_ref().or(restored.as_ref());
    let id = match known {
        Some(record) => record.account.id,
        None => vacant_id(registry, &wanted.key).await?,
    };
    let account = account(wanted, id, store, former);
    let claim = match registry.conflict_of_account(&account).await? {
        Some(conflict) => Some(Claim {
            holder: registry.account_by_mailbox(&conflict.holder).await?,
            conflict,
        }),
        None => None,
    };
    Ok(View {
        record,
        restored,
        claim,
        store: store_entry,
        secret: false,
        id,
    })
}

/// The id of an account to be made. Both sites find the same: a lead that has not heard of what the lost one did last makes the
/// same account, not a second one. An account that has moved on to another object keeps its id.
async fn vacant_id(registry: &dyn Registry, key: &str) -> Result<Uuid, Error> {
    let id = id_of(key);
    let taken = registry.account_by_id(id).await?.is_some();
    Ok(if taken { Uuid::new_v4() } else { id })
}

fn id_of(key: &str) -> Uuid {
    let digest = ring::digest::digest(&ring::digest::SHA256, format!("account\0{key}").as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.as_ref()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// Whether the Secret with the first password is there.
pub async fn has_secret(cluster: &Cluster, namespace: &str, mailbox: &str) -> Result<bool, cluster::Error> {
    let name = desired::secret_name(mailbox);
    Ok(cluster.read::<Secret>(Some(namespace), &name).await?.is_some())
}

/// The account as the directory is to have it, unfinished: without the digest.
pub fn account(wanted: &Wanted, id: Uuid, store: &str, former: &[String]) -> Account {
    let mut aliases: Vec<String> = wanted.aliases.iter().map(ToString::to_string).collect();
    aliases.extend(former.iter().cloned());
    aliases.retain(|alias| alias != wanted.address.as_str());
    aliases.sort();
    aliases.dedup();
    Account {
        id,
        agency: wanted.agency.to_string(),
        mailbox: wanted.key.clone(),
        name: wanted.person.clone(),
        address: wanted.address.to_string(),
        aliases,
        store: store.to_owned(),
        quota: wanted.quota.count(),
        staff_number: Some(wanted.staff_number.clone()),
        grade: Some(wanted.grade.number()),
        spec_hash: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_has_one_id_wherever_it_is_made_an_account_of() {
        assert_eq!(
            id_of("kkr/ali").to_string(),
            "223d9a6b-4a20-8449-b0f4-1cbed2792ca5"
        );
        assert_ne!(id_of("kkr/ali"), id_of("kkr/abu"));
    }
}

//! Which site a store's primary is at: by the roles' etcd where there is one, else by the directory.

use std::time::Duration;

use govuc_directory::Store;
use govuc_etcd::roles::{HeldBy, Holders};
use govuc_roles::StoreName;
use tokio::time;

use crate::holds::Holds;

/// How long somebody who asks waits for a hand-over to be taken. A planned one takes less, and nginx and Postfix wait
/// longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Knows the primaries. What etcd said last stays known while it is away.
#[derive(Clone)]
pub struct Primaries(Option<Leased>);

#[derive(Clone)]
struct Leased {
    site: String,
    holders: Holders,
    holds: Holds,
}

/// Where a store's mail is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Primary {
    pub site: String,
    /// For the token that its guard takes.
    pub era: u64,
}

impl Primaries {
    /// By static assignment: the directory knows.
    pub fn assigned() -> Self {
        Self(None)
    }

    /// By leases. What is held at the own site goes before what etcd said last.
    pub fn leased(site: String, holders: Holders, holds: Holds) -> Self {
        Self(Some(Leased { site, holders, holds }))
    }

    /// Waits for a while when nobody has the store just now.
    pub async fn of(&self, store: &Store) -> Primary {
        let assigned = Primary {
            site: store.primary_site.clone(),
            era: store.era,
        };
        let (Some(leased), Ok(name)) = (&self.0, StoreName::try_from(store.name.as_str())) else {
            return assigned;
        };
        if let Some(era) = leased.holds.of(&store.name) {
            let site = leased.site.clone();
            return Primary { site, era };
        }
        let mut holders = leased.holders.clone();
        let held = async {
            loop {
                if let Some(primary) = holders.of(&name).and_then(primary) {
                    return primary;
                }
                holders.changed().await;
            }
        };
        time::timeout(PATIENCE, held).await.unwrap_or(assigned)
    }
}

fn primary(held: HeldBy) -> Option<Primary> {
    Some(Primary {
        site: held.site?.to_string(),
        era: held.ballot.era.0,
    })
}

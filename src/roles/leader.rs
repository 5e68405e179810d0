//! Where the members' leader stands.

use govuc_etcd::{Endpoint, Etcd};

use super::{certificates::Certificates, observe::LIMIT, seen::Seen};
use crate::controller::chain;

/// Has this site's member hand over to the witness if it leads and the witness could. What fails is tried at the next look:
/// roles are served all the same.
pub async fn prefer_witness(seen: &Seen, roles: &Certificates) {
    let Some(witness) = seen.better_leader() else {
        return;
    };
    let own = Endpoint::of_site(&seen.sites[0]);
    let moved = match Etcd::with_material(vec![own.clone()], &roles.client) {
        Ok(etcd) => etcd.move_leader(&own, witness, LIMIT).await,
        Err(error) => Err(error),
    };
    match moved {
        Ok(()) => tracing::info!("the witness leads the roles' etcd now"),
        Err(error) => tracing::info!(
            error = chain(&error),
            "the witness does not lead the roles' etcd yet"
        ),
    }
}

//! Which members are connected with each other.

use std::{collections::BTreeSet, time::Duration};

use tokio::time::Instant;

use crate::{Endpoint, Error, Etcd, MemberId, Tried};

/// How many connections a member has with another: one or none.
const ACTIVE_PEERS: &str = "etcd_network_active_peers{";

impl Etcd {
    /// The other members with which a member is connected, by its own word.
    ///
    /// # Errors
    /// Whatever keeps this one member from answering.
    pub async fn connected(&self, endpoint: &Endpoint, limit: Duration) -> Result<BTreeSet<MemberId>, Error> {
        let asked = self
            .member(endpoint)?
            .get("/metrics", Instant::now() + limit)
            .await;
        let figures = asked.map_err(|failure| {
            let mut tried = Tried::default();
            tried.note(endpoint, &failure);
            failure.into_error(tried)
        })?;
        Ok(active(&String::from_utf8_lossy(&figures)))
    }
}

fn active(figures: &str) -> BTreeSet<MemberId> {
    figures
        .lines()
        .filter_map(|line| {
            let (labels, count) = line.strip_prefix(ACTIVE_PEERS)?.rsplit_once("} ")?;
            let remote = labels.split_once("Remote=\"")?.1.split('"').next()?;
            let id = u64::from_str_radix(remote, 16).ok()?;
            (count.trim().parse::<f64>().ok()? > 0.0).then_some(MemberId(id))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_with_no_connection_left_is_not_connected() {
        let figures = "# TYPE etcd_network_active_peers gauge\n\
            etcd_network_active_peers{Local=\"fc2c721be70343c0\",Remote=\"3c3c331c6c07677e\"} 1\n\
            etcd_network_active_peers{Local=\"fc2c721be70343c0\",Remote=\"c68b786fc3c297db\"} 0\n\
            etcd_network_disconnected_peers_total{Local=\"fc2c721be70343c0\",Remote=\"c68b786fc3c297db\"} 1\n";
        assert_eq!(active(figures), BTreeSet::from([MemberId(0x3c3c_331c_6c07_677e)]));
        assert!(active("").is_empty());
    }
}

//! Changes of the list of members, and who of them is connected.

use std::{collections::BTreeSet, time::Duration};

use tokio::time::Instant;

use crate::{
    Endpoint, Error, Etcd, MemberId, Tried,
    client::Repeat,
    wire::{MemberAddRequest, MemberAddResponse, MemberRequest, Nothing, method},
};

/// How many connections a member has with another: one or none.
const ACTIVE_PEERS: &str = "etcd_network_active_peers{";

impl Etcd {
    /// Makes a place on the list, without a vote, for whoever comes with this URL. Gives its id.
    ///
    /// # Errors
    /// As [`Etcd::range`]. [`Error::Unknown`] also when etcd finds the others not well enough for it.
    pub async fn add_learner(&self, peer_url: &str, limit: Duration) -> Result<MemberId, Error> {
        let question = MemberAddRequest {
            peer_urls: vec![peer_url.to_owned()],
            is_learner: true,
        };
        let answer: MemberAddResponse = self
            .call(method::MEMBER_ADD, &question, Repeat::UnlessSent, limit)
            .await?;
        match answer.member {
            Some(member) => Ok(MemberId(member.id)),
            None => Err(Error::malformed("an addition to the list", "it names no member")),
        }
    }

    /// Takes a member off the list, for ever: its log is worth nothing from then on.
    ///
    /// # Errors
    /// As [`Etcd::add_learner`].
    pub async fn remove_member(&self, member: MemberId, limit: Duration) -> Result<(), Error> {
        self.change(method::MEMBER_REMOVE, member, limit).await
    }

    /// Gives a learner its vote.
    ///
    /// # Errors
    /// As [`Etcd::add_learner`]; [`Error::Rejected`] with `FailedPrecondition` while it is behind.
    pub async fn promote(&self, learner: MemberId, limit: Duration) -> Result<(), Error> {
        self.change(method::MEMBER_PROMOTE, learner, limit).await
    }

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

    async fn change(&self, method: &'static str, member: MemberId, limit: Duration) -> Result<(), Error> {
        let question = MemberRequest { id: member.0 };
        let Nothing {} = self.call(method, &question, Repeat::UnlessSent, limit).await?;
        Ok(())
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

//! Who the members are, and how each is.

use std::{fmt, num::ParseIntError, str::FromStr, time::Duration};

use prost::Message;
use tokio::time::Instant;

use crate::{
    Endpoint, Error, Etcd, Revision, Tried,
    client::Repeat,
    member::Needs,
    wire::{
        self, MemberAddRequest, MemberAddResponse, MemberListRequest, MemberListResponse, MemberRequest,
        MoveLeaderRequest, Nothing, StatusResponse, method,
    },
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(pub u64);

/// A member as the cluster has it on its list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberRecord {
    pub id: MemberId,
    /// Empty until the member has started for the first time.
    pub name: String,
    pub peer_urls: Vec<String>,
    pub client_urls: Vec<String>,
    /// Follows, and has no vote yet.
    pub is_learner: bool,
}

/// What a member says of itself, also without a majority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberStatus {
    /// Which formation of the cluster it belongs to.
    pub cluster: u64,
    pub member: MemberId,
    pub version: String,
    pub leader: Option<MemberId>,
    pub is_learner: bool,
    pub revision: Revision,
    pub raft_term: u64,
    pub raft_index: u64,
    /// Behind `raft_index` by what is still to be carried out.
    pub raft_applied: u64,
    /// Bytes of the file, and of what of it is in use.
    pub size: u64,
    pub size_in_use: u64,
    /// Alarms, and the lack of a leader.
    pub errors: Vec<String>,
}

/// As etcd's own tools show it.
impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

impl FromStr for MemberId {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}

impl Etcd {
    /// The list of members, as the majority has it now.
    ///
    /// # Errors
    /// As [`Etcd::range`].
    pub async fn members(&self, limit: Duration) -> Result<Vec<MemberRecord>, Error> {
        let question = MemberListRequest { linearizable: true };
        let answer: MemberListResponse = self
            .call(method::MEMBERS, &question, Repeat::Always, limit)
            .await?;
        Ok(answer.members.into_iter().map(MemberRecord::from).collect())
    }

    /// How one member is, by its own word.
    ///
    /// # Errors
    /// Whatever keeps this one member from answering.
    pub async fn status(&self, endpoint: &Endpoint, limit: Duration) -> Result<MemberStatus, Error> {
        let status: StatusResponse = self
            .ask_member(endpoint, method::STATUS, &Nothing {}, limit)
            .await?;
        Ok(status.into())
    }

    /// Has the leader, which is the member at `endpoint`, hand over to another one that votes. Until that one leads, which
    /// takes a moment, writes wait; nothing is lost.
    ///
    /// # Errors
    /// [`Error::Rejected`] when that member does not lead, or the other one does not take over in time; or whatever keeps
    /// it from answering.
    pub async fn move_leader(&self, endpoint: &Endpoint, to: MemberId, limit: Duration) -> Result<(), Error> {
        let question = MoveLeaderRequest { target: to.0 };
        let _: Nothing = self
            .ask_member(endpoint, method::MOVE_LEADER, &question, limit)
            .await?;
        Ok(())
    }

    /// Takes a member from the list. What it had on its volume is of no use to it from then on, whatever comes of the volume.
    ///
    /// # Errors
    /// [`Error::Rejected`] when it is not on the list, or the others would be no majority without it; or as [`Etcd::txn`].
    pub async fn remove_member(&self, member: MemberId, limit: Duration) -> Result<(), Error> {
        let question = MemberRequest { id: member.0 };
        let _: Nothing = self
            .call(method::MEMBER_REMOVE, &question, Repeat::UnlessSent, limit)
            .await?;
        Ok(())
    }

    /// Puts a place on the list for a member that has nothing yet: it follows, and has no vote.
    ///
    /// # Errors
    /// [`Error::Rejected`] when there is such a place already, or those who vote are not all there; or as [`Etcd::txn`].
    pub async fn add_learner(&self, peer_url: &str, limit: Duration) -> Result<MemberRecord, Error> {
        let question = MemberAddRequest {
            peer_urls: vec![peer_url.to_owned()],
            is_learner: true,
        };
        let answer: MemberAddResponse = self
            .call(method::MEMBER_ADD, &question, Repeat::UnlessSent, limit)
            .await?;
        let added = answer.member.map(MemberRecord::from);
        added.ok_or_else(|| Error::malformed("the answer to an addition", "it names no member"))
    }

    /// Gives a learner its vote.
    ///
    /// # Errors
    /// [`Error::Rejected`] as long as it has not caught up, and when it is no learner; or as [`Etcd::txn`].
    pub async fn promote(&self, learner: MemberId, limit: Duration) -> Result<(), Error> {
        let question = MemberRequest { id: learner.0 };
        let _: Nothing = self
            .call(method::MEMBER_PROMOTE, &question, Repeat::UnlessSent, limit)
            .await?;
        Ok(())
    }

    async fn ask_member<A: Message + Default>(
        &self,
        endpoint: &Endpoint,
        method: &'static str,
        question: &impl Message,
        limit: Duration,
    ) -> Result<A, Error> {
        let member = self.member(endpoint)?;
        let asked = member.ask(method, Needs::Nothing, question, Instant::now() + limit);
        asked.await.map_err(|failure| {
            let mut tried = Tried::default();
            tried.note(endpoint, &failure);
            failure.into_error(tried)
        })
    }
}

impl MemberRecord {
    /// Whether it has run since it was put on the list.
    pub fn has_started(&self) -> bool {
        !self.client_urls.is_empty()
    }
}

impl From<wire::Member> for MemberRecord {
    fn from(member: wire::Member) -> Self {
        Self {
            id: MemberId(member.id),
            name: member.name,
            peer_urls: member.peer_urls,
            client_urls: member.client_urls,
            is_learner: member.is_learner,
        }
    }
}

impl From<StatusResponse> for MemberStatus {
    fn from(status: StatusResponse) -> Self {
        let header = status.header.unwrap_or_default();
        Self {
            cluster: header.cluster_id,
            member: MemberId(header.member_id),
            version: status.version,
            leader: (status.leader != 0).then_some(MemberId(status.leader)),
            is_learner: status.is_learner,
            revision: Revision(header.revision),
            raft_term: status.raft_term,
            raft_index: status.raft_index,
            raft_applied: status.raft_applied_index,
            size: u64::try_from(status.db_size).unwrap_or_default(),
            size_in_use: u64::try_from(status.db_size_in_use).unwrap_or_default(),
            errors: status.errors,
        }
    }
}

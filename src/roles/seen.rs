//! How the members were found at one look: values, and what is plain from them.

use govuc_etcd::{MemberId, MemberRecord};
use govuc_wire::names::WITNESS;

use super::{member::peer_url, said::Refusal};

/// What was found at one look from one site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The two sites, the own one first.
    pub sites: [String; 2],
    /// Whether this site's member has ever been one of a formed cluster.
    pub formed: bool,
    /// etcd's id of that cluster.
    pub cluster: Option<u64>,
    /// The list as a majority has it; none if no majority could be asked.
    pub members: Option<Vec<MemberRecord>>,
    /// What the members at the two sites said, in the same order.
    pub answers: [Heard<Answer>; 2],
    /// The cluster that the witness is of.
    pub witness: Heard<u64>,
    /// What this site's member says instead of starting.
    pub refusal: Option<Refusal>,
    /// Which member is the witness that is lost for good, by a person's word.
    pub lost_witness: Option<MemberId>,
}

/// What came of asking somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard<T> {
    Word(T),
    Silence,
    /// One side's certificate is not believed by the other; the reason is for people.
    Distrust(String),
    /// Who answers is no member of etcd; likewise.
    Stranger(String),
}

/// A member's own word of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    pub cluster: u64,
    pub member: MemberId,
    /// Which one it takes for the leader: none, unless it is connected with a majority.
    pub leader: Option<MemberId>,
}

impl<T> Heard<T> {
    pub fn word(&self) -> Option<&T> {
        match self {
            Heard::Word(word) => Some(word),
            _ => None,
        }
    }
}

impl Seen {
    /// Every place that there should be a member at, by name.
    pub fn places(&self) -> [&str; 3] {
        [self.sites[0].as_str(), &self.sites[1], WITNESS]
    }

    pub fn answer(&self, site: &str) -> &Heard<Answer> {
        let [own, peer] = &self.answers;
        if site == self.sites[0] { own } else { peer }
    }

    /// Whether the witness answers as one of this cluster.
    pub fn has_witness(&self) -> bool {
        self.witness
            .word()
            .is_some_and(|cluster| !self.is_foreign(*cluster))
    }

    /// The cluster that there is, if the members themselves show that this site's has been one of it. Both sites' begin it
    /// together, so whoever has a majority to ask has both.
    pub fn formed_cluster(&self) -> Option<u64> {
        let members = self.members.as_ref()?;
        let answers = self.answers.iter().filter_map(Heard::word);
        answers
            .filter(|answer| answer.leader.is_some())
            .find(|answer| members.iter().any(|member| member.id == answer.member))
            .map(|answer| answer.cluster)
    }

    pub fn is_foreign(&self, cluster: u64) -> bool {
        self.cluster.is_some_and(|own| own != cluster)
    }

    /// The member of a place that is known to have lost its volume. The witness is not taken for lost by anybody's word as long
    /// as it answers.
    pub fn lost(&self, site: &str) -> Option<MemberId> {
        if site == WITNESS {
            return self.lost_witness.filter(|_| !self.has_witness());
        }
        match self.refusal {
            Some(Refusal::Lost(member)) if site == self.sites[0] => Some(member),
            _ => None,
        }
    }
}

/// The member of a site, or the witness, on the list. Known by its URL: one that has not started has no name.
pub fn record<'a>(members: &'a [MemberRecord], site: &str) -> Option<&'a MemberRecord> {
    let url = peer_url(site);
    members.iter().find(|member| member.peer_urls.contains(&url))
}

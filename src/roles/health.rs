//! How the members are, and what Platform says of them: pure.

use govuc_api::conditions::reasons;
use govuc_etcd::{MemberId, MemberRecord};
use govuc_wire::names::WITNESS;

use super::member::peer_url;
use crate::conditions::Word;

/// What was found at one look from one site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The two sites, the own one first.
    pub sites: [String; 2],
    /// Whether this site's member has ever been one of a formed cluster.
    pub formed: bool,
    /// The list as a majority has it; none if no majority could be asked.
    pub members: Option<Vec<MemberRecord>>,
    /// What the members at the two sites said, in the same order.
    pub answers: [Option<Answer>; 2],
    /// Whether the witness can be reached.
    pub witness: bool,
}

/// A member's own word of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    pub member: MemberId,
    /// Which one it takes for the leader: none, unless it is connected with a majority.
    pub leader: Option<MemberId>,
}

/// Why a member does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lack {
    /// It is not on the list, or is another than the one there: its place was taken away, and no new one made yet.
    Place,
    /// It has not started since it was put on the list.
    Start,
    /// It follows, and has no vote yet.
    Vote,
    /// It does not answer.
    Answer,
    /// It answers, and is cut from the others.
    Leader,
}

impl Seen {
    /// What Platform's `RolesReady` says. It names nothing that changes by itself, such as the leader.
    pub fn word(&self) -> Word {
        let [own, peer] = &self.sites;
        let Some(members) = &self.members else {
            return if self.formed {
                Word::no(
                    reasons::NO_QUORUM,
                    format!(
                        "of the members at {own}, {peer} and the witness no two can be reached from here together: no store can \
                         change sides"
                    ),
                )
            } else {
                Word::unknown(
                    reasons::FORMING,
                    format!("the members at {own} and {peer} have not agreed on anything yet"),
                )
            };
        };
        let missing: Vec<String> = [own.as_str(), peer, WITNESS]
            .into_iter()
            .filter_map(|site| Some((site, self.lack(members, site)?)))
            .map(|(site, lack)| told(site, lack))
            .collect();
        if missing.is_empty() {
            Word::yes(
                reasons::FORMED,
                format!("the members at {own}, {peer} and the witness are there"),
            )
        } else {
            Word::no(reasons::MEMBER_MISSING, missing.join("; "))
        }
    }

    /// Whom this site's member, which leads, is to hand over to: the witness. With the line between the sites cut, the site
    /// without the leader has a member that is of no use to it, and can't reach another one; a leader at the witness leaves
    /// both sites theirs, so that no store changes sides for a cut.
    pub fn better_leader(&self) -> Option<MemberId> {
        let own = self.answers[0]?;
        let witness = record(self.members.as_ref()?, WITNESS)?;
        let leads = own.leader == Some(own.member);
        (leads && self.witness && !witness.is_learner && !witness.client_urls.is_empty())
            .then_some(witness.id)
    }

    fn lack(&self, members: &[MemberRecord], site: &str) -> Option<Lack> {
        match record(members, site) {
            None => Some(Lack::Place),
            Some(record) if record.client_urls.is_empty() => Some(Lack::Start),
            Some(record) => self
                .silence(record, site)
                .or(record.is_learner.then_some(Lack::Vote)),
        }
    }

    fn silence(&self, record: &MemberRecord, site: &str) -> Option<Lack> {
        if site == WITNESS {
            return (!self.witness).then_some(Lack::Answer);
        }
        let sites = self.sites.iter().zip(self.answers);
        match sites.into_iter().find(|(name, _)| *name == site)?.1 {
            None => Some(Lack::Answer),
            Some(answer) if answer.member != record.id => Some(Lack::Place),
            Some(answer) if answer.leader.is_none() => Some(Lack::Leader),
            Some(_) => None,
        }
    }
}

/// The member of a site, or the witness, on the list. Known by its URL: one that has not started has no name.
pub fn record<'a>(members: &'a [MemberRecord], site: &str) -> Option<&'a MemberRecord> {
    let url = peer_url(site);
    members.iter().find(|member| member.peer_urls.contains(&url))
}

fn told(site: &str, lack: Lack) -> String {
    match (lack, site) {
        (Lack::Start, WITNESS) => {
            "the witness has not joined yet: kubectl govuc witness writes what its machine needs".to_owned()
        }
        (Lack::Start, site) => format!("the member at {site} has not joined yet"),
        (Lack::Place, WITNESS) => "the witness has no place among the members".to_owned(),
        (Lack::Place, site) => format!("the member at {site} has no place among the others"),
        (Lack::Vote, WITNESS) => "the witness follows and has no vote yet".to_owned(),
        (Lack::Vote, site) => format!("the member at {site} follows and has no vote yet"),
        (Lack::Answer, WITNESS) => "the witness can't be reached".to_owned(),
        (Lack::Answer, site) => format!("the member at {site} can't be reached"),
        (Lack::Leader, site) => format!("the member at {site} is cut from the others"),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::conditions::State;
    use rstest::rstest;

    /// A member that has started and votes.
    pub fn voter(id: u64, site: &str) -> MemberRecord {
        MemberRecord {
            id: MemberId(id),
            name: site.to_owned(),
            peer_urls: vec![peer_url(site)],
            client_urls: vec!["https://x:8443".to_owned()],
            is_learner: false,
        }
    }

    /// A place on the list that nobody has taken.
    pub fn place(id: u64, site: &str) -> MemberRecord {
        MemberRecord {
            name: String::new(),
            client_urls: Vec::new(),
            is_learner: true,
            ..voter(id, site)
        }
    }

    fn three() -> Vec<MemberRecord> {
        vec![voter(1, "pdsa1"), voter(2, "pdsa2"), voter(3, WITNESS)]
    }

    /// Of members 1 to 3, these answer.
    pub fn seen(members: Option<Vec<MemberRecord>>, present: &[u64]) -> Seen {
        let answer = |id| {
            let member = MemberId(id);
            let leader = Some(MemberId(3));
            present.contains(&id).then_some(Answer { member, leader })
        };
        Seen {
            sites: ["pdsa1".into(), "pdsa2".into()],
            formed: true,
            members,
            answers: [answer(1), answer(2)],
            witness: present.contains(&3),
        }
    }

    /// As [`seen`], where all of three members are there and the peer's says this of itself.
    fn peer_says(member: u64, leader: Option<MemberId>) -> Seen {
        let mut seen = seen(Some(three()), &[1, 2, 3]);
        let member = MemberId(member);
        seen.answers[1] = Some(Answer { member, leader });
        seen
    }

    /// As [`seen`], with this leader by this site's member's word.
    fn led_by(leader: u64, present: &[u64]) -> Option<u64> {
        let mut seen = seen(Some(three()), present);
        seen.answers[0] = seen.answers[0].map(|own| Answer {
            leader: Some(MemberId(leader)),
            ..own
        });
        seen.better_leader().map(|member| member.0)
    }

    #[test]
    fn a_leader_hands_over_to_the_witness_as_soon_as_that_is_there() {
        assert_eq!(led_by(1, &[1, 2, 3]), Some(3));
        assert_eq!(led_by(1, &[1, 3]), Some(3));
        assert_eq!(led_by(1, &[1, 2]), None, "the witness is away");
        assert_eq!(led_by(2, &[1, 2, 3]), None, "that is the peer's to do");
        assert_eq!(led_by(3, &[1, 2, 3]), None);
        let mut learner = seen(Some(three()), &[1, 2, 3]);
        learner.answers[0] = Some(Answer {
            member: MemberId(1),
            leader: Some(MemberId(1)),
        });
        learner.members.as_mut().unwrap()[2].is_learner = true;
        assert_eq!(learner.better_leader(), None);
    }

    #[rstest]
    #[case::all(seen(Some(three()), &[1, 2, 3]), State::True, reasons::FORMED, "are there")]
    #[case::no_majority(seen(None, &[]), State::False, reasons::NO_QUORUM, "change sides")]
    #[case::never_one(Seen { formed: false, ..seen(None, &[]) }, State::Unknown, reasons::FORMING, "not agreed")]
    #[case::the_witness_is_away(seen(Some(three()), &[1, 2]), State::False, reasons::MEMBER_MISSING, "the witness can't be reached")]
    #[case::the_own_is_away(seen(Some(three()), &[2, 3]), State::False, reasons::MEMBER_MISSING, "at pdsa1 can't be reached")]
    #[case::one_is_cut_from_the_others(
        peer_says(2, None),
        State::False,
        reasons::MEMBER_MISSING,
        "at pdsa2 is cut from"
    )]
    #[case::one_is_another(
        peer_says(9, Some(MemberId(3))),
        State::False,
        reasons::MEMBER_MISSING,
        "at pdsa2 has no place"
    )]
    #[case::the_witness_never_came(
        seen(Some(vec![voter(1, "pdsa1"), voter(2, "pdsa2"), MemberRecord { is_learner: false, name: WITNESS.into(), ..place(3, WITNESS) }]), &[1, 2]),
        State::False, reasons::MEMBER_MISSING, "kubectl govuc witness"
    )]
    #[case::removed(seen(Some(three()[..2].to_vec()), &[1, 2]), State::False, reasons::MEMBER_MISSING, "no place")]
    #[case::a_learner(
        seen(Some(vec![voter(1, "pdsa1"), MemberRecord { is_learner: true, ..voter(2, "pdsa2") }, voter(3, WITNESS)]), &[1, 2, 3]),
        State::False, reasons::MEMBER_MISSING, "at pdsa2 follows"
    )]
    fn platform_says(#[case] seen: Seen, #[case] state: State, #[case] reason: &str, #[case] part: &str) {
        let word = seen.word();
        assert_eq!((word.state, word.reason), (state, reason), "{}", word.message);
        assert!(word.message.contains(part), "{}", word.message);
    }
}

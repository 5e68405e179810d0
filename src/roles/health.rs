//! How the members are, and what Platform says of them: pure.

use govuc_api::conditions::reasons;
use govuc_etcd::{MemberId, MemberRecord};
use govuc_wire::names::WITNESS;

use super::{
    lack::Lack,
    said::Refusal,
    seen::{Heard, Seen, record},
};
use crate::conditions::Word;

impl Seen {
    /// What Platform's `RolesReady` says. It names nothing that changes by itself, such as the leader.
    pub fn word(&self) -> Word {
        let [own, peer, _] = self.places();
        let Some(members) = &self.members else {
            let faults: String = self
                .places()
                .into_iter()
                .filter_map(|site| Some(format!("; {}", self.told(site, &self.fault(site)?))))
                .collect();
            return if self.formed {
                Word::no(
                    reasons::NO_QUORUM,
                    format!(
                        "of the members at {own}, {peer} and the witness no two can be reached from here together: no store can \
                         change sides{faults}"
                    ),
                )
            } else {
                Word::unknown(
                    reasons::FORMING,
                    format!("the members at {own} and {peer} have not agreed on anything yet{faults}"),
                )
            };
        };
        let lacks: Vec<(&str, Lack)> = self
            .places()
            .into_iter()
            .filter_map(|site| Some((site, self.lack(members, site)?)))
            .collect();
        let told: Vec<String> = lacks.iter().map(|(site, lack)| self.told(site, lack)).collect();
        match lacks.iter().map(|(_, lack)| lack).min_by_key(|lack| lack.rank()) {
            None => Word::yes(
                reasons::FORMED,
                format!("the members at {own}, {peer} and the witness are there"),
            ),
            Some(gravest) => Word::no(gravest.reason(), told.join("; ")),
        }
    }

    /// How many of the three are there. None as long as no majority can be asked.
    pub fn present(&self) -> usize {
        let members = self.members.as_deref();
        members.map_or(0, |members| {
            let places = self.places().into_iter();
            places.filter(|site| self.lack(members, site).is_none()).count()
        })
    }

    /// Whom this site's member, which leads, is to hand over to: the witness. With the line between the sites cut, the site
    /// without the leader has a member that is of no use to it, and can't reach another one; a leader at the witness leaves
    /// both sites theirs, so that no store changes sides for a cut.
    pub fn better_leader(&self) -> Option<MemberId> {
        let own = self.answers[0].word()?;
        let witness = record(self.members.as_ref()?, WITNESS)?;
        let leads = own.leader == Some(own.member);
        (leads && self.has_witness() && !witness.is_learner && witness.has_started()).then_some(witness.id)
    }

    /// Why the member of a place does not count, if it does not.
    pub fn lack(&self, members: &[MemberRecord], site: &str) -> Option<Lack> {
        if let Some(fault) = self.fault(site) {
            return Some(fault);
        }
        let Some(record) = record(members, site) else {
            return Some(Lack::Place);
        };
        if self.lost(site) == Some(record.id) {
            return Some(Lack::Volume);
        }
        if !record.has_started() {
            return Some(if record.is_learner {
                Lack::Taking
            } else {
                Lack::Start
            });
        }
        self.silence(record, site)
            .or(record.is_learner.then_some(Lack::Vote))
    }

    /// What is wrong in a place whatever the list says.
    fn fault(&self, site: &str) -> Option<Lack> {
        if site == WITNESS {
            return self.wrong(&self.witness, |cluster| *cluster);
        }
        match self.refusal {
            Some(Refusal::Foreign(cluster)) if site == self.sites[0] => Some(Lack::Foreign(cluster)),
            _ => self.wrong(self.answer(site), |answer| answer.cluster),
        }
    }

    fn wrong<T>(&self, heard: &Heard<T>, cluster: impl Fn(&T) -> u64) -> Option<Lack> {
        match heard {
            Heard::Word(word) => Some(cluster(word))
                .filter(|cluster| self.is_foreign(*cluster))
                .map(Lack::Foreign),
            Heard::Silence => None,
            Heard::Distrust(reason) => Some(Lack::Distrust(reason.clone())),
            Heard::Stranger(reason) => Some(Lack::Stranger(reason.clone())),
        }
    }

    fn silence(&self, record: &MemberRecord, site: &str) -> Option<Lack> {
        if site == WITNESS {
            return (!self.has_witness()).then_some(Lack::Answer(record.id));
        }
        match self.answer(site).word() {
            None => Some(Lack::Answer(record.id)),
            Some(answer) if answer.member != record.id => Some(Lack::Place),
            Some(answer) if answer.leader.is_none() => Some(Lack::Leader),
            Some(_) => None,
        }
    }

    fn told(&self, site: &str, lack: &Lack) -> String {
        let who = if site == WITNESS {
            "the witness".to_owned()
        } else {
            format!("the member at {site}")
        };
        let own = site == self.sites[0];
        match lack {
            Lack::Foreign(cluster) => {
                let known = self.cluster.unwrap_or_default();
                let remedy = match site {
                    WITNESS => "correct spec.roles.witness.endpoint, or empty its disk".to_owned(),
                    _ if own => {
                        "if nothing on its volume is needed, kubectl -n govuc-mail delete pvc/roles pod/roles-0"
                            .to_owned()
                    }
                    site => format!("see RolesReady at {site}"),
                };
                format!("{who} is of another cluster ({cluster:x}, not {known:x}) and not let in: {remedy}")
            }
            Lack::Distrust(reason) => {
                let remedy = match site {
                    WITNESS => {
                        "correct spec.roles.witness.endpoint, or renew its certificate with kubectl govuc witness"
                    }
                    _ => "both sites need one root secret: kubectl govuc connect",
                };
                format!("{who} and this site do not accept each other's certificate: {remedy} ({reason})")
            }
            Lack::Stranger(reason) => {
                let remedy = match site {
                    WITNESS => "correct spec.roles.witness.endpoint",
                    _ => "correct its gateway in spec.sites",
                };
                format!("what answers in the place of {who} is no etcd: {remedy} ({reason})")
            }
            Lack::Volume => format!(
                "{who} has lost its volume; its place is made anew as soon as the other two are there"
            ),
            Lack::Place => format!("{who} has no place among the others, and gets a new one"),
            Lack::Taking => format!("{who} has a new place and has not taken it yet"),
            Lack::Vote => format!("{who} follows and has no vote yet"),
            Lack::Start if site == WITNESS => {
                format!("{who} has not joined yet: kubectl govuc witness writes what its machine needs")
            }
            Lack::Start => format!("{who} has not joined yet"),
            Lack::Answer(member) if site == WITNESS => format!("{who} ({member}) can't be reached"),
            Lack::Answer(_) => format!("{who} can't be reached"),
            Lack::Leader => format!("{who} is cut from the others"),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{
        conditions::State,
        roles::{member::peer_url, seen::Answer},
    };
    use rstest::rstest;

    /// etcd's id of the service's cluster, and of none.
    pub const CLUSTER: u64 = 0xc1;
    pub const ANOTHER: u64 = 0xbad;

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

    pub fn three() -> Vec<MemberRecord> {
        vec![voter(1, "pdsa1"), voter(2, "pdsa2"), voter(3, WITNESS)]
    }

    /// Of members 1 to 3, these answer.
    pub fn seen(members: Option<Vec<MemberRecord>>, present: &[u64]) -> Seen {
        let answer = |id| {
            if !present.contains(&id) {
                return Heard::Silence;
            }
            Heard::Word(Answer {
                cluster: CLUSTER,
                member: MemberId(id),
                leader: Some(MemberId(3)),
            })
        };
        Seen {
            sites: ["pdsa1".into(), "pdsa2".into()],
            formed: true,
            cluster: Some(CLUSTER),
            members,
            answers: [answer(1), answer(2)],
            witness: if present.contains(&3) {
                Heard::Word(CLUSTER)
            } else {
                Heard::Silence
            },
            refusal: None,
            lost_witness: None,
        }
    }

    /// As [`seen`], where all of three members are there and the peer's says this of itself.
    fn peer_says(member: u64, leader: Option<MemberId>) -> Seen {
        let mut seen = seen(Some(three()), &[1, 2, 3]);
        seen.answers[1] = Heard::Word(Answer {
            cluster: CLUSTER,
            member: MemberId(member),
            leader,
        });
        seen
    }

    /// As [`seen`], with this leader by this site's member's word.
    fn led_by(leader: u64, present: &[u64]) -> Option<u64> {
        let mut seen = seen(Some(three()), present);
        if let Heard::Word(own) = &mut seen.answers[0] {
            own.leader = Some(MemberId(leader));
        }
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
        learner.answers[0] = Heard::Word(Answer {
            cluster: CLUSTER,
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
    #[case::the_witness_is_away(seen(Some(three()), &[1, 2]), State::False, reasons::MEMBER_MISSING, "the witness (3) can't be reached")]
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
        reasons::MEMBER_REPLACING,
        "at pdsa2 has no place"
    )]
    #[case::the_witness_never_came(
        seen(Some(vec![voter(1, "pdsa1"), voter(2, "pdsa2"), MemberRecord { is_learner: false, name: WITNESS.into(), ..place(3, WITNESS) }]), &[1, 2]),
        State::False, reasons::MEMBER_MISSING, "kubectl govuc witness"
    )]
    #[case::removed(seen(Some(three()[..2].to_vec()), &[1, 2]), State::False, reasons::MEMBER_REPLACING, "no place")]
    #[case::a_learner(
        seen(Some(vec![voter(1, "pdsa1"), MemberRecord { is_learner: true, ..voter(2, "pdsa2") }, voter(3, WITNESS)]), &[1, 2, 3]),
        State::False, reasons::MEMBER_REPLACING, "at pdsa2 follows"
    )]
    #[case::the_own_volume_is_empty(
        Seen { refusal: Some(Refusal::Lost(MemberId(1))), ..seen(Some(three()), &[2, 3]) },
        State::False, reasons::MEMBER_REPLACING, "at pdsa1 has lost its volume"
    )]
    #[case::what_it_said_of_an_earlier_one_is_old(
        Seen { refusal: Some(Refusal::Lost(MemberId(9))), ..seen(Some(three()), &[2, 3]) },
        State::False, reasons::MEMBER_MISSING, "at pdsa1 can't be reached"
    )]
    #[case::the_witness_is_lost_by_a_persons_word(
        Seen { lost_witness: Some(MemberId(3)), ..seen(Some(three()), &[1, 2]) },
        State::False, reasons::MEMBER_REPLACING, "the witness has lost its volume"
    )]
    #[case::a_witness_that_answers_is_not_lost(
        Seen { lost_witness: Some(MemberId(3)), ..seen(Some(three()), &[1, 2, 3]) },
        State::True, reasons::FORMED, "are there"
    )]
    #[case::a_place_that_nobody_took(
        seen(Some(vec![voter(1, "pdsa1"), voter(2, "pdsa2"), place(4, WITNESS)]), &[1, 2]),
        State::False, reasons::MEMBER_REPLACING, "the witness has a new place"
    )]
    #[case::the_own_volume_is_anothers(
        Seen { refusal: Some(Refusal::Foreign(ANOTHER)), ..seen(Some(three()), &[2, 3]) },
        State::False, reasons::MEMBER_FOREIGN, "at pdsa1 is of another cluster (bad, not c1) and not let in: if nothing on its volume \
         is needed, kubectl -n govuc-mail delete pvc/roles pod/roles-0"
    )]
    #[case::the_witness_is_anothers(
        Seen { witness: Heard::Word(ANOTHER), ..seen(Some(three()), &[1, 2]) },
        State::False, reasons::MEMBER_FOREIGN, "the witness is of another cluster (bad, not c1) and not let in: correct spec.roles"
    )]
    #[case::another_authority(
        Seen { witness: Heard::Distrust("UnknownIssuer".into()), ..seen(Some(three()), &[1, 2]) },
        State::False, reasons::MEMBER_DISTRUSTED, "kubectl govuc witness (UnknownIssuer)"
    )]
    #[case::another_authority_at_the_other_site(
        Seen { answers: [seen(None, &[1]).answers[0].clone(), Heard::Distrust("UnknownIssuer".into())], ..seen(Some(three()), &[1, 3]) },
        State::False, reasons::MEMBER_DISTRUSTED, "at pdsa2 and this site do not accept each other's certificate: both sites need one"
    )]
    #[case::something_else(
        Seen { witness: Heard::Stranger("404".into()), ..seen(Some(three()), &[1, 2]) },
        State::False, reasons::MEMBER_NOT_ETCD, "in the place of the witness is no etcd: correct spec.roles.witness.endpoint (404)"
    )]
    #[case::the_gravest_gives_the_reason(
        Seen { refusal: Some(Refusal::Foreign(ANOTHER)), ..seen(Some(three()), &[2]) },
        State::False, reasons::MEMBER_FOREIGN, "; the witness (3) can't be reached"
    )]
    #[case::what_is_wrong_is_said_without_a_majority_too(
        Seen { witness: Heard::Stranger("404".into()), ..seen(None, &[1]) },
        State::False, reasons::NO_QUORUM, "is no etcd"
    )]
    fn platform_says(#[case] seen: Seen, #[case] state: State, #[case] reason: &str, #[case] part: &str) {
        let word = seen.word();
        assert_eq!((word.state, word.reason), (state, reason), "{}", word.message);
        assert!(word.message.contains(part), "{}", word.message);
    }

    #[test]
    fn who_counts_is_counted() {
        assert_eq!(seen(Some(three()), &[1, 2, 3]).present(), 3);
        assert_eq!(seen(Some(three()), &[1, 2]).present(), 2);
        assert_eq!(seen(None, &[1]).present(), 0);
        let stranger = Seen {
            witness: Heard::Word(ANOTHER),
            ..seen(Some(three()), &[1, 2])
        };
        assert_eq!((stranger.present(), stranger.better_leader()), (2, None));
    }
}

//! What is to be done about the list of members, one step at a time: pure.
//!
//! A member that lost its volume is not itself any more: it forgot how it voted. It is taken off the list and comes back under
//! another id, first without a vote. Each operator sees to the member of its own site, whose pod it sees; the lead also to the
//! witness, on a person's word.

use govuc_etcd::{MemberId, MemberRecord};
use govuc_wire::names::WITNESS;

use super::health::{Seen, record};

/// What a pod that does not start its member says at its end (`images/etcd/start-member`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Emptied(pub MemberId);

/// A change of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Takes a member away that has lost its volume.
    Remove(MemberId),
    /// Makes a place, without a vote, for whoever comes with this site's URL.
    AddLearner { site: String },
    /// Gives a member its vote. etcd refuses as long as it is far behind.
    Promote(MemberId),
}

/// A member that somebody sees to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge<'a> {
    /// Its site, or the witness.
    pub site: &'a str,
    /// Whose volume was found to be another than before.
    pub emptied: Option<Emptied>,
}

impl Emptied {
    /// From `replace 8e9e05c52164694d: …`.
    pub fn parse(message: &str) -> Option<Self> {
        Self::of_id(message.trim().strip_prefix("replace ")?.split(':').next()?)
    }

    /// From hexadecimal digits, as etcd shows an id.
    pub fn of_id(digits: &str) -> Option<Self> {
        u64::from_str_radix(digits.trim(), 16)
            .ok()
            .map(MemberId)
            .map(Self)
    }
}

/// The next change, if any. A member is touched only while the other two vote and are there, so that taking it away leaves a
/// majority, and never two at once.
pub fn next(seen: &Seen, charges: &[Charge<'_>]) -> Option<Step> {
    let members = seen.members.as_ref()?;
    if let Some(learner) = members.iter().find(|member| member.is_learner) {
        let there = !learner.client_urls.is_empty() && seen.present.contains(&learner.id);
        return there.then_some(Step::Promote(learner.id));
    }
    charges.iter().find_map(|charge| step(seen, members, charge))
}

fn step(seen: &Seen, members: &[MemberRecord], charge: &Charge<'_>) -> Option<Step> {
    let others_vote = seen
        .sites
        .iter()
        .map(String::as_str)
        .chain([WITNESS])
        .filter(|site| *site != charge.site)
        .all(|site| {
            record(members, site).is_some_and(|member| {
                !member.is_learner && !member.client_urls.is_empty() && seen.present.contains(&member.id)
            })
        });
    if !others_vote {
        return None;
    }
    let Some(member) = record(members, charge.site) else {
        return Some(Step::AddLearner {
            site: charge.site.to_owned(),
        });
    };
    // The id says that it is this life of the member that is over: what a pod said of an earlier one is no reason.
    let over = charge.emptied == Some(Emptied(member.id)) && !seen.present.contains(&member.id);
    over.then_some(Step::Remove(member.id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roles::health::tests::{place, voter};
    use rstest::rstest;

    fn seen(members: Vec<MemberRecord>, present: &[u64]) -> Seen {
        Seen {
            sites: ["pdsa1".into(), "pdsa2".into()],
            formed: true,
            members: Some(members),
            present: present.iter().copied().map(MemberId).collect(),
        }
    }

    fn charge(site: &str, emptied: Option<u64>) -> Charge<'_> {
        Charge {
            site,
            emptied: emptied.map(|id| Emptied(MemberId(id))),
        }
    }

    fn three() -> Vec<MemberRecord> {
        vec![voter(1, "pdsa1"), voter(2, "pdsa2"), voter(3, WITNESS)]
    }

    fn learner(id: u64, site: &str) -> MemberRecord {
        MemberRecord {
            is_learner: true,
            ..voter(id, site)
        }
    }

    #[rstest]
    #[case::nothing_is_wrong(seen(three(), &[1, 2, 3]), charge("pdsa1", None), None)]
    #[case::it_is_only_away(seen(three(), &[2, 3]), charge("pdsa1", None), None)]
    #[case::its_volume_is_another(seen(three(), &[2, 3]), charge("pdsa1", Some(1)), Some(Step::Remove(MemberId(1))))]
    #[case::an_earlier_life_was_over(seen(three(), &[2, 3]), charge("pdsa1", Some(9)), None)]
    #[case::it_is_there_after_all(seen(three(), &[1, 2, 3]), charge("pdsa1", Some(1)), None)]
    #[case::another_is_away_too(seen(three(), &[2]), charge("pdsa1", Some(1)), None)]
    #[case::it_was_taken_away(seen(three()[1..].to_vec(), &[2, 3]), charge("pdsa1", Some(1)), Some(Step::AddLearner { site: "pdsa1".into() }))]
    #[case::its_place_waits(seen([vec![place(4, "pdsa1")], three()[1..].to_vec()].concat(), &[2, 3]), charge("pdsa1", Some(1)), None)]
    #[case::it_has_come(seen([vec![learner(4, "pdsa1")], three()[1..].to_vec()].concat(), &[2, 3, 4]), charge("pdsa1", Some(1)), Some(Step::Promote(MemberId(4))))]
    #[case::one_at_a_time(seen(vec![voter(1, "pdsa1"), learner(4, "pdsa2"), voter(3, WITNESS)], &[1, 3]), charge("pdsa1", Some(1)), None)]
    #[case::the_witness(seen(three(), &[1, 2]), charge(WITNESS, Some(3)), Some(Step::Remove(MemberId(3))))]
    #[case::no_majority_to_ask(Seen { members: None, ..seen(Vec::new(), &[]) }, charge("pdsa1", Some(1)), None)]
    fn the_next_step(#[case] seen: Seen, #[case] charge: Charge<'_>, #[case] want: Option<Step>) {
        assert_eq!(next(&seen, &[charge]), want);
    }

    /// Whatever order things happen in, each step taken leads to the next until nothing is left to do.
    #[test]
    fn a_lost_volume_ends_with_three_voters() {
        let charges = [charge("pdsa2", Some(2))];
        let mut now = seen(three(), &[1, 3]);
        let mut taken = Vec::new();
        while let Some(step) = next(&now, &charges) {
            let members = now.members.as_mut().unwrap();
            match &step {
                Step::Remove(id) => members.retain(|member| member.id != *id),
                Step::AddLearner { site } => {
                    // Its pod finds the place, and starts.
                    members.push(learner(7, site));
                    now.present.insert(MemberId(7));
                }
                Step::Promote(id) => members
                    .iter_mut()
                    .filter(|member| member.id == *id)
                    .for_each(|member| member.is_learner = false),
            }
            taken.push(step);
            assert!(taken.len() < 9, "{taken:?}");
        }
        assert_eq!(now.word().reason, govuc_api::conditions::reasons::FORMED);
        assert_eq!(taken.len(), 3, "{taken:?}");
    }

    #[rstest]
    #[case(
        "replace 8e9e05c52164694d: this member's volume is empty\n",
        Some(0x8e9e_05c5_2164_694d)
    )]
    #[case("absent: this member's volume is empty", None)]
    #[case("waiting: nobody answers", None)]
    #[case("replace : x", None)]
    #[case("", None)]
    fn what_a_pod_says_at_its_end(#[case] message: &str, #[case] id: Option<u64>) {
        assert_eq!(Emptied::parse(message), id.map(|id| Emptied(MemberId(id))));
    }
}

//! Which step is due for a member that has lost its volume: pure.

use govuc_etcd::replacement::{Course, Place, Step};
use govuc_wire::names::WITNESS;

use super::{
    lack::Lack,
    member::peer_url,
    seen::{Seen, record},
};

/// A step that this operator takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The site whose member it is about, or the witness.
    pub place: String,
    pub step: Step,
}

impl Seen {
    /// What is to be done next, if anything. A site's operator does it for the own member, of whose volume it alone knows;
    /// for the witness the one that leads, and the one that was told that it is lost. Both may act at once: only one of the
    /// three is replaced at a time, and etcd takes each step once.
    pub fn replacement(&self, leads: bool) -> Option<Task> {
        let members = self.members.as_ref()?;
        self.cared_for(leads)
            .find_map(|site| match self.place(site, &peer_url(site)).course(members) {
                Course::Next(step) => Some(Task {
                    place: site.to_owned(),
                    step,
                }),
                Course::Whole | Course::Waits(_) => None,
            })
    }

    /// Whether a member is on its way to be replaced, so that it is worth looking again soon.
    pub fn is_replacing(&self) -> bool {
        let members = self.members.as_deref().unwrap_or_default();
        !members.is_empty()
            && self
                .places()
                .into_iter()
                .any(|site| self.lack(members, site).is_some_and(|lack| lack.is_replaced()))
    }

    fn cared_for(&self, leads: bool) -> impl Iterator<Item = &str> {
        let witness = leads || self.lost_witness.is_some();
        [self.sites[0].as_str()]
            .into_iter()
            .chain(witness.then_some(WITNESS))
    }

    fn place<'a>(&self, site: &str, peer_url: &'a str) -> Place<'a> {
        let members = self.members.as_deref().unwrap_or_default();
        let lack = |site: &str| self.lack(members, site);
        Place {
            peer_url,
            lost: self.lost(site),
            answers: record(members, site).is_some() && matches!(lack(site), None | Some(Lack::Vote)),
            others_are_well: self
                .places()
                .into_iter()
                .filter(|other| *other != site)
                .all(|other| lack(other).is_none())
                // A volume of another cluster in its place: a person has to say whether it is needed.
                && !matches!(lack(site), Some(Lack::Foreign(_))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roles::{
        health::tests::{ANOTHER, place, seen, three, voter},
        said::Refusal,
        seen::Heard,
    };
    use govuc_etcd::{MemberId, MemberRecord};
    use rstest::rstest;

    fn lost(present: &[u64]) -> Seen {
        Seen {
            refusal: Some(Refusal::Lost(MemberId(1))),
            ..seen(Some(three()), present)
        }
    }

    fn given_up(present: &[u64]) -> Seen {
        Seen {
            lost_witness: Some(MemberId(3)),
            ..seen(Some(three()), present)
        }
    }

    fn listed(members: Vec<MemberRecord>, present: &[u64]) -> Seen {
        seen(Some(members), present)
    }

    fn learner(id: u64, site: &str) -> MemberRecord {
        MemberRecord {
            is_learner: true,
            ..voter(id, site)
        }
    }

    fn without_own() -> Vec<MemberRecord> {
        three()[1..].to_vec()
    }

    fn without_witness() -> Vec<MemberRecord> {
        three()[..2].to_vec()
    }

    fn own(step: Step) -> Option<Task> {
        let place = "pdsa1".to_owned();
        Some(Task { place, step })
    }

    fn witness(step: Step) -> Option<Task> {
        let place = WITNESS.to_owned();
        Some(Task { place, step })
    }

    /// A learner of this id in the own place, which answers.
    fn own_follows() -> Seen {
        listed([without_own(), vec![learner(1, "pdsa1")]].concat(), &[1, 2, 3])
    }

    #[rstest]
    #[case::all_is_well(seen(Some(three()), &[1, 2, 3]), None)]
    #[case::the_own_is_lost(lost(&[2, 3]), own(Step::Remove(MemberId(1))))]
    #[case::the_own_has_no_place(listed(without_own(), &[2, 3]), own(Step::Add))]
    #[case::its_place_is_not_taken_yet(listed([without_own(), vec![place(4, "pdsa1")]].concat(), &[2, 3]), None)]
    #[case::it_follows(own_follows(), own(Step::Promote(MemberId(1))))]
    #[case::it_follows_and_does_not_answer(Seen { answers: [Heard::Silence, own_follows().answers[1].clone()], ..own_follows() }, None)]
    #[case::the_witness_is_lost(given_up(&[1, 2]), witness(Step::Remove(MemberId(3))))]
    #[case::the_witness_has_no_place(listed(without_witness(), &[1, 2]), witness(Step::Add))]
    #[case::the_witness_follows(
        listed([without_witness(), vec![learner(3, WITNESS)]].concat(), &[1, 2, 3]),
        witness(Step::Promote(MemberId(3)))
    )]
    #[case::the_witness_follows_and_is_away(listed([without_witness(), vec![learner(3, WITNESS)]].concat(), &[1, 2]), None)]
    #[case::the_witness_is_only_away(seen(Some(three()), &[1, 2]), None)]
    #[case::the_witness_is_called_lost_and_answers(given_up(&[1, 2, 3]), None)]
    #[case::another_one_was_called_lost(Seen { lost_witness: Some(MemberId(9)), ..given_up(&[1, 2]) }, None)]
    #[case::the_peers_is_lost_which_its_operator_knows(seen(Some(three()), &[1, 3]), None)]
    #[case::the_peers_place_is_its_operators(listed(vec![voter(1, "pdsa1"), voter(3, WITNESS)], &[1, 3]), None)]
    #[case::no_majority(Seen { members: None, ..lost(&[2]) }, None)]
    #[case::the_peers_is_away_too(lost(&[3]), None)]
    #[case::the_witness_is_away_too(lost(&[2]), None)]
    #[case::the_witness_is_something_else(Seen { witness: Heard::Stranger("404".into()), ..lost(&[2, 3]) }, None)]
    #[case::the_witness_is_anothers(Seen { witness: Heard::Word(ANOTHER), ..lost(&[2, 3]) }, None)]
    #[case::the_witness_has_another_authority(Seen { witness: Heard::Distrust("no".into()), ..lost(&[2, 3]) }, None)]
    #[case::a_lost_witness_whose_address_is_anothers_now(
        Seen { witness: Heard::Stranger("404".into()), ..given_up(&[1, 2]) },
        witness(Step::Remove(MemberId(3)))
    )]
    #[case::the_own_volume_is_anothers(Seen { refusal: Some(Refusal::Foreign(ANOTHER)), ..seen(Some(three()), &[2, 3]) }, None)]
    #[case::nor_is_a_place_made_for_it(Seen { refusal: Some(Refusal::Foreign(ANOTHER)), ..listed(without_own(), &[2, 3]) }, None)]
    #[case::one_at_a_time(Seen { lost_witness: Some(MemberId(3)), ..lost(&[2]) }, None)]
    fn the_lead_does(#[case] seen: Seen, #[case] task: Option<Task>) {
        assert_eq!(seen.replacement(true), task);
        let elsewhere = task.filter(|task| task.place != WITNESS || seen.lost_witness.is_some());
        assert_eq!(seen.replacement(false), elsewhere, "where nobody leads");
    }

    #[rstest]
    #[case::all_is_well(seen(Some(three()), &[1, 2, 3]), false)]
    #[case::one_is_away(seen(Some(three()), &[1, 2]), false)]
    #[case::no_majority(seen(None, &[1]), false)]
    #[case::the_own_is_lost(lost(&[2, 3]), true)]
    #[case::one_has_no_place(listed(without_witness(), &[1, 2]), true)]
    #[case::one_follows(own_follows(), true)]
    fn it_is_looked_at_again_soon(#[case] seen: Seen, #[case] soon: bool) {
        assert_eq!(seen.is_replacing(), soon);
    }
}

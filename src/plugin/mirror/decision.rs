//! What has one site's state stand at both: pure.

use super::super::diff::difference::Side;

/// What is done, at one of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The other one gets the spec.
    Replace,
    /// The other one is deleted.
    Delete,
    /// What was agreed on is forgotten here, so that it counts as new, and the mirror makes it at the other site.
    Renew,
    Nothing(Reason),
}

/// Why there is nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Same,
    /// The mirror makes it at the other site as it is.
    New,
    /// It is being deleted, and nothing else has it.
    Goes,
}

/// The other site's object is being deleted, and the one that is to stand would be deleted after it: the two agree on it still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Goes;

/// `noted`: what is to stand carries what was agreed on. One that is being deleted counts as gone. None if there is neither.
pub fn step(from: Option<&Side>, other: Option<&Side>, noted: bool) -> Option<Result<Step, Goes>> {
    let stays = from.filter(|from| !from.deleting);
    Some(match (stays, other) {
        (Some(_), Some(other)) if other.deleting => Err(Goes),
        (Some(from), Some(other)) if from.spec == other.spec => Ok(Step::Nothing(Reason::Same)),
        (Some(_), Some(_)) => Ok(Step::Replace),
        (Some(_), None) if noted => Ok(Step::Renew),
        (Some(_), None) => Ok(Step::Nothing(Reason::New)),
        (None, Some(other)) if other.deleting => Ok(Step::Nothing(Reason::Goes)),
        (None, Some(_)) => Ok(Step::Delete),
        (None, None) => {
            from?;
            Ok(Step::Nothing(Reason::Goes))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::diff::difference::tests::side;
    use govuc_mirror::{Act, Agreement, Lead, Lineage, Partner, Peer, Replica, SpecHash, decide};
    use rstest::rstest;

    const X: u8 = 44;
    const Y: u8 = 48;
    const Z: u8 = 52;
    const BOTH: Option<(u64, u8)> = Some((1, X));

    /// As the two sites' operators see an object: what is there, what was agreed on, and whether it is being deleted.
    fn replica(site: &str, text: u8, agreed: Option<(u64, u8)>, leaving: bool) -> Option<Replica> {
        let spec = |text| SpecHash::new(1, [text; 32]);
        let partner = if site == "one" { "two" } else { "one" };
        Some(Replica {
            lineage: Lineage(site.into()),
            generation: 1,
            partner: agreed.map(|_| Partner {
                lineage: Lineage(partner.into()),
                generation: 1,
            }),
            spec: spec(text),
            agreed: agreed.map(|(seq, text)| Agreement {
                seq,
                spec: spec(text),
            }),
            confirmed: agreed.is_some(),
            leaving,
        })
    }

    fn there(site: &str, text: u8, agreed: Option<(u64, u8)>) -> Option<Replica> {
        replica(site, text, agreed, false)
    }

    fn as_side(replica: &Replica) -> Side {
        Side {
            deleting: replica.leaving,
            spec: replica.spec.to_string(),
            ..side(44)
        }
    }

    /// As the operators carry it out.
    fn act(local: &mut Option<Replica>, peer: Option<&Replica>, lead: Lead) -> bool {
        let seen = peer.map_or(Peer::Absent, |peer| Peer::Replica(peer.clone()));
        let before = local.clone();
        match (decide(local.as_ref(), &seen, lead), local.as_mut(), peer) {
            (
                Act::Note {
                    agreed,
                    partner,
                    confirmed,
                },
                Some(own),
                _,
            ) => (own.agreed, own.partner, own.confirmed) = (Some(agreed), Some(partner), confirmed),
            (Act::Create(agreed), None, Some(peer)) => {
                *local = Some(Replica {
                    lineage: Lineage("made".into()),
                    partner: Some(peer.as_partner()),
                    agreed: Some(agreed),
                    confirmed: false,
                    ..peer.clone()
                });
            }
            (Act::Take { agreed, .. }, Some(own), Some(peer)) => {
                own.spec = peer.spec.clone();
                own.partner = Some(peer.as_partner());
                (own.agreed, own.confirmed) = (Some(agreed), false);
            }
            (Act::Delete, Some(own), _) => own.leaving = true,
            (Act::Release, Some(_), _) => *local = None,
            _ => {}
        }
        *local != before
    }

    /// What comes of it once both operators have done all they do; nobody leads.
    fn settled(mut from: Option<Replica>, mut other: Option<Replica>) -> [Option<Replica>; 2] {
        for _ in 0..20 {
            let here = act(&mut from, other.as_ref(), Lead::Nobody);
            let there = act(&mut other, from.as_ref(), Lead::Nobody);
            if !here && !there {
                return [from, other];
            }
        }
        panic!("{from:?} and {other:?} never settle");
    }

    fn forgotten(replica: Option<Replica>) -> Option<Replica> {
        replica.map(|replica| Replica {
            partner: None,
            agreed: None,
            confirmed: false,
            ..replica
        })
    }

    #[rstest]
    #[case::both_edited(there("one", Y, BOTH), there("two", Z, BOTH), Step::Replace, Some(Y))]
    #[case::only_the_other_edited(there("one", X, BOTH), there("two", Z, BOTH), Step::Replace, Some(X))]
    #[case::made_by_two_people(there("one", Y, None), there("two", Z, None), Step::Replace, Some(Y))]
    #[case::deleted_there_after_an_edit_here(there("one", Y, BOTH), None, Step::Renew, Some(Y))]
    #[case::deletions_are_held_back(there("one", X, BOTH), None, Step::Renew, Some(X))]
    #[case::deleted_here_after_an_edit_there(None, there("two", Y, BOTH), Step::Delete, None)]
    #[case::being_deleted_here(replica("one", X, BOTH, true), there("two", Y, BOTH), Step::Delete, None)]
    fn after_the_step_the_mirror_brings_that_state_to_both(
        #[case] from: Option<Replica>,
        #[case] other: Option<Replica>,
        #[case] expected: Step,
        #[case] text: Option<u8>,
    ) {
        let sides = [&from, &other].map(|replica| replica.as_ref().map(as_side));
        let noted = from.as_ref().is_some_and(|from| from.agreed.is_some());
        assert_eq!(
            step(sides[0].as_ref(), sides[1].as_ref(), noted),
            Some(Ok(expected))
        );
        let [from, other] = match expected {
            Step::Replace => {
                let spec = from.as_ref().unwrap().spec.clone();
                let replaced = other.map(|other| Replica { spec, ..other });
                settled(from, replaced)
            }
            Step::Delete => {
                let going = other.map(|other| Replica {
                    leaving: true,
                    ..other
                });
                settled(from, going)
            }
            Step::Renew => settled(forgotten(from), other),
            Step::Nothing(_) => unreachable!(),
        };
        let spec = text.map(|text| SpecHash::new(1, [text; 32]));
        for replica in [from, other] {
            assert_eq!(replica.map(|replica| replica.spec), spec);
        }
    }

    /// Why that is refused: to forget what was agreed on is not enough, since the other one's object still has it.
    #[test]
    fn what_is_to_stand_goes_after_one_that_is_being_deleted() {
        let (from, other) = (there("one", X, BOTH), replica("two", X, BOTH, true));
        let sides = [&from, &other].map(|replica| as_side(replica.as_ref().unwrap()));
        assert_eq!(step(Some(&sides[0]), Some(&sides[1]), true), Some(Err(Goes)));
        let held = other.map(|other| Replica {
            confirmed: false,
            ..other
        });
        assert_eq!(settled(forgotten(from), held), [None, None]);
    }

    #[test]
    fn what_is_so_already_takes_no_step() {
        let one = side(44);
        let going = Side {
            deleting: true,
            ..side(44)
        };
        let nothing = |reason| Some(Ok(Step::Nothing(reason)));
        assert_eq!(step(Some(&one), Some(&one), true), nothing(Reason::Same));
        assert_eq!(step(Some(&one), None, false), nothing(Reason::New));
        assert_eq!(step(None, Some(&going), true), nothing(Reason::Goes));
        assert_eq!(step(Some(&going), None, true), nothing(Reason::Goes));
        assert_eq!(step(None, None, false), None);
    }
}

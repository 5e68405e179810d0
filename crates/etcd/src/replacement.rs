//! How a member that has lost what it had comes back: pure, but for [`Etcd::take`].
//!
//! ```text
//! on the list, and lost ── remove ──> not on the list ── add ──> a place ── it starts ──> a learner ── promote ──> votes
//! ```
//!
//! The list of members is all that is known of how far it is, so whoever goes on after a crash, or beside another one, does
//! what comes next; etcd refuses what was done already. A place is made after the lost one has gone, because two can't
//! have one address; until the learner votes the other two are all there is, as they are while the lost one is away.

use std::{fmt, time::Duration};

use crate::{Error, Etcd, MemberId, MemberRecord};

/// Of the three that there are, besides the one that is replaced.
const OTHERS: usize = 2;

/// One of the three, and what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// Where the others find whoever has the place.
    pub peer_url: &'a str,
    /// The member that had the place and has lost its volume, whether it is still on the list or not.
    pub lost: Option<MemberId>,
    /// Whether somebody answers there.
    pub answers: bool,
    /// Whether each of the other two answers, and is connected with a majority.
    pub others_are_well: bool,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// The place has a member that votes, and is not lost: nothing.
    Whole,
    /// Somebody else's part comes first.
    Waits(Wait),
    Next(Step),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The other two have to be there, and vote: nothing is changed that could take the majority from them.
    ForOthers,
    /// Nobody has taken the place yet, or who took it does not answer.
    ForStart,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Remove(MemberId),
    Add,
    Promote(MemberId),
}

impl Place<'_> {
    /// What the list of members asks for.
    pub fn course(&self, members: &[MemberRecord]) -> Course {
        let (here, others): (Vec<_>, Vec<_>) = members
            .iter()
            .partition(|member| member.peer_urls.iter().any(|url| url == self.peer_url));
        let step = match here.first() {
            None => Step::Add,
            Some(member) if self.lost == Some(member.id) => Step::Remove(member.id),
            Some(member) if !member.is_learner => return Course::Whole,
            // What etcd knows of a learner's log may be old: one that has gone since would have a vote and not use it.
            Some(member) if !member.has_started() || !self.answers => return Course::Waits(Wait::ForStart),
            Some(member) => Step::Promote(member.id),
        };
        let others_vote = others.len() == OTHERS
            && others
                .iter()
                .all(|member| member.has_started() && !member.is_learner);
        if self.others_are_well && others_vote {
            Course::Next(step)
        } else {
            Course::Waits(Wait::ForOthers)
        }
    }
}

impl Etcd {
    /// Takes one step for the place at `peer_url`.
    ///
    /// # Errors
    /// Those of [`Etcd::remove_member`], [`Etcd::add_learner`] and [`Etcd::promote`]. What became of it the list tells.
    pub async fn take(&self, step: Step, peer_url: &str, limit: Duration) -> Result<(), Error> {
        match step {
            Step::Remove(member) => self.remove_member(member, limit).await,
            Step::Add => self.add_learner(peer_url, limit).await.map(drop),
            Step::Promote(member) => self.promote(member, limit).await,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Remove(member) => write!(f, "remove {member}"),
            Step::Add => f.write_str("add a learner"),
            Step::Promote(member) => write!(f, "promote {member}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://roles-peer-pdsa2:8443";

    fn voter(id: u64, url: &str) -> MemberRecord {
        MemberRecord {
            id: MemberId(id),
            name: format!("m{id}"),
            peer_urls: vec![url.to_owned()],
            client_urls: vec!["https://x:8443".to_owned()],
            is_learner: false,
        }
    }

    fn learner(id: u64) -> MemberRecord {
        MemberRecord {
            is_learner: true,
            ..voter(id, URL)
        }
    }

    /// On the list, and not started.
    fn unstarted(member: MemberRecord) -> MemberRecord {
        MemberRecord {
            name: String::new(),
            client_urls: Vec::new(),
            ..member
        }
    }

    /// Members 1 and 3, and this one in between.
    fn with(second: Option<MemberRecord>) -> Vec<MemberRecord> {
        let others = [voter(1, "https://a:1"), voter(3, "https://c:1")];
        others.into_iter().chain(second).collect()
    }

    fn place(lost: Option<u64>) -> Place<'static> {
        Place {
            peer_url: URL,
            lost: lost.map(MemberId),
            answers: true,
            others_are_well: true,
        }
    }

    #[test]
    fn a_lost_member_goes_then_has_a_place_then_follows_then_votes() {
        let two = MemberId(2);
        let nine = MemberId(9);
        let cases = [
            (Some(voter(2, URL)), Course::Next(Step::Remove(two))),
            (None, Course::Next(Step::Add)),
            (Some(unstarted(learner(9))), Course::Waits(Wait::ForStart)),
            (Some(learner(9)), Course::Next(Step::Promote(nine))),
            (Some(voter(9, URL)), Course::Whole),
        ];
        for (second, course) in cases {
            assert_eq!(place(Some(2)).course(&with(second.clone())), course, "{second:?}");
        }
    }

    #[test]
    fn a_member_of_which_nobody_says_that_it_is_lost_stays() {
        assert_eq!(place(None).course(&with(Some(voter(2, URL)))), Course::Whole);
        let away = Place {
            answers: false,
            ..place(None)
        };
        assert_eq!(away.course(&with(Some(voter(2, URL)))), Course::Whole);
        // One that never came has its place still.
        assert_eq!(away.course(&with(Some(unstarted(voter(2, URL))))), Course::Whole);
        // What was said of one is not said of the one after it.
        assert_eq!(place(Some(2)).course(&with(Some(voter(9, URL)))), Course::Whole);
    }

    #[test]
    fn a_learner_that_is_lost_before_it_votes_is_replaced_too() {
        assert_eq!(
            place(Some(9)).course(&with(Some(learner(9)))),
            Course::Next(Step::Remove(MemberId(9)))
        );
    }

    #[test]
    fn a_learner_that_does_not_answer_gets_no_vote() {
        let silent = Place {
            answers: false,
            ..place(None)
        };
        assert_eq!(
            silent.course(&with(Some(learner(9)))),
            Course::Waits(Wait::ForStart)
        );
    }

    #[test]
    fn no_step_is_taken_unless_the_other_two_are_there_and_vote() {
        for second in [Some(voter(2, URL)), None, Some(learner(2))] {
            let lost = match &second {
                Some(member) if !member.is_learner => Some(2),
                _ => None,
            };
            let refused = |place: &Place<'_>, members: &[MemberRecord]| {
                assert_eq!(
                    place.course(members),
                    Course::Waits(Wait::ForOthers),
                    "{members:?}"
                );
            };
            let unwell = Place {
                others_are_well: false,
                ..place(lost)
            };
            refused(&unwell, &with(second.clone()));
            let mut one_less = with(second.clone());
            one_less.remove(0);
            refused(&place(lost), &one_less);
            let mut one_more = with(second.clone());
            one_more.push(voter(4, "https://d:1"));
            refused(&place(lost), &one_more);
            let mut one_follows = with(second.clone());
            one_follows[1].is_learner = true;
            refused(&place(lost), &one_follows);
            let mut one_never_came = with(second.clone());
            one_never_came[1] = unstarted(one_never_came[1].clone());
            refused(&place(lost), &one_never_came);
        }
    }
}

//! R10: a site that reaches nobody closes its doors.

use crate::timing::{ISOLATED, Moment};

/// Whether this site reaches anybody who could know what is decided elsewhere: a majority of etcd, or the other site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// When the last question that was answered was sent (R9); none before there was one.
    answered: Option<Moment>,
    /// Whether the last question of all was answered by nobody.
    silent: bool,
}

impl Reach {
    /// One of the two has answered a question that was sent then.
    pub fn heard(&mut self, sent: Moment) {
        self.answered = Some(sent);
        self.silent = false;
    }

    /// Neither has answered.
    pub fn missed(&mut self) {
        self.silent = true;
    }

    /// Never without a question that was missed: time in which nobody asked, because this program stood still, says nothing
    /// of the line. One that has never reached anybody has nothing to wait for.
    pub fn is_isolated(&self, now: Moment) -> bool {
        self.silent && self.answered.is_none_or(|sent| now.since(sent) >= ISOLATED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use std::time::Duration;

    const fn at(seconds: u64) -> Moment {
        Moment::new(Duration::from_secs(seconds))
    }

    /// What became of the questions, in order: the second at which one was answered, or none.
    #[rstest]
    #[case::nothing_was_asked_yet(&[], 1000, false)]
    #[case::nobody_has_ever_answered(&[None], 0, true)]
    #[case::silent_for_less_than_a_minute(&[Some(100), None], 159, false)]
    #[case::silent_for_a_minute(&[Some(100), None], 160, true)]
    #[case::the_last_answer_counts(&[Some(100), Some(105), None], 160, false)]
    #[case::it_stood_still(&[Some(100)], 1000, false)]
    #[case::answered_again(&[Some(100), None, Some(200)], 200, false)]
    #[case::it_stood_still_after_it_was_answered_again(&[Some(100), None, Some(200)], 1000, false)]
    #[case::answered_again_and_missed_once(&[Some(100), None, Some(200), None], 205, false)]
    fn a_site_is_isolated_when_nobody_has_answered_for_a_minute(
        #[case] questions: &[Option<u64>],
        #[case] now: u64,
        #[case] isolated: bool,
    ) {
        let mut reach = Reach::default();
        for question in questions {
            match question {
                Some(sent) => reach.heard(at(*sent)),
                None => reach.missed(),
            }
        }
        assert_eq!(reach.is_isolated(at(now)), isolated);
    }
}

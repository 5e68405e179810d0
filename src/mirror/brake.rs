//! Few deletions at a time are people's work; many at once are rather a mistake at the other site. Pure.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Deletions that came from the peer count as long as this.
pub const WINDOW: Duration = Duration::from_secs(600);
/// So many are let through whatever the number of objects, and one of a hundred.
const ALWAYS: usize = 10;
const SHARE: usize = 100;

/// What came from the peer of one kind, as it is written down before each deletion.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brake {
    /// When each was deleted, within the window.
    pub deletions: Vec<Timestamp>,
    /// When it was one too many. From then on nothing is deleted until a person has looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// A person has looked: within a window of this, any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Timestamp>,
}

/// Whether one more may be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Once this is written down.
    Delete(Brake),
    /// This is to be written down, if it is news.
    Stop(Brake),
}

impl Brake {
    /// A person has looked: what was held back may go.
    pub fn accept(self, now: Timestamp) -> Self {
        Self {
            since: None,
            accepted: Some(now),
            ..self
        }
    }

    /// One more of `objects` is to be deleted.
    pub fn one_more(&self, objects: usize, now: Timestamp) -> Verdict {
        let within = |at: &Timestamp| now.duration_since(*at).unsigned_abs() < WINDOW;
        let accepted = self.accepted.filter(within);
        let mut next = Self {
            deletions: self.deletions.iter().copied().filter(within).collect(),
            since: self.since.filter(|_| accepted.is_none()),
            accepted,
        };
        let many = next.deletions.len() >= ALWAYS.max(objects / SHARE);
        if accepted.is_none() && (many || next.since.is_some()) {
            next.since = next.since.or(Some(now));
            return Verdict::Stop(next);
        }
        next.deletions.push(now);
        Verdict::Delete(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + seconds).unwrap()
    }

    /// How many of so many deletions, one a second, are let through.
    fn let_through(objects: usize, deletions: i64) -> (usize, Brake) {
        let (mut brake, mut count) = (Brake::default(), 0);
        for second in 0..deletions {
            match brake.one_more(objects, at(second)) {
                Verdict::Delete(next) => {
                    count += 1;
                    brake = next;
                }
                Verdict::Stop(next) => brake = next,
            }
        }
        (count, brake)
    }

    #[test]
    fn ten_or_one_of_a_hundred_go_and_then_none() {
        assert_eq!(let_through(50, 100).0, 10);
        assert_eq!(let_through(5000, 100).0, 50);
        assert_eq!(let_through(50, 10).0, 10);
        assert_eq!(let_through(50, 10).1.since, None);
    }

    #[test]
    fn it_stays_stopped_until_a_person_has_looked() {
        let (_, stopped) = let_through(50, 11);
        assert_eq!(stopped.since, Some(at(10)));
        let later = at(100_000);
        assert_eq!(
            stopped.one_more(50, later),
            Verdict::Stop(Brake {
                deletions: Vec::new(),
                since: Some(at(10)),
                accepted: None,
            })
        );
        let mut accepted = stopped.accept(later);
        for second in 0..100 {
            match accepted.one_more(50, at(100_000 + second)) {
                Verdict::Delete(next) => accepted = next,
                Verdict::Stop(next) => panic!("{next:?}"),
            }
        }
        // What was accepted counts afterwards.
        assert!(matches!(accepted.one_more(50, at(100_601)), Verdict::Stop(_)));
    }

    #[test]
    fn what_is_long_ago_counts_no_more() {
        let (count, brake) = let_through(50, 10);
        assert_eq!(count, 10);
        assert!(matches!(brake.one_more(50, at(700)), Verdict::Delete(next) if next.deletions.len() == 1));
    }
}

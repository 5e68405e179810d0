//! How one cluster knows that the other one was restored from a backup.
//!
//! A cluster makes a mark before it agrees on anything, puts it into what it agrees on, and says its last one when asked. The other
//! one remembers the highest that it has seen. A backup doesn't have the marks that came after it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mark {
    pub count: u64,
    /// When it was made, in milliseconds since 1970. Two histories that have counted to the same differ in it.
    pub at: i64,
}

/// The other cluster's highest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Its uid: another cluster has marks of its own.
    pub cluster: String,
    pub mark: Mark,
}

/// What a cluster writes down of its own marks and of the other's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own: Option<Mark>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<Seen>,
    /// The other cluster was restored, and of these kinds what it lacks is not made good yet.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub restored: BTreeSet<String>,
}

impl Mark {
    /// Whether a cluster whose last mark is this one, if any, can't have made `other`.
    fn is_from_before(last: Option<Self>, other: Self) -> bool {
        last.is_none_or(|last| last.count < other.count || last.count == other.count && last.at != other.at)
    }
}

impl Marks {
    /// The next own one.
    pub fn next(&self, at: i64) -> Mark {
        let count = self.own.map_or(0, |own| own.count) + 1;
        Mark { count, at }
    }

    /// `mark` was in what that cluster agreed on: what to write down, if that is news.
    pub fn saw(&self, cluster: &str, mark: Mark) -> Option<Self> {
        let known = self.of(cluster).is_some_and(|known| known.count >= mark.count);
        (!known).then(|| self.with(cluster, Some(mark)))
    }

    /// That cluster says that its last mark is `said`: what to write down, if that is news. With one that it can't have forgotten
    /// otherwise, it was restored.
    pub fn heard(&self, cluster: &str, said: Option<Mark>, kinds: &[&str]) -> Option<Self> {
        let mut next = self.with(cluster, said);
        match self.of(cluster) {
            Some(known) if Mark::is_from_before(said, known) => {
                next.restored = kinds.iter().map(|&kind| kind.to_owned()).collect();
            }
            Some(_) => {}
            // What another one lacked concerns this one no more.
            None if self.peer.is_some() => next.restored.clear(),
            None => {}
        }
        (next != *self).then_some(next)
    }

    fn of(&self, cluster: &str) -> Option<Mark> {
        let seen = self.peer.as_ref().filter(|seen| seen.cluster == cluster)?;
        Some(seen.mark)
    }

    fn with(&self, cluster: &str, mark: Option<Mark>) -> Self {
        let cluster = cluster.to_owned();
        Self {
            peer: mark.map(|mark| Seen { cluster, mark }),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn mark(count: u64, at: i64) -> Mark {
        Mark { count, at }
    }

    fn knowing(mark: Mark) -> Marks {
        Marks::default().saw("there", mark).unwrap()
    }

    #[rstest]
    #[case::as_known(Some(mark(7, 70)), false)]
    #[case::later(Some(mark(8, 80)), false)]
    #[case::earlier(Some(mark(6, 60)), true)]
    #[case::counted_again(Some(mark(7, 90)), true)]
    #[case::from_before_the_first(None, true)]
    fn a_mark_that_was_seen_and_is_forgotten_means_a_backup(
        #[case] said: Option<Mark>,
        #[case] restored: bool,
    ) {
        let marks = knowing(mark(7, 70));
        let next = marks
            .heard("there", said, &["agency", "mailbox"])
            .unwrap_or(marks);
        assert_eq!(next.restored.len(), if restored { 2 } else { 0 });
        // It is found once: from then on it counts from there.
        let again = Marks {
            restored: BTreeSet::new(),
            ..next
        };
        assert_eq!(again.heard("there", said, &["agency", "mailbox"]), None);
    }

    #[test]
    fn a_cluster_in_the_place_of_another_one_was_not_restored() {
        let marks = knowing(mark(7, 70));
        let next = marks.heard("anew", Some(mark(1, 90)), &["agency"]).unwrap();
        assert_eq!(next.restored, BTreeSet::new());
        assert_eq!(next.of("anew"), Some(mark(1, 90)));
        let first = Marks::default().heard("there", None, &["agency"]);
        assert_eq!(first, None);
    }

    #[test]
    fn the_highest_mark_is_remembered() {
        let marks = knowing(mark(7, 70));
        assert_eq!(marks.saw("there", mark(6, 60)), None);
        assert_eq!(marks.saw("there", mark(7, 70)), None);
        assert_eq!(
            marks.saw("there", mark(8, 80)).unwrap().of("there"),
            Some(mark(8, 80))
        );
    }

    #[test]
    fn own_marks_count_on() {
        let mut marks = Marks::default();
        assert_eq!(marks.next(5), mark(1, 5));
        marks.own = Some(mark(1, 5));
        assert_eq!(marks.next(6), mark(2, 6));
    }

    #[test]
    fn what_is_written_down_is_read_again() {
        let marks = Marks {
            own: Some(mark(1, 5)),
            restored: ["agency".to_owned()].into(),
            ..knowing(mark(7, 70))
        };
        let text = serde_json::to_string(&marks).unwrap();
        assert_eq!(serde_json::from_str::<Marks>(&text).unwrap(), marks);
        assert_eq!(serde_json::from_str::<Marks>("{}").unwrap(), Marks::default());
    }
}

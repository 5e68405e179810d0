//! What clients were told, in the order in which they were told it; and what follows from it about time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::network::Site;

/// An account's place in the list of observed people.
pub type User = usize;

/// A site that held a store, and under which `(era, term)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holder {
    pub era: u64,
    pub term: u64,
    pub site: Site,
}

/// What a client asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Append {
        message: String,
        folder: String,
    },
    Copy {
        message: String,
        from: String,
        to: String,
    },
    Move {
        message: String,
        from: String,
        to: String,
    },
    Flag {
        message: String,
        folder: String,
        set: bool,
    },
    Expunge {
        message: String,
        folder: String,
    },
    Create {
        folder: String,
    },
    Rename {
        from: String,
        to: String,
    },
    /// Handed to submission; it comes to INBOX later.
    Submit {
        message: String,
    },
    /// Nothing: what is there was read.
    Read,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Answered OK; a submitted message: answered 250, which is *accepted* and not yet *stored*.
    Done,
    /// Not answered, or refused: it may have been carried out or not.
    Unknown,
}

/// One command of one client.
#[derive(Clone, Debug)]
pub struct Entry {
    pub store: usize,
    pub user: User,
    pub writer: u16,
    /// When its answer was read, or was given up.
    pub at: Instant,
    /// By whose front door.
    pub door: Site,
    /// Who holds the store in the client's session, once that is beyond doubt.
    pub holder: Option<Holder>,
    pub change: Change,
    pub outcome: Outcome,
}

impl Entry {
    pub fn is_stored(&self) -> bool {
        self.outcome == Outcome::Done && !matches!(self.change, Change::Read | Change::Submit { .. })
    }

    pub fn is_read(&self) -> bool {
        self.outcome == Outcome::Done && self.change == Change::Read
    }

    fn is_accepted(&self) -> bool {
        self.outcome == Outcome::Done && matches!(self.change, Change::Submit { .. })
    }
}

/// While a store's primary was alone that was passed over later: what it stored comes back by a merge, which brings messages
/// and folders and no more (docs/protocol.md, Merge).
#[derive(Clone, Copy, Debug)]
pub struct PassedOver {
    pub store: usize,
    pub from: Instant,
    pub to: Instant,
}

impl PassedOver {
    pub fn covers(&self, entry: &Entry) -> bool {
        entry.store == self.store && entry.at > self.from && entry.at <= self.to
    }
}

/// The record, shared by all clients. Nothing is ever taken out of it.
#[derive(Clone, Debug, Default)]
pub struct Record(Arc<Mutex<Vec<Entry>>>);

/// An answer of a store that had already answered under a later term.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlap {
    pub earlier: Holder,
    pub later: Holder,
    /// How long after the later term's first answer.
    pub by: Duration,
}

/// How many answers of each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// By the door they came from.
    pub stored: BTreeMap<Site, usize>,
    pub accepted: usize,
    pub unknown: usize,
}

impl Record {
    pub fn add(&self, entry: Entry) {
        self.lock().push(entry);
    }

    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Everything from the `first` entry on.
    pub fn since(&self, first: usize) -> Vec<Entry> {
        self.lock()[first..].to_vec()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

pub fn counts<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Counts {
    let mut counts = Counts::default();
    for entry in entries {
        if entry.is_stored() {
            *counts.stored.entry(entry.door).or_default() += 1;
        }
        counts.accepted += usize::from(entry.is_accepted());
        counts.unknown += usize::from(entry.outcome == Outcome::Unknown);
    }
    counts
}

/// The longest time in `from..until` in which a writer had nothing stored, of the writer that waited longest. What was
/// going on at the ends counts from and to them.
pub fn longest_gap<'a>(
    entries: impl IntoIterator<Item = &'a Entry>,
    from: Instant,
    until: Instant,
) -> Option<Duration> {
    let mut times: BTreeMap<u16, Vec<Instant>> = BTreeMap::new();
    for entry in entries {
        let of = times.entry(entry.writer).or_default();
        if entry.is_stored() && (from..until).contains(&entry.at) {
            of.push(entry.at);
        }
    }
    let gap = |mut times: Vec<Instant>| {
        times.extend([from, until]);
        times.sort_unstable();
        let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
        gaps.max().unwrap_or_default()
    };
    times.into_values().map(gap).max()
}

/// How long after `from` the first entry came that is such a one.
pub fn first_after<'a>(
    entries: impl IntoIterator<Item = &'a Entry>,
    from: Instant,
    is_such: impl Fn(&Entry) -> bool,
) -> Option<Duration> {
    let found = entries
        .into_iter()
        .filter(|entry| entry.at >= from && is_such(entry));
    found.map(|entry| entry.at - from).min()
}

/// The worst answer that a store gave under a term although it had answered under a later one.
pub fn overlap<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Option<Overlap> {
    let mut span: BTreeMap<(usize, Holder), (Instant, Instant)> = BTreeMap::new();
    for entry in entries {
        let (true, Some(holder)) = (entry.is_stored(), entry.holder) else {
            continue;
        };
        let (first, last) = span.entry((entry.store, holder)).or_insert((entry.at, entry.at));
        *first = entry.at.min(*first);
        *last = entry.at.max(*last);
    }
    let pairs = span.iter().flat_map(|(earlier, (_, last))| {
        span.iter()
            .filter(|(later, (first, _))| {
                let newer = (later.1.era, later.1.term, later.1.site)
                    > (earlier.1.era, earlier.1.term, earlier.1.site);
                later.0 == earlier.0 && newer && first < last
            })
            .map(|(later, (first, _))| Overlap {
                earlier: earlier.1,
                later: later.1,
                by: *last - *first,
            })
    });
    pairs.max_by_key(|overlap| overlap.by)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(writer: u16, at: Instant, holder: Option<Holder>) -> Entry {
        Entry {
            store: 0,
            user: 0,
            writer,
            at,
            door: Site::Pdsa1,
            holder,
            change: Change::Create { folder: "f".into() },
            outcome: Outcome::Done,
        }
    }

    fn holder(term: u64, site: Site) -> Option<Holder> {
        Some(Holder { era: 1, term, site })
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_gap_is_the_longest_of_the_writer_that_waited_longest() {
        let start = Instant::now();
        let at = |second| start + seconds(second);
        let entries: Vec<Entry> = [(1, 1), (1, 2), (1, 9), (2, 1), (2, 4), (2, 8)]
            .map(|(writer, second)| stored(writer, at(second), None))
            .into();
        assert_eq!(longest_gap(&entries, at(0), at(10)), Some(seconds(7)));
        // Nothing at all is a gap from end to end, and nobody at all is none.
        assert_eq!(longest_gap(&entries[..1], at(3), at(10)), Some(seconds(7)));
        assert_eq!(longest_gap(&[], at(3), at(10)), None);
    }

    #[test]
    fn what_was_not_stored_ends_no_gap() {
        let start = Instant::now();
        let mut entry = stored(1, start + seconds(5), None);
        entry.outcome = Outcome::Unknown;
        assert_eq!(
            longest_gap(&[entry.clone()], start, start + seconds(10)),
            Some(seconds(10))
        );
        entry.outcome = Outcome::Done;
        entry.change = Change::Submit { message: "m".into() };
        assert_eq!(
            longest_gap(&[entry], start, start + seconds(10)),
            Some(seconds(10))
        );
    }

    #[test]
    fn an_answer_of_the_old_primary_after_the_first_of_the_new_one_is_found() {
        let start = Instant::now();
        let old = |second| stored(1, start + seconds(second), holder(4, Site::Pdsa1));
        let new = |second| stored(2, start + seconds(second), holder(5, Site::Pdsa2));
        assert_eq!(overlap(&[old(1), old(3), new(4), new(9)]), None);
        let found = overlap(&[old(1), new(4), old(6), new(9)]).unwrap();
        assert_eq!(
            (found.earlier.term, found.later.term, found.by),
            (4, 5, seconds(2))
        );
    }

    #[test]
    fn two_sites_that_answer_under_one_term_are_found() {
        let start = Instant::now();
        let at = |second, site| stored(1, start + seconds(second), holder(4, site));
        assert!(overlap(&[at(1, Site::Pdsa1), at(2, Site::Pdsa2), at(3, Site::Pdsa1)]).is_some());
    }

    #[test]
    fn two_stores_and_reads_are_no_overlap() {
        let start = Instant::now();
        let mut other = stored(1, start + seconds(6), holder(4, Site::Pdsa1));
        let new = stored(2, start + seconds(4), holder(5, Site::Pdsa2));
        other.store = 1;
        assert_eq!(overlap(&[other.clone(), new.clone()]), None);
        other.store = 0;
        other.change = Change::Read;
        assert_eq!(overlap(&[other, new]), None);
    }
}

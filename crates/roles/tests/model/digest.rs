//! What of a world makes a difference, so that worlds which will behave alike are met once.
//!
//! A machine compares moments with its clock, by durations that are known, and with each other. So a moment is digested
//! as its distance from the clock, and moments longer ago than any duration only by their order. Of revisions only the
//! order matters. The machine's fields are its own; what it hashes is taken apart here instead.

use std::hash::Hasher;

use crate::slot::MARK;

pub struct Digest {
    words: Vec<Word>,
    /// As in the rules.
    horizon: u8,
    clock: u64,
    /// How many clocks there were.
    clocks: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Word {
    Plain(u64),
    /// In ticks, past ones below zero, by the clock of that number.
    Moment {
        clock: u8,
        distance: i64,
    },
    Revision(i64),
}

impl Digest {
    pub fn new(horizon: u8) -> Self {
        Self {
            words: Vec::new(),
            horizon,
            clock: 0,
            clocks: 0,
        }
    }

    /// What follows is compared with this clock.
    pub fn clock(&mut self, now: u64) {
        self.clock = now;
        self.clocks += 1;
    }

    /// `u64`s are as good as hashes once they are in order.
    pub fn finish_into(&self, state: &mut impl Hasher) {
        let long_ago = -i64::from(self.horizon);
        let mut revisions: Vec<i64> = Vec::new();
        let mut old: Vec<(u8, i64)> = Vec::new();
        for word in &self.words {
            match *word {
                Word::Revision(revision) => revisions.push(revision),
                Word::Moment { clock, distance } if distance < long_ago => old.push((clock, distance)),
                _ => {}
            }
        }
        revisions.sort_unstable();
        revisions.dedup();
        old.sort_unstable();
        old.dedup();
        let rank = |found: Result<usize, usize>| found.unwrap_or_else(|place| place) as u64;
        for word in &self.words {
            match *word {
                Word::Plain(word) => state.write_u64(word),
                Word::Revision(revision) => state.write_u64(rank(revisions.binary_search(&revision))),
                Word::Moment { clock, distance } if distance < long_ago => {
                    state.write_u64(0xffff_0000 + rank(old.binary_search(&(clock, distance))));
                }
                Word::Moment { distance, .. } => state.write_i64(distance),
            }
        }
    }
}

impl Hasher for Digest {
    fn finish(&self) -> u64 {
        unreachable!("a digest is finished into another hasher")
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.words.push(Word::Plain(u64::from_le_bytes(word)));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.words.push(Word::Plain(u64::from(number)));
    }

    fn write_u64(&mut self, number: u64) {
        self.words.push(Word::Plain(number));
    }

    fn write_usize(&mut self, number: usize) {
        self.words.push(Word::Plain(number as u64));
    }

    fn write_i64(&mut self, number: i64) {
        self.words.push(Word::Revision(number));
    }

    /// The nanoseconds of a moment follow its seconds.
    fn write_u32(&mut self, number: u32) {
        match self.words.last_mut() {
            Some(last @ Word::Plain(_)) if number == MARK => {
                let Word::Plain(seconds) = *last else {
                    unreachable!()
                };
                *last = Word::Moment {
                    clock: self.clocks,
                    distance: seconds as i64 - self.clock as i64,
                };
            }
            _ => self.words.push(Word::Plain(u64::from(number))),
        }
    }
}

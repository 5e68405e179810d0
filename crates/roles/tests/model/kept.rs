//! Many worlds have a slot in common; each slot is kept in memory once.

use std::{
    collections::HashMap,
    hash::{Hash, Hasher},
    sync::{Arc, Mutex, PoisonError},
};

/// All of one type that some world has.
pub struct Kept<T>([Mutex<Shelf<T>>; SHELVES]);

struct Shelf<T> {
    /// By hash. Of two with the same one, one is kept.
    kept: HashMap<u64, Arc<T>>,
    /// How many there may be until those that no world has any more are let go.
    limit: usize,
}

/// So that threads seldom wait for each other.
const SHELVES: usize = 64;
const FIRST_LIMIT: usize = 1000;

/// Quick, and good enough where equality is looked at too.
#[derive(Default)]
struct Fold(u64);

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl<T: Hash + Eq> Kept<T> {
    pub fn new() -> Self {
        Self(std::array::from_fn(|_| {
            Mutex::new(Shelf {
                kept: HashMap::new(),
                limit: FIRST_LIMIT,
            })
        }))
    }

    /// The one that is kept in its place.
    pub fn the(&self, new: &mut Arc<T>) {
        let mut hasher = Fold::default();
        new.hash(&mut hasher);
        let hash = hasher.finish();
        let mut shelf = self.0[hash as usize % SHELVES]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let shelf = &mut *shelf;
        if let Some(known) = shelf.kept.get(&hash) {
            if **known == **new {
                *new = known.clone();
            }
            return;
        }
        if shelf.kept.len() >= shelf.limit {
            shelf.kept.retain(|_, it| Arc::strong_count(it) > 1);
            shelf.limit = FIRST_LIMIT.max(2 * shelf.kept.len());
        }
        shelf.kept.insert(hash, new.clone());
    }
}

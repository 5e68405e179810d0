//! Which objects are to be looked at, and when.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    time::Duration,
};

use futures::StreamExt;
use tokio::time::Instant;
use tokio_util::time::{DelayQueue, delay_queue};

use super::kind::Key;

/// Each object once in each of both.
#[derive(Default)]
pub struct Due {
    /// What people wait for, before everything else.
    first: VecDeque<Key>,
    among_first: HashSet<Key>,
    queue: DelayQueue<Key>,
    entries: HashMap<Key, (delay_queue::Key, Instant)>,
}

impl Due {
    pub fn first(&mut self, key: Key) {
        if self.among_first.insert(key.clone()) {
            self.first.push_back(key);
        }
    }

    /// Unless it is due sooner.
    pub fn after(&mut self, key: Key, wait: Duration) {
        let at = Instant::now() + wait;
        if let Some((_, due)) = self.entries.get(&key)
            && *due <= at
        {
            return;
        }
        if let Some((entry, _)) = self.entries.remove(&key) {
            self.queue.remove(&entry);
        }
        let entry = self.queue.insert_at(key.clone(), at);
        self.entries.insert(key, (entry, at));
    }

    /// The next one when it is due; none if there is none.
    pub async fn next(&mut self) -> Option<Key> {
        if let Some(key) = self.first.pop_front() {
            self.among_first.remove(&key);
            return Some(key);
        }
        let key = self.queue.next().await?.into_inner();
        self.entries.remove(&key);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key {
            namespace: None,
            name: name.to_owned(),
        }
    }

    #[tokio::test]
    async fn an_object_is_due_once_and_at_its_soonest() {
        let mut due = Due::default();
        due.after(key("ali"), Duration::from_secs(60));
        due.after(key("siti"), Duration::from_millis(100));
        due.after(key("ali"), Duration::from_millis(1));
        due.after(key("ali"), Duration::from_secs(30));
        let mut seen = Vec::new();
        while let Some(key) = due.next().await {
            seen.push(key.name);
        }
        assert_eq!(seen, ["ali", "siti"]);
    }

    #[tokio::test]
    async fn what_people_wait_for_comes_before_what_is_due() {
        let mut due = Due::default();
        due.after(key("ali"), Duration::ZERO);
        for name in ["siti", "kumar", "siti"] {
            due.first(key(name));
        }
        let mut seen = Vec::new();
        while let Some(key) = due.next().await {
            seen.push(key.name);
        }
        assert_eq!(seen, ["siti", "kumar", "ali"]);
    }
}

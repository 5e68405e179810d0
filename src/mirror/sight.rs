//! What is known of every object of a kind in one cluster, as its watch tells it: hashes and agreements, not the objects.

use std::collections::{BTreeSet, HashMap, HashSet};

use kube::runtime::watcher::Event;

use super::{Mirrored, kind::Key};

/// What a watch has told, and whether it has told all.
#[derive(Debug)]
pub struct Sight<T> {
    seen: HashMap<Key, T>,
    /// A list that is being read; it takes the place of what was seen when it is complete.
    list: Option<HashMap<Key, T>>,
    complete: bool,
}

impl<T> Default for Sight<T> {
    fn default() -> Self {
        Self {
            seen: HashMap::new(),
            list: None,
            complete: false,
        }
    }
}

impl<T: PartialEq> Sight<T> {
    /// Takes what the watch says, and returns what it was news of. `read` has also what was seen of an object before: what is no news
    /// is remembered all the same.
    pub fn take<K: Mirrored>(
        &mut self,
        event: Event<K>,
        mut read: impl FnMut(&K, Option<&T>) -> T,
    ) -> HashSet<Key> {
        match event {
            Event::Init => {
                self.list = Some(HashMap::new());
                HashSet::new()
            }
            Event::InitApply(object) => {
                let key = Key::of(&object);
                let value = read(&object, self.seen.get(&key));
                self.list.get_or_insert_default().insert(key, value);
                HashSet::new()
            }
            Event::InitDone => {
                let list = self.list.take().unwrap_or_default();
                let before = std::mem::replace(&mut self.seen, list);
                let first = !std::mem::replace(&mut self.complete, true);
                let all: HashSet<Key> = before.keys().chain(self.seen.keys()).cloned().collect();
                // With the first one it is known of everything that is not in it, too.
                all.into_iter()
                    .filter(|key| first || before.get(key) != self.seen.get(key))
                    .collect()
            }
            Event::Apply(object) => {
                let key = Key::of(&object);
                let before = self.seen.get(&key);
                let value = read(&object, before);
                let is_news = before != Some(&value);
                self.seen.insert(key.clone(), value);
                is_news.then_some(key).into_iter().collect()
            }
            Event::Delete(object) => {
                let key = Key::of(&object);
                self.seen.remove(&key);
                HashSet::from([key])
            }
        }
    }

    pub fn is_complete(&self) -> bool {
        self.complete
    }

    pub fn get(&self, key: &Key) -> Option<&T> {
        self.seen.get(key)
    }

    pub fn get_mut(&mut self, key: &Key) -> Option<&mut T> {
        self.seen.get_mut(key)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Key, &T)> {
        self.seen.iter()
    }

    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.seen.values()
    }

    pub fn len(&self) -> usize {
        self.seen.len()
    }

    pub fn keys(&self) -> BTreeSet<Key> {
        self.seen.keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use govuc_api::Mailbox;

    fn mailbox(name: &str, grade: i32) -> Mailbox {
        let text = format!(
            r#"{{"apiVersion": "1govuc.gov.my/v1alpha1", "kind": "Mailbox", "metadata": {{"name": "{name}"}},
            "spec": {{"type": "Individual", "address": "ali@kkr.gov.my",
                "individual": {{"staffNumber": "KKR-1", "name": "Ali", "grade": {grade}}}}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    fn grade(mailbox: &Mailbox, _: Option<&i32>) -> i32 {
        mailbox.spec.individual.as_ref().unwrap().grade
    }

    /// A grade, and how often it was seen.
    #[derive(Debug)]
    struct Counted(i32, usize);

    impl PartialEq for Counted {
        fn eq(&self, other: &Self) -> bool {
            self.0 == other.0
        }
    }

    fn counted(mailbox: &Mailbox, before: Option<&Counted>) -> Counted {
        Counted(grade(mailbox, None), before.map_or(1, |before| before.1 + 1))
    }

    #[test]
    fn what_is_no_news_is_remembered_all_the_same() {
        let mut sight = Sight::default();
        let key = Key::of(&mailbox("ali", 44));
        let mut events = vec![Event::Init, Event::InitApply(mailbox("ali", 44)), Event::InitDone];
        events.push(Event::Apply(mailbox("ali", 44)));
        let news: usize = events
            .into_iter()
            .map(|event| sight.take(event, counted).len())
            .sum();
        assert_eq!((news, sight.get(&key).unwrap().1), (1, 2));
        for event in [Event::Init, Event::InitApply(mailbox("ali", 44)), Event::InitDone] {
            assert!(sight.take(event, counted).is_empty());
        }
        assert_eq!(sight.get(&key).unwrap().1, 3);
    }

    fn names(news: HashSet<Key>) -> BTreeSet<String> {
        news.into_iter().map(|key| key.name).collect()
    }

    fn listed(sight: &mut Sight<i32>, objects: &[Mailbox]) -> BTreeSet<String> {
        sight.take(Event::<Mailbox>::Init, grade);
        for object in objects {
            assert!(sight.take(Event::InitApply(object.clone()), grade).is_empty());
        }
        names(sight.take(Event::<Mailbox>::InitDone, grade))
    }

    #[test]
    fn nothing_is_absent_until_a_list_is_complete() {
        let mut sight = Sight::default();
        sight.take(Event::<Mailbox>::Init, grade);
        sight.take(Event::InitApply(mailbox("ali", 44)), grade);
        assert!(!sight.is_complete());
        assert_eq!(sight.len(), 0);
        sight.take(Event::<Mailbox>::InitDone, grade);
        assert!(sight.is_complete());
        assert_eq!(sight.get(&Key::of(&mailbox("ali", 1))), Some(&44));
    }

    #[test]
    fn a_list_that_is_read_again_tells_only_of_what_differs() {
        let mut sight = Sight::default();
        let all = [mailbox("ali", 44), mailbox("siti", 41), mailbox("kumar", 1)];
        assert_eq!(listed(&mut sight, &all).len(), 3);
        assert!(listed(&mut sight, &all).is_empty());
        let news = listed(&mut sight, &[mailbox("ali", 44), mailbox("siti", 48)]);
        assert_eq!(news, ["kumar", "siti"].map(str::to_owned).into());
        assert_eq!(sight.len(), 2);
    }

    #[test]
    fn a_list_that_breaks_off_leaves_what_was_seen() {
        let mut sight = Sight::default();
        listed(&mut sight, &[mailbox("ali", 44)]);
        sight.take(Event::<Mailbox>::Init, grade);
        sight.take(Event::<Mailbox>::Init, grade);
        assert_eq!(sight.len(), 1);
    }

    #[test]
    fn an_event_is_news_if_it_changes_something() {
        let mut sight = Sight::default();
        listed(&mut sight, &[]);
        let apply = |grade| Event::Apply(mailbox("ali", grade));
        assert_eq!(sight.take(apply(44), grade).len(), 1);
        assert_eq!(sight.take(apply(44), grade).len(), 0);
        assert_eq!(sight.take(apply(45), grade).len(), 1);
        assert_eq!(sight.take(Event::Delete(mailbox("ali", 45)), grade).len(), 1);
        assert_eq!(sight.len(), 0);
    }
}

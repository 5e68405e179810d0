//! Who holds which store, for whoever brings mail and people there.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use govuc_roles::{Ballot, Site, record::StateRecord};
use tokio::{
    sync::watch::{self, Ref},
    task::JoinSet,
    time,
};

use super::{Key, Roles, StoreName, decode, key::STORES};
use crate::{Change, Error, KeyValue};

/// Reading everything, and beginning to watch.
const READ: Duration = Duration::from_secs(5);
/// Before etcd is asked again: the first time, and at most.
const PAUSE_FIRST: Duration = Duration::from_millis(500);
const PAUSE_MOST: Duration = Duration::from_secs(5);

/// Follows who holds the stores, as long as a clone of it lives.
#[derive(Clone)]
pub struct Holders {
    known: watch::Receiver<Known>,
    _following: Arc<JoinSet<()>>,
}

/// What was last heard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    pub stores: BTreeMap<StoreName, HeldBy>,
    /// Whether etcd is being followed now; otherwise all this is what it said last.
    pub is_current: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldBy {
    pub ballot: Ballot,
    /// Nobody after a hand-over, until it is taken.
    pub site: Option<Site>,
    /// The store's state is no longer in etcd, so that whatever comes next is news.
    gone: bool,
}

impl Holders {
    pub fn known(&self) -> Ref<'_, Known> {
        self.known.borrow()
    }

    pub fn of(&self, store: &StoreName) -> Option<HeldBy> {
        self.known.borrow().stores.get(store).cloned()
    }

    /// Waits until something has changed since this clone last waited.
    pub async fn changed(&mut self) {
        if self.known.changed().await.is_err() {
            // The task that follows lives as long as this does, so this comes with the end of the runtime only.
            std::future::pending::<()>().await;
        }
    }
}

impl Roles {
    /// Begins to follow who holds the stores. What is known stays known while etcd is away.
    pub fn watch_holders(&self) -> Holders {
        let (sender, known) = watch::channel(Known::default());
        let mut following = JoinSet::new();
        following.spawn(self.clone().follow_holders(sender));
        Holders {
            known,
            _following: Arc::new(following),
        }
    }

    async fn follow_holders(self, known: watch::Sender<Known>) {
        let mut pause = PAUSE_FIRST;
        loop {
            let Err(error) = self.follow_until_it_breaks(&known).await;
            if known.borrow().is_current {
                pause = PAUSE_FIRST;
                known.send_modify(|known| known.is_current = false);
            }
            tracing::warn!(%error, "who holds the stores is not heard; what is known stays");
            time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MOST);
        }
    }

    async fn follow_until_it_breaks(
        &self,
        known: &watch::Sender<Known>,
    ) -> Result<std::convert::Infallible, Error> {
        let answer = self.etcd.range(STORES, READ).await?;
        let found: Vec<KeyValue> = answer.reads.into_iter().flatten().collect();
        known.send_if_modified(|known| {
            let before = known.clone();
            known.replace(&found);
            known.is_current = true;
            *known != before
        });
        let mut watch = self.etcd.watch(STORES, answer.revision.next(), READ).await?;
        loop {
            let changes = watch.next().await?.changes;
            known.send_if_modified(|known| {
                changes
                    .iter()
                    .fold(false, |news, change| known.admit(change) | news)
            });
        }
    }
}

impl Known {
    /// Takes everything that etcd has.
    fn replace(&mut self, found: &[KeyValue]) {
        let states: Vec<(StoreName, &KeyValue)> = found
            .iter()
            .filter_map(|found| match Key::parse(&found.key) {
                Some(Key::State(store)) => Some((store, found)),
                _ => None,
            })
            .collect();
        for (store, held) in &mut self.stores {
            held.gone |= !states.iter().any(|(there, _)| there == store);
        }
        for (store, found) in states {
            self.put(store, found);
        }
    }

    /// Whether it was news.
    fn admit(&mut self, change: &Change) -> bool {
        let Some(Key::State(store)) = Key::parse(change.key()) else {
            return false;
        };
        match change {
            Change::Put(found) => self.put(store, found),
            Change::Deleted { .. } => {
                if let Some(held) = self.stores.get_mut(&store) {
                    held.gone = true;
                }
                false
            }
        }
    }

    fn put(&mut self, store: StoreName, found: &KeyValue) -> bool {
        let state: StateRecord = match decode(found) {
            Ok(state) => state,
            Err(error) => {
                tracing::warn!(%store, %error, "a store's state is not understood; what is known stays");
                return false;
            }
        };
        let held = HeldBy {
            ballot: state.ballot(),
            site: state.holder.map(|holder| holder.site),
            gone: false,
        };
        match self.stores.get(&store) {
            // etcd was set back. Whoever had the higher ballot keeps it until a person decides.
            Some(known) if !known.gone && held.ballot < known.ballot => false,
            Some(known) if *known == held => false,
            _ => {
                self.stores.insert(store, held);
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Revision;

    fn state(store: &str, term: u64, site: Option<&str>) -> KeyValue {
        let holder = site.map_or("null".to_owned(), |site| {
            format!(r#"{{"site":"{site}","volume":"v","session":"s"}}"#)
        });
        KeyValue {
            key: format!("/govuc/stores/{store}/state"),
            value: format!(r#"{{"era":1,"term":{term},"holder":{holder},"paired":false,"peer":null}}"#)
                .into_bytes(),
            created: Revision(1),
            modified: Revision(1),
            lease: None,
        }
    }

    fn seen(known: &Known) -> Vec<(&str, u64, Option<&str>)> {
        known
            .stores
            .iter()
            .map(|(store, held)| {
                (
                    store.as_str(),
                    held.ballot.term.0,
                    held.site.as_ref().map(Site::as_str),
                )
            })
            .collect()
    }

    #[test]
    fn a_holder_is_followed_through_a_hand_over() {
        let mut known = Known::default();
        known.replace(&[
            state("mail-1", 1, Some("pdsa1")),
            state("mail-2", 3, Some("pdsa2")),
        ]);
        assert!(known.admit(&Change::Put(state("mail-1", 1, None))));
        assert!(known.admit(&Change::Put(state("mail-1", 2, Some("pdsa2")))));
        assert!(!known.admit(&Change::Put(state("mail-1", 2, Some("pdsa2")))));
        assert_eq!(
            seen(&known),
            [("mail-1", 2, Some("pdsa2")), ("mail-2", 3, Some("pdsa2"))]
        );
    }

    #[test]
    fn an_etcd_that_was_set_back_changes_nobodys_mind() {
        let mut known = Known::default();
        known.replace(&[state("mail-1", 2, Some("pdsa2"))]);
        known.replace(&[state("mail-1", 1, Some("pdsa1"))]);
        assert!(!known.admit(&Change::Put(state("mail-1", 1, Some("pdsa1")))));
        assert_eq!(seen(&known), [("mail-1", 2, Some("pdsa2"))]);
    }

    #[test]
    fn a_store_that_was_removed_may_begin_anew() {
        let mut known = Known::default();
        known.replace(&[state("mail-1", 2, Some("pdsa2"))]);
        known.replace(&[]);
        assert_eq!(seen(&known), [("mail-1", 2, Some("pdsa2"))]);
        assert!(known.admit(&Change::Put(state("mail-1", 1, Some("pdsa1")))));
        assert_eq!(seen(&known), [("mail-1", 1, Some("pdsa1"))]);
    }

    #[test]
    fn a_store_that_was_removed_and_made_again_between_two_reads_of_everything_begins_anew() {
        let mut known = Known::default();
        known.replace(&[state("mail-1", 2, Some("pdsa2"))]);
        let key = state("mail-1", 2, None).key;
        known.admit(&Change::Deleted { key, at: Revision(5) });
        known.replace(&[state("mail-1", 1, Some("pdsa1"))]);
        assert_eq!(seen(&known), [("mail-1", 1, Some("pdsa1"))]);
    }

    #[test]
    fn a_state_that_is_not_understood_leaves_the_last_one() {
        let mut known = Known::default();
        known.replace(&[state("mail-1", 2, Some("pdsa2"))]);
        let spoilt = KeyValue {
            value: b"{".to_vec(),
            ..state("mail-1", 3, None)
        };
        known.replace(&[spoilt]);
        assert_eq!(seen(&known), [("mail-1", 2, Some("pdsa2"))]);
    }
}

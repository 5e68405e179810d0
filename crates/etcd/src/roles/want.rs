//! What people ask of a store's guards, and how it ended.

use std::time::Duration;

use govuc_roles::record::{EraRecord, OutcomeRecord, Want};

use super::{Key, Roles, StoreName, delete, encode, holds, put, read, unchanged};
use crate::{Error, Revision, Txn};

impl Roles {
    /// Asks something of a store in the place of what was last asked at `replaced`; [`Revision::ABSENT`] when nothing is.
    ///
    /// # Errors
    /// [`Error::Refused`]: something else is asked.
    pub async fn put_want(
        &self,
        store: &StoreName,
        want: &Want,
        replaced: Revision,
        limit: Duration,
    ) -> Result<Revision, Error> {
        self.swap(&Key::Want(store.clone()), want, replaced, limit).await
    }

    /// Raises the era and asks something that is decided by that, all or nothing: whoever decided to take a store before,
    /// of which nothing was heard yet, is refused. `expected` is when the era was last put.
    ///
    /// # Errors
    /// [`Error::Refused`]: something else is asked, or the era has been raised since.
    pub async fn force(
        &self,
        store: &StoreName,
        want: &Want,
        replaced: Revision,
        era: &EraRecord,
        expected: Revision,
        limit: Duration,
    ) -> Result<Revision, Error> {
        let key = Key::Want(store.clone());
        let value = encode(&key, want)?;
        let txn = Txn {
            compares: vec![unchanged(&key, replaced), unchanged(&Key::Era, expected)],
            then: vec![put(&Key::Era, encode(&Key::Era, era)?), put(&key, value.clone())],
            otherwise: vec![read(&key)],
        };
        self.settle(&txn, limit, |found| holds(found, 0, &value)).await
    }

    /// Answers what was asked at `asked` where no holder does: it is deleted, and `outcome` is put.
    ///
    /// # Errors
    /// [`Error::Refused`]: it was answered, or something else is asked.
    pub async fn answer_want(
        &self,
        store: &StoreName,
        asked: Revision,
        outcome: &OutcomeRecord,
        limit: Duration,
    ) -> Result<(), Error> {
        let [want, answer] = [Key::Want(store.clone()), Key::Outcome(store.clone())];
        let value = encode(&answer, outcome)?;
        let txn = Txn {
            compares: vec![unchanged(&want, asked)],
            then: vec![delete(&want), put(&answer, value.clone())],
            otherwise: vec![read(&answer)],
        };
        self.settle(&txn, limit, |found| holds(found, 0, &value))
            .await
            .map(drop)
    }
}

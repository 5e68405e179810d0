//! What people ask of a store's guards, and how it ended.

use std::time::Duration;

use govuc_roles::record::{EraRecord, OutcomeRecord, Want};

use super::{Key, Replaced, Roles, StoreName, delete, encode, holds, put, read, unchanged};
use crate::{Error, Revision, Txn};

impl Roles {
    /// Asks something of a store in the place of what was last asked, and keeps how that ended.
    ///
    /// # Errors
    /// [`Error::Refused`]: something else is asked, or has ended since.
    pub async fn put_want(
        &self,
        store: &StoreName,
        want: &Want,
        replaced: &Replaced,
        limit: Duration,
    ) -> Result<Revision, Error> {
        self.ask(store, want, replaced, None, limit).await
    }

    /// Raises the era and asks something that is decided by that, all or nothing: whoever decided to take a store before,
    /// of which nothing was heard yet, is refused. `expected` is when the era was last put.
    ///
    /// # Errors
    /// [`Error::Refused`]: something else is asked, or has ended since, or the era has been raised since.
    pub async fn force(
        &self,
        store: &StoreName,
        want: &Want,
        replaced: &Replaced,
        era: &EraRecord,
        expected: Revision,
        limit: Duration,
    ) -> Result<Revision, Error> {
        self.ask(store, want, replaced, Some((era, expected)), limit)
            .await
    }

    async fn ask(
        &self,
        store: &StoreName,
        want: &Want,
        replaced: &Replaced,
        raised: Option<(&EraRecord, Revision)>,
        limit: Duration,
    ) -> Result<Revision, Error> {
        let [key, outcome, ended] = [Key::Want, Key::Outcome, Key::Ended].map(|key| key(store.clone()));
        let value = encode(&key, want)?;
        let mut txn = Txn {
            compares: vec![
                unchanged(&key, replaced.want),
                unchanged(&outcome, replaced.outcome),
            ],
            then: vec![
                put(&key, value.clone()),
                put(&ended, encode(&ended, &replaced.ended)?),
            ],
            otherwise: vec![read(&key)],
        };
        if let Some((era, expected)) = raised {
            txn.compares.push(unchanged(&Key::Era, expected));
            txn.then.push(put(&Key::Era, encode(&Key::Era, era)?));
        }
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

//! What etcd keeps, read in one piece.

use std::{collections::BTreeMap, time::Duration};

use govuc_roles::{
    Site, Term,
    record::{
        Ended, EndedRecord, EraRecord, LeadTermRecord, LeaseRecord, OutcomeRecord, SlotRecord, StateRecord,
        Want,
    },
    timing::Moment,
};
use serde::de::DeserializeOwned;

use super::{Key, PREFIX, Roles, StoreName, decode, prefix};
use crate::{Error, KeyValue, LeaseId, Operation, Revision};

/// How many ends of earlier operations are kept. One is looked at within seconds of it, and an operation takes a second
/// at least.
const REMEMBERED: usize = 8;

/// A record and when it was last put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned<T> {
    pub record: T,
    pub revision: Revision,
}

/// A record that ends with a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leased {
    pub record: LeaseRecord,
    /// None when somebody put the key without a lease, which no guard does.
    pub lease: Option<LeaseId>,
}

/// One store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreRecords {
    pub state: Option<Versioned<StateRecord>>,
    pub lease: Option<Leased>,
    pub want: Option<Versioned<Want>>,
    pub outcome: Option<Versioned<OutcomeRecord>>,
    /// How what was asked before that ended, newest first.
    pub ended: Vec<Ended>,
    pub slots: BTreeMap<Site, Versioned<SlotRecord>>,
}

/// One store and the era, of one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    pub revision: Revision,
    /// Absent in an etcd that nobody has begun to use.
    pub era: Option<Versioned<EraRecord>>,
    /// The highest term a lead has had: whose administration of the store is older is refused.
    pub lead_term: Option<Term>,
    pub store: StoreRecords,
}

/// Everything, of one revision.
#[derive(Debug)]
pub struct All {
    pub revision: Revision,
    pub era: Option<Versioned<EraRecord>>,
    pub lead_term: Option<Term>,
    /// What can't be read of one store keeps nobody from reading the others.
    pub stores: BTreeMap<StoreName, Result<StoreRecords, Error>>,
}

/// What an acquisition is made from: it is refused when either has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// [`Revision::ABSENT`] for a store that nobody has ever held.
    pub state: Revision,
    pub era: Revision,
}

/// What somebody who asks has seen, and what of it is kept: it is refused when either has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replaced {
    /// [`Revision::ABSENT`], the default, when nothing is asked, or was.
    pub want: Revision,
    pub outcome: Revision,
    pub ended: EndedRecord,
}

impl Reading {
    pub fn expected(&self) -> Expected {
        Expected {
            state: revision(self.store.state.as_ref()),
            era: revision(self.era.as_ref()),
        }
    }

    /// What gives way when something is asked, and what of it is kept.
    pub fn replaced(&self) -> Replaced {
        let store = &self.store;
        let last = store.last();
        let is_last = |earlier: &&Ended| {
            let last = last.as_ref();
            last.is_some_and(|last| last.outcome.operation == earlier.outcome.operation)
        };
        let earlier = store.ended.iter().filter(|earlier| !is_last(earlier)).cloned();
        Replaced {
            want: revision(store.want.as_ref()),
            outcome: revision(store.outcome.as_ref()),
            ended: EndedRecord(last.clone().into_iter().chain(earlier).take(REMEMBERED).collect()),
        }
    }

    /// As the pure rules take it; `sent` is when the question was sent. `None` before an era has begun.
    pub fn for_roles(&self, sent: Moment) -> Option<govuc_roles::Reading> {
        Some(govuc_roles::Reading {
            sent,
            era: self.era.as_ref()?.record.era,
            state: self.store.state.as_ref().map(|state| state.record.clone()),
            revision: revision(self.store.state.as_ref()).0,
            lease: self.store.lease.as_ref().map(|lease| lease.record.clone()),
            want: self.store.want.as_ref().map(|want| want.record.clone()),
        })
    }
}

impl Roles {
    /// One store and the era, as the majority has them now.
    ///
    /// # Errors
    /// [`Error::Malformed`] when a record can't be understood.
    pub async fn read(&self, store: &StoreName, limit: Duration) -> Result<Reading, Error> {
        let reads = vec![
            Operation::Read {
                key: Key::Era.to_string(),
            },
            Operation::Read {
                key: Key::LeadTerm.to_string(),
            },
            Operation::ReadAll {
                prefix: prefix(store),
            },
        ];
        let answer = self.etcd.read(reads, limit).await?;
        let mut all = All::of(answer.revision, answer.reads.into_iter().flatten())?;
        Ok(Reading {
            revision: all.revision,
            era: all.era,
            lead_term: all.lead_term,
            store: all.stores.remove(store).transpose()?.unwrap_or_default(),
        })
    }

    /// Everything, as the majority has it now.
    ///
    /// # Errors
    /// [`Error::Malformed`] when the era can't be understood.
    pub async fn read_all(&self, limit: Duration) -> Result<All, Error> {
        let answer = self.etcd.range(PREFIX, limit).await?;
        All::of(answer.revision, answer.reads.into_iter().flatten())
    }
}

impl All {
    fn of(revision: Revision, found: impl Iterator<Item = KeyValue>) -> Result<Self, Error> {
        let mut all = All {
            revision,
            era: None,
            lead_term: None,
            stores: BTreeMap::new(),
        };
        for found in found {
            match Key::parse(&found.key) {
                None => {}
                Some(Key::Era) => all.era = Some(versioned(&found)?),
                // Who holds the lease of the lead is no business of a store's, nor what Platforms say.
                Some(Key::Lead | Key::Site(_)) => {}
                Some(Key::LeadTerm) => all.lead_term = lead_term(&found),
                Some(key) => all.add(key, &found),
            }
        }
        Ok(all)
    }

    fn add(&mut self, key: Key, found: &KeyValue) {
        let Some(store) = key.store() else {
            return;
        };
        let records = self
            .stores
            .entry(store.clone())
            .or_insert_with(|| Ok(StoreRecords::default()));
        if let Ok(known) = records
            && let Err(error) = known.add(key, found)
        {
            *records = Err(error);
        }
    }
}

impl StoreRecords {
    /// The site that took the store last; `None` after a hand-over that nobody has taken yet.
    pub fn holder(&self) -> Option<&Site> {
        let state = self.state.as_ref()?;
        Some(&state.record.holder.as_ref()?.site)
    }

    /// How what was asked last ended, with who has the store now.
    pub fn last(&self) -> Option<Ended> {
        let outcome = self.outcome.as_ref()?;
        Some(Ended {
            outcome: outcome.record.clone(),
            holder: self.holder().cloned(),
            term: self.state.as_ref().map_or(Term(0), |state| state.record.term),
        })
    }

    fn add(&mut self, key: Key, found: &KeyValue) -> Result<(), Error> {
        match key {
            Key::Era | Key::Lead | Key::LeadTerm | Key::Site(_) => {}
            Key::State(_) => self.state = Some(versioned(found)?),
            Key::Lease(_) => self.lease = Some(leased(found)?),
            Key::Want(_) => self.want = Some(versioned(found)?),
            Key::Outcome(_) => self.outcome = Some(versioned(found)?),
            Key::Ended(_) => self.ended = ended(found),
            Key::Slot(_, site) => {
                self.slots.insert(site, versioned(found)?);
            }
        }
        Ok(())
    }
}

/// A spoilt one keeps no store from serving: what is told of the past is lost.
fn ended(found: &KeyValue) -> Vec<Ended> {
    decode::<EndedRecord>(found)
        .inspect_err(|error| tracing::warn!(%error, "how earlier operations ended is not understood"))
        .map_or_else(|_| Vec::new(), |EndedRecord(ended)| ended)
}

/// A spoilt one keeps no store from serving: who reads it goes on with what it knew.
fn lead_term(found: &KeyValue) -> Option<Term> {
    decode::<LeadTermRecord>(found)
        .inspect_err(|error| tracing::warn!(%error, "the lead's term is not understood"))
        .ok()
        .map(|record| record.term)
}

pub(super) fn versioned<T: DeserializeOwned>(found: &KeyValue) -> Result<Versioned<T>, Error> {
    Ok(Versioned {
        record: decode(found)?,
        revision: found.modified,
    })
}

fn leased(found: &KeyValue) -> Result<Leased, Error> {
    Ok(Leased {
        record: decode(found)?,
        lease: found.lease,
    })
}

fn revision<T>(versioned: Option<&Versioned<T>>) -> Revision {
    versioned.map_or(Revision::ABSENT, |versioned| versioned.revision)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(key: &str, value: &str) -> KeyValue {
        KeyValue {
            key: key.to_owned(),
            value: value.as_bytes().to_vec(),
            created: Revision(2),
            modified: Revision(5),
            lease: Some(LeaseId(7)),
        }
    }

    #[test]
    fn records_are_sorted_by_store() {
        let all = All::of(
            Revision(9),
            [
                found("/govuc/era", r#"{"era":1,"cluster":"c"}"#),
                found(
                    "/govuc/stores/mail-1/lease",
                    r#"{"site":"pdsa1","session":"s","era":1,"term":2}"#,
                ),
                found(
                    "/govuc/stores/mail-1/slots/pdsa2",
                    r#"{"volume":"v","incarnation":3}"#,
                ),
                found("/govuc/stores/mail-2/later", "not ours"),
            ]
            .into_iter(),
        )
        .unwrap();
        assert_eq!(all.era.unwrap().revision, Revision(5));
        let records = all.stores.values().next().unwrap().as_ref().unwrap();
        assert_eq!(all.stores.len(), 1);
        assert_eq!(records.lease.as_ref().unwrap().lease, Some(LeaseId(7)));
        assert_eq!(records.slots.len(), 1);
    }

    #[test]
    fn one_spoilt_record_spoils_its_own_store_only() {
        let all = All::of(
            Revision(9),
            [
                found("/govuc/stores/mail-1/state", "{"),
                found(
                    "/govuc/stores/mail-1/slots/pdsa2",
                    r#"{"volume":"v","incarnation":3}"#,
                ),
                found(
                    "/govuc/stores/mail-2/slots/pdsa2",
                    r#"{"volume":"v","incarnation":3}"#,
                ),
            ]
            .into_iter(),
        )
        .unwrap();
        let readable: Vec<_> = all
            .stores
            .iter()
            .map(|(store, records)| (store.as_str(), records.is_ok()))
            .collect();
        assert_eq!(readable, [("mail-1", false), ("mail-2", true)]);
    }
}

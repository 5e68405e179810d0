//! The lead: the site whose operator does what must be done once. Held by a lease, under a term that only rises.

use std::time::Duration;

use govuc_roles::{
    Site, Term,
    record::{LeadRecord, LeadTermRecord, Session},
};

use super::{Key, Roles, Versioned, decode, encode, put, read, reading::versioned, unchanged};
use crate::{Error, KeyValue, LeaseId, Revision, Txn};

/// Who leads, of one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeadReading {
    pub lead: Option<LeadRecord>,
    /// Absent until there has been a lead.
    pub term: Option<Versioned<LeadTermRecord>>,
}

/// What a site leads by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeadTaken<T> {
    pub lease: LeaseId,
    pub term: Term,
    /// The caller's time just before the lease was asked for: its deadline counts from then (R9).
    pub sent: T,
}

impl LeadReading {
    /// The next lead's term: above every one before, and above `floor`, which is the highest that was seen elsewhere. An
    /// etcd that was begun anew counts from nought, and what was written under higher terms has not gone.
    pub fn next_term(&self, floor: u64) -> Term {
        let last = self.term.as_ref().map_or(0, |term| term.record.term.0);
        Term(last.max(floor) + 1)
    }
}

impl Roles {
    /// Who leads, as the majority has it now.
    ///
    /// # Errors
    /// [`Error::Malformed`] when a record can't be understood.
    pub async fn read_lead(&self, limit: Duration) -> Result<LeadReading, Error> {
        let reads = vec![read(&Key::Lead), read(&Key::LeadTerm)];
        let answer = self.etcd.read(reads, limit).await?;
        let one = |at: usize| -> Option<&KeyValue> { answer.reads.get(at)?.first() };
        Ok(LeadReading {
            lead: one(0).map(decode).transpose()?,
            term: one(1).map(versioned).transpose()?,
        })
    }

    /// Takes the lead that nobody has: a new lease, its key, and `term` as the highest, all or nothing, if the term is still
    /// what `reading` has. `now` is asked for the time just before the lease is asked for.
    ///
    /// # Errors
    /// After any, the lead is not this process's and will not become so by this attempt. [`Error::Refused`]: somebody has it,
    /// or has had it since.
    pub async fn take_lead<T>(
        &self,
        reading: &LeadReading,
        (site, session): (&Site, &Session),
        term: Term,
        ttl: Duration,
        now: impl Fn() -> T,
        limit: Duration,
    ) -> Result<LeadTaken<T>, Error> {
        let last = reading.term.as_ref();
        if last.is_some_and(|last| last.record.term >= term) {
            return Err(Error::malformed(Key::LeadTerm, "a lead's term does not rise"));
        }
        let record = LeadRecord {
            site: site.clone(),
            session: session.clone(),
            term,
        };
        let expected = last.map_or(Revision::ABSENT, |last| last.revision);
        let txn = Txn {
            compares: vec![unchanged(&Key::LeadTerm, expected)],
            then: vec![put(
                &Key::LeadTerm,
                encode(&Key::LeadTerm, &LeadTermRecord { term })?,
            )],
            otherwise: Vec::new(),
        };
        let (lease, _, sent) = self.take(Key::Lead, &record, txn, ttl, now, limit).await?;
        Ok(LeadTaken { lease, term, sent })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_is_above_all_before() {
        let next = |last: Option<u64>, floor| {
            let reading = LeadReading {
                lead: None,
                term: last.map(|term| Versioned {
                    record: LeadTermRecord { term: Term(term) },
                    revision: Revision(5),
                }),
            };
            reading.next_term(floor).0
        };
        assert_eq!(next(None, 1), 2, "the first one");
        assert_eq!(next(Some(4), 1), 5, "after another");
        assert_eq!(next(Some(2), 7), 8, "of an etcd that was begun anew");
    }
}

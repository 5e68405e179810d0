//! R7: every start of a guard tells etcd which copy its slot has, so that a volume restored from a snapshot is found out.

use std::time::Duration;

use govuc_roles::{Site, SlotCopy, record::SlotRecord};

use super::{Attempts, Key, Outcome, Roles, StoreName, decode, encode, put, read, unchanged};
use crate::{Compare, Error, KeyValue, Revision, Txn};

/// The registration of one start of a guard. Kept over failed attempts: a copy that an attempt without an answer has put
/// is this start's own, not a restored one's.
#[derive(Clone, Debug)]
pub struct Registration {
    key: Key,
    copy: SlotCopy,
    /// What an attempt without an answer was made from.
    open: Option<Revision>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registered {
    /// etcd has this copy as the slot's latest.
    Latest,
    /// This volume is older than what etcd knows of it, or was replaced by another meanwhile: `known` has started since.
    Restored { known: SlotCopy },
}

impl Registration {
    pub fn new(store: StoreName, site: Site, copy: SlotCopy) -> Self {
        Self {
            key: Key::Slot(store, site),
            copy,
            open: None,
        }
    }

    /// What is to be done about the record that is there.
    fn judge(&self, known: Option<&KeyValue>) -> Result<Verdict, Error> {
        let Some(known) = known else {
            return Ok(Verdict::Put(Revision::ABSENT));
        };
        let SlotRecord(copy) = decode(known)?;
        let own = copy == self.copy && self.open.is_some_and(|from| known.modified > from);
        let missed = if copy.volume == self.copy.volume {
            copy.incarnation >= self.copy.incarnation
        } else {
            // Another volume took this one's place since, or this one was emptied and is back from a snapshot: only a
            // new volume at its first start has missed nothing.
            self.copy.incarnation > 1
        };
        Ok(if own {
            Verdict::Registered
        } else if missed {
            Verdict::Restored(copy)
        } else {
            Verdict::Put(known.modified)
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    /// The record was last put then, and is to be replaced.
    Put(Revision),
    Registered,
    Restored(SlotCopy),
}

impl Roles {
    /// Puts the slot's copy unless etcd knows the same volume with an equal or higher incarnation.
    ///
    /// # Errors
    /// After any, the same registration is tried again.
    pub async fn register(
        &self,
        registration: &mut Registration,
        limit: Duration,
    ) -> Result<Registered, Error> {
        let mut attempts = Attempts::new(limit);
        let key = registration.key.clone();
        let value = encode(&key, &SlotRecord(registration.copy.clone()))?;
        let mut known = self.etcd.read(vec![read(&key)], limit).await?.reads;
        loop {
            let expected = match registration.judge(known.iter().flatten().next())? {
                Verdict::Put(expected) => expected,
                Verdict::Registered => return Ok(Registered::Latest),
                Verdict::Restored(known) => return Ok(Registered::Restored { known }),
            };
            let txn = Txn {
                compares: Vec::<Compare>::from([unchanged(&key, expected)]),
                then: vec![put(&key, value.clone())],
                otherwise: vec![read(&key)],
            };
            let outcome = attempts.send(&self.etcd, &txn).await;
            if attempts.open || outcome.as_ref().is_err_and(Error::may_be_done) {
                registration.open.get_or_insert(expected);
            }
            match outcome? {
                Outcome::Done(_) => return Ok(Registered::Latest),
                Outcome::Refused(found) => known = found.reads,
                Outcome::Again => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(volume: &str, incarnation: u64) -> SlotCopy {
        SlotCopy {
            volume: govuc_roles::VolumeId(volume.to_owned()),
            incarnation,
        }
    }

    fn registration(open: Option<Revision>) -> Registration {
        start_of(copy("a", 3), open)
    }

    fn start_of(copy: SlotCopy, open: Option<Revision>) -> Registration {
        let store = StoreName::try_from("mail-1").unwrap();
        let site = Site::try_from("pdsa1".to_owned()).unwrap();
        Registration {
            open,
            ..Registration::new(store, site, copy)
        }
    }

    fn known(volume: &str, incarnation: u64) -> KeyValue {
        KeyValue {
            key: "/govuc/stores/mail-1/slots/pdsa1".to_owned(),
            value: serde_json::to_vec(&SlotRecord(copy(volume, incarnation))).unwrap(),
            created: Revision(2),
            modified: Revision(9),
            lease: None,
        }
    }

    #[test]
    fn a_new_slot_a_later_start_and_a_new_volume_are_registered() {
        let registration = registration(None);
        let verdict = |known: Option<KeyValue>| registration.judge(known.as_ref()).unwrap();
        assert_eq!(verdict(None), Verdict::Put(Revision::ABSENT));
        assert_eq!(verdict(Some(known("a", 2))), Verdict::Put(Revision(9)));
        let first = start_of(copy("a", 1), None);
        assert_eq!(
            first.judge(Some(&known("b", 7))).unwrap(),
            Verdict::Put(Revision(9))
        );
    }

    #[test]
    fn a_volume_that_another_has_replaced_meanwhile_is_back_from_a_snapshot() {
        let verdict = registration(None).judge(Some(&known("b", 1))).unwrap();
        assert_eq!(verdict, Verdict::Restored(copy("b", 1)));
    }

    #[test]
    fn a_volume_that_has_started_later_or_as_often_already_was_restored() {
        let registration = registration(None);
        for incarnation in [3, 4] {
            let verdict = registration.judge(Some(&known("a", incarnation))).unwrap();
            assert_eq!(verdict, Verdict::Restored(copy("a", incarnation)));
        }
    }

    #[test]
    fn what_an_unanswered_attempt_has_put_is_its_own() {
        let earlier = registration(Some(Revision(5)));
        assert_eq!(earlier.judge(Some(&known("a", 3))).unwrap(), Verdict::Registered);
        let later = registration(Some(Revision(9)));
        assert_eq!(
            later.judge(Some(&known("a", 3))).unwrap(),
            Verdict::Restored(copy("a", 3))
        );
    }
}

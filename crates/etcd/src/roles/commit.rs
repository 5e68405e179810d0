//! R2: a holder's change of its store's state, compared and swapped on ballot and lease.

use std::time::Duration;

use govuc_roles::{
    Commitment, Transaction,
    record::{OutcomeRecord, StateRecord, Want},
};

use super::{Attempts, Held, Key, Outcome, Roles, decode, delete, encode, found, put, read, unchanged};
use crate::{Compare, Error, Found, Revision, Txn};

/// How often the state may have moved between an attempt and the next. It moves when an earlier commit of this process,
/// of which nothing was heard, is carried out late.
const MOVES: usize = 3;

/// What was found in the place of what a commit was made from.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// An earlier copy of the commit was carried out.
    Done(Revision),
    /// State and lease are still this process's.
    Mine {
        state: Revision,
        want: Option<Revision>,
    },
    Superseded,
}

/// What a commit's end is to the pure rules.
pub fn commitment(outcome: &Result<(), Error>) -> Commitment {
    match outcome {
        Ok(()) => Commitment::Done,
        Err(Error::Refused(_)) => Commitment::Superseded,
        Err(_) => Commitment::Unknown,
    }
}

impl Roles {
    /// Puts the transaction's state if the last one is this process's and so is the lease; with it, deletes the lease's
    /// key for a hand-over, and puts an outcome and deletes the `want` it answers.
    ///
    /// # Errors
    /// [`Error::Refused`]: state or lease are another's. After any other error nothing is known: the transaction may have
    /// been carried out, and may be later, but not after another commit of this process was.
    pub async fn commit(
        &self,
        held: &mut Held,
        transaction: &Transaction,
        limit: Duration,
    ) -> Result<(), Error> {
        let mut attempts = Attempts::new(limit);
        let mut want = match &transaction.outcome {
            Some(outcome) => self.answered(held, outcome, limit).await?,
            None => None,
        };
        let mut moves = 0;
        loop {
            let txn = held.change(transaction, want)?;
            let found = match attempts.send(&self.etcd, &txn).await? {
                Outcome::Done(answer) => {
                    held.state = answer.revision;
                    return Ok(());
                }
                Outcome::Refused(found) => found,
                Outcome::Again => continue,
            };
            match held.judge(transaction, &found)? {
                Verdict::Done(revision) => {
                    held.state = revision;
                    return Ok(());
                }
                Verdict::Mine { state, want: moved } if moves < MOVES => {
                    moves += 1;
                    held.state = state;
                    want = moved;
                }
                Verdict::Mine { .. } => {
                    return Err(Error::malformed(
                        Key::State(held.store.clone()),
                        "it is changed again and again by somebody who is not its holder",
                    ));
                }
                Verdict::Superseded => return Err(Error::Refused(found)),
            }
        }
    }

    /// When the `want` that `outcome` answers was put, if it is still there.
    async fn answered(
        &self,
        held: &Held,
        outcome: &OutcomeRecord,
        limit: Duration,
    ) -> Result<Option<Revision>, Error> {
        let reads = vec![read(&Key::Want(held.store.clone()))];
        let answer = self.etcd.read(reads, limit).await?;
        want_of(
            &Found {
                revision: answer.revision,
                reads: answer.reads,
            },
            0,
            outcome,
        )
    }
}

impl Held {
    fn change(&self, transaction: &Transaction, want: Option<Revision>) -> Result<Txn, Error> {
        let [state, lease, wanted, outcome] = self.keys();
        let mut txn = Txn {
            compares: vec![
                unchanged(&state, self.state),
                Compare::Leased {
                    key: lease.to_string(),
                    lease: self.lease,
                },
            ],
            then: vec![put(&state, encode(&state, &transaction.state)?)],
            otherwise: [&state, &lease, &wanted, &outcome].map(read).to_vec(),
        };
        if transaction.hand_over {
            txn.then.push(delete(&lease));
        }
        if let Some(record) = &transaction.outcome {
            txn.then.push(put(&outcome, encode(&outcome, record)?));
        }
        // Another `want` that has taken its place stays.
        if let Some(put_at) = want {
            txn.compares.push(unchanged(&wanted, put_at));
            txn.then.push(delete(&wanted));
        }
        Ok(txn)
    }

    fn judge(&self, transaction: &Transaction, reads: &Found) -> Result<Verdict, Error> {
        let Some(state) = found(reads, 0) else {
            return Ok(Verdict::Superseded);
        };
        let record: StateRecord = decode(state)?;
        let leased = found(reads, 1).is_some_and(|lease| lease.lease == Some(self.lease));
        let answered = match (&transaction.outcome, found(reads, 3)) {
            (None, _) => true,
            (Some(outcome), Some(found)) => decode::<OutcomeRecord>(found)? == *outcome,
            (Some(_), None) => false,
        };
        if record == transaction.state && answered && leased != transaction.hand_over {
            return Ok(Verdict::Done(state.modified));
        }
        let session = record.holder.as_ref().map(|holder| &holder.session);
        if leased && record.ballot() == self.ballot && session == Some(&self.session) {
            let want = match &transaction.outcome {
                Some(outcome) => want_of(reads, 2, outcome)?,
                None => None,
            };
            return Ok(Verdict::Mine {
                state: state.modified,
                want,
            });
        }
        Ok(Verdict::Superseded)
    }

    fn keys(&self) -> [Key; 4] {
        let store = || self.store.clone();
        [
            Key::State(store()),
            Key::Lease(store()),
            Key::Want(store()),
            Key::Outcome(store()),
        ]
    }
}

fn want_of(reads: &Found, read: usize, outcome: &OutcomeRecord) -> Result<Option<Revision>, Error> {
    let Some(found) = found(reads, read) else {
        return Ok(None);
    };
    let want: Want = decode(found)?;
    Ok((want.operation == outcome.operation).then_some(found.modified))
}

#[cfg(test)]
mod tests {
    use super::*;
    use govuc_roles::StoreName;

    use crate::{KeyValue, LeaseId};

    const MINE: &str = r#"{"era":1,"term":4,"holder":{"site":"pdsa1","volume":"a","session":"s"},"paired":true,"peer":null}"#;
    const ALONE: &str = r#"{"era":1,"term":4,"holder":{"site":"pdsa1","volume":"a","session":"s"},"paired":false,"peer":null}"#;
    const NEXT: &str = r#"{"era":1,"term":5,"holder":{"site":"pdsa2","volume":"b","session":"t"},"paired":false,"peer":null}"#;
    const AGAIN: &str = r#"{"era":1,"term":4,"holder":{"site":"pdsa1","volume":"a","session":"u"},"paired":true,"peer":null}"#;
    const LEFT: &str = r#"{"era":1,"term":4,"holder":null,"paired":true,"peer":null}"#;

    fn held() -> Held {
        Held {
            store: StoreName::try_from("mail-1").unwrap(),
            lease: LeaseId(7),
            ballot: govuc_roles::Ballot::new(1, 4),
            session: govuc_roles::record::Session("s".to_owned()),
            state: Revision(5),
        }
    }

    fn transaction(state: &str, hand_over: bool) -> Transaction {
        Transaction {
            state: serde_json::from_str(state).unwrap(),
            hand_over,
            outcome: None,
        }
    }

    fn found(state: &str, lease: Option<i64>) -> Found {
        let value = |value: &str, lease: Option<i64>| KeyValue {
            key: "k".to_owned(),
            value: value.as_bytes().to_vec(),
            created: Revision(2),
            modified: Revision(8),
            lease: lease.map(LeaseId),
        };
        Found {
            revision: Revision(9),
            reads: vec![
                vec![value(state, None)],
                lease.map(|lease| value("{}", Some(lease))).into_iter().collect(),
                Vec::new(),
                Vec::new(),
            ],
        }
    }

    fn judged(transaction: &Transaction, found: &Found) -> Verdict {
        held().judge(transaction, found).unwrap()
    }

    #[test]
    fn a_state_that_only_moved_is_still_mine() {
        let verdict = judged(&transaction(ALONE, false), &found(MINE, Some(7)));
        assert_eq!(
            verdict,
            Verdict::Mine {
                state: Revision(8),
                want: None
            }
        );
    }

    #[test]
    fn what_stands_there_already_is_done() {
        assert_eq!(
            judged(&transaction(ALONE, false), &found(ALONE, Some(7))),
            Verdict::Done(Revision(8))
        );
        assert_eq!(
            judged(&transaction(LEFT, true), &found(LEFT, None)),
            Verdict::Done(Revision(8))
        );
    }

    #[test]
    fn anothers_state_or_lease_or_process_supersedes() {
        for (state, lease) in [
            (NEXT, Some(8)),
            (MINE, Some(8)),
            (MINE, None),
            (ALONE, None),
            (AGAIN, Some(7)),
        ] {
            assert_eq!(
                judged(&transaction(ALONE, false), &found(state, lease)),
                Verdict::Superseded,
                "{state} {lease:?}"
            );
        }
        assert_eq!(
            judged(&transaction(LEFT, true), &found(NEXT, None)),
            Verdict::Superseded
        );
    }

    #[test]
    fn a_state_whose_outcome_is_missing_is_not_done() {
        let outcome = r#"{"operation":"o","outcome":"Refused","message":"m"}"#;
        let transaction = Transaction {
            outcome: Some(serde_json::from_str(outcome).unwrap()),
            ..transaction(MINE, false)
        };
        assert_eq!(
            judged(&transaction, &found(MINE, Some(7))),
            Verdict::Mine {
                state: Revision(8),
                want: None
            }
        );
    }
}

//! The roles' etcd, as far as one store's guards see it: a register with revisions, a lease that runs out, and what
//! somebody wants.

use std::sync::Arc;

use govuc_roles::{
    Ballot, Era, Site, SlotCopy, Transaction,
    record::{LeaseRecord, OperationId, Outcome, Session, StateRecord, Want, WantedChange},
};

use crate::slot::At;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Etcd {
    pub era: Era,
    pub state: Option<StateRecord>,
    /// Of `state`, 0 while there is none.
    pub revision: i64,
    pub lease: Option<Lease>,
    pub want: Option<Want>,
    /// How the last `want` ended.
    pub outcome: Option<(OperationId, Outcome)>,
    pub slots: [Option<SlotCopy>; 2],
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    pub record: LeaseRecord,
    /// Ticks until it runs out.
    pub left: u8,
    /// Its process knows that it has it.
    pub kept: bool,
}

/// What may still come of a question whose asker knows no more of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Late {
    Commit {
        session: Session,
        transaction: Transaction,
        /// What it was made from.
        revision: i64,
    },
    Acquire {
        lease: Lease,
        state: StateRecord,
        revision: i64,
    },
}

/// What a guard compares to know that something has changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Look {
    revision: i64,
    lease: Option<Session>,
    want: Option<OperationId>,
    era: Era,
}

impl Etcd {
    pub fn new() -> Self {
        Self {
            era: Era(1),
            state: None,
            revision: 0,
            lease: None,
            want: None,
            outcome: None,
            slots: [None, None],
        }
    }

    pub fn look(&self) -> Look {
        Look {
            revision: self.revision,
            lease: self.lease.as_ref().map(|lease| lease.record.session.clone()),
            want: self.want.as_ref().map(|want| want.operation.clone()),
            era: self.era,
        }
    }

    pub fn ballot(&self) -> Ballot {
        self.state.as_ref().map_or(Ballot::NONE, StateRecord::ballot)
    }

    pub fn leased_to(&self, session: &Session) -> bool {
        self.lease
            .as_ref()
            .is_some_and(|lease| lease.kept && lease.record.session == *session)
    }

    /// Whether `state` is this process's, lease and all, under this ballot.
    fn is_of(&self, session: &Session, ballot: Ballot) -> bool {
        let holds = |state: &StateRecord| {
            state.ballot() == ballot
                && state
                    .holder
                    .as_ref()
                    .is_some_and(|holder| holder.session == *session)
        };
        self.leased_to(session) && self.state.as_ref().is_some_and(holds)
    }

    /// One transaction, all or nothing.
    pub fn acquire(&mut self, lease: Lease, state: StateRecord, revision: i64, ignore_lease: bool) -> bool {
        let free = self.lease.is_none() || ignore_lease;
        if !free || self.revision != revision || self.era > state.era || lease.left == 0 {
            return false;
        }
        self.put(state);
        self.lease = Some(lease);
        true
    }

    /// `false`: state or lease are no longer this process's.
    pub fn commit(&mut self, session: &Session, transaction: &Transaction) -> bool {
        let carried_out = self.state.as_ref() == Some(&transaction.state)
            && self.leased_to(session) != transaction.hand_over;
        if carried_out && transaction.outcome.is_none() {
            return true;
        }
        if !self.is_of(session, transaction.state.ballot()) {
            return carried_out;
        }
        self.put(transaction.state.clone());
        if transaction.hand_over {
            self.lease = None;
        }
        if let Some(outcome) = &transaction.outcome {
            self.outcome = Some((outcome.operation.clone(), outcome.outcome));
            if self
                .want
                .as_ref()
                .is_some_and(|want| want.operation == outcome.operation)
            {
                self.want = None;
            }
        }
        true
    }

    fn put(&mut self, state: StateRecord) {
        self.state = Some(state);
        self.revision += 1;
    }

    /// Something is asked for; a forced change raises the era.
    pub fn wish(&mut self, change: WantedChange, to: At) {
        if change == WantedChange::Force {
            self.era = Era(self.era.0 + 1);
        }
        let number = match &self.want {
            Some(want) => want.operation.0.len() + 1,
            None => self
                .outcome
                .as_ref()
                .map_or(1, |(operation, _)| operation.0.len() + 1),
        };
        self.want = Some(Want {
            operation: OperationId("i".repeat(number)),
            change,
            to: to.site(),
            era: self.era,
            by: String::new(),
            not_after: 0,
        });
    }

    /// A slot that was held wants the store, in an era that nobody has decided in.
    pub fn insist(&mut self, era: Era, at: At) {
        if era.0 == self.era.0 + 1 || era == self.era && self.want.is_none() {
            self.era = Era(era.0 - 1);
            self.wish(WantedChange::Force, at);
        }
    }

    /// A tick passes.
    pub fn age(&mut self) {
        if let Some(lease) = &mut self.lease {
            lease.left -= 1;
            if lease.left == 0 {
                self.lease = None;
            }
        }
    }

    /// The copy that may take over without the holder's leave, as `state` has it.
    pub fn named(&self) -> Option<&SlotCopy> {
        let state = self.state.as_ref()?;
        state.peer.as_ref().filter(|_| state.paired)
    }

    pub fn holder_site(&self) -> Option<&Site> {
        self.state.as_ref()?.holder.as_ref().map(|holder| &holder.site)
    }
}

impl Late {
    /// Carries it out if what it was made from is still so. `uncompared`: also if it is not (a mutant).
    pub fn happen(&self, etcd: &mut Arc<Etcd>, uncompared: bool) {
        let etcd = Arc::make_mut(etcd);
        match self {
            Late::Commit {
                session,
                transaction,
                revision,
            } => {
                if etcd.revision == *revision || uncompared {
                    etcd.commit(session, transaction);
                }
            }
            Late::Acquire {
                lease,
                state,
                revision,
            } => {
                etcd.acquire(lease.clone(), state.clone(), *revision, false);
            }
        }
    }

    /// Whether it can still be carried out.
    pub fn possible(&self, etcd: &Etcd, uncompared: bool) -> bool {
        match self {
            Late::Commit {
                session, revision, ..
            } => (etcd.revision == *revision || uncompared) && etcd.leased_to(session),
            Late::Acquire { lease, revision, .. } => etcd.revision == *revision && lease.left > 0,
        }
    }
}

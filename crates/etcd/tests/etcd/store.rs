//! A store and its records, as guards write them.

use std::time::Duration;

use govuc_etcd::{
    Error, Etcd, Revision,
    roles::{Acquired, Expected, Held, Roles},
};
use govuc_roles::{
    Era, Site, SlotCopy, StoreName, Term, Transaction, VolumeId,
    record::{
        EraRecord, HandOver, Holder, OperationId, Outcome, OutcomeRecord, Session, StateRecord, Want,
        WantedChange,
    },
};

use crate::LIMIT;

pub const TTL: Duration = Duration::from_secs(600);

pub fn store(name: &str) -> StoreName {
    StoreName::try_from(name).unwrap()
}

pub fn site(name: &str) -> Site {
    Site::try_from(name.to_owned()).unwrap()
}

/// The first era, begun.
pub async fn begun(etcd: &Etcd) -> Roles {
    let roles = Roles::new(etcd.clone());
    roles.put_era(&era(1), Revision::ABSENT, LIMIT).await.unwrap();
    roles
}

pub fn era(era: u64) -> EraRecord {
    EraRecord {
        era: Era(era),
        cluster: "c".to_owned(),
    }
}

pub fn copy(volume: &str, incarnation: u64) -> SlotCopy {
    SlotCopy {
        volume: VolumeId(volume.to_owned()),
        incarnation,
    }
}

/// What the slot at a site writes when it takes a store. One session for each site and term.
pub fn claim(name: &str, term: u64) -> StateRecord {
    StateRecord {
        era: Era(1),
        term: Term(term),
        holder: Some(Holder {
            site: site(name),
            volume: VolumeId(format!("volume-{name}")),
            session: Session(format!("{name}-{term}")),
        }),
        paired: false,
        peer: None,
        behind: None,
        hand_over: None,
        unmerged: None,
        merged: None,
    }
}

pub fn paired(state: StateRecord) -> StateRecord {
    StateRecord {
        paired: true,
        peer: Some(copy("volume-peer", 1)),
        ..state
    }
}

pub fn handed_over(state: StateRecord) -> StateRecord {
    StateRecord {
        holder: None,
        hand_over: Some(HandOver {
            to: site("pdsa2"),
            to_volume: VolumeId("volume-pdsa2".to_owned()),
            from: site("pdsa1"),
            from_volume: VolumeId("volume-pdsa1".to_owned()),
            digest: "d".to_owned(),
            operation: None,
        }),
        ..state
    }
}

/// Nothing but another state.
pub fn of(state: StateRecord) -> Transaction {
    Transaction {
        state,
        hand_over: false,
        outcome: None,
    }
}

pub fn want(operation: &str, to: &str) -> Want {
    Want {
        operation: OperationId(operation.to_owned()),
        change: WantedChange::Switchover,
        to: site(to),
        era: Era(1),
        by: "a test".to_owned(),
        not_after: u64::MAX,
    }
}

pub fn refused(operation: &str) -> OutcomeRecord {
    OutcomeRecord {
        operation: OperationId(operation.to_owned()),
        outcome: Outcome::Refused,
        message: "not in step".to_owned(),
    }
}

pub async fn expected(roles: &Roles, store: &StoreName) -> Expected {
    roles.read(store, LIMIT).await.unwrap().expected()
}

/// Takes a store as it is now.
pub async fn take(roles: &Roles, store: &StoreName, claim: &StateRecord) -> Result<Held, Error> {
    let expected = expected(roles, store).await;
    let taken = roles.acquire(store, expected, claim, TTL, || (), LIMIT).await;
    taken.map(|Acquired { held, sent: () }| held)
}

/// The store's state, and whether somebody has its lease.
pub async fn seen(roles: &Roles, store: &StoreName) -> (Option<StateRecord>, bool) {
    let records = roles.read(store, LIMIT).await.unwrap().store;
    (records.state.map(|state| state.record), records.lease.is_some())
}

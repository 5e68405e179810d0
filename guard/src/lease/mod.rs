//! The lease in the roles' etcd: what the machine orders there is asked, and what etcd says is told.

mod peer;
mod reader;

pub use peer::PeerAnswers;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use govuc_etcd::{
    Clock, LeaseId, Revision,
    roles::{Expected, Held, Roles, commitment},
};
use govuc_roles::{
    Ballot, Commitment, Era, Event, Identity, StoreName, Transaction,
    record::{EraRecord, OperationId, StateRecord, Want, WantedChange},
    timing::{self, Timing},
};
use govuc_wire::preamble::{PeerQuestion, PeerReply};
use tokio::{sync::mpsc, time};

use crate::{clock, relay::Peer, saslauthd::Leads, turn::Events};

/// What the machine orders.
pub enum Order {
    Acquire {
        revision: i64,
        state: StateRecord,
    },
    KeepAlive,
    Commit(Transaction),
    Release,
    AskPeer(Ballot),
    /// The store is to be forced to this site in this era.
    Insist {
        era: Era,
        operation: OperationId,
    },
}

/// Sends to the lease's tasks, which live as long as the guard.
#[derive(Clone)]
pub struct Orders {
    sender: mpsc::UnboundedSender<Order>,
    lease: Arc<Lease>,
}

/// The slot's dealings with etcd.
pub struct Lease {
    store: StoreName,
    identity: Identity,
    roles: Roles,
    peer: Peer,
    clock: Clock,
    events: Events,
    leads: Leads,
    /// What the last reading was made of.
    expected: Mutex<Option<Expected>>,
    held: Mutex<Option<LeaseId>>,
    /// Of the same lease; one transaction at a time.
    state: tokio::sync::Mutex<Option<Held>>,
}

/// How long a slot's wish for what it held stands: a lease runs out meanwhile.
const INSISTENCE: Duration = Duration::from_secs(60);
/// Nothing is reported as unknown sooner: the machine asks again at once.
const PACE: Duration = timing::TICK;

impl Orders {
    /// Begins to carry orders out.
    pub fn begin(lease: Lease) -> Self {
        let lease = Arc::new(lease);
        let (sender, mut orders) = mpsc::unbounded_channel();
        let carrier = lease.clone();
        tokio::spawn(async move {
            while let Some(order) = orders.recv().await {
                // Each for itself: an attempt to keep the lease must not wait for one that hangs. The machine orders one
                // acquisition and one transaction at a time.
                tokio::spawn(carrier.clone().carry_out(order));
            }
        });
        tokio::spawn(lease.clone().follow());
        Self { sender, lease }
    }

    pub fn send(&self, order: Order) {
        // The carrier lives as long as the process.
        let _ = self.sender.send(order);
    }

    /// Keeps the peer's lease alive in its stead (R5). False: etcd does not answer, or knows the lease no more.
    pub async fn keep_for_peer(&self, lease: i64) -> bool {
        let etcd = self.lease.roles.etcd();
        // The peer waits no longer than that for the whole answer.
        let kept = etcd
            .keep_alive_once(LeaseId(lease), timing::SYNC_ANSWER / 2)
            .await;
        matches!(kept, Ok(Some(_)))
    }
}

impl Lease {
    pub fn new(
        store: StoreName,
        identity: Identity,
        roles: Roles,
        peer: Peer,
        clock: Clock,
        events: Events,
        leads: Leads,
    ) -> Self {
        Self {
            store,
            identity,
            roles,
            peer,
            clock,
            events,
            leads,
            expected: Mutex::default(),
            held: Mutex::default(),
            state: tokio::sync::Mutex::default(),
        }
    }

    async fn carry_out(self: Arc<Self>, order: Order) {
        match order {
            Order::Acquire { revision, state } => self.acquire(revision, state).await,
            Order::KeepAlive => self.keep_alive().await,
            Order::Commit(transaction) => self.commit(transaction).await,
            Order::Release => self.release().await,
            Order::AskPeer(ballot) => self.ask_peer(ballot).await,
            Order::Insist { era, operation } => {
                if let Err(error) = self.insist(era, operation).await {
                    tracing::warn!(%error, "the store is not asked for on account of a hold");
                }
            }
        }
    }

    async fn acquire(&self, revision: i64, state: StateRecord) {
        let expected = *self.expected.lock().unwrap_or_else(PoisonError::into_inner);
        // Read again since the machine decided: it decides anew.
        let Some(expected) = expected.filter(|expected| expected.state == Revision(revision)) else {
            return self.events.send(Event::NotAcquired);
        };
        let acquired = self
            .roles
            .acquire(
                &self.store,
                expected,
                &state,
                Timing::PROTOCOL.ttl,
                || self.clock.now(),
                timing::ATTEMPT,
            )
            .await;
        match acquired {
            Ok(acquired) => {
                self.hold(Some(acquired.held.lease));
                *self.state.lock().await = Some(acquired.held);
                self.events.send(Event::Acquired { sent: acquired.sent });
            }
            Err(error) => {
                tracing::info!(%error, "the store's lease is not acquired");
                time::sleep(PACE).await;
                self.events.send(Event::NotAcquired);
            }
        }
    }

    async fn keep_alive(&self) {
        let Some(lease) = self.held() else {
            return;
        };
        let sent = self.clock.now();
        match self.roles.etcd().keep_alive_once(lease, timing::ATTEMPT).await {
            Ok(Some(_)) => self.events.send(Event::Kept { sent }),
            Ok(None) => self.lost(lease).await,
            Err(error) => tracing::warn!(%error, "the store's lease is not kept"),
        }
    }

    async fn commit(&self, transaction: Transaction) {
        let mut state = self.state.lock().await;
        let commitment = match &mut *state {
            None => Commitment::Superseded,
            Some(held) => {
                let outcome = self.roles.commit(held, &transaction, timing::ATTEMPT).await;
                if let Err(error) = &outcome {
                    tracing::warn!(%error, "a change of the store's state is not confirmed");
                }
                commitment(&outcome)
            }
        };
        if commitment == Commitment::Unknown {
            time::sleep(PACE).await;
        }
        self.events.send(Event::Committed(commitment));
    }

    async fn release(&self) {
        if let Some(lease) = self.hold(None)
            && let Err(error) = self.roles.etcd().revoke(lease, timing::ATTEMPT).await
        {
            tracing::warn!(%error, "the store's lease is not given back; it runs out by itself");
        }
    }

    async fn ask_peer(&self, ballot: Ballot) {
        let Some(lease) = self.held() else {
            return;
        };
        let question = PeerQuestion {
            store: self.store.to_string(),
            era: ballot.era.0,
            term: ballot.term.0,
            lease: lease.0,
        };
        let sent = self.clock.now();
        match self.peer.ask(&question).await {
            Ok(PeerReply::Promised) => self.events.send(Event::Promised { sent }),
            Ok(PeerReply::Kept) => self.events.send(Event::Kept { sent }),
            Ok(PeerReply::Declined) => tracing::warn!("the peer promises nothing while etcd is silent"),
            Err(error) => tracing::warn!(%error, "etcd is silent, and so is the peer"),
        }
    }

    /// Asks for the store as a person would who forces it here, unless somebody else has decided meanwhile.
    async fn insist(&self, era: Era, operation: OperationId) -> Result<(), govuc_etcd::Error> {
        let found = self.roles.read(&self.store, timing::ATTEMPT).await?;
        let Some(known) = &found.era else {
            return Ok(());
        };
        let asked = found.store.want.as_ref();
        let want = Want {
            operation,
            change: WantedChange::Force,
            to: self.identity.site.clone(),
            era,
            by: format!("the guard at {}, which was held", self.identity.site),
            not_after: unix_now() + INSISTENCE.as_secs(),
        };
        let replaced = found.replaced();
        let raised = EraRecord {
            era,
            cluster: known.record.cluster.clone(),
        };
        if known.record.era.0 + 1 == era.0 {
            let limit = timing::ATTEMPT;
            self.roles
                .force(&self.store, &want, &replaced, &raised, known.revision, limit)
                .await?;
        } else if known.record.era == era && asked.is_none_or(|asked| asked.record.not_after < unix_now()) {
            self.roles
                .put_want(&self.store, &want, &replaced, timing::ATTEMPT)
                .await?;
        } else {
            return Ok(());
        }
        tracing::warn!(era = era.0, "the store is asked for on account of a hold");
        Ok(())
    }

    /// Etcd knows the lease no more. It may have forgotten more than that, which is told first.
    async fn lost(&self, lease: LeaseId) {
        if let Err(error) = self.tell_reading().await {
            tracing::warn!(%error, "etcd does not say who holds the store instead");
        }
        // Of a lease that was given back meanwhile nobody wants to know.
        if self.held() == Some(lease) {
            self.events.send(Event::LeaseLost);
        }
    }

    fn held(&self) -> Option<LeaseId> {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hold(&self, lease: Option<LeaseId>) -> Option<LeaseId> {
        std::mem::replace(
            &mut *self.held.lock().unwrap_or_else(PoisonError::into_inner),
            lease,
        )
    }
}

/// A clock before 1970 takes everything for late.
fn unix_now() -> u64 {
    clock::unix_now().unwrap_or(u64::MAX)
}

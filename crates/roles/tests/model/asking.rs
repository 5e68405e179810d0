//! What guards ask of etcd, and what becomes of it.

use govuc_roles::{
    Commitment, Event, Reading, Transaction,
    record::{LeaseRecord, Outcome},
};

use crate::{
    etcd::{Late, Lease},
    mutants::Mutant,
    properties::Breach,
    slot::{Acquire, At},
    turn::Turn,
};

impl Turn<'_> {
    /// Etcd is asked for the lease. `told`: whether the answer is heard now.
    pub fn acquire(&mut self, at: At, told: bool) {
        let ignores_lease = self.is(Mutant::PromotionBeforeExpiry);
        let Some(guard) = self.world.guard_mut(at) else {
            return;
        };
        let Some(acquire) = guard.acquire.clone() else {
            return;
        };
        let record = LeaseRecord {
            site: at.site(),
            session: guard.session.clone(),
            era: acquire.state.era,
            term: acquire.state.term,
        };
        let lease = Lease {
            record,
            left: acquire.left,
            kept: true,
        };
        let won = acquire.won
            || self
                .world
                .etcd_mut()
                .acquire(lease, acquire.state.clone(), acquire.revision, ignores_lease);
        let Some(guard) = self.world.guard_mut(at) else {
            return;
        };
        if !told && won {
            guard.acquire = Some(Acquire { won, ..acquire });
            return;
        }
        guard.acquire = None;
        if won && told {
            self.tell(at, Event::Acquired { sent: acquire.sent });
        } else {
            guard.look = None;
            self.tell(at, Event::NotAcquired);
        }
    }

    /// Etcd has taken the lease's question, and the guard takes it for lost: it gives the lease back when it can.
    pub fn acquire_in_doubt(&mut self, at: At) {
        self.acquire(at, false);
        if let Some(guard) = self.world.guard_mut(at)
            && guard.acquire.take().is_some()
        {
            guard.look = None;
            if let Some(lease) = &mut self.world.etcd_mut().lease {
                lease.kept = false;
            }
            self.tell(at, Event::NotAcquired);
        }
    }

    /// Etcd is asked for a change of the state.
    pub fn commit(&mut self, at: At, told: bool) {
        let Some(guard) = self.world.guard_mut(at) else {
            return;
        };
        let session = guard.session.clone();
        let Some(transaction) = guard.commit.take() else {
            return;
        };
        let done = self.world.etcd_mut().commit(&session, &transaction);
        self.check_outcome(&transaction);
        let commitment = match (told, done) {
            (false, _) => Commitment::Unknown,
            (true, true) => Commitment::Done,
            (true, false) => Commitment::Superseded,
        };
        self.tell(at, Event::Committed(commitment));
    }

    /// (6) in etcd: an outcome that says so leaves the holder.
    fn check_outcome(&mut self, transaction: &Transaction) {
        let aborted = transaction
            .outcome
            .as_ref()
            .is_some_and(|answer| answer.outcome != Outcome::Done);
        if aborted && (transaction.state.holder.is_none() || transaction.hand_over) {
            self.world.breaches.add(Breach::NotAsItWas);
        }
    }

    /// The transaction is on its way, and nobody knows where.
    pub fn commit_late(&mut self, at: At) {
        let revision = self.world.etcd.revision;
        let Some(guard) = self.world.guard_mut(at) else {
            return;
        };
        let session = guard.session.clone();
        let Some(transaction) = guard.commit.take() else {
            return;
        };
        self.world.slot_mut(at).late = Some(Late::Commit {
            session,
            transaction,
            revision,
        });
        self.tell(at, Event::Committed(Commitment::Unknown));
    }

    pub fn late(&mut self, at: At) {
        let uncompared = self.is(Mutant::LateTransaction);
        if let Some(late) = self.world.slot_mut(at).late.take() {
            late.happen(&mut self.world.etcd, uncompared);
        }
    }

    pub fn read(&mut self, at: At) {
        if !self.world.reaches_etcd(at) {
            return;
        }
        self.register(at);
        let etcd = self.world.etcd.clone();
        let blind = self.is(Mutant::PromotionBeforeExpiry);
        let Some(guard) = self.world.guard_mut(at) else {
            return;
        };
        guard.look = Some(etcd.look());
        let lease = etcd.lease.as_ref().map(|lease| lease.record.clone());
        let reading = Reading {
            sent: guard.now,
            era: etcd.era,
            state: etcd.state.clone(),
            revision: etcd.revision,
            lease: lease.filter(|_| !blind),
            want: etcd.want.clone(),
        };
        self.tell(at, Event::Read(reading));
    }

    /// R7: a volume that etcd has seen started later, or as often, was restored; so was one that has been used and is not
    /// the one that etcd has last seen at the slot.
    fn register(&mut self, at: At) {
        let ignored = self.is(Mutant::VolumeIgnored);
        let copy = self.world.slot(at).volume.copy.clone();
        if self.world.guard(at).is_none_or(|guard| guard.registered) {
            return;
        }
        let restored = self.world.etcd.slots[at.index()].as_ref().is_some_and(|known| {
            match known.volume == copy.volume {
                true => known.incarnation >= copy.incarnation,
                false => copy.incarnation > 1,
            }
        });
        if restored && !ignored {
            let slot = self.world.slot_mut(at);
            let evidence = slot.volume.evidence.clone();
            slot.emptied(at, false);
            slot.volume.evidence = evidence;
            return self.exit(at);
        }
        self.world.etcd_mut().slots[at.index()] = Some(copy);
        if let Some(guard) = self.world.guard_mut(at) {
            guard.registered = true;
        }
        self.tell(at, Event::Registered);
    }
}

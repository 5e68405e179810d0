//! The whole: two slots, what is between them, etcd, and what was promised to clients.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::{Arc, LazyLock},
};

use crate::{
    digest::Digest,
    etcd::Etcd,
    faults::{Budget, Kind, Rules},
    kept::Kept,
    mail::Mail,
    mutants::Mutant,
    properties::Breaches,
    slot::{At, Guard, Slot},
};

#[derive(Clone, PartialEq)]
pub struct World {
    pub etcd: Arc<Etcd>,
    pub slots: [Arc<Slot>; 2],
    pub net: Net,
    pub mail: Mail,
    pub left: Budget,
    /// What has gone wrong on the way here.
    pub breaches: Breaches,
    /// How many ticks back a clock is looked at.
    horizon: u8,
}

/// What reaches whom.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Net {
    /// From each site to its peer.
    pub link: [bool; 2],
    /// From each site to etcd.
    pub etcd: [bool; 2],
}

impl World {
    /// Two new volumes, no guard yet, and an etcd that knows nothing.
    pub fn new(rules: &Rules, left: Budget) -> Self {
        Self {
            etcd: Arc::new(Etcd::new()),
            slots: At::BOTH.map(|at| Arc::new(Slot::new(at))),
            net: Net {
                link: [true; 2],
                etcd: [true; 2],
            },
            mail: Mail::new(),
            left,
            breaches: Breaches::default(),
            horizon: rules.horizon,
        }
    }

    pub fn slot(&self, at: At) -> &Slot {
        &self.slots[at.index()]
    }

    pub fn slot_mut(&mut self, at: At) -> &mut Slot {
        Arc::make_mut(&mut self.slots[at.index()])
    }

    pub fn etcd_mut(&mut self) -> &mut Etcd {
        Arc::make_mut(&mut self.etcd)
    }

    pub fn guard(&self, at: At) -> Option<&Guard> {
        self.slot(at).guard.as_ref()
    }

    pub fn guard_mut(&mut self, at: At) -> Option<&mut Guard> {
        self.slot_mut(at).guard.as_mut()
    }

    /// The guard, if it is there and not paused.
    pub fn running(&self, at: At) -> Option<&Guard> {
        self.guard(at).filter(|guard| guard.runs())
    }

    /// Shares with other worlds what has changed since `before`.
    pub fn share(&mut self, before: &World) {
        static SLOTS: LazyLock<Kept<Slot>> = LazyLock::new(Kept::new);
        static ETCD: LazyLock<Kept<Etcd>> = LazyLock::new(Kept::new);
        for (slot, earlier) in self.slots.iter_mut().zip(&before.slots) {
            if !Arc::ptr_eq(slot, earlier) {
                SLOTS.the(slot);
            }
        }
        if !Arc::ptr_eq(&self.etcd, &before.etcd) {
            ETCD.the(&mut self.etcd);
        }
    }

    /// Both directions: nothing is confirmed by one alone.
    pub fn linked(&self) -> bool {
        self.net.link == [true; 2]
    }

    pub fn reaches_etcd(&self, at: At) -> bool {
        self.net.etcd[at.index()]
    }

    /// What was on the volume at `at` is there no more, and a client that waits for a peer that had it has no peer.
    pub fn volume_gone(&mut self, at: At) {
        self.mail.emptied(at);
        if let Some(command) = self.guard_mut(at.peer()).and_then(|guard| guard.command.as_mut()) {
            command.on_peer = false;
        }
    }

    /// Etcd goes back to a snapshot only while both guards know what it knew, and nothing was stored without the peer
    /// since: what etcd alone knew is gone with it.
    pub fn may_regress(&self, rules: &Rules) -> bool {
        let known = |at: At| self.slot(at).volume.evidence.ballot >= self.etcd.ballot();
        let paired = self.etcd.state.as_ref().is_some_and(|state| state.paired);
        rules.etcd.is_some() && paired && known(At::A) && known(At::B)
    }

    /// Etcd knows less than the volumes.
    pub fn is_regressed(&self) -> bool {
        At::BOTH
            .into_iter()
            .any(|at| self.slot(at).volume.evidence.ballot > self.etcd.ballot())
    }

    pub fn regress(&mut self, rules: &Rules) {
        if let Some(snapshot) = &rules.etcd {
            self.etcd = Arc::new(snapshot.clone());
        }
    }

    /// What can no longer happen need not be remembered.
    pub fn tidy(&mut self, rules: &Rules) {
        if self.left.faults == 0 || !rules.kinds.contains(&Kind::Volume) {
            self.mail.secure();
        }
        let uncompared = rules.mutant == Some(Mutant::LateTransaction);
        for at in At::BOTH {
            let impossible = self
                .slot(at)
                .late
                .as_ref()
                .is_some_and(|late| !late.possible(&self.etcd, uncompared));
            if impossible {
                self.slot_mut(at).late = None;
            }
        }
    }
}

/// Two worlds that differ only in what their clocks show, and in how revisions are counted, are one.
impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut digest = Digest::new(self.horizon);
        self.etcd.hash(&mut digest);
        self.net.hash(&mut digest);
        self.mail.hash(&mut digest);
        self.left.hash(&mut digest);
        self.breaches.hash(&mut digest);
        for slot in &self.slots {
            let Slot {
                volume,
                guard,
                late,
                starts,
                volumes,
            } = &**slot;
            (volume, late, starts, volumes).hash(&mut digest);
            match guard {
                None => 0u8.hash(&mut digest),
                Some(guard) => {
                    digest.clock(guard.now.since_boot().as_secs());
                    guard.hash(&mut digest);
                }
            }
        }
        digest.finish_into(state);
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for at in At::BOTH {
            let slot = self.slot(at);
            write!(f, "\n    {at:?} {:?}", slot.volume.copy.volume.0)?;
            let Some(guard) = &slot.guard else {
                write!(f, " down")?;
                continue;
            };
            write!(
                f,
                ".{} {} now={} highest={} {:?} {:?}",
                slot.volume.copy.incarnation,
                guard.machine.state(),
                guard.now.since_boot().as_secs(),
                guard.machine.highest().ballot,
                guard.engine,
                guard.relay,
            )?;
            if let Some(gate) = &guard.gate {
                match gate.deadline {
                    Some(deadline) => {
                        write!(
                            f,
                            " gate({} until {})",
                            gate.ballot,
                            deadline.since_boot().as_secs()
                        )?;
                    }
                    None => write!(f, " gate(held)")?,
                }
            }
            if let Some(ballot) = &guard.incoming {
                write!(f, " incoming({ballot})")?;
            }
            for (what, is) in [
                ("paused", !guard.runs()),
                ("lagging", guard.lagging),
                ("draining", guard.draining),
                ("acquiring", guard.acquire.is_some()),
                ("committing", guard.commit.is_some()),
                ("late", slot.late.is_some()),
                ("held", slot.volume.is_held()),
            ] {
                if is {
                    write!(f, " {what}")?;
                }
            }
            if let Some(command) = &guard.command {
                write!(f, " {command:?}")?;
            }
        }
        write!(f, "\n    etcd rev={}", self.etcd.revision)?;
        if let Some(state) = &self.etcd.state {
            write!(f, " {} paired={}", state.ballot(), state.paired)?;
            if let Some(holder) = &state.holder {
                write!(f, " holder={}/{}", holder.volume.0, holder.session.0)?;
            }
            if let Some(peer) = &state.peer {
                write!(f, " peer={}.{}", peer.volume.0, peer.incarnation)?;
            }
            if let Some(unmerged) = &state.unmerged {
                write!(f, " unmerged={}", unmerged.volume.0)?;
            }
            if let Some(hand_over) = &state.hand_over {
                write!(f, " handed over to {}", hand_over.to_volume.0)?;
            }
        }
        match &self.etcd.lease {
            Some(lease) => write!(f, " lease={} for {}", lease.record.session.0, lease.left)?,
            None => write!(f, " no lease")?,
        }
        if let Some(want) = &self.etcd.want {
            write!(f, " want={:?} to {} in era {}", want.change, want.to, want.era.0)?;
        }
        write!(f, "\n    {:?} {:?} {:?}", self.net, self.mail, self.breaches)
    }
}

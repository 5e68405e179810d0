//! One site's share: a volume, and on it a guard with its gate, relay and engine.

use std::time::Duration;

use govuc_roles::{
    Ballot, Evidence, Identity, Machine, Role, Site, SlotCopy, Source, Transaction, VolumeId,
    record::{HoldRecord, Session, StateRecord},
    timing::Moment,
};

use crate::etcd::{Late, Look};

/// One of the two sites.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum At {
    A,
    B,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Slot {
    pub volume: Volume,
    /// None while the pod is down.
    pub guard: Option<Guard>,
    /// What the last process asked of etcd and nobody knows the end of.
    pub late: Option<Late>,
    /// Of guards, so that each process has a session of its own.
    pub starts: u64,
    /// So that each volume has an id of its own.
    pub volumes: u64,
}

/// What outlives the guard.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Volume {
    pub copy: SlotCopy,
    pub evidence: Evidence,
    pub hold: Option<HoldRecord>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Guard {
    pub machine: Machine,
    pub session: Session,
    /// What its clock shows.
    pub now: Moment,
    pub pause: Pause,
    /// Its clock has lost more than the margin covers since the gate was opened.
    pub lagging: bool,
    pub gate: Option<Opening>,
    pub engine: Engine,
    /// What the engine does next may take long.
    pub slow: bool,
    pub relay: Relay,
    /// The ballot under which the peer's sync is admitted.
    pub incoming: Option<Ballot>,
    pub draining: bool,
    /// What a client waits for.
    pub command: Option<Command>,
    pub acquire: Option<Acquire>,
    pub commit: Option<Transaction>,
    /// An answer of etcd or the peer that is still on its way, by when it was asked.
    pub kept: Option<Moment>,
    pub promised: Option<Moment>,
    /// The process dies as soon as it has done so many of the actions of one step.
    pub dies_after: Option<u8>,
    pub registered: bool,
    /// SIGTERM came.
    pub terminated: bool,
    /// What it has read of etcd last.
    pub look: Option<Look>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pause {
    None,
    /// The process is stopped and its clock runs (SIGSTOP, a disk that hangs).
    Stopped,
    /// The machine stands still, and its clock with it.
    Frozen,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Opening {
    /// None by a hold.
    pub deadline: Option<Moment>,
    pub ballot: Ballot,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Engine {
    /// No process, and the machine knows.
    Down,
    Starting(Role),
    Up(Role),
    /// No process is left in a moment, which the machine is then told.
    Ending,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Relay {
    /// The engine's sync is refused at once: it stores alone.
    Shut,
    /// As shut, and the peer is tried.
    Trying,
    /// What the engine stores waits for this copy of the peer.
    Holding(SlotCopy),
    /// Something has failed: the engine gets no answer.
    Failed,
}

/// A storing command: its message is on the own volume already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Command {
    pub on_peer: bool,
    pub phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The engine waits for the peer.
    Syncing,
    /// The engine has answered. `outranked`: when a later term had stored something already.
    Answered { outranked: bool },
}

/// A question for the lease.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Acquire {
    pub revision: i64,
    pub state: StateRecord,
    pub sent: Moment,
    /// Of the lease, granted with the question.
    pub left: u8,
    /// Etcd has carried it out; the answer is late.
    pub won: bool,
}

impl At {
    pub const BOTH: [At; 2] = [At::A, At::B];

    pub fn peer(self) -> At {
        match self {
            At::A => At::B,
            At::B => At::A,
        }
    }

    pub fn index(self) -> usize {
        self as usize
    }

    fn name(self) -> &'static str {
        match self {
            At::A => "a",
            At::B => "b",
        }
    }

    pub fn site(self) -> Site {
        Site::try_from(self.name().to_owned()).unwrap()
    }
}

impl Slot {
    /// A volume that was used before and knows nothing, no guard yet.
    pub fn new(at: At) -> Self {
        let mut volume = Volume::new(at, 1);
        volume.copy.incarnation = 1;
        Self {
            volume,
            guard: None,
            late: None,
            starts: 0,
            volumes: 1,
        }
    }

    /// The volume is a new one. With `same_id` it is not known from its predecessor (a mutant).
    pub fn emptied(&mut self, at: At, same_id: bool) {
        if same_id {
            self.volume.evidence = Evidence::NONE;
            return;
        }
        self.volumes += 1;
        self.volume = Volume::new(at, self.volumes);
    }

    pub fn start(&mut self, at: At, source: Source) {
        self.starts += 1;
        self.volume.copy.incarnation += 1;
        let session = Session(format!("{}{}", at.name(), self.starts));
        let identity = Identity {
            site: at.site(),
            peer: at.peer().site(),
            copy: self.volume.copy.clone(),
            session: session.clone(),
        };
        self.guard = Some(Guard::new(identity, source, &self.volume));
    }
}

impl Volume {
    fn new(at: At, number: u64) -> Self {
        Self {
            copy: SlotCopy {
                volume: VolumeId(format!("{}{number}", at.name())),
                incarnation: 0,
            },
            evidence: Evidence::NONE,
            hold: None,
        }
    }

    /// What was stored here by a person's decision may be nowhere else, and etcd does not know.
    pub fn is_held(&self) -> bool {
        self.hold.as_ref().is_some_and(|hold| hold.open)
    }
}

/// By its nanoseconds a moment is told from every other number when a state is digested.
pub const MARK: u32 = 77;

impl Guard {
    /// Any time will do: clocks of machines have nothing in common.
    const BOOTED: Moment = Moment::new(Duration::new(1000, MARK));

    fn new(identity: Identity, source: Source, volume: &Volume) -> Self {
        let session = identity.session.clone();
        let machine = Machine::new(identity, source, volume.evidence.clone(), Self::BOOTED);
        Self {
            machine: machine.with_hold(volume.hold.clone()),
            session,
            now: Self::BOOTED,
            pause: Pause::None,
            lagging: false,
            gate: None,
            engine: Engine::Down,
            slow: false,
            relay: Relay::Shut,
            incoming: None,
            draining: false,
            command: None,
            acquire: None,
            commit: None,
            kept: None,
            promised: None,
            dies_after: None,
            registered: false,
            terminated: false,
            look: None,
        }
    }

    /// R1, as the gate itself has it: the machine may have been told of nothing.
    pub fn passes(&self) -> bool {
        let open = |opening: Opening| opening.deadline.is_none_or(|deadline| self.now < deadline);
        self.pause == Pause::None && self.gate.is_some_and(open)
    }

    /// It passes by a person's decision, and not by etcd's.
    pub fn holds(&self) -> bool {
        self.gate.is_some_and(|opening| opening.deadline.is_none())
    }

    pub fn runs(&self) -> bool {
        self.pause == Pause::None
    }
}

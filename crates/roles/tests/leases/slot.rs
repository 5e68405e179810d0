//! A slot at pdsa1, in each of its states, and what etcd says to it.

use std::time::Duration;

use govuc_roles::{
    Action, Ballot, Commitment, Era, Event, Evidence, Identity, LeasePolicy, Machine, Reading, Role, Site,
    SlotCopy, Source, State, Term, Transaction, VolumeId,
    record::{HandOver, Holder, LeaseRecord, Session, StateRecord, Unmerged, Want},
    timing::{Moment, Timing},
};

/// A machine and its clock, in seconds.
pub struct Slot {
    pub machine: Machine,
    pub now: u64,
}

/// What etcd has; each test changes what it is about.
#[derive(Clone)]
pub struct Etcd {
    pub era: u64,
    pub state: Option<StateRecord>,
    pub revision: i64,
    pub lease: Option<LeaseRecord>,
    pub want: Option<Want>,
}

pub const BOOTED: u64 = 1000;
/// By then a restarted guard is quiet no more.
pub const LATER: u64 = BOOTED + 15;

pub fn at(seconds: u64) -> Moment {
    Moment::new(Duration::from_secs(seconds))
}

pub fn site(name: &str) -> Site {
    Site::try_from(name.to_owned()).unwrap()
}

pub fn me() -> Site {
    site("pdsa1")
}

pub fn peer() -> Site {
    site("pdsa2")
}

pub fn my_copy() -> SlotCopy {
    copy("mine", 3)
}

pub fn peers_copy() -> SlotCopy {
    copy("theirs", 5)
}

pub fn copy(volume: &str, incarnation: u64) -> SlotCopy {
    SlotCopy {
        volume: VolumeId(volume.to_owned()),
        incarnation,
    }
}

pub fn my_session() -> Session {
    Session("mine".to_owned())
}

fn holder(site: Site, volume: &str, session: &str) -> Holder {
    Holder {
        site,
        volume: VolumeId(volume.to_owned()),
        session: Session(session.to_owned()),
    }
}

pub fn seen(term: u64, by: Site) -> Evidence {
    Evidence {
        ballot: Ballot::new(1, term),
        holder: Some(by),
    }
}

/// Of a primary at pdsa2 that has died: term 4, this copy named.
pub fn state_of_the_peer() -> StateRecord {
    StateRecord {
        era: Era(1),
        term: Term(4),
        holder: Some(holder(peer(), "theirs", "theirs")),
        paired: true,
        peer: Some(my_copy()),
        behind: None,
        hand_over: None,
        unmerged: None,
        merged: None,
    }
}

/// What this slot acquires after that.
pub fn my_state() -> StateRecord {
    StateRecord {
        era: Era(1),
        term: Term(5),
        holder: Some(holder(me(), "mine", "mine")),
        paired: false,
        peer: None,
        behind: None,
        hand_over: None,
        unmerged: None,
        merged: None,
    }
}

pub fn my_paired_state() -> StateRecord {
    StateRecord {
        paired: true,
        peer: Some(peers_copy()),
        ..my_state()
    }
}

pub fn lease_of(site: Site, session: &str, term: u64) -> LeaseRecord {
    LeaseRecord {
        site,
        session: Session(session.to_owned()),
        era: Era(1),
        term: Term(term),
    }
}

pub fn unmerged(site: Site, volume: &str, term: u64) -> Unmerged {
    Unmerged {
        site,
        volume: VolumeId(volume.to_owned()),
        term: Term(term),
    }
}

pub fn hand_over(from: Site, from_volume: &str, to: Site, to_volume: &str) -> HandOver {
    HandOver {
        to,
        to_volume: VolumeId(to_volume.to_owned()),
        from,
        from_volume: VolumeId(from_volume.to_owned()),
        digest: "d".to_owned(),
        operation: None,
    }
}

impl Etcd {
    pub fn of_the_peer() -> Self {
        Self {
            era: 1,
            state: Some(state_of_the_peer()),
            revision: 40,
            lease: Some(lease_of(peer(), "theirs", 4)),
            want: None,
        }
    }

    /// The peer's lease has run out.
    pub fn free() -> Self {
        Self {
            lease: None,
            ..Self::of_the_peer()
        }
    }

    /// This slot is the primary.
    pub fn mine(state: StateRecord) -> Self {
        Self {
            state: Some(state),
            revision: 41,
            lease: Some(lease_of(me(), "mine", 5)),
            ..Self::of_the_peer()
        }
    }

    pub fn with(mut self, change: impl FnOnce(&mut StateRecord)) -> Self {
        change(self.state.as_mut().unwrap());
        self
    }

    pub fn wants(mut self, want: Want) -> Self {
        self.era = self.era.max(want.era.0);
        self.want = Some(want);
        self
    }
}

impl Slot {
    pub fn new(highest: Evidence, max_behind: u64) -> Self {
        let identity = Identity {
            site: me(),
            peer: peer(),
            copy: my_copy(),
            session: my_session(),
        };
        let policy = LeasePolicy {
            timing: Timing::PROTOCOL,
            preferred: true,
            max_behind: Duration::from_secs(max_behind),
        };
        Self {
            machine: Machine::new(identity, Source::Lease(policy), highest, at(BOOTED)),
            now: BOOTED,
        }
    }

    pub fn tell(&mut self, event: Event) -> Vec<Action> {
        self.machine.step(at(self.now), event)
    }

    /// Etcd is read, now.
    pub fn read(&mut self, etcd: &Etcd) -> Vec<Action> {
        let sent = at(self.now);
        self.tell(Event::Read(Reading {
            sent,
            era: Era(etcd.era),
            state: etcd.state.clone(),
            revision: etcd.revision,
            lease: etcd.lease.clone(),
            want: etcd.want.clone(),
        }))
    }

    pub fn look_at(&mut self, now: u64) -> Vec<Action> {
        self.now = now;
        self.tell(Event::Tick)
    }

    /// Kept alive until then, by etcd that answers.
    pub fn kept_until(mut self, now: u64) -> Self {
        self.now = now;
        let sent = at(now);
        self.tell(Event::Kept { sent });
        self
    }

    #[track_caller]
    pub fn expect(mut self, event: Event, actions: &[Action], state: State) -> Self {
        assert_eq!(self.tell(event), actions);
        assert_eq!(*self.machine.state(), state);
        self
    }

    #[track_caller]
    pub fn expect_read(mut self, etcd: &Etcd, actions: &[Action], state: State) -> Self {
        assert_eq!(self.read(etcd), actions);
        assert_eq!(*self.machine.state(), state);
        self
    }

    #[track_caller]
    pub fn expect_at(mut self, now: u64, actions: &[Action], state: State) -> Self {
        assert_eq!(self.look_at(now), actions);
        assert_eq!(*self.machine.state(), state);
        self
    }
}

/// The peer holds the store, and everything is quiet.
pub fn follower() -> Slot {
    follower_near(0)
}

pub fn follower_near(max_behind: u64) -> Slot {
    let mut slot = Slot::new(seen(4, peer()), max_behind);
    slot.read(&Etcd::of_the_peer());
    slot.tell(Event::Registered);
    slot.tell(Event::EngineUp(Role::Follower));
    slot.now = LATER;
    slot
}

pub fn candidate() -> Slot {
    let mut slot = follower();
    slot.read(&Etcd::free());
    assert_eq!(*slot.machine.state(), State::Candidate);
    slot
}

/// Its lease was asked for at `LATER`, as everything in these states has happened.
pub fn promoting() -> Slot {
    let mut slot = candidate();
    slot.tell(Event::Acquired { sent: at(LATER) });
    slot.tell(Event::EngineDown);
    assert_eq!(*slot.machine.state(), State::Promoting);
    slot
}

pub fn alone() -> Slot {
    let mut slot = promoting();
    slot.tell(Event::EngineUp(Role::Primary));
    assert_eq!(*slot.machine.state(), State::Alone);
    slot
}

pub fn pairing() -> Slot {
    let mut slot = alone();
    slot.tell(Event::Synced(peers_copy()));
    assert_eq!(*slot.machine.state(), State::Pairing(peers_copy()));
    slot
}

pub fn paired() -> Slot {
    let mut slot = pairing();
    slot.tell(Event::Committed(Commitment::Done));
    slot.read(&Etcd::mine(my_paired_state()));
    assert_eq!(*slot.machine.state(), State::Paired(peers_copy()));
    slot
}

pub fn withholding() -> Slot {
    let mut slot = paired();
    slot.tell(Event::SyncFailed);
    assert_eq!(*slot.machine.state(), State::Withholding);
    slot
}

pub fn commit(state: StateRecord) -> Action {
    Action::Commit(Transaction {
        state,
        hand_over: false,
        outcome: None,
    })
}

pub fn fence() -> Vec<Action> {
    vec![Action::ShutGate, Action::CloseRelay, Action::StopEngine]
}

/// With what was seen made durable in between.
pub fn fence_for(evidence: Evidence) -> Vec<Action> {
    vec![
        Action::ShutGate,
        Action::CloseRelay,
        Action::Record(evidence),
        Action::StopEngine,
    ]
}

//! What goes into the machine and what comes out.

use std::{fmt, time::Duration};

use crate::{
    Assignment, Ballot, Era, Evidence, Site, SlotCopy, Stale, VolumeId,
    record::{
        HandOver, HoldRecord, LeaseRecord, Merged, OperationId, OutcomeRecord, Session, StateRecord,
        Unmerged, Want,
    },
    timing::{Moment, Timing},
};

/// Which slot a machine is of, and which process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    pub site: Site,
    pub peer: Site,
    pub copy: SlotCopy,
    pub session: Session,
}

/// Where the role comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::large_enum_variant)] // A guard has one.
pub enum Source {
    /// Two sites without a witness: a static assignment that only people change.
    Assignment,
    /// A lease in the roles' etcd.
    Lease(LeasePolicy),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeasePolicy {
    pub timing: Timing,
    /// Whether this site takes a store that nobody has ever held.
    pub preferred: bool,
    /// The longest a follower may be behind and still take over by itself; zero: only one that is in step does.
    pub max_behind: Duration,
}

/// What an engine is configured as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Takes clients, and syncs to the peer.
    Primary,
    /// Takes only sync.
    Follower,
    /// Takes nothing, forgets nothing, and is read.
    Quarantined,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// No role read yet, no engine.
    Boot,
    /// Takes only sync.
    Follower,
    /// Asks etcd for the lease.
    Candidate,
    /// The role is taken durably; the engine is on its way up.
    Promoting,
    /// Serves; the peer may lack something, and that is recorded.
    Alone,
    /// Serves; this copy of the peer has all that is stored, which is being recorded.
    Pairing(SlotCopy),
    /// Serves; this copy of the peer has all that is stored, and that is recorded.
    Paired(SlotCopy),
    /// The relay has failed: the engine is kept waiting until it is recorded that the peer may lack something.
    Withholding,
    /// Takes no new commands: a planned hand-over to this copy of the peer is under way.
    Draining(SlotCopy),
    /// The hand-over is being recorded; nothing passes any more.
    Demoting,
    /// Serves no more; the engine is on its way down.
    Fenced,
    /// Serves without etcd, by a person's decision.
    Held,
    /// This copy may hold stored mail that the primary lacks: it is left as it is, and read by the primary, until it is
    /// merged.
    Quarantine,
}

/// What etcd says of a store, read in one piece.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reading {
    /// When the question was sent: the answer is no older.
    pub sent: Moment,
    pub era: Era,
    pub state: Option<StateRecord>,
    /// The state's modification revision, 0 while there is none.
    pub revision: i64,
    pub lease: Option<LeaseRecord>,
    pub want: Option<Want>,
}

/// What happened, as the guard saw it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::large_enum_variant)] // A few a second, each moved once or twice.
pub enum Event {
    /// Time has passed.
    Tick,
    /// The static assignment says who holds the store.
    Assigned(Assignment),
    /// Etcd says who holds the store.
    Read(Reading),
    /// Etcd knows this copy as the slot's latest (R7). Without that a slot acquires nothing.
    Registered,
    /// The lease that was asked for is this process's; the question was sent at `sent`.
    Acquired { sent: Moment },
    /// The lease that was asked for is not this process's, and will not become so.
    NotAcquired,
    /// The lease was kept alive, by this guard or by the peer for it; the attempt was sent at `sent`.
    Kept { sent: Moment },
    /// Etcd knows the lease no more. Who hears of that reads etcd again, and tells what it says before this: it may have
    /// forgotten more than the lease.
    LeaseLost,
    /// How the last `Commit` ended. Follows each once, also when the lease was lost meanwhile.
    Committed(Commitment),
    /// The peer, without etcd itself, acquires nothing for a TTL; the question was sent at `sent` (R5).
    Promised { sent: Moment },
    /// The peer's guard, authenticated, holds this ballot and hears nothing of etcd.
    Asked(Ballot),
    /// As `Asked`, after the lease could not be kept alive in the peer's stead.
    AskedInVain(Ballot),
    /// The peer's guard, authenticated, offers to sync as this ballot's holder.
    Offered { ballot: Ballot, peer: Site },
    /// The peer's guard, authenticated, holds this ballot and wants to read what it says that it has passed over.
    MergeOffered {
        ballot: Ballot,
        peer: Site,
        passed_over: VolumeId,
    },
    /// The primary has all that this copy had, which was seen to be so.
    Merged(Merged),
    /// The peer's guard, authenticated, has seen this ballot.
    Seen(Ballot),
    /// The engine greets on loopback.
    EngineUp(Role),
    /// No process of the engine is left.
    EngineDown,
    /// A relay was accepted by this copy of the peer.
    Relayed(SlotCopy),
    /// A full sync to this copy ended well, and no relay has failed since it began.
    Synced(SlotCopy),
    /// A relay failed: cut, late, closed, refused.
    SyncFailed,
    /// Nothing is under way any more, a last full sync has ended well, and the digests of both copies are equal.
    Drained { digest: String },
    /// The hand-over can't be completed; the reason is for people.
    DrainFailed { reason: String },
    /// A person at this site has decided that this slot serves without etcd.
    HoldAsked(OperationId),
    /// That was not begun in time, or is taken back.
    HoldLapsed(OperationId),
    /// SIGTERM.
    Terminate,
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Commitment {
    Done,
    /// The state or the lease is no longer this process's.
    Superseded,
    /// No answer: it may have been carried out, and it may be later, but not after another one has been.
    Unknown,
}

/// What the guard does, in the order given, each to its end before the next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// From now on no byte passes; carried connections are cut.
    ShutGate,
    /// Until `deadline` bytes pass; without one, until the gate is shut.
    OpenGate { deadline: Option<Moment> },
    /// The gate, open, stays so until then.
    Extend { deadline: Moment },
    /// Make durable: write, fsync, rename, fsync of the folder. If it fails, the guard ends.
    Record(Evidence),
    /// Make durable, likewise.
    RecordHold(HoldRecord),
    /// Begin to start the engine; `EngineUp` or `EngineDown` follows.
    StartEngine(Role),
    /// Begin to stop the engine; `EngineDown` follows, unless it is on its way already.
    StopEngine,
    /// Close the sync connections the peer opened.
    CloseIncoming,
    /// Close the sync connections to the peer, and refuse new ones.
    CloseRelay,
    /// Try to bring the peer in step, again and again, until `Synced` or `CloseRelay`. With a lease, what fails after
    /// `Synced` leaves the engine without an answer until `CloseRelay` (R2).
    Pair,
    /// Try to bring what only this copy has over from the peer's site, again and again, until `Merged` or `CloseRelay`.
    Merge(Unmerged),
    /// Forget all that this copy has, durably, and end the process: the next one has another volume, an empty one (R7).
    Discard,
    /// Take the offered connection.
    Admit,
    /// Refuse the offered connection.
    Refuse(Refusal),
    /// Say that the source of the role is behind what this volume has seen.
    Distrust(Stale),
    /// Begin to ask etcd for the lease; `Acquired` or `NotAcquired` follows. Also ordered by who holds the store and whose
    /// lease has run out in a silent etcd: `state` is then what etcd has.
    Acquire {
        /// The state's revision that it is asked for on.
        revision: i64,
        state: StateRecord,
    },
    /// Begin to raise the era in etcd to this one, if it is the one below, and to want the store to be forced to this site in
    /// it, if nobody wants anything. What is read next says whether it was.
    Insist { era: Era, operation: OperationId },
    /// Begin to keep the lease alive; `Kept`, `LeaseLost` or nothing follows.
    KeepAlive,
    /// Begin a transaction on the state; `Committed` follows.
    Commit(Transaction),
    /// Give the lease back, if etcd answers.
    Release,
    /// Begin to ask the peer to acquire nothing for a TTL; `Promised`, `Kept` or nothing follows.
    AskPeer,
    /// Answer the peer's question.
    AnswerPeer(PeerAnswer),
    /// Pass no more of what clients say, wait until nothing is under way, sync for the last time, compare;
    /// `Drained` or `DrainFailed` follows.
    Drain,
    /// Give the hand-over up: what clients say passes again.
    Resume,
    /// End the process.
    Exit,
}

/// One transaction of a holder: it compares that state and lease are still this process's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Transaction {
    pub state: StateRecord,
    /// Delete the lease's key with it.
    pub hand_over: bool,
    /// Answer the `want` with it, and delete that.
    pub outcome: Option<OutcomeRecord>,
}

/// What a follower says to a primary that hears nothing of etcd (R5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeerAnswer {
    /// This slot hears nothing of etcd either; it acquires nothing for a TTL.
    Promise,
    /// This slot hears etcd: it keeps the peer's lease alive in its stead.
    KeepAlive,
    /// This slot is not the follower of that ballot.
    Decline,
}

/// Why an offer to sync is refused (R3).
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    #[error("this slot is {0}, and only a follower takes sync")]
    NotFollower(State),
    #[error(transparent)]
    Stale(#[from] Stale),
    /// A full sync would make this copy the same as the other, and what only it has would be lost.
    #[error("this slot has not read of {0} in etcd, which says whether its copy was passed over")]
    Unread(Ballot),
    #[error("this slot was held by a person, and etcd does not know of it yet")]
    Held,
    #[error("this slot is {0}, and what was passed over is read in Quarantine only")]
    NotQuarantined(State),
    #[error("etcd does not say that this copy was passed over by who asks")]
    NotPassedOver,
}

/// A planned hand-over under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Leaving {
    /// When it is given up.
    pub until: Moment,
    /// Absent when the guard was told to end.
    pub operation: Option<OperationId>,
    /// Once both copies were found equal.
    pub receipt: Option<HandOver>,
}

impl State {
    /// R1: bytes pass in these states only.
    pub fn serves(&self) -> bool {
        match self {
            State::Alone
            | State::Pairing(_)
            | State::Paired(_)
            | State::Withholding
            | State::Draining(_)
            | State::Held => true,
            State::Boot
            | State::Follower
            | State::Candidate
            | State::Promoting
            | State::Demoting
            | State::Fenced
            | State::Quarantine => false,
        }
    }

    /// The copy of the peer that has all that is stored.
    pub fn in_step(&self) -> Option<&SlotCopy> {
        match self {
            State::Pairing(copy) | State::Paired(copy) | State::Draining(copy) => Some(copy),
            _ => None,
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            State::Boot => "Boot",
            State::Follower => "Follower",
            State::Candidate => "Candidate",
            State::Promoting => "Promoting",
            State::Alone => "Alone",
            State::Pairing(_) => "Pairing",
            State::Paired(_) => "Paired",
            State::Withholding => "Withholding",
            State::Draining(_) => "Draining",
            State::Demoting => "Demoting",
            State::Fenced => "Fenced",
            State::Held => "Held",
            State::Quarantine => "Quarantine",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

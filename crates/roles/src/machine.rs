//! The states of one guard, and what it does on each event.

use std::fmt;

use crate::{Assignment, Ballot, Evidence, Site, SlotCopy, Stale};

/// What an engine is configured as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Takes clients, and syncs to the peer.
    Primary,
    /// Takes only sync.
    Follower,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// No role read yet, no engine.
    Boot,
    /// Takes only sync.
    Follower,
    /// The role is taken durably; the engine is on its way up.
    Promoting,
    /// Serves; the peer may lack something.
    Alone,
    /// Serves; this copy of the peer has all that is stored.
    Paired(SlotCopy),
    /// Serves no more; the engine is on its way down.
    Fenced,
}

/// What happened, as the guard saw it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// The source of the role says who holds the store.
    Assigned(Assignment),
    /// The peer's guard, authenticated, offers to sync as this ballot's holder.
    Offered { ballot: Ballot, peer: Site },
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
    /// SIGTERM.
    Terminate,
}

/// What the guard does, in the order given, each to its end before the next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// From now on no byte passes; carried connections are cut.
    ShutGate,
    OpenGate,
    /// Make durable: write, fsync, rename, fsync of the folder. If it fails, the guard ends.
    Record(Evidence),
    /// Begin to start the engine; `EngineUp` or `EngineDown` follows.
    StartEngine(Role),
    /// Begin to stop the engine; `EngineDown` follows, unless it is on its way already.
    StopEngine,
    /// Close the sync connections the peer opened.
    CloseIncoming,
    /// Close the sync connections to the peer, and refuse new ones.
    CloseRelay,
    /// Try to bring the peer in step, again and again, until `Synced` or `CloseRelay`.
    Pair,
    /// Take the offered sync connection.
    Admit,
    /// Refuse the offered sync connection.
    Refuse(Refusal),
    /// Say that the source of the role is behind what this volume has seen.
    Distrust(Stale),
    /// End the process.
    Exit,
}

/// Why an offer to sync is refused (R3).
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    #[error("this slot is {0}, and only a follower takes sync")]
    NotFollower(State),
    #[error(transparent)]
    Stale(#[from] Stale),
}

/// The role of one slot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Machine {
    me: Site,
    state: State,
    /// The highest evidence, as it is on the volume once the actions of the last step are done.
    highest: Evidence,
    /// The last assignment that was honoured. Not durable: a role is given to this process, not to the volume (R7).
    assigned: Option<Assignment>,
    terminating: bool,
}

impl State {
    /// R1: bytes pass in these states only.
    pub fn serves(&self) -> bool {
        matches!(self, State::Alone | State::Paired(_))
    }

    pub fn name(&self) -> &'static str {
        match self {
            State::Boot => "Boot",
            State::Follower => "Follower",
            State::Promoting => "Promoting",
            State::Alone => "Alone",
            State::Paired(_) => "Paired",
            State::Fenced => "Fenced",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Machine {
    /// The slot of `me` at the start of its guard, with what its volume knows.
    pub fn new(me: Site, highest: Evidence) -> Self {
        Self {
            me,
            state: State::Boot,
            highest,
            assigned: None,
            terminating: false,
        }
    }

    pub fn state(&self) -> &State {
        &self.state
    }

    pub fn highest(&self) -> &Evidence {
        &self.highest
    }

    /// What this slot should be: primary only by an assignment that nothing seen outranks.
    pub fn role(&self) -> Role {
        match &self.assigned {
            Some(given) if given.primary == self.me && given.ballot == self.highest.ballot => Role::Primary,
            _ => Role::Follower,
        }
    }

    /// Takes one event.
    pub fn step(&mut self, event: Event) -> Vec<Action> {
        match event {
            Event::Assigned(assignment) => self.assigned(assignment),
            Event::Offered { ballot, peer } => self.offered(ballot, &peer),
            Event::Seen(ballot) if ballot > self.highest.ballot => {
                self.superseded(Evidence { ballot, holder: None })
            }
            Event::Seen(_) => Vec::new(),
            Event::EngineUp(role) => self.engine_up(role),
            Event::EngineDown => self.engine_down(),
            Event::Relayed(copy) => match &self.state {
                State::Paired(paired) if *paired != copy => self.unpaired(),
                _ => Vec::new(),
            },
            Event::Synced(copy) => {
                if self.state == State::Alone {
                    self.state = State::Paired(copy);
                }
                Vec::new()
            }
            Event::SyncFailed => match self.state {
                State::Paired(_) => self.unpaired(),
                _ => Vec::new(),
            },
            Event::Terminate => self.terminate(),
        }
    }

    fn assigned(&mut self, assignment: Assignment) -> Vec<Action> {
        let more = match self.highest.admit(assignment.ballot, &assignment.primary) {
            Ok(more) => more,
            Err(stale) => {
                let mut actions = vec![Action::Distrust(stale)];
                if self.state == State::Boot {
                    actions.extend(self.settle());
                }
                return actions;
            }
        };
        self.assigned = Some(assignment);
        match more {
            Some(evidence) => self.superseded(evidence),
            None => match self.state {
                State::Boot => self.settle(),
                // Nothing to close: this slot's own ballot was never admitted from the peer.
                State::Follower => self.promote().into_iter().collect(),
                _ => Vec::new(),
            },
        }
    }

    /// Something higher was seen: whatever the state, nothing more passes under the old ballot (R6).
    fn superseded(&mut self, evidence: Evidence) -> Vec<Action> {
        self.highest = evidence.clone();
        let record = Action::Record(evidence);
        match self.state {
            State::Boot if self.assigned.is_none() => vec![record],
            State::Boot => {
                let mut actions = vec![record];
                actions.extend(self.settle());
                actions
            }
            // Connections admitted under the old ballot end before the new one is durable (R3).
            State::Follower => {
                let mut actions = vec![Action::CloseIncoming, record];
                actions.extend(self.promote());
                actions
            }
            State::Promoting | State::Alone | State::Paired(_) => self.fence(Some(record)),
            State::Fenced => vec![record],
        }
    }

    /// The follower's engine goes first; its `EngineDown` starts the primary's.
    fn promote(&mut self) -> Option<Action> {
        (self.role() == Role::Primary).then(|| {
            self.state = State::Promoting;
            Action::StopEngine
        })
    }

    /// No engine is there: starts the one of the role.
    fn settle(&mut self) -> Vec<Action> {
        if self.terminating {
            return vec![Action::Exit];
        }
        let role = self.role();
        self.state = match role {
            Role::Primary => State::Promoting,
            Role::Follower => State::Follower,
        };
        vec![Action::StartEngine(role)]
    }

    /// Serves no more, and lets the engine go.
    fn fence(&mut self, record: Option<Action>) -> Vec<Action> {
        self.state = State::Fenced;
        let mut actions = vec![Action::ShutGate, Action::CloseRelay];
        actions.extend(record);
        actions.push(Action::StopEngine);
        actions
    }

    /// The follower may lack something from now on; goes on alone, and tries to pair.
    fn unpaired(&mut self) -> Vec<Action> {
        self.state = State::Alone;
        vec![Action::CloseRelay, Action::Pair]
    }

    fn offered(&mut self, ballot: Ballot, peer: &Site) -> Vec<Action> {
        if self.state != State::Follower {
            let refuse = Action::Refuse(Refusal::NotFollower(self.state.clone()));
            let mut actions = match self.highest.admit(ballot, peer) {
                Ok(Some(more)) if more.ballot > self.highest.ballot => self.superseded(more),
                _ => Vec::new(),
            };
            actions.push(refuse);
            return actions;
        }
        match self.highest.admit(ballot, peer) {
            Ok(None) => vec![Action::Admit],
            Ok(Some(more)) => {
                let mut actions = self.superseded(more);
                actions.push(Action::Admit);
                actions
            }
            Err(stale) => vec![Action::Refuse(stale.into())],
        }
    }

    fn engine_up(&mut self, role: Role) -> Vec<Action> {
        // In Promoting an EngineUp of the follower's engine can still be on its way; it is not what was waited for.
        if self.state != State::Promoting || role != Role::Primary {
            return Vec::new();
        }
        self.state = State::Alone;
        vec![Action::OpenGate, Action::Pair]
    }

    fn engine_down(&mut self) -> Vec<Action> {
        match self.state {
            State::Boot => Vec::new(),
            State::Follower | State::Promoting => vec![Action::StartEngine(self.role())],
            State::Alone | State::Paired(_) => {
                self.state = State::Promoting;
                vec![
                    Action::ShutGate,
                    Action::CloseRelay,
                    Action::StartEngine(Role::Primary),
                ]
            }
            State::Fenced => self.settle(),
        }
    }

    fn terminate(&mut self) -> Vec<Action> {
        self.terminating = true;
        match self.state {
            State::Boot => vec![Action::Exit],
            State::Follower => {
                self.state = State::Fenced;
                vec![Action::CloseIncoming, Action::StopEngine]
            }
            State::Promoting | State::Alone | State::Paired(_) => self.fence(None),
            State::Fenced => Vec::new(),
        }
    }
}

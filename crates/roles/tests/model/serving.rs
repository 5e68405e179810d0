//! What clients, engines and the relay between two engines do.

use govuc_roles::{
    Ballot, Event, Role, SlotCopy,
    record::{MergeCounts, Merged},
};

use crate::{
    mail::Whereabouts,
    mutants::Mutant,
    properties::Breach,
    slot::{At, Command, Engine, Phase, Relay},
    turn::Turn,
};

impl Turn<'_> {
    /// A client's command that stores something.
    pub fn begin(&mut self, at: At) {
        let Some(guard) = self.world.guard_mut(at) else {
            return;
        };
        let waits = matches!(guard.relay, Relay::Holding(_) | Relay::Failed);
        guard.command = Some(Command {
            on_peer: false,
            phase: Phase::Syncing,
        });
        if !waits {
            self.answer(at, false);
        }
    }

    /// What the client's command has stored comes to the peer, and is confirmed; or something else is taken for that.
    pub fn deliver(&mut self, at: At) {
        let reached = !self.is(Mutant::FailureIgnored) || self.world.carries(at);
        self.answer(at, reached);
    }

    /// The engine's answer comes to the gate, and passes or not.
    pub fn release(&mut self, at: At) {
        let Some(guard) = self.world.guard_mut(at) else {
            return;
        };
        let (passes, lagging, command, gate) =
            (guard.passes(), guard.lagging, guard.command.take(), guard.gate);
        let (Some(command), Some(gate), true) = (command, gate, passes) else {
            return;
        };
        if gate.deadline.is_some() {
            self.check_answer(at, command, gate.ballot, lagging);
        }
        let whereabouts = if command.on_peer {
            Whereabouts::Both
        } else {
            Whereabouts::Only(at)
        };
        self.world.mail.stored(gate.ballot, whereabouts);
        if gate.deadline.is_none() {
            self.world.mail.stored_in_hold(at);
        }
    }

    /// (1) and (4), when a client is told that something is stored.
    fn check_answer(&mut self, at: At, command: Command, ballot: Ballot, lagging: bool) {
        let Phase::Answered { outranked } = command.phase else {
            unreachable!("only what the engine answered comes to the gate");
        };
        let state = self.world.etcd.state.as_ref();
        let volume = &self.world.slot(at).volume.copy.volume;
        let given_up =
            state.is_some_and(|state| state.unmerged.as_ref().is_some_and(|it| it.volume == *volume));
        // A clock that stood still can't know that the lease has ended. What the peer had confirmed before is not new.
        let excused = lagging && (!outranked || given_up);
        if self.world.mail.newest_answer > ballot && !excused {
            self.world.breaches.add(Breach::Overlap);
        }
        let peer = self.world.slot(at.peer());
        let named = peer.guard.as_ref().is_some_and(|guard| guard.registered)
            && self.world.etcd.named() == Some(&peer.volume.copy);
        if !command.on_peer && named && state.is_some_and(|state| state.ballot() == ballot) {
            self.world.breaches.add(Breach::NotRecorded);
        }
    }

    pub fn relay_fails(&mut self, at: At) {
        if let Some(guard) = self.world.guard_mut(at) {
            guard.relay = Relay::Failed;
        }
        if self.is(Mutant::RecordAfterRelease) {
            self.close_relay(at, Relay::Failed);
        }
        self.tell(at, Event::SyncFailed);
    }

    /// The guard reaches its peer, offers to sync, and syncs all if it may.
    pub fn connect(&mut self, at: At) {
        let Some(guard) = self.world.guard(at) else { return };
        let offer = Event::Offered {
            ballot: guard.machine.highest().ballot,
            peer: at.site(),
        };
        let ballot = guard.machine.highest().ballot;
        if self.merge(at, ballot) {
            return;
        }
        let replies = self.step(at.peer(), offer);
        let copy = self.world.slot(at.peer()).volume.copy.clone();
        let Some(peer) = self.world.guard_mut(at.peer()) else {
            return;
        };
        if !replies.admitted {
            let seen = peer.machine.highest().ballot;
            return self.tell(at, Event::Seen(seen));
        }
        if peer.engine == Engine::Up(Role::Follower) {
            peer.incoming = Some(ballot);
            self.check_overwritten(at.peer());
            self.synced(at, copy);
        }
    }

    /// (8) A full sync makes a copy the same as the other.
    fn check_overwritten(&mut self, at: At) {
        if self.world.mail.held_at(at) {
            self.world.breaches.add(Breach::Discarded);
        }
    }

    /// Whether the copy that this slot has passed over was read, and all that only it had is here.
    fn merge(&mut self, at: At, ballot: Ballot) -> bool {
        let passed_over = self.world.guard(at).and_then(|guard| guard.machine.passed_over());
        let Some(passed_over) = passed_over.cloned() else {
            return false;
        };
        let offer = Event::MergeOffered {
            ballot,
            peer: at.site(),
            passed_over: passed_over.volume.clone(),
        };
        let admitted = self.step(at.peer(), offer).admitted;
        let peer = self.world.guard(at.peer());
        if !admitted || peer.is_none_or(|peer| peer.engine != Engine::Up(Role::Quarantined)) {
            return false;
        }
        if !self.is(Mutant::MergeSkipped) {
            self.world.mail.synced(at.peer());
        }
        let merged = Merged {
            site: passed_over.site,
            volume: passed_over.volume,
            counts: MergeCounts::default(),
        };
        self.tell(at, Event::Merged(merged));
        true
    }

    fn synced(&mut self, at: At, copy: SlotCopy) {
        if !self.is(Mutant::SyncSkipped) {
            self.world.mail.synced(at);
        }
        let Some(guard) = self.world.guard_mut(at) else {
            return;
        };
        guard.relay = Relay::Holding(copy.clone());
        // What was answered meanwhile came by the engine's own sync.
        if let Some(command) = &mut guard.command {
            command.on_peer = true;
        }
        self.tell(at, Event::Relayed(copy.clone()));
        self.tell(at, Event::Synced(copy));
    }

    /// The engine learns that its sync has failed, and answers.
    pub(crate) fn close_relay(&mut self, at: At, to: Relay) {
        if let Some(guard) = self.world.guard_mut(at) {
            guard.relay = to;
            if guard
                .command
                .is_some_and(|command| command.phase == Phase::Syncing)
            {
                self.answer(at, false);
            }
        }
        if let Some(peer) = self.world.guard_mut(at.peer()) {
            peer.incoming = None;
        }
    }

    /// The engine has answered; the answer is before the gate.
    fn answer(&mut self, at: At, on_peer: bool) {
        let newest = self.world.mail.newest_answer;
        let Some(guard) = self.world.guard_mut(at) else {
            return;
        };
        let Some(gate) = guard.gate else { return };
        if let Some(command) = &mut guard.command {
            command.on_peer |= on_peer;
            command.phase = Phase::Answered {
                outranked: newest > gate.ballot,
            };
        }
    }

    /// What the engine was asked for has come.
    pub fn engine(&mut self, at: At) {
        let Some(guard) = self.world.guard_mut(at) else {
            return;
        };
        guard.slow = false;
        let event = match guard.engine {
            Engine::Starting(role) => {
                guard.engine = Engine::Up(role);
                Event::EngineUp(role)
            }
            _ => {
                guard.engine = Engine::Down;
                guard.command = None;
                Event::EngineDown
            }
        };
        self.tell(at, event);
    }
}

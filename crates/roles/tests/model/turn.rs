//! A guard's turn: an event in, the machine under test, its actions carried out in order.

use govuc_roles::{Action, Event, PeerAnswer, Role, State, record::LeaseRecord};

use crate::{
    etcd::{Late, Lease},
    faults::Rules,
    mutants::Mutant,
    properties::Breach,
    slot::{Acquire, At, Engine, Opening, Relay},
    world::World,
};

/// A world on its way to the next one.
pub struct Turn<'a> {
    pub rules: &'a Rules,
    pub world: &'a mut World,
}

/// What a step says to the peer.
#[derive(Default)]
pub struct Replies {
    pub admitted: bool,
    pub peer: Option<PeerAnswer>,
    /// It wants to keep its lease, and to ask its peer.
    pub keeps: bool,
    pub asks: bool,
}

impl Turn<'_> {
    pub fn is(&self, mutant: Mutant) -> bool {
        self.rules.mutant == Some(mutant)
    }

    /// Tells the machine at `at`, and does what it says.
    pub fn tell(&mut self, at: At, event: Event) {
        self.step(at, event);
    }

    pub fn step(&mut self, at: At, event: Event) -> Replies {
        let mut replies = Replies::default();
        let Some(guard) = self.world.guard_mut(at) else {
            return replies;
        };
        let was_draining = matches!(guard.machine.state(), State::Draining(_));
        let actions = guard.machine.step(guard.now, event);
        let dies_after = guard.dies_after;
        for (done, action) in (0u8..).zip(actions) {
            if dies_after == Some(done) {
                self.die(at);
                return replies;
            }
            self.carry_out(at, action, &mut replies);
        }
        if was_draining {
            self.check_given_up(at);
        }
        replies
    }

    /// (6) A hand-over that is given up leaves everything as it was.
    fn check_given_up(&mut self, at: At) {
        let Some(guard) = self.world.guard(at) else { return };
        let as_it_was = match guard.machine.state() {
            State::Paired(copy) => {
                guard.gate.is_some() && !guard.draining && guard.relay == Relay::Holding(copy.clone())
            }
            State::Withholding | State::Alone => guard.gate.is_some() && !guard.draining,
            _ => true,
        };
        if !as_it_was {
            self.world.breaches.add(Breach::NotAsItWas);
        }
    }

    fn carry_out(&mut self, at: At, action: Action, replies: &mut Replies) {
        let durable = self.is_durable(at);
        let forgets = self.is(Mutant::HoldForgotten);
        let Some(guard) = self.world.guard_mut(at) else {
            return;
        };
        match action {
            Action::ShutGate => {
                guard.gate = None;
                guard.lagging = false;
                guard.command = None;
                // Nobody is left who could be told.
                guard.draining = false;
            }
            Action::OpenGate { deadline } => {
                let ballot = guard.machine.highest().ballot;
                let engine = guard.engine;
                guard.gate = Some(Opening { deadline, ballot });
                let mail = &mut self.world.mail;
                if deadline.is_some() {
                    mail.newest_gate = mail.newest_gate.max(ballot);
                }
                if !durable {
                    self.world.breaches.add(Breach::NotDurable);
                }
                // One that has just ended is not known to have.
                if !matches!(engine, Engine::Up(Role::Primary) | Engine::Ending) {
                    self.world.breaches.add(Breach::NoEngine);
                }
            }
            Action::Extend { deadline } => {
                if let Some(opening) = &mut guard.gate {
                    opening.deadline = Some(deadline);
                }
            }
            Action::Record(evidence) => self.world.slot_mut(at).volume.evidence = evidence,
            Action::RecordHold(hold) => {
                if !forgets {
                    self.world.slot_mut(at).volume.hold = Some(hold);
                }
            }
            Action::Insist { era, .. } => {
                if self.world.reaches_etcd(at) {
                    self.world.etcd_mut().insist(era, at);
                }
            }
            Action::StartEngine(role) => {
                let beside = guard.engine != Engine::Down;
                guard.engine = Engine::Starting(role);
                if beside {
                    self.world.breaches.add(Breach::TwoEngines);
                }
                if !durable {
                    self.world.breaches.add(Breach::NotDurable);
                }
            }
            Action::StopEngine => match guard.engine {
                Engine::Down => self.world.breaches.add(Breach::NoEngine),
                _ => guard.engine = Engine::Ending,
            },
            Action::CloseIncoming => guard.incoming = None,
            Action::CloseRelay => self.close_relay(at, Relay::Shut),
            Action::Pair => guard.relay = Relay::Trying,
            // Whoever is Trying does.
            Action::Merge(_) => {}
            Action::Discard => self.discard(at),
            Action::Admit => {
                replies.admitted = true;
                if !durable {
                    self.world.breaches.add(Breach::NotDurable);
                }
            }
            Action::Refuse(_) | Action::Distrust(_) => {}
            Action::Acquire { revision, state } => {
                guard.acquire = Some(Acquire {
                    revision,
                    state,
                    sent: guard.now,
                    left: self.rules.ttl(),
                    won: false,
                });
            }
            Action::KeepAlive => replies.keeps = true,
            Action::Commit(transaction) => {
                if guard.commit.replace(transaction).is_some() {
                    self.world.breaches.add(Breach::TwoTransactions);
                }
            }
            Action::Release => {
                let session = guard.session.clone();
                if self.world.reaches_etcd(at) && self.world.etcd.leased_to(&session) {
                    self.world.etcd_mut().lease = None;
                }
            }
            Action::AskPeer => replies.asks = true,
            Action::AnswerPeer(answer) => {
                replies.peer = Some(answer);
                if answer == PeerAnswer::Promise && !durable {
                    self.world.breaches.add(Breach::NotDurable);
                }
            }
            Action::Drain => guard.draining = true,
            Action::Resume => guard.draining = false,
            Action::Exit => self.exit(at),
        }
    }

    /// (8) The copy is emptied, and known to have been.
    fn discard(&mut self, at: At) {
        if self.world.mail.only_at(at) {
            self.world.breaches.add(Breach::Discarded);
        }
        let slot = self.world.slot_mut(at);
        let evidence = slot.volume.evidence.clone();
        slot.emptied(at, false);
        slot.volume.evidence = evidence;
        self.world.volume_gone(at);
        self.exit(at);
    }

    /// (5) What the machine knows is on its disk.
    fn is_durable(&self, at: At) -> bool {
        let slot = self.world.slot(at);
        slot.guard.as_ref().is_none_or(|guard| {
            slot.volume.evidence == *guard.machine.highest()
                && slot.volume.hold.as_ref() == guard.machine.hold()
        })
    }

    /// The process has ended, and what it carried with it.
    pub fn exit(&mut self, at: At) {
        self.world.slot_mut(at).guard = None;
        if let Some(peer) = self.world.guard_mut(at.peer()) {
            peer.incoming = None;
        }
    }

    /// The process dies; what it asked of etcd may still be carried out.
    pub fn die(&mut self, at: At) {
        let revision = self.world.etcd.revision;
        let slot = self.world.slot_mut(at);
        let Some(guard) = slot.guard.take() else { return };
        let lease = |acquire: &Acquire| Lease {
            record: LeaseRecord {
                site: at.site(),
                session: guard.session.clone(),
                era: acquire.state.era,
                term: acquire.state.term,
            },
            left: acquire.left,
            kept: false,
        };
        slot.late = match (&guard.commit, &guard.acquire) {
            (Some(transaction), _) => Some(Late::Commit {
                session: guard.session.clone(),
                transaction: transaction.clone(),
                revision,
            }),
            (None, Some(acquire)) if !acquire.won => Some(Late::Acquire {
                lease: lease(acquire),
                state: acquire.state.clone(),
                revision: acquire.revision,
            }),
            _ => slot.late.take(),
        };
        self.exit(at);
    }
}

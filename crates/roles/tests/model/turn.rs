//! A guard's turn: an event in, the machine under test, its actions carried out in order.

use std::time::Duration;

use govuc_roles::{
    Action, Ballot, Commitment, Event, PeerAnswer, Reading, Role, SlotCopy, State,
    record::{LeaseRecord, Outcome},
};

use crate::{
    etcd::{Late, Lease},
    faults::Rules,
    mail::Whereabouts,
    mutants::Mutant,
    properties::Breach,
    slot::{Acquire, At, Command, Engine, Opening, Pause, Phase, Relay},
    world::World,
};

/// A world on its way to the next one.
pub struct Turn<'a> {
    pub rules: &'a Rules,
    pub world: &'a mut World,
}

/// What a step says to the peer.
#[derive(Default)]
struct Replies {
    admitted: bool,
    peer: Option<PeerAnswer>,
    /// It wants to keep its lease, and to ask its peer.
    keeps: bool,
    asks: bool,
}

pub const TICK: Duration = Duration::from_secs(1);

impl Turn<'_> {
    fn is(&self, mutant: Mutant) -> bool {
        self.rules.mutant == Some(mutant)
    }

    /// Tells the machine at `at`, and does what it says.
    pub fn tell(&mut self, at: At, event: Event) {
        self.step(at, event);
    }

    fn step(&mut self, at: At, event: Event) -> Replies {
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
                let deadline = deadline.expect("a lease has a deadline");
                let ballot = guard.machine.highest().ballot;
                let engine = guard.engine;
                guard.gate = Some(Opening { deadline, ballot });
                let mail = &mut self.world.mail;
                mail.newest_gate = mail.newest_gate.max(ballot);
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
                    opening.deadline = deadline;
                }
            }
            Action::Record(evidence) => self.world.slot_mut(at).volume.evidence = evidence,
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

    /// (5) What the machine knows is on its disk.
    fn is_durable(&self, at: At) -> bool {
        let slot = self.world.slot(at);
        slot.guard
            .as_ref()
            .is_none_or(|guard| slot.volume.evidence == *guard.machine.highest())
    }

    /// The engine learns that its sync has failed, and answers.
    fn close_relay(&mut self, at: At, to: Relay) {
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

    // What clients, engines, networks and etcd do.

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

    /// What the client's command has stored comes to the peer, and is confirmed.
    pub fn deliver(&mut self, at: At) {
        self.answer(at, true);
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
        self.check_answer(at, command, gate.ballot, lagging);
        let whereabouts = if command.on_peer {
            Whereabouts::Both
        } else {
            Whereabouts::Only(at)
        };
        self.world.mail.stored(gate.ballot, whereabouts);
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
            self.synced(at, copy);
        }
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
    fn check_outcome(&mut self, transaction: &govuc_roles::Transaction) {
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

    // Time.

    /// A tick passes everywhere. `strays` is whose clock goes otherwise, and by how many ticks instead of one; `late` is
    /// to whom no answer about its lease comes in time.
    pub fn pass(&mut self, strays: Option<(At, u32)>, late: Option<At>) {
        self.world.etcd_mut().age();
        for at in At::BOTH {
            let slot = self.world.slot_mut(at);
            if let Some(Late::Acquire { lease, .. }) = &mut slot.late {
                lease.left -= 1;
            }
            let Some(guard) = &mut slot.guard else { continue };
            if let Some(acquire) = &mut guard.acquire {
                acquire.left = acquire.left.saturating_sub(1);
            }
            match guard.pause {
                Pause::Frozen => guard.lagging = true,
                Pause::None | Pause::Stopped => {
                    let ticks = strays.filter(|(who, _)| *who == at).map_or(1, |(_, ticks)| ticks);
                    guard.now = guard.now + TICK * ticks;
                }
            }
        }
        for at in At::BOTH {
            self.look_at_the_clock(at, late == Some(at));
        }
    }

    fn look_at_the_clock(&mut self, at: At, late: bool) {
        if self.world.running(at).is_none() {
            return;
        }
        if !self.world.reaches_etcd(at) && self.world.guard(at).is_some_and(|guard| guard.commit.is_some()) {
            if let Some(guard) = self.world.guard_mut(at) {
                guard.commit = None;
            }
            self.tell(at, Event::Committed(Commitment::Unknown));
        }
        let replies = self.step(at, Event::Tick);
        if replies.keeps {
            self.keep(at, late);
        }
        if replies.asks {
            self.ask(at, late);
        }
        if self.is(Mutant::NoSelfFence)
            && let Some(guard) = self.world.guard(at)
        {
            let sent = guard.now;
            self.tell(at, Event::Kept { sent });
        }
        self.read(at);
    }

    fn keep(&mut self, at: At, late: bool) {
        let ttl = self.rules.ttl();
        if !self.world.reaches_etcd(at) {
            return;
        }
        let Some(guard) = self.world.guard(at) else { return };
        let (session, sent) = (guard.session.clone(), guard.now);
        if !self.world.etcd.leased_to(&session) {
            self.read(at);
            return self.tell(at, Event::LeaseLost);
        }
        if let Some(lease) = &mut self.world.etcd_mut().lease {
            lease.left = ttl;
        }
        self.hear(
            at,
            late,
            sent,
            |guard| &mut guard.kept,
            |sent| Event::Kept { sent },
        );
    }

    fn ask(&mut self, at: At, late: bool) {
        let ttl = self.rules.ttl();
        let [there, back] = [at, at.peer()].map(|from| self.world.net.link[from.index()]);
        if !there || self.world.running(at.peer()).is_none() {
            return;
        }
        let Some(guard) = self.world.guard(at) else { return };
        let (session, sent, ballot) = (guard.session.clone(), guard.now, guard.machine.highest().ballot);
        let answer = self.step(at.peer(), Event::Asked(ballot)).peer;
        match answer {
            Some(PeerAnswer::Promise) if back => {
                self.hear(
                    at,
                    late,
                    sent,
                    |guard| &mut guard.promised,
                    |sent| Event::Promised { sent },
                );
            }
            Some(PeerAnswer::KeepAlive) if self.world.reaches_etcd(at.peer()) => {
                let held = self.world.etcd.leased_to(&session);
                if let (true, Some(lease)) = (held, &mut self.world.etcd_mut().lease) {
                    lease.left = ttl;
                }
                match (back, held) {
                    (true, true) => self.hear(
                        at,
                        late,
                        sent,
                        |guard| &mut guard.kept,
                        |sent| Event::Kept { sent },
                    ),
                    (true, false) => {
                        self.read(at);
                        self.tell(at, Event::LeaseLost);
                    }
                    (false, _) => {}
                }
            }
            _ => {}
        }
    }

    fn hear(
        &mut self,
        at: At,
        late: bool,
        sent: govuc_roles::timing::Moment,
        place: fn(&mut crate::slot::Guard) -> &mut Option<govuc_roles::timing::Moment>,
        event: fn(govuc_roles::timing::Moment) -> Event,
    ) {
        if late {
            if let Some(guard) = self.world.guard_mut(at) {
                *place(guard) = Some(sent);
            }
        } else {
            self.tell(at, event(sent));
        }
    }

    /// A late answer comes.
    pub fn hear_late(&mut self, at: At) {
        let from_answer = self.is(Mutant::DeadlineFromAnswer);
        let Some(guard) = self.world.guard_mut(at) else {
            return;
        };
        let now = guard.now;
        let of = |sent| if from_answer { now } else { sent };
        let event = match (guard.kept.take(), guard.promised.take()) {
            (Some(sent), _) => Event::Kept { sent: of(sent) },
            (None, Some(sent)) => Event::Promised { sent: of(sent) },
            (None, None) => return,
        };
        self.tell(at, event);
    }
}

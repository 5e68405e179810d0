//! The one loop in which the role changes: an event in, the pure rules, their actions in order.

use std::{sync::Arc, time::SystemTime};

use govuc_etcd::Clock;
use govuc_roles::{
    Action, Ballot, Event, Evidence, Machine, PeerAnswer, Reading, Refusal, Role, SlotCopy, State, VolumeId,
    record::HoldRecord,
    timing::{self, Moment},
};
use govuc_wire::preamble::SyncAnswer;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time,
};
use tokio_util::sync::CancellationToken;

use crate::{
    config::Slot,
    drain::Drain,
    engine::Order,
    gate::Gate,
    lease,
    merge::Merge,
    metrics::{InState, Metrics},
    relay::Relay,
    tokens::Tokens,
    volume::{self, Volume},
};

/// What the rest of the guard tells the turn.
#[allow(clippy::large_enum_variant)] // A few a second, each moved once or twice.
pub enum Message {
    Event(Event),
    /// The peer's guard offers to sync; it is authenticated.
    Offer {
        ballot: Ballot,
        answer: oneshot::Sender<Answer>,
    },
    /// The peer's guard wants to read what was passed over; it is authenticated.
    MergeOffer {
        ballot: Ballot,
        passed_over: VolumeId,
        answer: oneshot::Sender<Answer>,
    },
    /// The peer's guard hears nothing of etcd; it is authenticated.
    Ask {
        ballot: Ballot,
        /// Its lease could not be kept alive in its stead.
        in_vain: bool,
        answer: oneshot::Sender<PeerAnswer>,
    },
    /// Etcd has known a later state of this volume: it was restored from a snapshot.
    Restored,
    /// What is wrong with the source of the role, or that nothing is any more.
    SourceError(Option<String>),
    /// Is the turn turning?
    Alive(oneshot::Sender<()>),
}

/// Answer to an offer, and what this slot has seen, itself included.
pub struct Answer {
    pub seen: Ballot,
    pub copy: SlotCopy,
    /// Until when the connection may live, if it is admitted.
    pub verdict: Result<CancellationToken, Refusal>,
}

impl Answer {
    /// As the guard that is admitted is told it.
    pub fn admitted(&self) -> SyncAnswer {
        SyncAnswer {
            accepted: true,
            reason: None,
            era: self.seen.era.0,
            term: self.seen.term.0,
            volume: self.copy.volume.0.clone(),
            incarnation: self.copy.incarnation,
        }
    }
}

/// Sends to the turn, which lives as long as the guard.
#[derive(Clone)]
pub struct Events(pub mpsc::UnboundedSender<Message>);

/// What everybody may know of the role. It shows nothing that is not durable.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    pub state: State,
    pub role: Role,
    pub highest: Evidence,
    pub copy: SlotCopy,
    /// Since when the slot has been paired, or not.
    pub since: SystemTime,
    /// When the gate shuts unless the lease is kept; none without a lease.
    pub deadline: Option<Moment>,
    pub hold: Option<HoldRecord>,
    pub assignment_error: Option<String>,
}

/// The role and what acts on it.
pub struct Turn {
    pub slot: Slot,
    pub machine: Machine,
    pub volume: Volume,
    pub clock: Clock,
    pub gate: Gate,
    pub engine: mpsc::UnboundedSender<Order>,
    /// None when the role is a static assignment.
    pub lease: Option<lease::Orders>,
    pub relay: Arc<Relay>,
    pub drain: Arc<Drain>,
    pub merge: Arc<Merge>,
    pub tokens: Tokens,
    pub view: watch::Sender<View>,
    pub metrics: Arc<Metrics>,
    /// Up to when the time that the engine is kept waiting has been counted.
    pub withheld_since: Option<Moment>,
    /// Ends the sync connections that were admitted with it.
    pub incoming: CancellationToken,
}

/// What a step decided for whoever asked.
#[derive(Default)]
struct Verdict {
    offer: Option<Result<CancellationToken, Refusal>>,
    peer: Option<PeerAnswer>,
    exit: bool,
    distrust: Option<String>,
}

impl Events {
    pub fn send(&self, event: Event) {
        self.message(Message::Event(event));
    }

    pub fn message(&self, message: Message) {
        // The turn ends only with the process.
        let _ = self.0.send(message);
    }
}

impl View {
    pub fn first(machine: &Machine, copy: SlotCopy) -> Self {
        Self {
            state: machine.state().clone(),
            role: machine.role(),
            highest: machine.highest().clone(),
            copy,
            since: SystemTime::now(),
            deadline: None,
            hold: machine.hold().cloned(),
            assignment_error: None,
        }
    }
}

impl Turn {
    /// Until the machine says exit. An evidence that can't be made durable ends the guard too: it must not go on
    /// without (R8).
    pub async fn run(mut self, messages: mpsc::UnboundedReceiver<Message>) -> Result<(), volume::Error> {
        let ended = self.turns(messages).await;
        self.gate.shut();
        ended
    }

    async fn turns(&mut self, mut messages: mpsc::UnboundedReceiver<Message>) -> Result<(), volume::Error> {
        let mut looks = time::interval(timing::TICK);
        // After a pause one look is as good as the missed ones.
        looks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
        loop {
            let message = tokio::select! {
                // A deadline that has passed comes before whatever else has happened meanwhile.
                biased;
                _ = looks.tick() => Message::Event(Event::Tick),
                message = messages.recv() => match message {
                    Some(message) => message,
                    None => return Ok(()),
                },
            };
            match message {
                Message::Event(event) => {
                    if self.turn(event)?.exit {
                        return Ok(());
                    }
                }
                Message::Offer { ballot, answer } => {
                    let peer = self.slot.peer.clone();
                    self.offer(Event::Offered { ballot, peer }, answer)?;
                }
                Message::MergeOffer {
                    ballot,
                    passed_over,
                    answer,
                } => {
                    let offered = Event::MergeOffered {
                        ballot,
                        peer: self.slot.peer.clone(),
                        passed_over,
                    };
                    self.offer(offered, answer)?;
                }
                Message::Ask {
                    ballot,
                    in_vain,
                    answer,
                } => {
                    let asked = if in_vain {
                        Event::AskedInVain(ballot)
                    } else {
                        Event::Asked(ballot)
                    };
                    if let Some(verdict) = self.turn(asked)?.peer {
                        let _ = answer.send(verdict);
                    }
                }
                Message::Restored => {
                    self.volume.become_another()?;
                    tracing::warn!(
                        volume = self.volume.copy().volume.0,
                        "the volume was restored: it is another copy from now on, and the guard starts anew"
                    );
                    return Ok(());
                }
                Message::SourceError(error) => self.view.send_modify(|view| view.assignment_error = error),
                // Whoever asked may have given up.
                Message::Alive(answer) => drop(answer.send(())),
            }
        }
    }

    fn offer(&mut self, offered: Event, answer: oneshot::Sender<Answer>) -> Result<(), volume::Error> {
        if let Some(verdict) = self.turn(offered)?.offer {
            let _ = answer.send(Answer {
                seen: self.machine.highest().ballot,
                copy: self.volume.copy(),
                verdict,
            });
        }
        Ok(())
    }

    fn turn(&mut self, event: Event) -> Result<Verdict, volume::Error> {
        let before = self.machine.state().clone();
        let judged = matches!(event, Event::Assigned(_) | Event::Read(Reading { .. }));
        let mut verdict = Verdict::default();
        for action in self.machine.step(self.clock.now(), event) {
            self.carry_out(action, &mut verdict)?;
        }
        self.publish(&before, judged.then(|| verdict.distrust.take()));
        Ok(verdict)
    }

    fn carry_out(&mut self, action: Action, verdict: &mut Verdict) -> Result<(), volume::Error> {
        match action {
            Action::ShutGate => self.gate.shut(),
            Action::OpenGate { deadline } => self.gate.open(deadline),
            Action::Extend { deadline } => self.gate.extend(deadline),
            Action::RecordHold(hold) => {
                tracing::warn!(operation = hold.operation.0, open = hold.open, "a hold");
                tokio::task::block_in_place(|| self.volume.record_hold(hold))?;
            }
            Action::Insist { era, operation } => self.ask_etcd(lease::Order::Insist { era, operation }),
            // A slow disk must hold up the role, and nothing else.
            Action::Record(evidence) => tokio::task::block_in_place(|| self.volume.record(&evidence))?,
            Action::StartEngine(role) => self.order(Order::Start {
                role,
                sync_password: self.tokens.sync(self.machine.highest().ballot.era),
            }),
            Action::StopEngine => self.order(Order::Stop),
            Action::CloseIncoming => {
                self.incoming.cancel();
                self.incoming = CancellationToken::new();
            }
            Action::CloseRelay => {
                self.merge.end();
                self.relay.close();
            }
            Action::Merge(passed_over) => self.merge.begin(self.machine.highest().ballot, passed_over),
            Action::Discard => {
                tokio::task::block_in_place(|| self.volume.discard())?;
                tracing::warn!(
                    volume = self.volume.copy().volume.0,
                    "what this volume had is merged: it is another and an empty one from now on, and the guard starts anew"
                );
                verdict.exit = true;
            }
            Action::Pair => self.relay.pair(self.machine.highest().ballot, self.volume.copy()),
            Action::Admit => verdict.offer = Some(Ok(self.incoming.clone())),
            Action::Refuse(refusal) => verdict.offer = Some(Err(refusal)),
            Action::Distrust(stale) => verdict.distrust = Some(stale.to_string()),
            Action::Acquire { revision, state } => self.ask_etcd(lease::Order::Acquire { revision, state }),
            Action::KeepAlive => self.ask_etcd(lease::Order::KeepAlive),
            Action::Commit(transaction) => self.ask_etcd(lease::Order::Commit(transaction)),
            Action::Release => self.ask_etcd(lease::Order::Release),
            Action::AskPeer => self.ask_etcd(lease::Order::AskPeer(self.machine.highest().ballot)),
            Action::AnswerPeer(answer) => verdict.peer = Some(answer),
            Action::Drain => self
                .drain
                .begin(self.tokens.logins(self.machine.highest().ballot.era)),
            Action::Resume => self.drain.give_up(),
            Action::Exit => verdict.exit = true,
        }
        Ok(())
    }

    /// After the actions, so that nobody is shown a role that a power cut would forget.
    fn publish(&mut self, before: &State, assignment_error: Option<Option<String>>) {
        let state = self.machine.state();
        if before != state {
            tracing::info!(from = %before, to = %state, ballot = %self.machine.highest().ballot, "the state changed");
        }
        let is_paired = |state: &State| state.in_step().is_some();
        if before != state {
            self.metrics
                .states
                .get_or_create(&InState { state: state.name() })
                .inc();
        }
        let now = self.clock.now();
        if let Some(since) = self.withheld_since.take() {
            self.metrics.withheld.inc_by(now.since(since).as_secs_f64());
        }
        if *state == State::Withholding {
            self.withheld_since = Some(now);
        }
        let ballot = self.machine.highest().ballot;
        // Neither is raised often enough to outgrow it.
        self.metrics
            .era
            .set(i64::try_from(ballot.era.0).unwrap_or(i64::MAX));
        self.metrics
            .term
            .set(i64::try_from(ballot.term.0).unwrap_or(i64::MAX));
        let left = self
            .machine
            .deadline()
            .map_or(0.0, |deadline| deadline.since(now).as_secs_f64());
        self.metrics.lease_left.set(left);
        self.metrics.gate_open.set(i64::from(state.serves()));
        let held = self.machine.hold().is_some_and(|hold| hold.open);
        self.metrics.held.set(i64::from(held));
        self.metrics.paired.set(i64::from(is_paired(state)));
        let diverged = self.machine.passed_over().is_some();
        self.metrics.diverged.set(i64::from(diverged));
        if !diverged {
            self.merge.end();
        }
        self.view.send_if_modified(|view| {
            let before = view.clone();
            if state.serves() && (!before.state.serves() || is_paired(&before.state) != is_paired(state)) {
                view.since = SystemTime::now();
            }
            view.state = state.clone();
            view.role = self.machine.role();
            view.highest = self.machine.highest().clone();
            view.deadline = self.machine.deadline();
            view.hold = self.machine.hold().cloned();
            if let Some(error) = assignment_error {
                if let (Some(error), false) = (&error, error == view.assignment_error) {
                    tracing::error!(%error, "the source of the role is not honoured");
                }
                view.assignment_error = error;
            }
            *view != before
        });
    }

    fn order(&self, order: Order) {
        // The supervisor lives as long as the process.
        let _ = self.engine.send(order);
    }

    fn ask_etcd(&self, order: lease::Order) {
        // Only a machine with leases orders this, and what carries it out lives as long as the process.
        if let Some(lease) = &self.lease {
            lease.send(order);
        }
    }
}

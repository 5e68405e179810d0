//! The one loop in which the role changes: an event in, the pure rules, their actions in order.

use std::{sync::Arc, time::SystemTime};

use govuc_roles::{Action, Ballot, Event, Evidence, Machine, Refusal, Role, Site, SlotCopy, State};
use govuc_wire::{
    names,
    token::{Purpose, SessionKey, Subject},
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    config::Slot,
    engine::Order,
    gate::Gate,
    metrics::Metrics,
    relay::Relay,
    volume::{self, Volume},
};

/// What the rest of the guard tells the turn.
pub enum Message {
    Event(Event),
    /// The peer's guard offers to sync; it is authenticated.
    Offer {
        ballot: Ballot,
        answer: oneshot::Sender<Answer>,
    },
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

/// Sends to the turn, which lives as long as the guard.
#[derive(Clone)]
pub struct Events(pub mpsc::UnboundedSender<Message>);

/// What everybody may know of the role. It shows nothing that is not durable.
#[derive(Clone, Debug)]
pub struct View {
    pub state: State,
    pub role: Role,
    pub highest: Evidence,
    pub copy: SlotCopy,
    /// Since when the slot has been paired, or not.
    pub since: SystemTime,
    pub assignment_error: Option<String>,
}

/// The role and what acts on it.
pub struct Turn {
    pub slot: Slot,
    pub machine: Machine,
    pub volume: Volume,
    pub gate: Gate,
    pub engine: mpsc::UnboundedSender<Order>,
    pub relay: Arc<Relay>,
    pub key: Arc<SessionKey>,
    pub view: watch::Sender<View>,
    pub metrics: Arc<Metrics>,
    /// Ends the sync connections that were admitted with it.
    pub incoming: CancellationToken,
}

/// Whether the turn goes on.
#[derive(PartialEq, Eq)]
enum Flow {
    On,
    Exit,
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
        while let Some(message) = messages.recv().await {
            match message {
                Message::Event(event) => {
                    if self.turn(event)?.0 == Flow::Exit {
                        break;
                    }
                }
                Message::Offer { ballot, answer } => self.offer(ballot, answer)?,
                Message::SourceError(error) => self.view.send_modify(|view| view.assignment_error = error),
                // Whoever asked may have given up.
                Message::Alive(answer) => drop(answer.send(())),
            }
        }
        Ok(())
    }

    fn offer(&mut self, ballot: Ballot, answer: oneshot::Sender<Answer>) -> Result<(), volume::Error> {
        let peer: Site = self.slot.peer.clone();
        let (_, verdict) = self.turn(Event::Offered { ballot, peer })?;
        if let Some(verdict) = verdict {
            let _ = answer.send(Answer {
                seen: self.machine.highest().ballot,
                copy: self.volume.copy(),
                verdict,
            });
        }
        Ok(())
    }

    fn turn(
        &mut self,
        event: Event,
    ) -> Result<(Flow, Option<Result<CancellationToken, Refusal>>), volume::Error> {
        let before = self.machine.state().clone();
        let (mut flow, mut verdict) = (Flow::On, None);
        let assigned = matches!(event, Event::Assigned(_));
        let mut distrusted = None;
        for action in self.machine.step(event) {
            match action {
                Action::ShutGate => self.gate.shut(),
                Action::OpenGate => self.gate.open(),
                // A slow disk must hold up the role, and nothing else.
                Action::Record(evidence) => tokio::task::block_in_place(|| self.volume.record(&evidence))?,
                Action::StartEngine(role) => self.order(Order::Start {
                    role,
                    sync_password: self.sync_password(),
                }),
                Action::StopEngine => self.order(Order::Stop),
                Action::CloseIncoming => {
                    self.incoming.cancel();
                    self.incoming = CancellationToken::new();
                }
                Action::CloseRelay => self.relay.close(),
                Action::Pair => self.relay.pair(self.machine.highest().ballot, self.volume.copy()),
                Action::Admit => verdict = Some(Ok(self.incoming.clone())),
                Action::Refuse(refusal) => verdict = Some(Err(refusal)),
                Action::Distrust(stale) => {
                    tracing::error!(%stale, "the assigned role is not honoured");
                    distrusted = Some(stale.to_string());
                }
                Action::Exit => flow = Flow::Exit,
            }
        }
        self.publish(&before, assigned.then_some(distrusted));
        Ok((flow, verdict))
    }

    /// After the actions, so that nobody is shown a role that a power cut would forget.
    fn publish(&self, before: &State, assignment_error: Option<Option<String>>) {
        let state = self.machine.state();
        let is_paired = |state: &State| matches!(state, State::Paired(_));
        if before != state {
            tracing::info!(from = %before, to = %state, ballot = %self.machine.highest().ballot, "the state changed");
        }
        self.metrics.gate_open.set(i64::from(state.serves()));
        self.metrics.paired.set(i64::from(is_paired(state)));
        self.view.send_modify(|view| {
            if state.serves() && (!before.serves() || is_paired(before) != is_paired(state)) {
                view.since = SystemTime::now();
            }
            view.state = state.clone();
            view.role = self.machine.role();
            view.highest = self.machine.highest().clone();
            if let Some(error) = assignment_error {
                view.assignment_error = error;
            }
        });
    }

    fn order(&self, order: Order) {
        // The supervisor lives as long as the process.
        let _ = self.engine.send(order);
    }

    /// What this primary's engine says at its follower; the follower's guard knows the era from the handshake.
    fn sync_password(&self) -> String {
        let subject = Subject {
            purpose: Purpose::Sync,
            user: names::SYNC_USER,
            store: self.slot.store.as_str(),
            era: self.machine.highest().ballot.era.0,
        };
        self.key.mint(subject, 0)
    }
}

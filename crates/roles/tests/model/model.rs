//! Everything that can happen next.

use stateright::Property;

use crate::{
    calm,
    faults::{Fault, Rules},
    mutants::Mutant,
    properties::{self, Breaches},
    slot::{At, Engine, Pause, Phase, Relay},
    turn::Turn,
    world::{Net, World},
};

pub struct Model {
    pub rules: Rules,
    pub start: Start,
    pub also: Also,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// A is the primary, B has all that is stored, and every quiet time is over.
    Paired,
    /// The same, and neither site reaches anything any more.
    CutOff,
    /// Nobody has ever held the store.
    New,
}

/// What is checked besides what must always hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Also {
    Nothing,
    /// Once nothing more goes wrong, it comes right again.
    Liveness,
    /// The primary serves all the time.
    Steadiness,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A tick passes.
    Pass,
    Read(At),
    Engine(At),
    Acquire(At),
    Commit(At),
    Late(At),
    HearLate(At),
    Connect(At),
    RelayFails(At),
    Begin(At),
    Deliver(At),
    Release(At),
    Drained(At),
    Start(At),
    Resume(At),
    LinkHeals,
    EtcdHeals,
    WantLapses,
    Happens(Fault),
}

/// More acquisitions than faults can cause, and some.
const TERMS: u64 = 7;
/// Seconds; longer than any follower that may take over by itself.
const BEHIND: u64 = 3;

impl Step {
    /// All but faults, in the order in which a calm world takes them.
    pub fn possible(rules: &Rules, world: &World) -> Vec<Step> {
        let mut steps = Vec::new();
        for at in At::BOTH {
            Step::possible_at(at, rules, world, &mut steps);
        }
        if !world.linked() {
            steps.push(Step::LinkHeals);
        }
        if world.net.etcd != [true; 2] {
            steps.push(Step::EtcdHeals);
        }
        if world.etcd.want.is_some() {
            steps.push(Step::WantLapses);
        }
        if world.may_pass() {
            steps.push(Step::Pass);
        }
        steps
    }

    fn possible_at(at: At, rules: &Rules, world: &World, steps: &mut Vec<Step>) {
        let slot = world.slot(at);
        let mut may = |what: bool, step: Step| {
            if what {
                steps.push(step);
            }
        };
        may(slot.late.is_some(), Step::Late(at));
        let Some(guard) = &slot.guard else {
            return may(true, Step::Start(at));
        };
        if !guard.runs() {
            return may(true, Step::Resume(at));
        }
        let reached = world.reaches_etcd(at);
        may(
            matches!(guard.engine, Engine::Starting(_) | Engine::Ending),
            Step::Engine(at),
        );
        may(reached && guard.acquire.is_some(), Step::Acquire(at));
        may(reached && guard.commit.is_some(), Step::Commit(at));
        may(
            reached && guard.look.as_ref() != Some(&world.etcd.look()),
            Step::Read(at),
        );
        may(
            guard.kept.is_some() || guard.promised.is_some(),
            Step::HearLate(at),
        );
        let broken = !world.carries(at);
        let holding = matches!(guard.relay, Relay::Holding(_));
        let peer = world.running(at.peer()).is_some();
        may(
            guard.relay == Relay::Trying && world.linked() && peer,
            Step::Connect(at),
        );
        may(holding && broken, Step::RelayFails(at));
        may(
            guard.draining && holding && !broken && guard.command.is_none_or(|command| command.on_peer),
            Step::Drained(at),
        );
        match guard.command.map(|command| command.phase) {
            None => may(
                guard.passes() && guard.engine == Engine::Up(govuc_roles::Role::Primary) && !guard.draining,
                Step::Begin(at),
            ),
            Some(Phase::Syncing) => {
                let ignored = rules.mutant == Some(Mutant::FailureIgnored) && broken;
                let open = rules.mutant == Some(Mutant::ChannelNotFenced) && world.wired(at);
                may(holding && (!broken || ignored || open), Step::Deliver(at));
            }
            Some(Phase::Answered { .. }) => may(true, Step::Release(at)),
        }
    }

    pub fn take(self, turn: &mut Turn) {
        match self {
            Step::Pass => turn.pass(None, None),
            Step::Read(at) => turn.read(at),
            Step::Engine(at) => turn.engine(at),
            Step::Acquire(at) => turn.acquire(at, true),
            Step::Commit(at) => turn.commit(at, true),
            Step::Late(at) => turn.late(at),
            Step::HearLate(at) => turn.hear_late(at),
            Step::Connect(at) => turn.connect(at),
            Step::RelayFails(at) => turn.relay_fails(at),
            Step::Begin(at) => turn.begin(at),
            Step::Deliver(at) => turn.deliver(at),
            Step::Release(at) => turn.release(at),
            Step::Drained(at) => turn.drained(at),
            Step::Start(at) => {
                let slot = turn.world.slot_mut(at);
                let source = turn.rules.source(at, slot.starts > 0);
                slot.start(at, source);
            }
            Step::Resume(at) => {
                if let Some(guard) = turn.world.guard_mut(at) {
                    guard.pause = Pause::None;
                }
            }
            Step::LinkHeals => turn.world.net.link = [true; 2],
            Step::EtcdHeals => turn.world.net.etcd = [true; 2],
            Step::WantLapses => turn.world.etcd_mut().want = None,
            Step::Happens(fault) => fault.happen(turn),
        }
    }

    /// The world after it.
    pub fn after(self, rules: &Rules, world: &World) -> World {
        let mut next = world.clone();
        let mut turn = Turn {
            rules,
            world: &mut next,
        };
        self.take(&mut turn);
        next.tidy(rules);
        next.share(world);
        next
    }
}

impl stateright::Model for Model {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        let mut world = match self.start {
            // By the whole protocol, also where one of its rules is to be missed.
            Start::Paired | Start::CutOff => calm::paired(&Rules {
                mutant: None,
                ..self.rules.clone()
            }),
            Start::New => World::new(&self.rules, self.rules.budget()),
        };
        world.left = self.rules.budget();
        if self.start == Start::CutOff {
            world.net = Net {
                link: [false; 2],
                etcd: [false; 2],
            };
        }
        vec![world]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        // Nothing to be learned from what comes after, unless it is the harm that a missing rule does.
        if world.breaches != Breaches::default() && self.rules.mutant.is_none() {
            return;
        }
        steps.extend(Step::possible(&self.rules, world));
        steps.extend(Fault::possible(&self.rules, world).into_iter().map(Step::Happens));
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        Some(step.after(&self.rules, world))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = properties::always();
        match self.also {
            Also::Nothing => {}
            Also::Liveness => properties.extend(calm::eventually()),
            Also::Steadiness => properties.push(properties::steadiness()),
        }
        properties
    }

    fn within_boundary(&self, world: &World) -> bool {
        let behind = world.etcd.state.as_ref().and_then(|state| state.behind.as_ref());
        world.etcd.ballot().term.0 <= TERMS && behind.is_none_or(|behind| behind.seconds <= BEHIND)
    }
}

impl World {
    /// What is under way in this tick is done first, unless it is slow.
    pub fn may_pass(&self) -> bool {
        At::BOTH.into_iter().all(|at| {
            let Some(guard) = self.running(at) else {
                return true;
            };
            let busy = matches!(guard.engine, Engine::Starting(_) | Engine::Ending);
            let asks = guard.commit.is_some() || guard.acquire.as_ref().is_some_and(|acquire| !acquire.won);
            !(busy && !guard.slow || asks && self.reaches_etcd(at))
        })
    }

    /// Whether what the engine at `at` syncs comes to the peer's engine.
    pub fn carries(&self, at: At) -> bool {
        let (Some(guard), Some(peer)) = (self.guard(at), self.running(at.peer())) else {
            return false;
        };
        self.wired(at)
            && peer.incoming == Some(guard.machine.highest().ballot)
            && peer.engine == Engine::Up(govuc_roles::Role::Follower)
    }

    /// Whether the peer's engine could be reached, if nobody asked who is there.
    pub fn wired(&self, at: At) -> bool {
        let up = |guard: &crate::slot::Guard| matches!(guard.engine, Engine::Up(_));
        self.linked() && self.running(at.peer()).is_some_and(up)
    }
}

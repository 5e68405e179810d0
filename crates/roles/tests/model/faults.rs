//! What may go wrong, and what people may ask for, each for a price.

use std::time::Duration;

use govuc_roles::{
    Event, LeasePolicy, Role, Source,
    record::{OperationId, WantedChange},
    timing::Timing,
};

use crate::{
    etcd::Etcd,
    mutants::Mutant,
    slot::{At, Engine, Pause, Relay, Volume},
    turn::Turn,
    world::World,
};

/// The bounds of one check.
#[derive(Clone, Debug)]
pub struct Rules {
    pub timing: Timing,
    /// In ticks; what is longer ago is so by every duration that comes into play.
    pub horizon: u8,
    pub max_behind: Duration,
    /// How many faults and wishes there may be on one way.
    pub faults: u8,
    pub kinds: &'static [Kind],
    pub mutant: Option<Mutant>,
    /// What the volumes, and etcd, are restored to.
    pub volumes: [Volume; 2],
    pub etcd: Option<Etcd>,
}

/// What is left of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Budget {
    pub faults: u8,
    /// One clock may lose or gain one tick: the margin covers no more.
    pub drift: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A guard, its pod or its site dies.
    Crash,
    /// It dies between two actions of one step.
    CrashWithin,
    /// A volume is emptied, or restored from a snapshot.
    Volume,
    /// A process or a machine stands still.
    Pause,
    /// Between the sites.
    Link,
    /// Between a site, or both, and etcd.
    Etcd,
    /// An answer of etcd or the peer is late or lost.
    Answer,
    /// An engine dies or takes long; a sync fails.
    Engine,
    /// A clock goes too fast or too slow.
    Drift,
    /// Etcd is restored from a snapshot.
    Regress,
    Terminate,
    Switchover,
    Force,
    /// A person has a site serve without etcd.
    Hold,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Crash(At),
    /// After so many of the actions of one step.
    CrashWithin(At, u8),
    Emptied(At),
    Restored(At),
    Stopped(At),
    Frozen(At),
    LinkCut,
    /// From that site to its peer only.
    OneWayCut(At),
    EtcdCut(At),
    EtcdAway,
    EngineDies(At),
    EngineSlow(At),
    SyncError(At),
    DrainFails(At),
    AcquireLate(At),
    AcquireInDoubt(At),
    CommitUnheard(At),
    CommitLate(At),
    /// A tick passes in which the answer about the lease is late.
    KeepLate(At),
    /// A tick passes that is none by that clock, or two.
    Drift(At, u32),
    Regress,
    Terminate(At),
    Wish(WantedChange, At),
    Hold(At),
}

impl Kind {
    pub const ALL: &'static [Kind] = &[
        Kind::Crash,
        Kind::CrashWithin,
        Kind::Volume,
        Kind::Pause,
        Kind::Link,
        Kind::Etcd,
        Kind::Answer,
        Kind::Engine,
        Kind::Drift,
        Kind::Regress,
        Kind::Terminate,
        Kind::Switchover,
        Kind::Force,
        Kind::Hold,
    ];
}

impl Rules {
    pub fn ttl(&self) -> u8 {
        self.timing.ttl.as_secs() as u8
    }

    /// What a guard is started with. `again`: not for the first time.
    pub fn source(&self, at: At, again: bool) -> Source {
        let mut timing = self.timing;
        if again && self.mutant == Some(Mutant::PromiseForgotten) {
            timing.quiet = Duration::ZERO;
        }
        Source::Lease(LeasePolicy {
            timing,
            preferred: at == At::A,
            max_behind: self.max_behind,
        })
    }

    pub fn budget(&self) -> Budget {
        Budget {
            faults: self.faults,
            drift: true,
        }
    }
}

impl Fault {
    /// All that may happen now.
    pub fn possible(rules: &Rules, world: &World) -> Vec<Fault> {
        let mut faults = Vec::new();
        if world.left.faults == 0 {
            return faults;
        }
        for kind in rules.kinds {
            kind.possible(rules, world, &mut faults);
        }
        faults
    }

    pub fn happen(self, turn: &mut Turn) {
        turn.world.left.faults -= 1;
        match self {
            Fault::Crash(at) => turn.die(at),
            Fault::CrashWithin(at, actions) => {
                if let Some(guard) = turn.world.guard_mut(at) {
                    guard.dies_after = Some(actions);
                }
            }
            Fault::Emptied(at) => {
                turn.die(at);
                let same_id = turn.rules.mutant == Some(Mutant::VolumeIgnored);
                turn.world.slot_mut(at).emptied(at, same_id);
                turn.world.volume_gone(at);
            }
            Fault::Restored(at) => {
                turn.die(at);
                let snapshot = turn.rules.volumes[at.index()].clone();
                turn.world.slot_mut(at).volume = snapshot;
                turn.world.volume_gone(at);
            }
            Fault::Stopped(at) => pause(turn, at, Pause::Stopped),
            Fault::Frozen(at) => pause(turn, at, Pause::Frozen),
            Fault::LinkCut => turn.world.net.link = [false; 2],
            Fault::OneWayCut(at) => turn.world.net.link[at.index()] = false,
            Fault::EtcdCut(at) => turn.world.net.etcd[at.index()] = false,
            Fault::EtcdAway => turn.world.net.etcd = [false; 2],
            Fault::EngineDies(at) => {
                if let Some(guard) = turn.world.guard_mut(at) {
                    guard.engine = Engine::Ending;
                    guard.command = None;
                }
            }
            Fault::EngineSlow(at) => {
                if let Some(guard) = turn.world.guard_mut(at) {
                    guard.slow = true;
                }
            }
            Fault::SyncError(at) => turn.relay_fails(at),
            Fault::DrainFails(at) => {
                let reason = String::new();
                turn.tell(at, Event::DrainFailed { reason });
            }
            Fault::AcquireLate(at) => turn.acquire(at, false),
            Fault::AcquireInDoubt(at) => turn.acquire_in_doubt(at),
            Fault::CommitUnheard(at) => turn.commit(at, false),
            Fault::CommitLate(at) => turn.commit_late(at),
            Fault::KeepLate(at) => turn.pass(None, Some(at)),
            Fault::Drift(at, ticks) => {
                turn.world.left.drift = false;
                turn.pass(Some((at, ticks)), None);
            }
            Fault::Regress => turn.world.regress(turn.rules),
            Fault::Terminate(at) => {
                if let Some(guard) = turn.world.guard_mut(at) {
                    guard.terminated = true;
                }
                turn.tell(at, Event::Terminate);
            }
            Fault::Wish(change, to) => turn.world.etcd_mut().wish(change, to),
            Fault::Hold(at) => {
                // Each operation has another id.
                let operation = OperationId("h".repeat(1 + usize::from(turn.world.left.faults)));
                turn.tell(at, Event::HoldAsked(operation));
            }
        }
    }
}

fn pause(turn: &mut Turn, at: At, pause: Pause) {
    if let Some(guard) = turn.world.guard_mut(at) {
        guard.pause = pause;
    }
}

impl Kind {
    fn possible(self, rules: &Rules, world: &World, faults: &mut Vec<Fault>) {
        match self {
            Kind::Regress if world.may_regress(rules) => faults.push(Fault::Regress),
            Kind::Link => {
                if world.net.link == [true; 2] {
                    faults.push(Fault::LinkCut);
                    faults.extend(At::BOTH.map(Fault::OneWayCut));
                }
            }
            Kind::Etcd => {
                if world.net.etcd == [true; 2] {
                    faults.push(Fault::EtcdAway);
                }
                let reached = At::BOTH.into_iter().filter(|at| world.reaches_etcd(*at));
                faults.extend(reached.map(Fault::EtcdCut));
            }
            _ => {
                for at in At::BOTH {
                    self.possible_at(at, world, faults);
                }
            }
        }
    }

    fn possible_at(self, at: At, world: &World, faults: &mut Vec<Fault>) {
        match self {
            Kind::Switchover if world.etcd.want.is_none() => {
                faults.push(Fault::Wish(WantedChange::Switchover, at));
                return;
            }
            Kind::Force if world.etcd.want.is_none() => {
                faults.push(Fault::Wish(WantedChange::Force, at));
                return;
            }
            _ => {}
        }
        let Some(guard) = world.guard(at) else {
            if self == Kind::Volume {
                faults.extend([Fault::Emptied(at), Fault::Restored(at)]);
            }
            return;
        };
        let reached = world.reaches_etcd(at);
        let mut may = |what: bool, fault: Fault| {
            if what {
                faults.push(fault);
            }
        };
        match self {
            Kind::Crash => may(true, Fault::Crash(at)),
            Kind::Volume => {
                may(true, Fault::Emptied(at));
                may(true, Fault::Restored(at));
            }
            Kind::CrashWithin => {
                for actions in 1..=3 {
                    may(
                        guard.runs() && guard.dies_after.is_none(),
                        Fault::CrashWithin(at, actions),
                    );
                }
            }
            Kind::Pause => {
                may(guard.runs(), Fault::Stopped(at));
                may(guard.runs(), Fault::Frozen(at));
            }
            Kind::Answer => {
                let asks = guard.acquire.as_ref().is_some_and(|acquire| !acquire.won);
                may(guard.runs() && reached && asks, Fault::AcquireLate(at));
                may(guard.runs() && reached && asks, Fault::AcquireInDoubt(at));
                let commits = guard.runs() && reached && guard.commit.is_some();
                may(commits, Fault::CommitUnheard(at));
                may(commits, Fault::CommitLate(at));
                may(guard.gate.is_some() && world.may_pass(), Fault::KeepLate(at));
            }
            Kind::Engine => {
                let there = matches!(guard.engine, Engine::Up(_) | Engine::Starting(_));
                may(there, Fault::EngineDies(at));
                let busy = matches!(guard.engine, Engine::Ending | Engine::Starting(_));
                may(busy && !guard.slow, Fault::EngineSlow(at));
                let holding = matches!(guard.relay, Relay::Holding(_));
                may(
                    guard.runs() && holding && guard.engine == Engine::Up(Role::Primary),
                    Fault::SyncError(at),
                );
                may(guard.runs() && guard.draining, Fault::DrainFails(at));
            }
            Kind::Drift => {
                may(world.left.drift && world.may_pass(), Fault::Drift(at, 0));
                may(world.left.drift && world.may_pass(), Fault::Drift(at, 2));
            }
            Kind::Terminate => may(guard.runs() && !guard.terminated, Fault::Terminate(at)),
            // While etcd answers nothing would come of it.
            Kind::Hold => may(guard.runs() && !reached, Fault::Hold(at)),
            Kind::Link | Kind::Etcd | Kind::Regress | Kind::Switchover | Kind::Force => {}
        }
    }
}

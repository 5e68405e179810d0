//! A world in which nothing more goes wrong, as long as it takes.

use govuc_roles::State;
use stateright::Property;

use crate::{
    faults::{Budget, Rules},
    model::{Model, Step},
    slot::At,
    turn::Turn,
    world::World,
};

pub const SERVED: &str = "once nothing more goes wrong, somebody serves";
pub const EXITS: &str = "SIGTERM ends in an exit";

/// Ticks that it may take until somebody serves: a lease runs out, a promise does, an engine is started twice.
const PATIENCE: u32 = 16;
/// Steps between two ticks; more are a loop.
const BUSY: u32 = 60;

pub fn eventually() -> Vec<Property<Model>> {
    vec![
        Property::always(SERVED, |model: &Model, world: &World| {
            is_served(&model.rules, world)
        }),
        Property::always(EXITS, |model: &Model, world: &World| exits(&model.rules, world)),
    ]
}

/// A is the primary, B has all, and every quiet time is over.
pub fn paired(rules: &Rules) -> World {
    let nothing = Budget {
        faults: 0,
        drift: false,
    };
    let mut world = World::new(rules, nothing);
    for _ in 0..20 {
        tick(rules, &mut world, true);
    }
    let state = world.guard(At::A).map(|guard| guard.machine.state().clone());
    assert!(matches!(state, Some(State::Paired(_))), "{world:?}");
    world
}

/// All that is to be done, and then a tick. `mends`: what is cut is healed and what is down started.
fn tick(rules: &Rules, world: &mut World, mends: bool) {
    let mut steps = 0;
    while let Some((step, after)) = next(rules, world, mends) {
        *world = after;
        steps += 1;
        assert!(steps < BUSY, "{step:?} again and again: {world:?}");
        if step == Step::Pass {
            return;
        }
    }
}

fn next(rules: &Rules, world: &World, mends: bool) -> Option<(Step, World)> {
    let steps = Step::possible(rules, world)
        .into_iter()
        .filter(|step| match step {
            Step::Begin(_) | Step::WantLapses | Step::Late(_) => false,
            Step::Start(_) | Step::LinkHeals | Step::EtcdHeals => mends,
            _ => true,
        });
    // An offer that is refused for nothing new is tried again in a tick.
    steps
        .map(|step| (step, step.after(rules, world)))
        .find(|(step, after)| !matches!(step, Step::Connect(_)) || after != world)
}

/// By R4 somebody may take the store by itself, and is there.
fn has_heir(world: &World) -> bool {
    let Some(state) = &world.etcd.state else {
        return true;
    };
    At::BOTH.into_iter().any(|at| {
        let slot = world.slot(at);
        let volume = &slot.volume.copy.volume;
        let holder = state
            .holder
            .as_ref()
            .is_some_and(|holder| holder.volume == *volume);
        let stays = slot.guard.as_ref().is_some_and(|guard| !guard.terminated);
        let named = stays && world.etcd.named() == Some(&slot.volume.copy);
        let given = state
            .hand_over
            .as_ref()
            .is_some_and(|it| it.to_volume == *volume || it.from_volume == *volume);
        // Of which start etcd would have to know for a restored volume to be found out.
        let next = slot.volume.copy.incarnation + u64::from(slot.guard.is_none());
        let registered = slot.guard.as_ref().is_some_and(|guard| guard.registered);
        let restored = !registered
            && world.etcd.slots[at.index()].as_ref().is_some_and(|known| {
                if known.volume == *volume {
                    known.incarnation >= next
                } else {
                    next > 1
                }
            });
        let held = slot.volume.is_held();
        (holder || named || given || held) && !restored
    })
}

fn is_served(rules: &Rules, world: &World) -> bool {
    let mut world = world.clone();
    world.left.faults = 0;
    // What is asked for and can't be done lapses.
    world.etcd_mut().want = None;
    for at in At::BOTH {
        if let Some(guard) = world.guard_mut(at) {
            guard.dies_after = None;
        }
    }
    if world.is_regressed() {
        return goes_on_without_etcd(rules, world);
    }
    if !has_heir(&world) {
        return true;
    }
    for _ in 0..PATIENCE {
        if At::BOTH.into_iter().any(|at| serves(&world, at)) {
            return true;
        }
        tick(rules, &mut world, true);
    }
    false
}

/// An etcd that has gone back is taken for silent: who is paired goes on by the peer's word. Anything else is for people.
fn goes_on_without_etcd(rules: &Rules, mut world: World) -> bool {
    let goes_on = |world: &World, at: At| {
        let stays = |at: At| world.running(at).is_some_and(|guard| !guard.terminated);
        world
            .guard(at)
            .is_some_and(|guard| matches!(guard.machine.state(), State::Paired(_)) && guard.passes())
            && world.carries(at)
            && stays(at)
            && stays(at.peer())
    };
    let Some(primary) = At::BOTH.into_iter().find(|at| goes_on(&world, *at)) else {
        return true;
    };
    for _ in 0..PATIENCE {
        tick(rules, &mut world, true);
        if !goes_on(&world, primary) {
            return false;
        }
    }
    true
}

fn serves(world: &World, at: At) -> bool {
    world
        .guard(at)
        .is_some_and(|guard| guard.passes() && guard.machine.state().serves())
        && world.etcd.holder_site() == Some(&at.site())
}

/// Whatever is cut stays cut.
fn exits(rules: &Rules, world: &World) -> bool {
    At::BOTH.into_iter().all(|at| {
        let told = world
            .guard(at)
            .is_some_and(|guard| guard.terminated && guard.runs());
        if !told {
            return true;
        }
        let mut world = world.clone();
        for _ in 0..PATIENCE {
            if world.guard(at).is_none() {
                return true;
            }
            tick(rules, &mut world, false);
        }
        false
    })
}

impl Turn<'_> {
    /// Nothing is under way, and the other copy was synced once more and is equal.
    pub fn drained(&mut self, at: At) {
        if let Some(guard) = self.world.guard_mut(at) {
            guard.draining = false;
        }
        let digest = String::new();
        self.tell(at, govuc_roles::Event::Drained { digest });
    }
}

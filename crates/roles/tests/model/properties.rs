//! What must hold in every world that can be reached.

use stateright::Property;

use crate::{
    model::Model,
    slot::{At, Guard},
    world::World,
};

/// What went wrong in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    Overlap,
    NotRecorded,
    NotDurable,
    NotAsItWas,
    Discarded,
    // What the machine owes those who carry its actions out.
    TwoEngines,
    NoEngine,
    TwoTransactions,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Breaches(u8);

impl Breaches {
    pub fn add(&mut self, breach: Breach) {
        self.0 |= 1 << breach as u8;
    }

    pub fn has(self, breach: Breach) -> bool {
        self.0 & (1 << breach as u8) != 0
    }
}

pub const NO_OVERLAP: &str = "no term stores after a later one has";
pub const NOTHING_LOST: &str = "the newest open gate has every stored message";
pub const ONE_GATE: &str = "one gate passes at a time";
pub const RECORD_FIRST: &str = "what one copy lacks is recorded before it is answered";
pub const DURABLE_FIRST: &str = "evidence is on disk before it is acted on";
pub const AS_IT_WAS: &str = "a hand-over that is given up leaves everything as it was";
pub const KEPT: &str = "nothing is discarded that is nowhere else";
pub const IN_ORDER: &str = "engines and transactions come one at a time";

pub const STEADY: &str = "the primary serves all the time";

pub fn steadiness() -> Property<Model> {
    Property::always(STEADY, |_, world: &World| {
        world.guard(At::A).is_some_and(Guard::passes)
    })
}

pub fn always() -> Vec<Property<Model>> {
    vec![
        Property::always(NO_OVERLAP, |_, world: &World| {
            !world.breaches.has(Breach::Overlap)
        }),
        Property::always(NOTHING_LOST, |_, world: &World| world.newest_gate_has_all()),
        Property::always(ONE_GATE, |_, world: &World| world.one_gate_passes()),
        Property::always(RECORD_FIRST, |_, world: &World| {
            !world.breaches.has(Breach::NotRecorded)
        }),
        Property::always(DURABLE_FIRST, |_, world: &World| {
            !world.breaches.has(Breach::NotDurable)
        }),
        Property::always(AS_IT_WAS, |_, world: &World| {
            !world.breaches.has(Breach::NotAsItWas)
        }),
        Property::always(KEPT, |_, world: &World| !world.breaches.has(Breach::Discarded)),
        Property::always(IN_ORDER, |_, world: &World| {
            !(world.breaches.has(Breach::TwoEngines)
                || world.breaches.has(Breach::NoEngine)
                || world.breaches.has(Breach::TwoTransactions))
        }),
    ]
}

impl World {
    /// (2) What is missing there is on a volume that etcd names as passed over, or that knows itself to have been held.
    fn newest_gate_has_all(&self) -> bool {
        let recorded = |at: At| {
            let unmerged = self.etcd.state.as_ref().and_then(|state| state.unmerged.as_ref());
            unmerged.is_some_and(|it| it.volume == self.slot(at).volume.copy.volume)
                || self.slot(at).volume.is_held()
        };
        At::BOTH.into_iter().all(|at| {
            let newest = self.guard(at).is_some_and(|guard| {
                guard.passes()
                    && !guard.holds()
                    && guard
                        .gate
                        .is_some_and(|gate| gate.ballot == self.mail.newest_gate)
            });
            !newest || !self.mail.only_at(at.peer()) || recorded(at.peer())
        })
    }

    /// (3) But for a clock that stood still, which nothing can know of, and for what a person has decided.
    fn one_gate_passes(&self) -> bool {
        let passes = |at: At| {
            self.guard(at)
                .is_some_and(|guard| guard.passes() && !guard.lagging && !guard.holds())
        };
        !(passes(At::A) && passes(At::B))
    }
}

//! Everything that can happen next.

use govuc_mirror::{Act, Lead};
use stateright::Property;

use crate::{
    settled,
    world::{Mutant, Sight, World, spec},
};

pub struct Model {
    pub begin: World,
    /// How many texts people write: two make one write what another has written, or had before.
    pub texts: u8,
    pub mutant: Option<Mutant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Write {
        at: usize,
        text: u8,
    },
    Delete {
        at: usize,
    },
    Look {
        at: usize,
    },
    /// The line is cut, or the operator starts anew.
    Forget {
        at: usize,
    },
    Act {
        at: usize,
    },
    ActInPart {
        at: usize,
    },
    Lead {
        at: usize,
        lead: Lead,
    },
    BackUp {
        at: usize,
    },
    Restore {
        at: usize,
    },
}

/// More than edits can cause without that.
const AGREEMENTS: u64 = 8;

pub const NOTHING_LOST: &str =
    "what people wrote is there, or is kept, or a person has changed or deleted it knowingly";
pub const NOTHING_BACK: &str = "what a cluster's people deleted is not made there again";
pub const SETTLES: &str = "left alone, both come to the same or ask a person";

impl stateright::Model for Model {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![self.begin.clone()]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        for at in 0..2 {
            let cluster = &world.clusters[at];
            let leaving = cluster.object.as_ref().is_some_and(|object| object.copy.leaving);
            if world.edits > 0 && !leaving {
                // Who writes what is there already changes nothing.
                let there = cluster.object.as_ref().map(|object| &object.copy.spec);
                let texts = (0..self.texts).filter(|text| there != Some(&spec(*text)));
                steps.extend(texts.map(|text| Step::Write { at, text }));
            }
            // Of a restored cluster nothing is deleted before the other one has seen that it is one.
            if world.deletions > 0 && cluster.object.is_some() && !leaving && !cluster.restored {
                steps.push(Step::Delete { at });
            }
            steps.push(Step::Look { at });
            if cluster.sight != Sight::Nothing {
                steps.push(Step::Forget { at });
            }
            match world.act(at, self.mutant) {
                Act::Nothing | Act::Wait(_) => {}
                Act::Take { keep: true, .. } => steps.extend([Step::Act { at }, Step::ActInPart { at }]),
                _ => steps.push(Step::Act { at }),
            }
            if world.restores > 0 {
                match cluster.backup {
                    None if world.can_back_up(at) => steps.push(Step::BackUp { at }),
                    None => {}
                    Some(_) => steps.push(Step::Restore { at }),
                }
            }
            if world.leads > 0 {
                let leads = [Lead::Here, Lead::There, Lead::Nobody].into_iter();
                steps.extend(
                    leads
                        .filter(|lead| *lead != cluster.lead)
                        .map(|lead| Step::Lead { at, lead }),
                );
            }
        }
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut next = world.clone();
        match step {
            Step::Write { at, text } => next.write(at, text),
            Step::Delete { at } => next.delete(at, self.mutant),
            Step::Look { at } => next.look(at),
            Step::Forget { at } => next.clusters[at].sight = Sight::Nothing,
            Step::Act { at } => next.carry_out(at, &world.act(at, self.mutant), false),
            Step::ActInPart { at } => next.carry_out(at, &world.act(at, self.mutant), true),
            Step::BackUp { at } => next.back_up(at),
            Step::Restore { at } => next.restore(at, world.clusters[at].backup.clone()?),
            Step::Lead { at, lead } => {
                next.clusters[at].lead = lead;
                next.leads -= 1;
            }
        }
        (next != *world).then_some(next)
    }

    /// As long as each believes that the other one leads, they exchange what they have, and put aside what they had, without end.
    fn within_boundary(&self, world: &World) -> bool {
        let objects = world
            .clusters
            .iter()
            .filter_map(|cluster| cluster.object.as_ref());
        let mut seqs = objects.filter_map(|object| Some(object.copy.agreed.as_ref()?.seq));
        seqs.all(|seq| seq <= AGREEMENTS)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(NOTHING_LOST, |_, world: &World| world.lost() == 0),
            Property::always(NOTHING_BACK, |_, world: &World| !world.resurrected),
            Property::always(SETTLES, |model: &Model, world: &World| {
                settled::settles(world, model.mutant)
            }),
        ]
    }
}

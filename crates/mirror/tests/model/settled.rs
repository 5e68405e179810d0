//! What comes of a world in which people do nothing more, both sides see each other, and both know who leads.

use govuc_mirror::Lead;

use crate::world::{Mutant, World, spec};

/// More rounds than any world takes.
const ROUNDS: usize = 16;
/// A text that nobody has written before.
const ANOTHER: u8 = 7;

/// Whether both sites come to the same, or to a question to a person; and stay so. What is the same at both then goes or
/// changes at both when it does at one, without a question.
pub fn settles(world: &World, mutant: Option<Mutant>) -> bool {
    let Some(settled) = settled(world, mutant) else {
        return false;
    };
    if settled.lost() != 0 || settled.resurrected {
        return false;
    }
    match texts(&settled) {
        [None, None] => true,
        [Some(one), Some(other)] if one == other => (0..2).all(|at| follows(&settled, at, mutant)),
        _ => settled.is_a_persons(mutant),
    }
}

fn settled(world: &World, mutant: Option<Mutant>) -> Option<World> {
    let mut world = world.clone();
    world.clusters[0].lead = Lead::Here;
    world.clusters[1].lead = Lead::There;
    for _ in 0..ROUNDS {
        let before = world.clone();
        for at in 0..2 {
            world.look(at);
            let act = world.act(at, mutant);
            world.carry_out(at, &act, false);
        }
        if before == world {
            return Some(world);
        }
    }
    None
}

fn follows(world: &World, at: usize, mutant: Option<Mutant>) -> bool {
    let mut edited = World {
        edits: 1,
        deletions: 1,
        ..world.clone()
    };
    let mut deleted = edited.clone();
    edited.write(at, ANOTHER);
    deleted.delete(at, mutant);
    let another = Some(spec(ANOTHER));
    settled(&edited, mutant).is_some_and(|edited| texts(&edited) == [another.clone(), another])
        && settled(&deleted, mutant).is_some_and(|deleted| texts(&deleted) == [None, None])
}

fn texts(world: &World) -> [Option<govuc_mirror::SpecHash>; 2] {
    [0, 1].map(|at| Some(world.clusters[at].object.as_ref()?.copy.spec.clone()))
}

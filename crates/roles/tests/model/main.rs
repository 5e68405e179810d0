//! All that two guards, one etcd and what is between them can come to, with so many faults at any time.
//!
//! The machines are those of the guard, unchanged; what is around them is made to be as bad as it may be. Time is counted
//! in ticks: a lease lives for four, and what is asked for is done within the tick unless a fault says otherwise.

// A test says what it found by panicking; clippy excuses that only inside #[test] functions.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod calm;
mod digest;
mod etcd;
mod faults;
mod mail;
mod model;
mod mutants;
mod properties;
mod slot;
mod turn;
mod world;

use std::time::Duration;

use govuc_roles::timing::Timing;
use stateright::{Checker, Model as _};

use crate::{
    faults::{Kind, Rules},
    model::Model,
    mutants::Mutant,
    slot::{At, Slot},
};

/// Whole ticks, in the proportions of the protocol.
const TIMING: Timing = Timing {
    ttl: Duration::from_secs(4),
    renew: Duration::from_secs(1),
    silence: Duration::from_secs(1),
    deadline: Duration::from_secs(3),
    heartbeat: Duration::from_secs(1),
    withhold: Duration::from_secs(1),
    promote: Duration::from_secs(2),
    quiet: Duration::from_secs(4),
    switchover: Duration::from_secs(2),
    leave: Duration::from_secs(2),
    untaken: Duration::from_secs(2),
    behind: Duration::from_secs(1_000_000),
};

fn rules(faults: u8, kinds: &'static [Kind], mutant: Option<Mutant>) -> Rules {
    let mut rules = Rules {
        timing: TIMING,
        max_behind: Duration::ZERO,
        faults,
        kinds,
        mutant,
        volumes: At::BOTH.map(|at| Slot::new(at).volume),
        etcd: None,
    };
    rules.etcd = Some((*calm::paired(&rules).etcd).clone());
    rules
}

fn threads() -> usize {
    std::env::var("MODEL_THREADS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(2)
}

#[test]
fn dev() {
    let faults = std::env::var("FAULTS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(1);
    let liveness = std::env::var("LIVE").is_ok();
    let model = {
        let kinds: Vec<Kind> = match std::env::var("KINDS") {
            Ok(kinds) => Kind::ALL
                .iter()
                .copied()
                .filter(|kind| kinds.split(',').any(|k| k == format!("{kind:?}")))
                .collect(),
            Err(_) => Kind::ALL.to_vec(),
        };
        Model {
            rules: rules(faults, kinds.leak(), None),
            liveness,
        }
    };
    let begun = std::time::Instant::now();
    let checker = model
        .checker()
        .threads(threads())
        .finish_when(stateright::HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    println!(
        "{} states, {} unique, depth {}, {:?}",
        checker.state_count(),
        checker.unique_state_count(),
        checker.max_depth(),
        begun.elapsed()
    );
    for (name, path) in checker.discoveries() {
        if std::env::var("TERSE").is_ok() {
            println!("\n=== {name}");
            let path = path.into_vec();
            for (_, step) in &path {
                print!("{step:?} ");
            }
            println!("{:?}", path.last().unwrap().0);
            continue;
        }
        println!("\n=== {name}");
        for (world, step) in path.into_vec() {
            println!("{world:?}\n  --> {step:?}");
        }
    }
}

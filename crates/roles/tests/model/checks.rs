//! The checks themselves: the protocol within its bounds, and that without any of its rules harm is found.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use govuc_roles::timing::Timing;
use rstest::rstest;
use serde_json::json;
use stateright::{Checker, HasDiscoveries, Model as _};

use crate::{
    calm,
    faults::{Kind, Rules},
    model::{Also, Model, Start, Step},
    mutants::Mutant,
    properties::{KEPT, NO_OVERLAP, NOTHING_LOST, ONE_GATE, RECORD_FIRST, STEADY},
    slot::{At, Slot},
    world::World,
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
    // Where no follower that is behind takes over, it is enough to know that it is.
    behind: Duration::from_secs(1_000_000),
};

/// The protocol's own figures, a second a tick.
const SECONDS: Timing = Timing {
    behind: Duration::from_secs(1_000_000),
    ..Timing::PROTOCOL
};

fn rules(faults: u8, kinds: &'static [Kind]) -> Rules {
    let mut rules = Rules {
        timing: TIMING,
        horizon: 4,
        max_behind: Duration::ZERO,
        faults,
        kinds,
        mutant: None,
        volumes: At::BOTH.map(|at| Slot::new(at).volume),
        etcd: None,
    };
    rules.etcd = Some((*calm::paired(&rules).etcd).clone());
    rules
}

/// A follower that is a tick behind may take over.
fn near(rules: Rules) -> Rules {
    Rules {
        max_behind: Duration::from_secs(1),
        timing: Timing {
            behind: Duration::from_secs(1),
            ..TIMING
        },
        ..rules
    }
}

fn model(rules: Rules) -> Model {
    Model {
        rules,
        start: Start::Paired,
        also: Also::Liveness,
    }
}

fn cut_off(rules: Rules) -> Model {
    Model {
        start: Start::CutOff,
        ..model(rules)
    }
}

/// Goes through every world. A check that has met fewer than `least` has not looked at what it is for.
fn check(what: &str, model: Model, least: usize) {
    let begun = Instant::now();
    let checker = model
        .checker()
        .threads(2)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    for (property, path) in checker.discoveries() {
        tell(property, path.into_vec());
    }
    count(what, &checker, begun, None);
    assert!(checker.discoveries().is_empty(), "there is a counter-example");
    let worlds = checker.unique_state_count();
    assert!(worlds >= least, "only {worlds} worlds");
}

/// A line that `cargo lab` puts where people read it. `harm`: what was expected to be found.
fn count(what: &str, checker: &impl Checker<Model>, begun: Instant, harm: Option<&str>) {
    let counted = json!({
        "what": what,
        "worlds": checker.unique_state_count(),
        "steps": checker.state_count(),
        "seconds": begun.elapsed().as_secs_f64(),
        "harm": harm,
    });
    println!("counted {counted}");
}

fn tell(property: &str, path: Vec<(World, Option<Step>)>) {
    println!("\nNot so: {property}");
    for (world, step) in path {
        println!("{world:?}");
        if let Some(step) = step {
            println!("  -> {step:?}");
        }
    }
}

#[test]
fn no_single_fault_does_harm() {
    check("one fault of any kind", model(rules(1, Kind::ALL)), 100_000);
}

#[test]
fn no_single_fault_does_harm_where_a_follower_may_be_behind() {
    let what = "one fault of any kind, and a follower that is a tick behind may take over";
    check(what, model(near(rules(1, Kind::ALL))), 100_000);
}

#[test]
fn no_two_faults_of_the_network_do_harm() {
    let kinds = &[Kind::Link, Kind::Etcd, Kind::Drift];
    let what = "two faults of the line, of the way to etcd, or of a clock's rate";
    check(what, model(rules(2, kinds)), 100_000);
}

/// The copy that was passed over comes back, is merged and filled anew.
#[test]
#[ignore = "takes minutes and gigabytes: cargo lab campaign model"]
fn no_forced_failover_loses_more_than_etcd_says() {
    let what = "two faults of the line, or a forced failover";
    check(what, model(rules(2, &[Kind::Link, Kind::Force])), 10_000);
}

/// A person has a site serve that is cut off, while the other one may take over.
#[test]
#[ignore = "takes minutes and gigabytes: cargo lab campaign model"]
fn no_hold_loses_what_was_stored() {
    let what = "the line and etcd are cut off, and one site is held";
    check(what, cut_off(rules(1, &[Kind::Hold])), 1_000_000);
}

/// R5, also when etcd comes back after the lease has run out there, or as it once was.
#[test]
fn the_loss_of_etcd_stops_nothing() {
    let mut rules = rules(3, &[Kind::Etcd, Kind::Regress]);
    // In coarser ticks the follower may call etcd silent a tick after the primary, and that is the deadline.
    rules.timing = SECONDS;
    // The longest that matters while the primary serves: a promise, for as long as it moves the deadline.
    rules.horizon = 11;
    rules.etcd = Some((*calm::paired(&rules).etcd).clone());
    let steady = Model {
        also: Also::Steadiness,
        ..model(rules)
    };
    let what = "three faults of etcd or the way to it, in seconds: the primary serves all the time";
    check(what, steady, 1_000_000);
}

#[test]
#[ignore = "takes minutes and gigabytes: cargo lab campaign model"]
fn no_single_fault_of_a_new_store_does_harm() {
    let new = Model {
        start: Start::New,
        ..model(rules(1, Kind::ALL))
    };
    check("one fault of any kind, from two new volumes", new, 10_000_000);
}

#[test]
#[ignore = "takes minutes and gigabytes: cargo lab campaign model"]
fn no_two_faults_do_harm_where_a_follower_may_be_behind() {
    let what =
        "two faults of the line, or of a guard that dies, and a follower that is a tick behind may take over";
    check(what, model(near(rules(2, &[Kind::Link, Kind::Crash]))), 1_000_000);
}

#[test]
#[ignore = "takes an hour and gigabytes: cargo lab campaign model"]
fn no_two_faults_of_any_kind_do_harm() {
    check("two faults of any kind", model(rules(2, Kind::ALL)), 1_000_000);
}

#[test]
#[ignore = "takes an hour and gigabytes: cargo lab campaign model"]
fn no_two_faults_of_any_kind_do_harm_where_a_follower_may_be_behind() {
    let what = "two faults of any kind, and a follower that is a tick behind may take over";
    check(what, model(near(rules(2, Kind::ALL))), 1_000_000);
}

#[rstest]
#[case::record_after_release(Mutant::RecordAfterRelease, 1, &[Kind::Link], RECORD_FIRST)]
#[case::record_after_release_then_failover(Mutant::RecordAfterRelease, 2, &[Kind::Link, Kind::Crash], NOTHING_LOST)]
#[case::channel_not_fenced(Mutant::ChannelNotFenced, 1, &[Kind::Pause], NO_OVERLAP)]
#[case::volume_ignored(Mutant::VolumeIgnored, 2, &[Kind::Volume, Kind::Crash], NOTHING_LOST)]
#[case::failure_ignored(Mutant::FailureIgnored, 1, &[Kind::Link], RECORD_FIRST)]
#[case::failure_ignored_then_failover(Mutant::FailureIgnored, 2, &[Kind::Link, Kind::Crash], NOTHING_LOST)]
#[case::promotion_before_expiry(Mutant::PromotionBeforeExpiry, 0, &[], ONE_GATE)]
#[case::no_self_fence(Mutant::NoSelfFence, 2, &[Kind::Link, Kind::Etcd], ONE_GATE)]
#[case::no_self_fence_at_a_forced_failover(Mutant::NoSelfFence, 2, &[Kind::Etcd, Kind::Force], NO_OVERLAP)]
#[case::sync_skipped(Mutant::SyncSkipped, 2, &[Kind::Link, Kind::Switchover], NOTHING_LOST)]
#[case::deadline_from_answer(Mutant::DeadlineFromAnswer, 2, &[Kind::Answer, Kind::Pause], ONE_GATE)]
#[case::promise_forgotten(Mutant::PromiseForgotten, 3, &[Kind::Etcd, Kind::Crash, Kind::Force], ONE_GATE)]
#[case::late_transaction(Mutant::LateTransaction, 3, &[Kind::Link, Kind::Answer], RECORD_FIRST)]
#[case::merge_skipped(Mutant::MergeSkipped, 2, &[Kind::Link, Kind::Force], KEPT)]
fn without_one_of_its_rules_harm_is_found(
    #[case] mutant: Mutant,
    #[case] faults: u8,
    #[case] kinds: &'static [Kind],
    #[case] harm: &'static str,
) {
    let mut rules = rules(faults, kinds);
    rules.mutant = Some(mutant);
    let mutated = Model {
        also: Also::Nothing,
        ..model(rules)
    };
    find(mutant.what(), mutated, harm);
}

#[test]
#[ignore = "takes minutes and gigabytes: cargo lab campaign model"]
fn without_its_mark_what_a_hold_stored_is_overwritten() {
    let mut rules = rules(2, &[Kind::Crash, Kind::Hold]);
    rules.mutant = Some(Mutant::HoldForgotten);
    let mutated = Model {
        also: Also::Nothing,
        ..cut_off(rules)
    };
    find(Mutant::HoldForgotten.what(), mutated, KEPT);
}

#[test]
fn without_its_peers_word_the_loss_of_etcd_stops_the_primary() {
    let steady = Model {
        also: Also::Steadiness,
        ..model(rules(2, &[Kind::Link, Kind::Etcd]))
    };
    find(
        "the follower is not reached, and its word not had (R5)",
        steady,
        STEADY,
    );
}

/// Goes on until `harm` is found.
fn find(what: &str, model: Model, harm: &'static str) {
    let begun = Instant::now();
    let checker = model
        .checker()
        .threads(2)
        .finish_when(HasDiscoveries::AnyOf(BTreeSet::from([harm])))
        .spawn_bfs()
        .join();
    let worlds = checker.unique_state_count();
    let path = checker
        .discovery(harm)
        .unwrap_or_else(|| panic!("{worlds} worlds, and always so: {harm}"));
    let steps: Vec<Step> = path.into_actions();
    println!("{harm}: not after {steps:?}");
    count(what, &checker, begun, Some(harm));
}

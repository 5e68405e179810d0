//! The checks themselves: the rules within their bounds, and that without any of them harm is found.

use std::time::Instant;

use rstest::rstest;
use serde_json::json;
use stateright::{Checker, HasDiscoveries, Model as _};

use crate::{
    model::{Model, NOTHING_BACK, NOTHING_LOST, SETTLES},
    world::{Mutant, World},
};

/// What one person writes, what another one does, and what either may have had before.
const TEXTS: u8 = 3;

fn check(begin: World, mutant: Option<Mutant>) -> impl Checker<Model> {
    let model = Model {
        begin,
        texts: TEXTS,
        mutant,
    };
    let checker = model.checker().threads(2).finish_when(HasDiscoveries::Any);
    checker.spawn_bfs().join()
}

fn found(checker: &impl Checker<Model>) -> Option<&'static str> {
    let properties = [NOTHING_LOST, NOTHING_BACK, SETTLES];
    let (property, path) = properties
        .into_iter()
        .find_map(|property| Some((property, checker.discovery(property)?)))?;
    println!("\nNot so: {property}: {:?}", path.into_actions());
    Some(property)
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

#[rstest]
#[case::three_edits(3, 0, 0)]
#[case::three_edits_and_a_deletion(3, 1, 0)]
#[case::two_edits_and_two_deletions(2, 2, 0)]
#[case::two_edits_a_deletion_and_a_change_of_the_lead(2, 1, 1)]
fn of_one_object_nothing_is_lost_or_comes_back_and_all_settles(
    #[case] edits: u8,
    #[case] deletions: u8,
    #[case] leads: u8,
) {
    let begun = Instant::now();
    let checker = check(World::new(edits, deletions, leads), None);
    assert_eq!(found(&checker), None);
    let what =
        format!("{edits} edits, {deletions} deletions, {leads} changes of what a side knows of the lead");
    count(&what, &checker, begun, None);
}

#[rstest]
#[case::an_edit(1, 0)]
#[case::two_edits(2, 0)]
#[case::an_edit_and_a_deletion(1, 1)]
fn of_one_object_the_same_holds_when_a_cluster_is_restored_from_a_backup(
    #[case] edits: u8,
    #[case] deletions: u8,
) {
    let begun = Instant::now();
    let begin = World {
        restores: 1,
        ..World::new(edits, deletions, 0)
    };
    let checker = check(begin, None);
    assert_eq!(found(&checker), None);
    let what = format!("{edits} edits, {deletions} deletions, and a cluster restored from a backup");
    count(&what, &checker, begun, None);
}

#[rstest]
#[case::incomplete_is_absent(Mutant::IncompleteIsAbsent, (1, 0, 0))]
#[case::nothing_noted(Mutant::NothingNoted, (1, 0, 0))]
#[case::own_note_only(Mutant::OwnNoteOnly, (3, 0, 0))]
#[case::nothing_kept(Mutant::NothingKept, (2, 0, 0))]
#[case::nothing_held(Mutant::NothingHeld, (1, 1, 0))]
#[case::nothing_confirmed(Mutant::NothingConfirmed, (3, 1, 0))]
#[case::one_lineage(Mutant::OneLineage, (3, 1, 0))]
#[case::restored_is_edited(Mutant::RestoredIsEdited, (2, 0, 1))]
#[case::lost_is_deleted(Mutant::LostIsDeleted, (1, 0, 1))]
fn of_one_object_harm_is_found_without(
    #[case] mutant: Mutant,
    #[case] (edits, deletions, restores): (u8, u8, u8),
) {
    let begun = Instant::now();
    let begin = World {
        restores,
        ..World::new(edits, deletions, 0)
    };
    let checker = check(begin, Some(mutant));
    let harm = found(&checker).expect("without this rule nothing goes wrong");
    count(&format!("{mutant:?}"), &checker, begun, Some(harm));
}

//! Agencies and mailboxes from a git repository: by Flux's controllers, and as Argo CD sees them. Two clusters without nodes; what an
//! operator writes on the objects is written by the checks.

mod argo;
mod drift;
mod field;
mod flux;
mod health;
mod objects;
mod operator;
mod prune;
mod source;
mod sync;

use super::report::{Report, sentence};
use field::Field;

/// Runs checks as `checks` does, and takes away after each what it wrote.
macro_rules! each {
    ($report:expr, $field:expr, [$($check:path),* $(,)?]) => {
        $(
            $report.observe(&sentence(stringify!($check)), $check(&$field)).await;
            $field.clear().await?;
        )*
    };
}

pub async fn run(report: &mut Report) -> anyhow::Result<()> {
    let mut field = None;
    let prepared = async {
        let started = Field::start().await?;
        started.populate().await?;
        field = Some(started);
        Ok(())
    };
    report
        .prepare("an agency and its mailboxes come out of a repository", prepared)
        .await;
    if let Some(field) = field {
        each!(
            report,
            field,
            [
                health::what_no_operator_has_seen_yet_is_in_progress,
                health::a_change_is_in_progress_until_the_operator_has_seen_it,
                health::what_only_a_person_can_mend_fails_at_once,
                health::an_agency_that_waits_for_approval_is_in_progress,
                drift::an_edit_by_hand_is_put_back,
                drift::what_the_mirror_brought_and_the_source_has_otherwise_is_put_back,
                drift::what_the_operator_adds_to_an_object_is_no_drift,
                drift::an_approval_is_no_drift,
                drift::an_approval_by_kubectl_patch_stops_the_pipeline_until_it_is_given_anew,
                drift::what_the_mirror_brought_first_is_taken_over_without_a_change,
                drift::a_field_that_the_mirror_wrote_stays_when_it_goes_from_the_source,
                prune::what_goes_from_the_source_is_deleted,
                prune::a_deletion_that_the_mirror_holds_keeps_nobody_waiting,
                sync::argo_takes_nothing_of_the_operators_for_drift,
                sync::argo_takes_over_what_the_mirror_brought_first,
                sync::argo_sees_an_edit_by_hand,
                sync::argo_judges_health_by_the_conditions,
            ]
        );
        field.stop()?;
    }
    Ok(())
}

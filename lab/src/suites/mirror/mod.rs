//! One set of agencies and mailboxes in two clusters, as people at either of them see it.

mod cuts;
mod deletions;
mod edits;
mod object;
mod refused;
mod restored;

use std::time::Duration;

use super::mail::quiet;
use super::report::{Report, sentence};
use super::{checks, populated};
use crate::lab::LabName;
use crate::network::Site;
use crate::up;

/// How long the operators are watched for writes.
const QUIET: Duration = Duration::from_secs(60);

pub async fn run(report: &mut Report, keep: bool) -> anyhow::Result<()> {
    let name: LabName = "mirror-test".parse()?;
    if !keep {
        up::down(&name)?;
    }
    let title = "agencies and people written at one site are Ready at both";
    let service = populated(report, &name, title, &[Site::Pdsa1]).await?;
    if let Some(service) = service {
        checks!(
            report,
            service,
            [
                edits::an_edit_at_either_site_is_at_both,
                edits::what_a_replace_drops_is_no_conflict,
                edits::files_applied_at_both_sites_at_once_are_one_object,
                deletions::what_is_deleted_at_either_site_is_gone_at_both,
                refused::an_edit_that_the_other_site_refuses_is_told_where_it_was_made,
                cuts::what_was_written_during_a_cut_comes_afterwards,
                cuts::of_two_edits_during_a_cut_the_leads_stands_and_the_other_is_kept,
                cuts::operators_that_are_killed_leave_nothing_half_made,
                restored::a_cluster_that_is_restored_from_a_backup_comes_up_to_the_other_one,
                deletions::many_deletions_are_stopped_until_a_person_has_looked,
            ]
        );
        report
            .observe(
                "the operators write nothing for a minute",
                quiet::the_operator_writes_nothing(&service, QUIET),
            )
            .await;
    }
    if keep { Ok(()) } else { up::down(&name) }
}

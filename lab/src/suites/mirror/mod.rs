//! One set of agencies and mailboxes in two clusters, as people at either of them see it.

mod cuts;
mod deletions;
mod edits;
mod object;

use std::time::Duration;

use super::mail::quiet;
use super::report::{Report, sentence};
use crate::lab::{Lab, LabName};
use crate::network::Site;
use crate::service::Service;
use crate::up;

/// How long the operators are watched for writes.
const QUIET: Duration = Duration::from_secs(60);

/// Runs checks one after the other, each told by its own name, with what it saw.
macro_rules! checks {
    ($report:expr, $service:expr, [$($check:path),* $(,)?]) => {
        $($report.observe(&sentence(stringify!($check)), $check(&$service)).await;)*
    };
}

pub async fn run(report: &mut Report, keep: bool) -> anyhow::Result<()> {
    let name: LabName = "mirror-test".parse()?;
    if !keep {
        up::down(&name)?;
    }
    up::up(&name).await?;
    let lab = Lab::open(&name)?;
    let mut service = None;
    let installed = async {
        let installed = Service::install(&lab).await?;
        installed.populate_by(&[Site::Pdsa1]).await?;
        service = Some(installed);
        Ok(())
    };
    report
        .prepare(
            "agencies and people written at one site are Ready at both",
            installed,
        )
        .await;
    if let Some(service) = service {
        checks!(
            report,
            service,
            [
                edits::an_edit_at_either_site_is_at_both,
                edits::what_a_replace_drops_is_no_conflict,
                edits::files_applied_at_both_sites_at_once_are_one_object,
                deletions::what_is_deleted_at_either_site_is_gone_at_both,
                cuts::what_was_written_during_a_cut_comes_afterwards,
                cuts::of_two_edits_during_a_cut_the_leads_stands_and_the_other_is_kept,
                cuts::operators_that_are_killed_leave_nothing_half_made,
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

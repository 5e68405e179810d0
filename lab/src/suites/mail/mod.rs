//! The main job from end to end, in a lab of its own: real people, real servers, both sites.

mod decided;
mod faults;
mod fencing;
mod internet;
mod lead;
mod main_job;
mod members;
mod page;
mod preferred;
pub(super) mod quiet;
mod roles;
mod rotation;
mod switchover;
mod wire;

use std::time::Duration;

use super::report::{Report, sentence};
use super::{checks, permissions, populated};
use crate::lab::LabName;
use crate::network::Site;
use crate::service::Service;
use crate::service::people::{ALI, KUMAR, SITI};
use crate::up;

/// How long the operator is watched for writes. Longer than that nobody waits for a test.
const QUIET: Duration = Duration::from_secs(60);

pub async fn run(report: &mut Report, keep: bool) -> anyhow::Result<()> {
    let name: LabName = "mail-test".parse()?;
    if !keep {
        up::down(&name)?;
    }
    let title = "two agencies and their people are Ready at both sites";
    let service = populated(report, &name, title, &Site::DATA_CENTRES).await?;
    if let Some(service) = service {
        checks!(
            report,
            service,
            [
                main_job::a_first_password_must_be_changed,
                page::a_password_is_changed_in_a_browser,
            ]
        );
        if report.is_narrowed() {
            let chosen = passwords(&service);
            report.prepare("people have passwords of their own", chosen).await;
        }
        checks!(
            report,
            service,
            [
                main_job::mail_goes_between_agencies_and_sites,
                main_job::submission_refuses_what_it_must,
                main_job::a_virus_is_refused,
                main_job::no_door_is_open_in_clear,
                internet::mail_from_outside_is_read,
                internet::mx_refuses_what_it_must,
                internet::mail_to_outside_arrives,
                internet::a_refusal_outside_is_told_to_the_sender,
                internet::what_a_store_refuses_goes_back_outside,
                wire::nothing_is_in_clear,
                main_job::a_used_first_password_is_deleted,
            ]
        );
        report
            .observe(
                "the operator writes nothing for a minute",
                quiet::the_operator_writes_nothing(&service, QUIET),
            )
            .await;
        checks!(
            report,
            service,
            [
                roles::three_members_agree_on_a_leader,
                roles::both_platforms_say_that_roles_are_ready,
                roles::roles_are_written_without_the_witness,
                roles::only_the_site_with_the_witness_writes_roles,
                roles::roles_are_written_while_the_sites_are_cut_from_each_other,
                roles::roles_are_closed_to_other_certificates,
                members::a_member_that_has_lost_its_disk_is_replaced,
                switchover::a_store_moves_and_moves_back_under_load,
                switchover::what_can_not_move_is_refused_and_stays,
                switchover::of_two_at_once_each_ends_in_a_word,
                preferred::a_store_follows_its_preferred_site,
                rotation::mail_goes_on_while_a_site_renews_its_certificates,
                faults::mail_goes_on_without_operators,
                faults::mail_goes_on_without_an_api_server,
                rotation::guards_show_their_new_certificates,
                lead::the_other_site_leads_and_makes_a_mailbox_when_the_leads_site_is_lost,
                decided::what_only_a_lost_primary_has_comes_back_by_the_merge,
                decided::a_cut_off_site_is_held_and_what_it_stored_stays,
                fencing::an_older_term_is_refused,
                fencing::another_parts_certificate_is_refused,
                fencing::higher_evidence_shuts_the_gate,
            ]
        );
        // Last: of a whole run.
        report
            .observe(
                "the operator is refused nothing",
                permissions::the_operator_is_refused_nothing(&service),
            )
            .await;
    }
    if keep { Ok(()) } else { up::down(&name) }
}

/// What the checks of passwords leave behind.
async fn passwords(service: &Service) -> anyhow::Result<()> {
    let door = service.door(Site::Pdsa1).await?;
    for person in [ALI, SITI, KUMAR] {
        service.choose_password(&door, person).await?;
    }
    Ok(())
}

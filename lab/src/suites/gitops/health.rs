//! What Flux makes of conditions: kustomize-controller asks kstatus.

use std::time::Duration;

use anyhow::ensure;

use super::field::{AGENCIES, Field, HOME, MAILBOXES, until};
use super::objects::{AGENCY, Object, example};
use super::operator::{self, State};

/// How often kustomize-controller looks at what it waits for, and once more.
const LOOKS: Duration = Duration::from_secs(11);

/// Waits until everything is applied and Flux has begun to wait for it.
async fn waits_for_health(field: &Field, folder: &str, revision: &str) -> anyhow::Result<()> {
    until(&format!("Flux waits for what is in {folder}"), || {
        let said = field.flux(HOME).says(folder)?;
        ensure!(
            !(said.ready == "True" && said.applied == revision),
            "{folder} is Ready before anything in it is: {said:?}"
        );
        Ok((said.waits && said.attempted == revision).then_some(()))
    })
    .await
}

/// Still waiting after it has looked again.
async fn goes_on_waiting(field: &Field, folder: &str) -> anyhow::Result<()> {
    tokio::time::sleep(LOOKS).await;
    let said = field.flux(HOME).says(folder)?;
    ensure!(said.waits, "Flux no longer waits for {folder}: {said:?}");
    Ok(())
}

pub async fn what_no_operator_has_seen_yet_is_in_progress(field: &Field) -> anyhow::Result<String> {
    let (name, object) = ("fresh", Object::mailbox("fresh"));
    let revision = field.write(name, None).await?;
    waits_for_health(field, MAILBOXES, &revision).await?;
    field.there(HOME, &object).await?;
    goes_on_waiting(field, MAILBOXES).await?;
    // The mirror may be the first to say something.
    operator::note(&field.kubectl, HOME, &object)?;
    goes_on_waiting(field, MAILBOXES).await?;
    field.say(HOME, &object, State::Progressing)?;
    goes_on_waiting(field, MAILBOXES).await?;
    field.say(HOME, &object, State::Ready)?;
    field.flux(HOME).ready(MAILBOXES, &revision).await?;
    Ok("without a status, with the mirror's alone, and while it is being made; then Ready".to_owned())
}

pub async fn a_change_is_in_progress_until_the_operator_has_seen_it(field: &Field) -> anyhow::Result<String> {
    let name = "changed";
    let object = field.settle(name, Some("2Gi")).await?;
    let revision = field.write(name, Some("3Gi")).await?;
    waits_for_health(field, MAILBOXES, &revision).await?;
    goes_on_waiting(field, MAILBOXES).await?;
    field
        .seen(HOME, &object, |found| found["spec"]["quota"]["size"] == "3Gi")
        .await?;
    field.say(HOME, &object, State::Ready)?;
    field.flux(HOME).ready(MAILBOXES, &revision).await?;
    Ok("Ready=True of the generation before does not count".to_owned())
}

pub async fn what_only_a_person_can_mend_fails_at_once(field: &Field) -> anyhow::Result<String> {
    let name = "taken";
    let object = field.settle(name, None).await?;
    field.say(HOME, &object, State::Stalled)?;
    let said = field.flux(HOME).reconcile(MAILBOXES).await?;
    ensure!(
        said.ready == "False" && said.reason == "HealthCheckFailed" && said.message.contains(name),
        "a mailbox is Stalled, and {said:?}"
    );
    field.say(HOME, &object, State::Ready)?;
    let mended = field.flux(HOME).reconcile(MAILBOXES).await?;
    ensure!(mended.ready == "True", "it was mended, and {mended:?}");
    Ok(format!("{}: {}", said.reason, said.message))
}

/// Nothing else waits for a decision that takes days.
pub async fn an_agency_that_waits_for_approval_is_in_progress(field: &Field) -> anyhow::Result<String> {
    let agency = Object::Agency(AGENCY.to_owned());
    field.say(HOME, &agency, State::AwaitingApproval)?;
    field.flux(HOME).reconcile_soon(AGENCIES)?;
    until("Flux waits for the agency", || {
        let said = field.flux(HOME).says(AGENCIES)?;
        Ok(said.waits.then_some(()))
    })
    .await?;
    goes_on_waiting(field, AGENCIES).await?;
    let file = format!("{AGENCIES}/{AGENCY}.yaml");
    let changed = example("agencies/kkr.yaml")?.replace("en: Ministry of Works", "en: Public Works");
    let revision = field.source.commit(&file, Some(&changed))?;
    field.flux(HOME).fetch(&revision).await?;
    field
        .seen(HOME, &agency, |found| {
            found["spec"]["displayName"]["en"] == "Public Works"
        })
        .await?;
    field.say(HOME, &agency, State::Ready)?;
    let said = until("the agency's folder is Ready again", || {
        let said = field.flux(HOME).says(AGENCIES)?;
        Ok((said.ready == "True" && said.applied == revision).then_some(said))
    })
    .await?;
    ensure!(said.reason == "ReconciliationSucceeded", "{said:?}");
    Ok("not failed, and the next commit is applied meanwhile".to_owned())
}

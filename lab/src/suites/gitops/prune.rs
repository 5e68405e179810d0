//! What is taken out of the source.

use anyhow::ensure;

use super::field::{Field, HOME, MAILBOXES};
use super::objects::{self, Object, file};
use super::operator;

pub async fn what_goes_from_the_source_is_deleted(field: &Field) -> anyhow::Result<String> {
    let name = "leaving";
    let object = field.settle(name, None).await?;
    field.clear().await?;
    ensure!(
        objects::read(&field.kubectl, HOME, &object)?.is_none(),
        "{name} is still there"
    );
    let other = Object::mailbox("ali-ahmad");
    let kept = field.present(HOME, &other)?;
    ensure!(
        kept["metadata"]["deletionTimestamp"].is_null(),
        "another one was deleted with it"
    );
    Ok(String::new())
}

/// The mirror's finalizer holds it until the other site can't take its own for new.
pub async fn a_deletion_that_the_mirror_holds_keeps_nobody_waiting(field: &Field) -> anyhow::Result<String> {
    let name = "held";
    let object = field.settle(name, None).await?;
    let revision = field.source.commit(&file(name), None)?;
    field.flux(HOME).fetch(&revision).await?;
    field.flux(HOME).ready(MAILBOXES, &revision).await?;
    let held = field.present(HOME, &object)?;
    ensure!(
        held["metadata"]["deletionTimestamp"].is_string(),
        "it was not deleted: {}",
        held["metadata"]
    );
    let said = field.flux(HOME).reconcile(MAILBOXES).await?;
    ensure!(said.ready == "True", "while it is held {said:?}");
    operator::release(&field.kubectl, HOME, &object)?;
    field.gone(HOME, &object).await?;
    Ok("its folder is Ready before it is gone".to_owned())
}

//! Deletions: few and many.

use anyhow::ensure;

use super::object::{
    LATER, NAMESPACE, SOON, Wanted, apply, at_both, at_none, condition, delete, mailbox, read,
};
use crate::network::Site;
use crate::service::Service;

/// More than are let through at once.
const MANY: usize = 16;

pub async fn what_is_deleted_at_either_site_is_gone_at_both(service: &Service) -> anyhow::Result<String> {
    let mut slowest = 0.0_f64;
    for (name, from, made) in [
        ("gone1", Site::Pdsa1, Site::Pdsa1),
        ("gone2", Site::Pdsa2, Site::Pdsa1),
        ("gone3", Site::Pdsa1, Site::Pdsa2),
    ] {
        apply(service, made, &mailbox(name, "1Gi"))?;
        at_both(service, name, "1Gi", SOON).await?;
        delete(service, from, &[name])?;
        slowest = slowest.max(at_none(service, name, SOON).await?);
    }
    Ok(format!(
        "at the site where it was made, and at the other; the slowest {slowest:.1} s"
    ))
}

/// Somebody deletes everything at one site: most of it is still there at the other one, and comes to an end only when a person says
/// that it was meant.
pub async fn many_deletions_are_stopped_until_a_person_has_looked(
    service: &Service,
) -> anyhow::Result<String> {
    let names: Vec<String> = (0..MANY).map(|number| format!("many{number:02}")).collect();
    for name in &names {
        apply(service, Site::Pdsa1, &mailbox(name, "1Gi"))?;
    }
    for name in &names {
        at_both(service, name, "1Gi", SOON).await?;
    }
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    delete(service, Site::Pdsa2, &all)?;
    for name in &names {
        let wanted = Wanted {
            site: Site::Pdsa2,
            name,
            what: "gone where it was deleted",
            limit: SOON,
        };
        wanted.wait(service, |object| object.is_none()).await?;
    }
    tokio::time::sleep(std::time::Duration::from_secs(15)).await;
    let mut stopped = Vec::new();
    for name in &names {
        let Some(object) = read(service, Site::Pdsa1, name)? else {
            continue;
        };
        let said = condition(&object, "Mirrored");
        ensure!(
            object["metadata"]["deletionTimestamp"].is_null()
                && said
                    .as_ref()
                    .is_some_and(|(_, reason, _)| reason == "MassDeletion"),
            "{name} is left and says {said:?}"
        );
        stopped.push(name.as_str());
    }
    ensure!(
        stopped.len() >= MANY - 10 && stopped.len() < MANY,
        "of {MANY} that were deleted at pdsa2 {} are left at pdsa1",
        stopped.len()
    );
    service
        .kubectl
        .govuc(&["mirror", "accept", "--context", "pdsa1"])?;
    for name in &stopped {
        at_none(service, name, LATER).await?;
    }
    let left = service
        .kubectl
        .run(Site::Pdsa1, &["-n", NAMESPACE, "get", "mailboxes", "-o", "name"])?;
    Ok(format!(
        "{} of {MANY} stayed, and went after kubectl govuc mirror accept; {} others were never touched",
        stopped.len(),
        left.lines().count()
    ))
}

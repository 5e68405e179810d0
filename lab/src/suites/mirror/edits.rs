//! Edits while nothing is wrong.

use anyhow::ensure;
use serde_json::Value;

use super::object::{
    NAMESPACE, SOON, Wanted, apply, at_both, delete, is_mirrored, mailbox, read, resize, size,
};
use crate::network::Site;
use crate::service::Service;

/// How often each way.
const TIMES: u32 = 5;

pub async fn an_edit_at_either_site_is_at_both(service: &Service) -> anyhow::Result<String> {
    let name = "edited";
    apply(service, Site::Pdsa2, &mailbox(name, "1Gi"))?;
    let made = at_both(service, name, "1Gi", SOON).await?;
    let mut times = Vec::new();
    for round in 0..TIMES {
        for (from, to) in [(Site::Pdsa1, Site::Pdsa2), (Site::Pdsa2, Site::Pdsa1)] {
            let quota = format!("{}Gi", 2 + 2 * round + u32::from(from == Site::Pdsa2));
            resize(service, from, name, &quota)?;
            let wanted = Wanted {
                site: to,
                name,
                what: "of the size that was written at the other site",
                limit: SOON,
            };
            times.push(
                wanted
                    .wait(service, |object| {
                        object.is_some_and(|object| size(object) == quota)
                    })
                    .await?,
            );
        }
    }
    at_both(service, name, &format!("{}Gi", 1 + 2 * TIMES), SOON).await?;
    times.sort_by(f64::total_cmp);
    Ok(format!(
        "made at both after {made:.1} s; {} edits each at the other site after {:.1} s, the slowest {:.1} s",
        times.len(),
        times[times.len() / 2],
        times[times.len() - 1]
    ))
}

/// `kubectl replace` with a file leaves nothing of annotations and finalizers.
pub async fn what_a_replace_drops_is_no_conflict(service: &Service) -> anyhow::Result<String> {
    let name = "replaced";
    apply(service, Site::Pdsa1, &mailbox(name, "1Gi"))?;
    at_both(service, name, "1Gi", SOON).await?;
    for (site, quota) in [(Site::Pdsa2, "3Gi"), (Site::Pdsa1, "4Gi")] {
        let text = mailbox(name, quota).to_string();
        service.kubectl.run_with(site, &["replace", "-f", "-"], &text)?;
        at_both(service, name, quota, SOON).await?;
    }
    for site in Site::DATA_CENTRES {
        let object = read(service, site, name)?.unwrap_or_default();
        ensure!(
            super::object::condition(&object, "Diverged").is_none(),
            "{site}: a replace was taken for a conflict: {}",
            object["status"]
        );
    }
    delete(service, Site::Pdsa1, &[name])?;
    super::object::at_none(service, name, SOON).await?;
    Ok("at the copy, and at the original".to_owned())
}

/// As a pipeline does for two clusters: one object comes of it, and nobody is overruled.
pub async fn files_applied_at_both_sites_at_once_are_one_object(service: &Service) -> anyhow::Result<String> {
    let names: Vec<String> = (0..5).map(|number| format!("both{number}")).collect();
    for name in &names {
        for site in Site::DATA_CENTRES {
            apply(service, site, &mailbox(name, "1Gi"))?;
        }
    }
    let mut slowest = 0.0_f64;
    for name in &names {
        slowest = slowest.max(at_both(service, name, "1Gi", SOON).await?);
        for site in Site::DATA_CENTRES {
            let object: Value = read(service, site, name)?.unwrap_or_default();
            ensure!(
                is_mirrored(&object) && super::object::condition(&object, "Diverged").is_none(),
                "{site}: {name} in {NAMESPACE} says {}",
                object["status"]
            );
        }
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    delete(service, Site::Pdsa2, &names)?;
    for name in names {
        super::object::at_none(service, name, SOON).await?;
    }
    Ok(format!("5 mailboxes, the slowest after {slowest:.1} s"))
}

//! Edits while the sites don't see each other, and operators that are killed at work.

use anyhow::{Context, ensure};

use super::object::{
    LATER, SOON, Wanted, apply, at_both, at_none, condition, delete, kept, mailbox, read, resize, size,
};
use crate::fault;
use crate::network::{Line, Site};
use crate::service::Service;

fn cut(service: &Service) -> anyhow::Result<()> {
    fault::change(&service.lab, |faults| faults.cut(Line::BETWEEN_SITES))
}

fn heal(service: &Service) -> anyhow::Result<()> {
    fault::change(&service.lab, |faults| faults.heal(None))
}

/// New ones at either site, an edit and a deletion: each site says what it knows, and afterwards both have all of it.
pub async fn what_was_written_during_a_cut_comes_afterwards(service: &Service) -> anyhow::Result<String> {
    for name in ["before", "doomed"] {
        apply(service, Site::Pdsa1, &mailbox(name, "1Gi"))?;
        at_both(service, name, "1Gi", SOON).await?;
    }
    cut(service)?;
    let written = async {
        apply(service, Site::Pdsa1, &mailbox("new1", "1Gi"))?;
        apply(service, Site::Pdsa2, &mailbox("new2", "2Gi"))?;
        resize(service, Site::Pdsa2, "before", "5Gi")?;
        delete(service, Site::Pdsa1, &["doomed"])?;
        let wanted = Wanted {
            site: Site::Pdsa2,
            name: "before",
            what: "said to wait for the other site",
            limit: SOON,
        };
        wanted
            .wait(service, |object| {
                let said = object.and_then(|object| condition(object, "Mirrored"));
                said.is_some_and(|(status, ..)| status != "True")
            })
            .await?;
        ensure!(
            read(service, Site::Pdsa2, "new1")?.is_none() && read(service, Site::Pdsa2, "doomed")?.is_some(),
            "what was written at pdsa1 has come to pdsa2 through a line that is cut"
        );
        Ok(())
    };
    let written: anyhow::Result<()> = written.await;
    heal(service)?;
    written?;
    let mut slowest = 0.0_f64;
    for (name, quota) in [("new1", "1Gi"), ("new2", "2Gi"), ("before", "5Gi")] {
        slowest = slowest.max(at_both(service, name, quota, LATER).await?);
    }
    slowest = slowest.max(at_none(service, "doomed", LATER).await?);
    delete(service, Site::Pdsa1, &["new1", "new2", "before"])?;
    for name in ["new1", "new2", "before"] {
        at_none(service, name, SOON).await?;
    }
    Ok(format!(
        "all of it {slowest:.1} s after the line was whole at the latest"
    ))
}

pub async fn of_two_edits_during_a_cut_the_leads_stands_and_the_other_is_kept(
    service: &Service,
) -> anyhow::Result<String> {
    let name = "disputed";
    apply(service, Site::Pdsa1, &mailbox(name, "1Gi"))?;
    at_both(service, name, "1Gi", SOON).await?;
    cut(service)?;
    let written = resize(service, Site::Pdsa1, name, "11Gi").and(resize(service, Site::Pdsa2, name, "12Gi"));
    heal(service)?;
    written?;
    let words = ["get", "platform", "platform", "-o", "jsonpath={.status.lead}"];
    let lead = service.kubectl.run(Site::Pdsa1, &words)?;
    let (loser, stands, lost) = if lead.contains("pdsa2") {
        (Site::Pdsa1, "12Gi", "11Gi")
    } else {
        (Site::Pdsa2, "11Gi", "12Gi")
    };
    let took = at_both(service, name, stands, LATER).await?;
    let object = read(service, loser, name)?.context("it is gone")?;
    let (status, reason, message) =
        condition(&object, "Diverged").with_context(|| format!("nobody is told: {}", object["status"]))?;
    ensure!(
        (status.as_str(), reason.as_str()) == ("True", "Overruled"),
        "Diverged is {status}, {reason}: {message}"
    );
    let secret = message
        .split_whitespace()
        .find_map(|word| word.split_once("/diverged-"))
        .map(|(_, rest)| format!("diverged-{}", rest.trim_end_matches(['.', ',', ';'])))
        .with_context(|| format!("no Secret is named: {message}"))?;
    let put_aside = kept(service, loser, &secret)?;
    ensure!(size(&put_aside) == lost, "kept is {put_aside}");
    // Another edit, and it is no longer of interest.
    resize(service, loser, name, lost)?;
    at_both(service, name, lost, SOON).await?;
    let object = read(service, loser, name)?.context("it is gone")?;
    ensure!(
        condition(&object, "Diverged").is_none(),
        "it is still said to diverge"
    );
    delete(service, loser, &[name])?;
    at_none(service, name, SOON).await?;
    Ok(format!(
        "{loser}'s {lost} gave way to {stands} after {took:.1} s, and is in Secret {secret}"
    ))
}

/// Both operators are killed while much is made and deleted.
pub async fn operators_that_are_killed_leave_nothing_half_made(service: &Service) -> anyhow::Result<String> {
    let names: Vec<String> = (0..20).map(|number| format!("killed{number:02}")).collect();
    let kill = || {
        Site::DATA_CENTRES
            .into_iter()
            .try_for_each(|site| service.kill_operators(site))
    };
    for (number, name) in names.iter().enumerate() {
        let site = Site::DATA_CENTRES[number % 2];
        apply(service, site, &mailbox(name, "1Gi"))?;
        if number == 5 || number == 15 {
            kill()?;
        }
    }
    let mut slowest = 0.0_f64;
    for name in &names {
        slowest = slowest.max(at_both(service, name, "1Gi", LATER).await?);
    }
    // Few enough for the brake, which counts what earlier checks deleted.
    let doomed: Vec<&str> = names.iter().take(2).map(String::as_str).collect();
    delete(service, Site::Pdsa1, &doomed)?;
    kill()?;
    for name in &doomed {
        at_none(service, name, LATER).await?;
    }
    Ok(format!(
        "20 mailboxes at both after {slowest:.0} s, two of them gone again"
    ))
}

//! Who does what must be done once, when the site that did so is lost.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::json;

use crate::network::Site;
use crate::service::people::{ALI, Person, SITI};
use crate::service::store::in_step;
use crate::service::{Login, Service};
use crate::{site, up};

/// A lease of 15 s, its election, and two processors that run everything.
const LED: Duration = Duration::from_secs(90);
/// Its store has to change sides as well.
const MADE: Duration = Duration::from_secs(180);
const PERIOD: Duration = Duration::from_secs(1);

/// Whose mailbox is first asked for when the lead's site is lost.
const FARID: Person = Person {
    agency: ALI.agency,
    mailbox: "farid-hashim",
    address: "farid.hashim@kkr.gov.my",
    password: "Tasik-Kenyir-Selepas-Hujan-7",
};

/// The other site leads, and makes a new mailbox with all that belongs to it; the one that comes back does not take the lead
/// again.
pub async fn the_other_site_leads_and_makes_a_mailbox_when_the_leads_site_is_lost(
    service: &Service,
) -> anyhow::Result<String> {
    let lost = Site::DATA_CENTRES
        .into_iter()
        .find(|site| lead(service, Site::Pdsa1).is_ok_and(|lead| lead == site.name()))
        .context("no site leads")?;
    let left = lost.other();
    for person in [ALI, SITI] {
        in_step(service, &service.store_of(person).await?).await?;
    }
    let door = service.door(left).await?;
    let start = Instant::now();
    site::machine(&service.lab, lost)?.kill()?;
    led_by(service, left, left).await?;
    let led = start.elapsed().as_secs_f64();
    apply(service, left)?;
    let first = loop {
        if let Some(first) = service.first_password_by(left, FARID)? {
            break first;
        }
        ensure!(
            start.elapsed() < MADE,
            "{left} has made no mailbox after {MADE:?}: {:?}",
            said(service, left)
        );
        tokio::time::sleep(PERIOD).await;
    };
    let made = start.elapsed().as_secs_f64();
    let login = Login {
        user: FARID.address,
        password: &first,
    };
    let (status, answer) = door.change_password(login, FARID.password)?;
    ensure!(status == 204, "the new password was answered {status}: {answer}");
    door.imap(FARID.login()).await?.logout().await?;

    up::revive(&service.lab, lost).await?;
    led_by(service, lost, left).await?;
    apply(service, lost)?;
    for person in [ALI, SITI] {
        in_step(service, &service.store_of(person).await?).await?;
    }
    let start = Instant::now();
    while ready(service, lost)? != "True" {
        ensure!(
            start.elapsed() < MADE,
            "{lost} does not say that the mailbox is ready"
        );
        tokio::time::sleep(PERIOD).await;
    }
    ensure!(lead(service, left)? == left.name(), "{lost} took the lead back");
    let door = service.door(lost).await?;
    door.opens(FARID.login(), MADE).await?;
    Ok(format!(
        "{left} led after {led:.0} s and had made the mailbox after {made:.0} s; {lost} came back and follows"
    ))
}

/// The same object at either site, as a pipeline applies it.
fn apply(service: &Service, site: Site) -> anyhow::Result<()> {
    let object = json!({
        "apiVersion": "1govuc.gov.my/v1alpha1",
        "kind": "Mailbox",
        "metadata": {"namespace": format!("agency-{}", FARID.agency), "name": FARID.mailbox},
        "spec": {
            "type": "Individual",
            "address": FARID.address,
            "individual": {"staffNumber": "KKR-00977", "name": "Farid bin Hashim", "grade": 29},
        },
    });
    service
        .kubectl
        .run_with(site, &["apply", "-f", "-"], &object.to_string())?;
    Ok(())
}

/// Waits until this cluster says that `lead` leads.
async fn led_by(service: &Service, asked: Site, wanted: Site) -> anyhow::Result<()> {
    let start = Instant::now();
    loop {
        let said = lead(service, asked);
        if said.as_ref().is_ok_and(|lead| lead == wanted.name()) {
            return Ok(());
        }
        ensure!(
            start.elapsed() < LED,
            "{asked} says that {said:?} leads, and not {wanted}"
        );
        tokio::time::sleep(PERIOD).await;
    }
}

fn lead(service: &Service, asked: Site) -> anyhow::Result<String> {
    let words = ["get", "platform", "platform", "-o", "jsonpath={.status.lead}"];
    Ok(service.kubectl.run(asked, &words)?)
}

fn ready(service: &Service, asked: Site) -> anyhow::Result<String> {
    shown(
        service,
        asked,
        r#"jsonpath={.status.conditions[?(@.type=="Ready")].status}"#,
    )
}

/// For whoever has to find out why.
fn said(service: &Service, asked: Site) -> anyhow::Result<String> {
    shown(service, asked, "jsonpath={.status}")
}

fn shown(service: &Service, asked: Site, path: &str) -> anyhow::Result<String> {
    let namespace = format!("agency-{}", FARID.agency);
    let words = ["-n", &namespace, "get", "mailbox", FARID.mailbox, "-o", path];
    Ok(service.kubectl.run(asked, &words)?)
}

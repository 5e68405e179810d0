//! What a person decides where the protocol decides nothing: a hold, and a failover by force whose merge brings everything together.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use crate::network::{Line, Site};
use crate::service::Service;
use crate::service::mail::{self, Message};
use crate::service::people::{ALI, Person, SITI};
use crate::service::store::{decide, in_step, merged, merges, object, replicated, sides};
use crate::{fault, site, up};

/// After this nobody who has neither etcd nor the follower has an open gate.
const DEADLINE: Duration = Duration::from_secs(14);
/// Two leases, an engine that starts twice, and two processors that run everything.
const PATIENCE: Duration = Duration::from_secs(120);
const PERIOD: Duration = Duration::from_secs(1);

/// The witness is lost and the line is cut: nobody serves. A person has the last primary serve all the same, and what it stored
/// is there when the line is back, at both sites.
pub async fn a_cut_off_site_is_held_and_what_it_stored_stays(service: &Service) -> anyhow::Result<String> {
    let (store, here, there) = sides_in_step(service).await?;
    let (door, other_door) = (service.door(here).await?, service.door(there).await?);
    site::kill_program(&service.lab, Site::Witness, site::witness::PROGRAM)?;
    fault::change(&service.lab, |faults| faults.cut(Line::BETWEEN_SITES))?;
    tokio::time::sleep(DEADLINE).await;
    said_shut(service, &store, here).await?;
    let start = Instant::now();
    decide(service, "hold", &store, (here, here), &["--yes"]).await?;
    let held = start.elapsed().as_secs_f64();
    door.opens(ALI.login(), PATIENCE).await?;
    let stored = Message::new(SITI, ALI, "semasa dipegang")?;
    mail::send(&door, SITI, ALI, &stored).await?;
    mail::read(&door, ALI, &stored).await?;
    let read = start.elapsed().as_secs_f64();
    let said = object(service, &store, here).await?["status"]["hold"]["state"].clone();
    ensure!(said == "Held", "status.hold.state is {said}");

    fault::change(&service.lab, |faults| faults.heal(None))?;
    site::revive_program(&service.lab, Site::Witness, site::witness::PROGRAM)?;
    let start = Instant::now();
    in_step(service, &store).await?;
    let whole = start.elapsed().as_secs_f64();
    for door in [&door, &other_door] {
        door.opens(ALI.login(), PATIENCE).await?;
        mail::read(door, ALI, &stored).await?;
    }
    let start = Instant::now();
    loop {
        let said = object(service, &store, here).await?["status"]["hold"].clone();
        if said["state"] == "Settled" {
            break;
        }
        ensure!(start.elapsed() < PATIENCE, "status.hold is {said}");
        tokio::time::sleep(PERIOD).await;
    }
    Ok(format!(
        "{here} held after {held:.0} s and its mail read after {read:.0} s; in step {whole:.0} s after the line was back"
    ))
}

/// A primary that has gone on alone is lost; a person has the other site serve without what only the lost one has, and that is
/// there again once it is back.
pub async fn what_only_a_lost_primary_has_comes_back_by_the_merge(
    service: &Service,
) -> anyhow::Result<String> {
    let (store, lost, left) = sides_in_step(service).await?;
    // Now: of a site that is lost nobody learns anything.
    let (lost_door, door) = (service.door(lost).await?, service.door(left).await?);
    let earlier = merged(service, &store, left).await?;
    fault::change(&service.lab, |faults| faults.cut(Line::BETWEEN_SITES))?;
    replicated(service, &store, lost, "False").await?;
    lost_door.opens(ALI.login(), PATIENCE).await?;
    let missed = Message::new(SITI, ALI, "hanya di tapak yang hilang")?;
    mail::send(&lost_door, SITI, ALI, &missed).await?;
    mail::read(&lost_door, ALI, &missed).await?;
    site::machine(&service.lab, lost)?.kill()?;
    fault::change(&service.lab, |faults| faults.heal(None))?;

    let start = Instant::now();
    decide(service, "failover", &store, (left, left), &["--force", "--yes"]).await?;
    let forced = start.elapsed().as_secs_f64();
    door.opens(ALI.login(), PATIENCE).await?;
    let stored = Message::new(SITI, ALI, "selepas dipaksa")?;
    mail::send(&door, SITI, ALI, &stored).await?;
    mail::read(&door, ALI, &stored).await?;

    up::revive(&service.lab, lost).await?;
    let start = Instant::now();
    merges(service, &store, left, &earlier, PATIENCE).await?;
    let brought = start.elapsed().as_secs_f64();
    in_step(service, &store).await?;
    let whole = start.elapsed().as_secs_f64();
    for door in [&door, &lost_door] {
        door.opens(ALI.login(), PATIENCE).await?;
        for message in [&missed, &stored] {
            mail::read(door, ALI, message).await?;
        }
    }
    ensure!(
        brought_to(service, &store, ALI, left).await? >= 1,
        "the report at {left} has no message that was brought to {}",
        ALI.address
    );
    Ok(format!(
        "forced to {left} in {forced:.0} s; merged {brought:.0} s and in step {whole:.0} s after {lost} was up again; both messages \
         are read at both sites, and the report has what was brought"
    ))
}

/// Until the cut off site's operator has heard of its guard that the gate is shut: before that the command says that it serves.
async fn said_shut(service: &Service, store: &str, here: Site) -> anyhow::Result<()> {
    let start = Instant::now();
    loop {
        let sites = object(service, store, here).await?["status"]["sites"].clone();
        let own = sites
            .as_array()
            .into_iter()
            .flatten()
            .find(|copy| copy["name"] == here.name());
        let state = own.map_or(Value::Null, |own| own["state"].clone());
        if !["Paired", "Alone", "Held"]
            .iter()
            .any(|serving| state == *serving)
        {
            return Ok(());
        }
        ensure!(
            start.elapsed() < PATIENCE,
            "{here} still says that its copy is {state}"
        );
        tokio::time::sleep(PERIOD).await;
    }
}

/// How many messages of a person the report of the last merge has, which is at `at`; both clusters are asked.
async fn brought_to(service: &Service, store: &str, person: Person, at: Site) -> anyhow::Result<u64> {
    let contexts = Site::DATA_CENTRES.map(Site::name).join(",");
    let (kubectl, store) = (service.kubectl.clone(), store.to_owned());
    let told = tokio::task::spawn_blocking(move || {
        kubectl.govuc(&["merge", "report", &store, "--contexts", &contexts, "-o", "json"])
    });
    let told = told.await??;
    let reports: Vec<Value> = serde_json::from_str(&told)?;
    let [report] = &reports[..] else {
        bail!("one report was to be found: {told}");
    };
    ensure!(report["site"] == at.name(), "the report is not at {at}: {told}");
    ensure!(report["ended"]["at"].is_string(), "it has not ended: {told}");
    let accounts = report["accounts"].as_array().context("accounts")?;
    let account = accounts
        .iter()
        .find(|account| account["address"] == person.address);
    let account = account.with_context(|| format!("nothing of {}: {told}", person.address))?;
    account["messages"].as_u64().context("messages")
}

/// A store in step, the site that has it, and the other one.
async fn sides_in_step(service: &Service) -> anyhow::Result<(String, Site, Site)> {
    for person in [ALI, SITI] {
        in_step(service, &service.store_of(person).await?).await?;
    }
    let store = service.store_of(ALI).await?;
    let (at, other) = sides(service, &store).await?;
    Ok((store, at, other))
}

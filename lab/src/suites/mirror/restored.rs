//! A cluster whose etcd is put back to what it was before: the other one knows better.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

use super::object::{LATER, SOON, apply, at_both, at_none, delete, mailbox, read, resize};
use crate::command;
use crate::network::Site;
use crate::service::{Service, client};
use crate::site;

/// The one that is restored.
const SITE: Site = Site::Pdsa2;
const OTHER: Site = Site::Pdsa1;
/// More than the brake lets through.
const NEW: usize = 12;

/// Edits at either site, new mailboxes and a deletion come after the backup. All of it is at both sites again when the backup was
/// restored, and at the other site nothing changes.
pub async fn a_cluster_that_is_restored_from_a_backup_comes_up_to_the_other_one(
    service: &Service,
) -> anyhow::Result<String> {
    for name in ["edited-here", "edited-there", "doomed"] {
        apply(service, SITE, &mailbox(name, "1Gi"))?;
        at_both(service, name, "1Gi", SOON).await?;
    }
    let folder = service.lab.folder.site(SITE);
    let (data, backup) = (folder.join("etcd"), folder.join("etcd-backup"));
    stopped(service, || copy(&data, &backup)).await?;

    let new: Vec<String> = (0..NEW).map(|number| format!("newer{number:02}")).collect();
    for (number, name) in new.iter().enumerate() {
        apply(service, Site::DATA_CENTRES[number % 2], &mailbox(name, "1Gi"))?;
    }
    resize(service, SITE, "edited-here", "2Gi")?;
    resize(service, OTHER, "edited-there", "3Gi")?;
    delete(service, OTHER, &["doomed"])?;
    let all = [("edited-here", "2Gi"), ("edited-there", "3Gi")]
        .into_iter()
        .chain(new.iter().map(|name| (name.as_str(), "1Gi")));
    let mut uids = Vec::new();
    for (name, quota) in all.clone() {
        at_both(service, name, quota, LATER).await?;
        uids.push(uid(service, name)?);
    }
    gone(service, "doomed").await?;

    stopped(service, || {
        command::run(Command::new("rm").arg("-rf").arg(&data))?;
        copy(&backup, &data)
    })
    .await?;
    let lacking = new
        .iter()
        .filter(|name| matches!(read(service, SITE, name), Ok(None)))
        .count();
    let mut slowest = 0.0_f64;
    for (name, quota) in all.clone() {
        slowest = slowest.max(at_both(service, name, quota, LATER).await?);
    }
    gone(service, "doomed").await?;
    for ((name, _), before) in all.clone().zip(uids) {
        ensure!(
            uid(service, name)? == before,
            "{name} was deleted and made anew at {OTHER}"
        );
    }
    let names: Vec<&str> = all.map(|(name, _)| name).collect();
    // Few at a time, for the brake.
    delete(service, OTHER, &names[..2])?;
    command::run(Command::new("rm").arg("-rf").arg(&backup))?;
    Ok(format!(
        "{lacking} of {NEW} newer mailboxes were missing when looked at first, two had old specs, one was back; all right after {slowest:.0} s"
    ))
}

/// What earlier checks deleted counts too, and then it is held back until somebody says that it was meant.
async fn gone(service: &Service, name: &str) -> anyhow::Result<()> {
    if at_none(service, name, SOON).await.is_err() {
        let sites = Site::DATA_CENTRES.map(Site::name).join(",");
        service
            .kubectl
            .govuc(&["mirror", "accept", "--contexts", &sites])?;
        at_none(service, name, LATER).await?;
    }
    Ok(())
}

fn uid(service: &Service, name: &str) -> anyhow::Result<String> {
    let object = read(service, OTHER, name)?.with_context(|| format!("{name} is gone at {OTHER}"))?;
    Ok(object["metadata"]["uid"].as_str().unwrap_or_default().to_owned())
}

/// Does something to the data of a cluster's etcd while nothing of the control plane runs. Whatever watches begins anew afterwards, as
/// etcd's manual has it: it would wait for what the other history had come to.
async fn stopped(service: &Service, change: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    const FIRST: [&str; 2] = ["etcd", "kube-apiserver"];
    // Pods run on.
    let watching = || {
        let rest = site::PROGRAMS.into_iter();
        rest.filter(|program| !FIRST.contains(program) && *program != "containerd")
    };
    let lab = &service.lab;
    for program in watching().chain(FIRST) {
        site::kill_program(lab, SITE, program)?;
    }
    let changed = change();
    for program in FIRST {
        site::revive_program(lab, SITE, program)?;
    }
    site::wait_for_api(&client(&lab.folder.kubeconfig(), SITE).await?).await?;
    for program in watching() {
        site::revive_program(lab, SITE, program)?;
    }
    changed?;
    service.kill_operators(SITE)
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    command::run(Command::new("cp").arg("-a").arg(from).arg(to))?;
    Ok(())
}

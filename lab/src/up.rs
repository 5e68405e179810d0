//! Starts and stops a whole lab.

use std::fs;
use std::time::Instant;

use anyhow::Context;

use crate::artifact::{self, Programs};
use crate::lab::{Claim, Lab, LabName};
use crate::machine::{self, Machine, Role};
use crate::network::Site;
use crate::{host, kubeconfig, preflight, site};

/// Starts the lab `name`, or what of it is not running. A half-made machine of a crashed start is made anew.
pub async fn up(name: &LabName) -> anyhow::Result<()> {
    preflight::check_and_install()?;
    let programs = artifact::programs()?;
    let start = Instant::now();
    let lab = Lab::create(name)?;
    let _claim = Claim::take(name)?;
    host::raise_limits()?;
    let wan = wan(&lab, &programs)?;
    let mut starting = tokio::task::JoinSet::new();
    for site in Site::ALL {
        if Machine::find(name, Role::Site(site)).is_some_and(|machine| machine.is_complete()) {
            continue;
        }
        machine::remove(name, Role::Site(site))?;
        let (lab, programs, wan) = (lab.clone(), programs.clone(), wan.clone());
        starting.spawn(async move {
            site::start(&lab, site, &programs, &wan).await?;
            if site.is_data_centre() {
                eprintln!("{site}: Ready after {:.1} s", start.elapsed().as_secs_f64());
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = starting.join_next().await {
        done.context("a site's start ended by itself")??;
    }
    if !lab.folder.kubeconfig().exists() {
        kubeconfig::write(
            &lab.folder.kubeconfig(),
            &site::contexts(&lab, "admin", Some("system:masters"))?,
        )?;
    }
    println!(
        "lab {name} is up; `export KUBECONFIG={}` for kubectl",
        lab.folder.kubeconfig().display()
    );
    Ok(())
}

/// Starts one site again after [`machine::Machine::kill`], with the disk it had.
pub async fn revive(lab: &Lab, site: Site) -> anyhow::Result<()> {
    let programs = artifact::programs()?;
    let _claim = Claim::take(&lab.name)?;
    let wan = wan(lab, &programs)?;
    machine::remove(&lab.name, Role::Site(site))?;
    site::start(lab, site, &programs, &wan).await
}

/// Stops the lab and removes everything of it, whatever state a crash left it in.
pub fn down(name: &LabName) -> anyhow::Result<()> {
    if !name.folder().path().exists() && !Role::ALL.iter().any(|role| Machine::find(name, *role).is_some()) {
        println!("lab {name} is not up");
        return Ok(());
    }
    let claim = Claim::take(name)?;
    for role in Role::ALL {
        machine::remove(name, role)?;
    }
    fs::remove_dir_all(name.folder().path()).with_context(|| name.folder().path().display().to_string())?;
    host::restore_limits()?;
    // The folder of the labs goes with the last of them; it is not empty otherwise, and stays.
    let _ = fs::remove_dir(crate::paths::labs());
    drop(claim);
    println!("lab {name} is down; nothing of it is left");
    Ok(())
}

/// The bridge, started if it is not there. Without it no machine has a line, so they are all made anew.
fn wan(lab: &Lab, programs: &Programs) -> anyhow::Result<Machine> {
    if let Some(wan) = Machine::find(&lab.name, Role::Wan).filter(Machine::is_complete) {
        return Ok(wan);
    }
    for role in Role::ALL {
        machine::remove(&lab.name, role)?;
    }
    Ok(machine::start_wan(lab, &programs.pause)?)
}

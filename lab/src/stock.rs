//! Builds images and brings them to the sites that run.

use std::process::Command;

use crate::artifact;
use crate::cargo::repository;
use crate::images::{self, BuiltImage, Imported};
use crate::lab::Lab;
use crate::machine::{Machine, Role};
use crate::network::Site;
use crate::paths;
use crate::site::CONTAINERD_SOCKET;

/// Builds the images `names` (all of them when empty), imports them everywhere, and says how they are called.
pub fn bring(lab: &Lab, names: &[String]) -> anyhow::Result<()> {
    for image in built(names)? {
        let came = import(lab, &image)?;
        let note = if came { "" } else { " (was there)" };
        println!("{}{note}", image.reference);
    }
    Ok(())
}

/// The images `names` (all of them when empty), from the cache where nothing changed.
pub fn built(names: &[String]) -> anyhow::Result<Vec<BuiltImage>> {
    let repository = repository();
    let specs = if names.is_empty() {
        images::all(&repository)?
    } else {
        images::named(&repository, names)?
    };
    Ok(images::build(&repository, &paths::cache(), &specs, &|line| {
        eprintln!("{line}")
    })?)
}

/// Gives an image to every running data centre; false if all of them had it.
pub fn import(lab: &Lab, image: &BuiltImage) -> anyhow::Result<bool> {
    let ctr = artifact::programs()?.cri.join("ctr").display().to_string();
    let machines = Site::DATA_CENTRES
        .into_iter()
        .filter_map(|site| Machine::find(&lab.name, Role::Site(site)));
    let mut came = false;
    for machine in machines {
        let command = || -> Command {
            machine.command(&[&ctr, "--address", CONTAINERD_SOCKET, "--namespace", "k8s.io"])
        };
        came |= images::import(command, image)? == Imported::Now;
    }
    Ok(came)
}

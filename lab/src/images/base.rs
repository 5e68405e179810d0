//! The base of every image: a `debian:trixie-slim` made with mmdebstrap.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use super::{At, Error, context, installed, logged};

/// The name Containerfiles use. Elsewhere a registry answers it; here it is what this module makes.
pub(super) const NAMES: [&str; 2] = [
    "docker.io/library/debian:trixie-slim",
    "localhost/debian:trixie-slim",
];

/// What makes the base `slim`: the same exclusions as the published image of that name. mmdebstrap leaves them in
/// the dpkg configuration, so packages installed later obey them too.
const ARGUMENTS: [&str; 8] = [
    "--mode=root",
    "--variant=minbase",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/info/*",
    "--aptopt=APT::Install-Recommends \"false\"",
];

const SUITE: &str = "trixie";

/// The root file system of the base.
pub(super) struct Base {
    pub archive: PathBuf,
    /// SHA-256 of the archive: part of the key of every image.
    pub digest: String,
}

/// Where the archive of the base is, known by the recipe it is made by.
fn place(root: &Path) -> PathBuf {
    let recipe = ring::digest::digest(&ring::digest::SHA256, format!("{SUITE} {ARGUMENTS:?}").as_bytes());
    root.join(format!("base@{}.tar", &hex::encode(recipe)[..12]))
}

/// The base out of the cache at `root`.
pub(super) fn made(root: &Path) -> Option<Base> {
    let archive = place(root);
    let digest = fs::read_to_string(archive.with_extension("sha256")).ok()?;
    archive.exists().then_some(Base { archive, digest })
}

/// Makes the base, unless another process just did.
pub(super) fn make(root: &Path, report: &dyn Fn(&str)) -> Result<Base, Error> {
    if let Some(base) = made(root) {
        return Ok(base);
    }
    if !installed("mmdebstrap") {
        return Err(Error::Missing {
            program: "mmdebstrap",
            remedy: "apt-get install mmdebstrap",
        });
    }
    let archive = place(root);
    let start = Instant::now();
    report("image base: making debian:trixie-slim with mmdebstrap");
    let unfinished = archive.with_extension("part.tar");
    let log = root.join("base.log");
    let mut command = Command::new("mmdebstrap");
    command.args(ARGUMENTS).arg(SUITE).arg(&unfinished);
    logged(&mut command, "making the base image", &log)?;
    let digest = context::digest(&unfinished)?;
    fs::rename(&unfinished, &archive).at("rename", &unfinished)?;
    let noted = archive.with_extension("sha256");
    fs::write(&noted, &digest).at("write", &noted)?;
    report(&format!(
        "image base: made in {:.1} s",
        start.elapsed().as_secs_f64()
    ));
    Ok(Base { archive, digest })
}

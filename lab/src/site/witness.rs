//! The witness's own program: the member of the roles' etcd, set up from the folder that `kubectl govuc witness` writes.
//!
//! What on a real machine Debian and systemd are, is here the root file system of the image `etcd`, and a loop.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::images::BuiltImage;
use crate::lab::Lab;
use crate::machine::{Daemon, Machine, Process};
use crate::network::Site;
use crate::paths::SiteFolder;

/// What its process is called.
pub const PROGRAM: &str = "etcd";

/// Where `README.md` of the folder says the files go.
const INSTALLED: &str = "etc/govuc-witness";
/// The files that systemd hands to the unit, and where.
const CREDENTIALS: &str = "run/credentials/govuc-witness.service";
const CREDENTIAL_FILES: [&str; 3] = ["tls.crt", "tls.key", "ca.crt"];
/// What the unit calls its state.
const STATE: &str = "var/lib/govuc-witness";
/// The user of the process, which the unit makes up at each start.
const USER: u32 = 65532;

/// Starts again what ended by itself, as the unit does; but not what was killed, which is to stay so.
const LOOP: &str = r#"
    while chroot --userspec=$2:$2 "$1" /etc/govuc-witness/start-member /etc/govuc-witness/etcd.env; [ $? -lt 128 ]
    do sleep 1; done"#;

/// Puts the folder where it belongs and starts the member, unless it runs from this image already. A member that was here
/// before keeps its log.
pub fn set_up(lab: &Lab, folder: &Path, image: &BuiltImage) -> anyhow::Result<()> {
    let machine = super::machine(lab, Site::Witness)?;
    let site = lab.folder.site(Site::Witness);
    let root = root(&site);
    let note = site.join("etcd-image");
    if fs::read_to_string(&note).ok().as_deref() != Some(&image.reference) {
        stop(&machine)?;
        renew(&root, image)?;
        fs::write(&note, &image.reference).with_context(|| note.display().to_string())?;
    }
    install(folder, &root)?;
    if !machine.programs().iter().any(is_loop) {
        machine.spawn(&daemon(&site))?;
    }
    Ok(())
}

/// Starts the member of a witness that was set up before a power cut; nothing on another machine.
pub fn start(site: &SiteFolder, machine: &Machine) -> anyhow::Result<()> {
    if root(site).exists() {
        machine.spawn(&daemon(site))?;
    }
    Ok(())
}

/// The loop that keeps the member running.
pub fn daemon(site: &SiteFolder) -> Daemon {
    let root = root(site).display().to_string();
    Daemon {
        program: "/bin/sh".into(),
        arguments: ["-c", LOOP, "witness", &root, &USER.to_string()]
            .map(str::to_owned)
            .to_vec(),
        log: site.log(PROGRAM),
        path: None,
    }
}

/// The root file system that the member sees.
pub fn root(site: &SiteFolder) -> PathBuf {
    site.join("root")
}

fn is_loop(process: &Process) -> bool {
    process.arguments().get(2).is_some_and(|script| script == LOOP)
}

/// Ends the loop first: it would start the member again.
fn stop(machine: &Machine) -> anyhow::Result<()> {
    for process in machine.programs().iter().filter(|process| is_loop(process)) {
        process.kill()?;
    }
    for process in machine.programs() {
        if process.program() == PROGRAM {
            process.kill()?;
        }
    }
    Ok(())
}

/// Unpacks the image in the place of what was there, whose state stays.
fn renew(root: &Path, image: &BuiltImage) -> anyhow::Result<()> {
    let aside = root.with_extension("new");
    if aside.exists() {
        // Of a set-up that was broken off.
        fs::remove_dir_all(&aside).with_context(|| aside.display().to_string())?;
    }
    image.unpack(&aside)?;
    let state = aside.join(STATE);
    if root.join(STATE).exists() {
        fs::rename(root.join(STATE), &state).with_context(|| state.display().to_string())?;
        fs::remove_dir_all(root).with_context(|| root.display().to_string())?;
    } else {
        fs::create_dir_all(&state).with_context(|| state.display().to_string())?;
        chown(&state, Some(USER), Some(USER)).with_context(|| state.display().to_string())?;
        fs::set_permissions(&state, fs::Permissions::from_mode(0o700))
            .with_context(|| state.display().to_string())?;
    }
    fs::rename(&aside, root).with_context(|| root.display().to_string())
}

/// What `README.md` of the folder tells a person to do, and systemd does.
fn install(folder: &Path, root: &Path) -> anyhow::Result<()> {
    let installed = root.join(INSTALLED);
    let credentials = root.join(CREDENTIALS);
    for made in [&installed, &credentials] {
        fs::create_dir_all(made).with_context(|| made.display().to_string())?;
    }
    for name in ["start-member", "etcd.env"] {
        copy(&folder.join(name), &installed.join(name))?;
    }
    for name in CREDENTIAL_FILES {
        let to = credentials.join(name);
        copy(&folder.join(name), &to)?;
        chown(&to, Some(USER), Some(USER)).with_context(|| to.display().to_string())?;
    }
    let hosts = fs::read_to_string(folder.join("hosts")).context("the folder's hosts")?;
    let path = root.join("etc/hosts");
    fs::write(&path, format!("127.0.0.1 localhost\n{hosts}")).with_context(|| path.display().to_string())
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::copy(from, to)
        .map(drop)
        .with_context(|| format!("{} to {}", from.display(), to.display()))
}

//! The third place of the service, set up as a person does it.

use anyhow::{Context, ensure};

use super::Service;
use crate::network::Site;
use crate::{site, stock};

/// Writes the witness's folder with the plugin, and starts what is in it on the witness's machine.
pub fn set_up(service: &Service) -> anyhow::Result<()> {
    let folder = service.lab.folder.site(Site::Witness).join("govuc-witness");
    let path = folder.display().to_string();
    service
        .kubectl
        .govuc(&["witness", "--context", Site::Pdsa1.name(), "--output", &path])
        .context("the witness's folder")?;
    let images = stock::built(&["etcd".to_owned()])?;
    ensure!(
        images.len() == 1,
        "one image was asked for, and {} came",
        images.len()
    );
    site::witness::set_up(&service.lab, &folder, &images[0]).context("setting up the witness")
}

/// Runs etcdctl on the witness's machine, as a person there would, and gives what it printed.
pub fn etcdctl(service: &Service, arguments: &[&str]) -> anyhow::Result<String> {
    let machine = site::machine(&service.lab, Site::Witness)?;
    let root = site::witness::root(&service.lab.folder.site(Site::Witness))
        .display()
        .to_string();
    let credentials = "/run/credentials/govuc-witness.service";
    let flag = |name: &str, file: &str| format!("--{name}={credentials}/{file}");
    let (authority, certificate, key) = (
        flag("cacert", "ca.crt"),
        flag("cert", "tls.crt"),
        flag("key", "tls.key"),
    );
    let command = [
        "chroot",
        &root,
        "etcdctl",
        "--endpoints=https://localhost:2379",
        "--command-timeout=10s",
        &authority,
        &certificate,
        &key,
    ];
    let output = machine.exec(&[&command, arguments].concat())?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

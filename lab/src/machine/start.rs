//! Brings machines into being: namespaces, cgroup, interfaces, mounts.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{Cgroups, Error, Machine, Role, wait};
use crate::command::run;
use crate::lab::Lab;
use crate::network::Site;

/// The name of the bridge between the sites, in the machine `wan`.
pub const BRIDGE: &str = "line";

const SETUP: &str = include_str!("setup.sh");

/// Starts the bridge between the sites.
pub fn start_wan(lab: &Lab, pause: &Path) -> Result<Machine, Error> {
    let wan = unshare(lab, Role::Wan, pause, &["--net", "--pid"])?;
    wan.exec(&["ip", "link", "set", "lo", "up"])?;
    wan.exec(&["ip", "link", "add", BRIDGE, "type", "bridge"])?;
    wan.exec(&["ip", "link", "set", BRIDGE, "up"])?;
    Ok(wan)
}

/// Starts the machine of a site: an own set of namespaces with `eth0` to the root namespace and `wan0` to the bridge.
pub fn start_site(lab: &Lab, site: Site, pause: &Path, wan: &Machine) -> Result<Machine, Error> {
    let role = Role::Site(site);
    Cgroups::of(&lab.name, role).create()?;
    // Mounts of the host that go away must go away in the copy too, but nothing may travel back: slave.
    let namespaces = [
        "--net",
        "--pid",
        "--mount",
        "--mount-proc",
        "--propagation",
        "slave",
        "--uts",
        "--ipc",
    ];
    let machine = unshare(lab, role, pause, &namespaces)?;
    connect(lab, site, &machine, wan)?;
    let folder = lab.folder.site(site);
    let lab_folder = lab.folder.path().display().to_string();
    let below_var = lab_folder.strip_prefix("/var").unwrap_or(&lab_folder).to_owned();
    let mut setup = machine.command(&["sh", "-eu", "-c", SETUP]);
    setup
        .env("SITE", site.name())
        .env("LAB", &lab_folder)
        .env("LAB_BELOW_VAR", below_var)
        .env("FOLDER", folder.path())
        .env("MACHINE", lab.network.machine(site).to_string())
        .env("WAN", lab.network.wan(site).to_string())
        .env(
            "PODS",
            if site.is_data_centre() {
                lab.network.pods(site)
            } else {
                String::new()
            },
        );
    run(&mut setup)?;
    Ok(machine)
}

/// Starts process 1 in namespaces of its own. `unshare` stays as its parent and dies with it, and it with `unshare`.
fn unshare(lab: &Lab, role: Role, pause: &Path, namespaces: &[&str]) -> Result<Machine, Error> {
    // A session of its own: closing the terminal, or Ctrl-C, must not end the machine.
    let mut command = Command::new("setsid");
    command
        .arg("unshare")
        .args(namespaces)
        .args(["--fork", "--kill-child=KILL"])
        .arg(pause);
    command.args(["machine", lab.name.as_str(), &role.to_string()]);
    command
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut holder = command.spawn().map_err(|source| crate::command::Error::Start {
        program: "setsid".to_owned(),
        source,
    })?;
    // In a program that outlives the machine, as the tests do, somebody must ask after the child.
    std::thread::spawn(move || holder.wait());
    let mut machine = None;
    wait(Duration::from_secs(5), || {
        machine = Machine::find(&lab.name, role);
        machine.is_some()
    });
    machine.ok_or(Error::Slow(role))
}

fn connect(lab: &Lab, site: Site, machine: &Machine, wan: &Machine) -> Result<(), Error> {
    let (host, port) = (lab.network.host_interface(site), site.port());
    let (init, wan_init) = (machine.init().to_string(), wan.init().to_string());
    let ip = |line: &str| run(Command::new("ip").args(line.split_whitespace()));
    // After a power cut the kernel removes the old ends by itself, but not at once.
    if Path::new("/sys/class/net").join(&host).exists() {
        let _ = ip(&format!("link del {host}"));
    }
    let _ = wan.exec(&["ip", "link", "del", &port]);
    ip(&format!("link add {host} type veth peer name eth0 netns {init}"))?;
    ip(&format!("addr add {}/30 dev {host}", lab.network.host(site)))?;
    ip(&format!("link set {host} up"))?;
    // The kernel looks a process up in the caller's pid namespace: enter the network of `wan` alone.
    let mut line = Command::new("nsenter");
    line.args(["-t", &wan_init, "-n", "ip", "link", "add", &port, "type", "veth"]);
    run(line.args(["peer", "name", "wan0", "netns", &init]))?;
    wan.exec(&["ip", "link", "set", &port, "master", BRIDGE, "up"])?;
    Ok(())
}

//! That a lab leaves nothing: everything a host keeps of it, listed before and after.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::lab::{self, Lab, LabName};
use crate::machine::{Machine, Role, wait};
use crate::paths::this_program;
use crate::suites::Report;
use crate::up;

/// What a host has that a lab could have put there, each as a word of what it is and its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traces {
    found: BTreeSet<String>,
    /// The namespaces of the lab's machines while it runs.
    namespaces: BTreeSet<PathBuf>,
}

/// Host-wide settings that Kubernetes would change if it could.
const SYSCTLS: [&str; 14] = [
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "net/ipv4/ip_forward",
    "net/ipv4/conf/all/forwarding",
    "net/ipv4/conf/all/route_localnet",
    "net/ipv4/conf/all/rp_filter",
    "net/netfilter/nf_conntrack_max",
    "net/netfilter/nf_conntrack_tcp_timeout_established",
    INOTIFY,
    "net/bridge/bridge-nf-call-iptables",
];

/// Raised while any lab is up, so it can be judged only where none but the tested one was.
const INOTIFY: &str = "fs/inotify/max_user_instances";

/// Where Kubernetes and its parts write unless told otherwise.
const FIXED_PATHS: [&str; 12] = [
    "/etc/cni",
    "/etc/kubernetes",
    "/opt/cni",
    "/run/containerd",
    "/run/flannel",
    "/tmp/hostpath_pv",
    "/usr/libexec/kubernetes",
    "/var/lib/cni",
    "/var/lib/containerd",
    "/var/lib/kubelet",
    "/var/log/containers",
    "/var/log/pods",
];

impl Traces {
    /// What there is now; of a running `lab` also its namespaces and interfaces.
    pub fn of(name: &LabName, lab: Option<&Lab>) -> anyhow::Result<Traces> {
        let mut found = BTreeSet::new();
        let mut add = |kind: &str, names: Vec<String>| {
            found.extend(names.into_iter().map(|name| format!("{kind} {name}")))
        };
        let folder = name.folder().path().display().to_string();
        let cgroup = format!("govuc-{name}-");
        add("process", processes(name, &folder, &cgroup));
        let mounts = fs::read_to_string("/proc/self/mountinfo").context("/proc/self/mountinfo")?;
        let lab_mounts = mounts
            .lines()
            .filter(|line| line.contains(&folder) || line.contains(&cgroup));
        add("mount", lab_mounts.map(str::to_owned).collect());
        add("cgroup", folders_named(Path::new("/sys/fs/cgroup"), &cgroup));
        add("interface", lab.map(interfaces).unwrap_or_default());
        let others = lab::every()?.iter().any(|lab| lab.name != *name);
        let judged = SYSCTLS.iter().filter(|setting| !(others && **setting == INOTIFY));
        add("sysctl", judged.filter_map(|name| sysctl(name)).collect());
        add(
            "path",
            FIXED_PATHS
                .iter()
                .filter(|path| Path::new(path).exists())
                .map(|p| p.to_string())
                .collect(),
        );
        add(
            "path",
            [&folder]
                .into_iter()
                .filter(|path| Path::new(path).exists())
                .cloned()
                .collect(),
        );
        add("table", lines(Command::new("nft").args(["list", "tables"])));
        add("rule", lines(Command::new("ip").args(["rule", "list"])));
        let machines = Role::ALL.into_iter().filter_map(|role| Machine::find(name, role));
        // The bridge's machine shares some with everybody.
        let own = namespaces(std::process::id());
        let all = machines.flat_map(|machine| namespaces(machine.init()));
        let namespaces = all.filter(|namespace| !own.contains(namespace)).collect();
        Ok(Traces { found, namespaces })
    }
}

/// Fails if anything is there that was not there `before` the lab, or any process or mount holds a namespace that it
/// had while it was `running`.
pub fn compare(before: &Traces, running: &Traces, name: &LabName) -> anyhow::Result<()> {
    ensure!(
        !running.namespaces.is_empty(),
        "the running lab had no namespaces, so nothing was compared"
    );
    // Dead processes are there until their parents have asked after them.
    let mut left = Vec::new();
    wait(Duration::from_secs(5), || {
        left = remains(before, running, name);
        left.is_empty()
    });
    ensure!(left.is_empty(), "left behind:\n{}", left.join("\n"));
    Ok(())
}

fn remains(before: &Traces, running: &Traces, name: &LabName) -> Vec<String> {
    let after = match Traces::of(name, None) {
        Ok(after) => after,
        Err(error) => return vec![error.to_string()],
    };
    let inotify = format!("sysctl {INOTIFY}");
    let judges_it = before.found.iter().any(|trace| trace.starts_with(&inotify));
    let new = after.found.difference(&before.found);
    let new = new
        .filter(|trace| judges_it || !trace.starts_with(&inotify))
        .cloned();
    let is_there = |trace: &&String| {
        let interface = trace.strip_prefix("interface ");
        interface.is_some_and(|name| Path::new("/sys/class/net").join(name).exists())
    };
    let interfaces = running.found.iter().filter(is_there).cloned();
    let held: BTreeSet<PathBuf> = pids().flat_map(namespaces).chain(pinned()).collect();
    let namespaces = running.namespaces.intersection(&held);
    let namespaces = namespaces.map(|namespace| format!("namespace {}", namespace.display()));
    new.chain(interfaces).chain(namespaces).collect()
}

/// Kills `cargo lab up` at different moments: what it started must go with the next `down`.
pub async fn crashes(report: &mut Report, name: &LabName) -> anyhow::Result<()> {
    for moment in [60, 400, 1200, 2500, 5000] {
        let title = format!("lab: down leaves nothing of a start that was killed after {moment} ms");
        report
            .check(&title, async {
                let before = Traces::of(name, None)?;
                let mut start = Command::new(this_program()?);
                start
                    .args(["--lab", name.as_str(), "up"])
                    .stdout(Stdio::null())
                    .stderr(Stdio::null());
                let mut start = start.spawn()?;
                tokio::time::sleep(Duration::from_millis(moment)).await;
                start.kill()?;
                start.wait()?;
                let mut running = Traces::of(name, Lab::open(name).ok().as_ref())?;
                // Killed before its first machine, it had no namespace that could be left.
                running.namespaces.insert(PathBuf::from("net:[0]"));
                up::down(name)?;
                compare(&before, &running, name)
            })
            .await;
    }
    Ok(())
}

/// Processes that name the lab or its folder, or are in one of its cgroups; the test itself names it too.
fn processes(name: &LabName, folder: &str, cgroup: &str) -> Vec<String> {
    let machine = format!("\0machine\0{name}\0");
    let other = pids().filter(|pid| *pid != std::process::id());
    other
        .filter_map(|pid| {
            let words = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let words = String::from_utf8_lossy(&words).into_owned();
            let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
            let of_lab = words.contains(folder) || words.contains(&machine) || groups.contains(cgroup);
            of_lab.then(|| format!("{pid} {}", words.replace('\0', " ")))
        })
        .collect()
}

fn pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn namespaces(pid: u32) -> Vec<PathBuf> {
    let kinds = ["net", "mnt", "pid", "uts", "ipc"];
    kinds
        .iter()
        .filter_map(|kind| fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok())
        .collect()
}

/// Namespaces that a mount of this namespace keeps alive.
fn pinned() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let roots = mounts
        .lines()
        .filter(|line| line.contains(" nsfs "))
        .filter_map(|line| line.split(' ').nth(3));
    roots.map(PathBuf::from).collect()
}

fn interfaces(lab: &Lab) -> Vec<String> {
    let prefix = format!("glab{}m", lab.network.index());
    let entries = fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with(&prefix))
        .collect()
}

fn folders_named(root: &Path, prefix: &str) -> Vec<String> {
    let hierarchies = fs::read_dir(root)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let entries = [root.to_owned()]
        .into_iter()
        .chain(hierarchies)
        .flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten());
    let named = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
    named.map(|entry| entry.path().display().to_string()).collect()
}

fn sysctl(name: &str) -> Option<String> {
    let value = fs::read_to_string(Path::new("/proc/sys").join(name)).ok()?;
    Some(format!("{name} = {}", value.trim()))
}

fn lines(command: &mut Command) -> Vec<String> {
    let output = command.output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output)
        .lines()
        .map(str::to_owned)
        .collect()
}

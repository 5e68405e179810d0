//! Looks before anything starts whether this host has what a lab needs, and names the remedy for what it lacks.

use std::fs;
use std::path::Path;
use std::process::Command;

use nix::unistd::geteuid;

use crate::site::CNI_PLUGINS;

/// Something a lab needs: how to see that it is there, and what to do when it is not.
struct Need {
    what: &'static str,
    met: fn() -> bool,
    remedy: Remedy,
}

#[derive(Clone, Copy)]
enum Remedy {
    /// A package of Debian's.
    Package(&'static str),
    /// What a person has to do.
    Advice(&'static str),
}

/// What this host lacks, each line with its remedy.
#[derive(Debug, thiserror::Error)]
#[error("this host lacks what a lab needs:\n{}", .0.join("\n"))]
pub struct Lacking(Vec<String>);

const NEEDS: &[Need] = &[
    Need {
        what: "iproute2 (ip)",
        met: || has("ip"),
        remedy: Remedy::Package("iproute2"),
    },
    Need {
        what: "nftables (nft)",
        met: || has("nft"),
        remedy: Remedy::Package("nftables"),
    },
    Need {
        what: "util-linux (unshare, nsenter)",
        met: || has("nsenter") && has("unshare"),
        remedy: Remedy::Package("util-linux"),
    },
    Need {
        what: "conntrack",
        met: || has("conntrack"),
        remedy: Remedy::Package("conntrack"),
    },
    Need {
        what: "the CNI plugins (ptp, host-local, portmap)",
        met: || {
            ["ptp", "host-local", "portmap"]
                .iter()
                .all(|name| Path::new(CNI_PLUGINS).join(name).exists())
        },
        remedy: Remedy::Package("containernetworking-plugins"),
    },
    Need {
        what: "a static busybox, for the lab's own test pods",
        met: || has("busybox"),
        remedy: Remedy::Package("busybox-static"),
    },
    Need {
        what: "a C compiler",
        met: || has("gcc"),
        remedy: Remedy::Package("gcc"),
    },
    Need {
        what: "pkg-config",
        met: || has("pkg-config"),
        remedy: Remedy::Package("pkg-config"),
    },
    Need {
        what: "libseccomp's headers",
        met: || Path::new("/usr/include/seccomp.h").exists(),
        remedy: Remedy::Package("libseccomp-dev"),
    },
    Need {
        what: "libc's headers and static library",
        met: || Path::new("/usr/include/stdlib.h").exists(),
        remedy: Remedy::Package("libc6-dev"),
    },
    Need {
        what: "buildah, for the images",
        met: || has("buildah"),
        remedy: Remedy::Package("buildah"),
    },
    Need {
        what: "mmdebstrap, for the base of the images",
        met: || has("mmdebstrap"),
        remedy: Remedy::Package("mmdebstrap"),
    },
    Need {
        what: "python3, for the tests of Cyrus' patches",
        met: || has("python3"),
        remedy: Remedy::Package("python3"),
    },
    Need {
        what: "Go 1.21 or later, which fetches the release that lab/*/go.mod names",
        met: || has("go"),
        remedy: Remedy::Advice(
            "install it from https://go.dev/dl and put its bin folder on PATH, or `apt-get install golang-go`",
        ),
    },
    Need {
        what: "curl, by which people of the demo change their passwords",
        met: || has("curl"),
        remedy: Remedy::Package("curl"),
    },
    Need {
        what: "tcpdump, for the test that nothing is in clear",
        met: || has("tcpdump"),
        remedy: Remedy::Package("tcpdump"),
    },
    Need {
        what: "ping, for the tests of faults on the line",
        met: || has("ping"),
        remedy: Remedy::Package("iputils-ping"),
    },
    Need {
        what: "overlayfs in the kernel",
        met: || kernel_has("/proc/filesystems", "overlay"),
        remedy: Remedy::Advice("`modprobe overlay`"),
    },
    Need {
        what: "nftables in the kernel",
        met: || succeeds("nft", &["list", "tables"]),
        remedy: Remedy::Advice("`modprobe nf_tables`"),
    },
    Need {
        what: "the right to make namespaces",
        met: || {
            succeeds(
                "unshare",
                &["--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "true"],
            )
        },
        remedy: Remedy::Advice("run it on a machine of its own; a container needs --privileged"),
    },
    Need {
        what: "the controllers cpu, cpuset, memory and pids of cgroups",
        met: cgroup_controllers,
        remedy: Remedy::Advice(
            "mount cgroups at /sys/fs/cgroup with these controllers; `cgroup_enable=memory` on the kernel's command line",
        ),
    },
];

/// Checks everything; as root, first installs the Debian packages that are missing, and says so.
pub fn check_and_install() -> Result<(), Lacking> {
    if !geteuid().is_root() {
        let advice = "- root: `sudo -E env PATH=$PATH cargo lab up`, or `cargo lab up --api-only`, which an ordinary user may";
        return Err(Lacking(vec![advice.to_owned()]));
    }
    let missing: Vec<&str> = unmet().iter().filter_map(|need| need.package()).collect();
    if !missing.is_empty() && has("apt-get") {
        install(&missing);
    }
    let lacking: Vec<String> = unmet().iter().map(|need| need.line()).collect();
    if lacking.is_empty() {
        Ok(())
    } else {
        Err(Lacking(lacking))
    }
}

impl Need {
    fn package(&self) -> Option<&'static str> {
        match self.remedy {
            Remedy::Package(package) => Some(package),
            Remedy::Advice(_) => None,
        }
    }

    fn line(&self) -> String {
        match self.remedy {
            Remedy::Package(package) => format!("- {}: `apt-get install {package}`", self.what),
            Remedy::Advice(advice) => format!("- {}: {advice}", self.what),
        }
    }
}

fn unmet() -> Vec<&'static Need> {
    NEEDS.iter().filter(|need| !(need.met)()).collect()
}

/// A failure shows in the check that follows, with the command to run by hand.
fn install(packages: &[&str]) {
    eprintln!("installing Debian packages: {}", packages.join(" "));
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        command.status().is_ok_and(|status| status.success())
    };
    let install = [&["install", "-y", "-qq", "--no-install-recommends"], packages].concat();
    // The lists may be old or absent on a fresh machine.
    if !apt(&install) && apt(&["update", "-qq"]) {
        apt(&install);
    }
}

fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // A user's PATH need not have the folders of administration, which every command of a lab looks in.
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.into_iter().any(|folder| folder.join(program).is_file())
}

fn kernel_has(list: &str, word: &str) -> bool {
    fs::read_to_string(list).is_ok_and(|text| text.split_whitespace().any(|w| w == word))
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(std::process::Stdio::null());
    command.output().is_ok_and(|output| output.status.success())
}

/// Version 2 lists its controllers in one file; under version 1 each has its folder.
fn cgroup_controllers() -> bool {
    ["cpu", "cpuset", "memory", "pids"].iter().all(|controller| {
        kernel_has("/sys/fs/cgroup/cgroup.controllers", controller)
            || Path::new("/sys/fs/cgroup")
                .join(controller)
                .join("cgroup.procs")
                .exists()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_package_is_named_with_the_command_that_installs_it() {
        let need = Need {
            what: "nftables (nft)",
            met: || false,
            remedy: Remedy::Package("nftables"),
        };
        assert_eq!(need.line(), "- nftables (nft): `apt-get install nftables`");
        assert!(Lacking(vec![need.line()]).to_string().ends_with(&need.line()));
    }

    #[test]
    fn a_program_is_looked_for_on_the_path() {
        assert!(has("sh"));
        assert!(!has("no-such-program"));
    }
}

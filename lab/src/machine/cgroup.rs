//! The cgroups of a machine, under both versions: where its programs are counted, and frozen.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Error, Role, wait};
use crate::lab::LabName;

const ROOT: &str = "/sys/fs/cgroup";

/// Which interface the kernel offers. A hybrid host, which has both, counts as the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CgroupVersion {
    V1,
    V2,
}

/// One machine's cgroup in every hierarchy. Pods are below it; the machine's own programs are in its leaf `machine`,
/// because version 2 allows processes in leaves only.
#[derive(Debug, Clone)]
pub struct Cgroups {
    name: String,
    version: CgroupVersion,
}

impl CgroupVersion {
    pub fn of_this_kernel() -> CgroupVersion {
        let unified = fs::exists(format!("{ROOT}/cgroup.controllers")).unwrap_or(false);
        if unified {
            CgroupVersion::V2
        } else {
            CgroupVersion::V1
        }
    }
}

impl Cgroups {
    pub fn of(lab: &LabName, role: Role) -> Cgroups {
        Cgroups {
            name: format!("govuc-{lab}-{role}"),
            version: CgroupVersion::of_this_kernel(),
        }
    }

    /// The path below every hierarchy's root, as the kubelet's `cgroupRoot` wants it.
    pub fn path(&self) -> String {
        format!("/{}", self.name)
    }

    /// Makes the cgroup in every hierarchy.
    pub fn create(&self) -> Result<(), Error> {
        match self.version {
            CgroupVersion::V2 => {
                let offered = Path::new(ROOT).join("cgroup.controllers");
                let offered = fs::read_to_string(&offered).map_err(|source| file(&offered, source))?;
                let controllers = enabled(&offered);
                write(&Path::new(ROOT).join("cgroup.subtree_control"), &controllers)?;
                make(&self.folder(""))?;
                write(&self.folder("").join("cgroup.subtree_control"), &controllers)?;
            }
            CgroupVersion::V1 => {
                // The hybrid's version 2 hierarchy has no controllers; the kubelet makes what it wants there itself.
                for hierarchy in hierarchies().iter().filter(|name| *name != "unified") {
                    make(&self.folder(hierarchy))?;
                }
                // A new cpuset holds nothing, and a process can't enter it before it does.
                for setting in ["cpuset.cpus", "cpuset.mems"] {
                    let all = Path::new(ROOT).join("cpuset").join(setting);
                    let value = fs::read_to_string(&all).map_err(|source| file(&all, source))?;
                    write(&self.folder("cpuset").join(setting), value.trim())?;
                }
            }
        }
        for leaf in self.leaves() {
            make(&leaf)?;
        }
        Ok(())
    }

    /// Where the machine's own programs go: enough to freeze them together with the pods.
    pub fn leaves(&self) -> impl Iterator<Item = PathBuf> {
        std::iter::once(self.freezer().join("machine"))
    }

    /// Stops every process of the machine where it stands.
    pub fn freeze(&self) -> Result<(), Error> {
        self.set_frozen(true)?;
        // A process may go on for a moment after the file was written.
        if wait(Duration::from_secs(5), || self.stands_still()) {
            Ok(())
        } else {
            Err(Error::Restless(self.name.clone()))
        }
    }

    fn stands_still(&self) -> bool {
        let (file, frozen) = match self.version {
            CgroupVersion::V1 => ("freezer.state", "FROZEN"),
            CgroupVersion::V2 => ("cgroup.events", "frozen 1"),
        };
        let said = fs::read_to_string(self.freezer().join(file)).unwrap_or_default();
        said.lines().any(|line| line == frozen)
    }

    /// Lets a frozen machine go on. Nothing happens to one that is not frozen or not there.
    pub fn thaw(&self) -> Result<(), Error> {
        if self.freezer().exists() {
            self.set_frozen(false)
        } else {
            Ok(())
        }
    }

    pub fn is_frozen(&self) -> bool {
        let state = match self.version {
            CgroupVersion::V1 => fs::read_to_string(self.freezer().join("freezer.state")),
            CgroupVersion::V2 => fs::read_to_string(self.freezer().join("cgroup.freeze")),
        };
        state.is_ok_and(|state| matches!(state.trim(), "FROZEN" | "FREEZING" | "1"))
    }

    /// Removes the cgroup from every hierarchy; its processes must have been killed.
    pub fn remove(&self) -> Result<(), Error> {
        let folders = match self.version {
            CgroupVersion::V2 => vec![self.folder("")],
            CgroupVersion::V1 => hierarchies()
                .iter()
                .map(|hierarchy| self.folder(hierarchy))
                .collect(),
        };
        for folder in folders.into_iter().filter(|folder| folder.exists()) {
            // The kernel empties a cgroup shortly after its last process has ended.
            let mut last = Ok(());
            if !wait(Duration::from_secs(5), || {
                last = remove_tree(&folder);
                last.is_ok()
            }) {
                last.map_err(|source| file(&folder, source))?;
            }
        }
        Ok(())
    }

    fn set_frozen(&self, frozen: bool) -> Result<(), Error> {
        let (setting, value) = match (self.version, frozen) {
            (CgroupVersion::V1, true) => ("freezer.state", "FROZEN"),
            (CgroupVersion::V1, false) => ("freezer.state", "THAWED"),
            (CgroupVersion::V2, frozen) => ("cgroup.freeze", if frozen { "1" } else { "0" }),
        };
        write(&self.freezer().join(setting), value)
    }

    fn freezer(&self) -> PathBuf {
        self.folder(if self.version == CgroupVersion::V1 {
            "freezer"
        } else {
            ""
        })
    }

    fn folder(&self, hierarchy: &str) -> PathBuf {
        Path::new(ROOT).join(hierarchy).join(&self.name)
    }
}

/// What the kubelet wants of the controllers that the kernel offers; one it lacks would make the whole line fail.
fn enabled(offered: &str) -> String {
    let wanted = |name: &&str| ["cpuset", "cpu", "io", "memory", "pids", "hugetlb"].contains(name);
    offered
        .split_whitespace()
        .filter(wanted)
        .map(|name| format!("+{name}"))
        .collect::<Vec<_>>()
        .join(" ")
}

/// The names of the hierarchies under version 1. Some are links to others (cpu, cpuacct), which does no harm.
fn hierarchies() -> Vec<String> {
    let Ok(entries) = fs::read_dir(ROOT) else {
        return Vec::new();
    };
    let folders = entries
        .flatten()
        .filter(|entry| entry.path().join("cgroup.procs").exists());
    folders
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

/// A cgroup is removed from its leaves up, and only as folders: its files can't be.
fn remove_tree(folder: &Path) -> std::io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    match fs::remove_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn make(folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(|source| file(folder, source))
}

fn write(path: &Path, value: &str) -> Result<(), Error> {
    fs::write(path, value).map_err(|source| file(path, source))
}

fn file(path: &Path, source: std::io::Error) -> Error {
    Error::File {
        path: path.display().to_string(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_controllers_that_are_offered_and_wanted_are_enabled() {
        assert_eq!(
            enabled("cpuset cpu io memory hugetlb pids rdma misc\n"),
            "+cpuset +cpu +io +memory +hugetlb +pids"
        );
        assert_eq!(enabled("cpu memory"), "+cpu +memory");
    }
}

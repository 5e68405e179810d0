//! Where a lab keeps what: the cache that outlives it, and its state, which `down` removes as a whole.

use std::path::{Path, PathBuf};

use crate::network::Site;

/// The folder of everything a lab writes: `/var/lib/govuc-lab/<lab>`.
#[derive(Debug, Clone)]
pub struct LabFolder(PathBuf);

/// The part of a lab's folder that belongs to one site. Survives a power cut, like a disk.
#[derive(Debug, Clone)]
pub struct SiteFolder(PathBuf);

/// Where built programs and images are kept, for all labs and all checkouts of this user.
pub fn cache() -> PathBuf {
    let set = |name: &str| {
        std::env::var_os(name)
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    };
    let base = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    base.unwrap_or_else(std::env::temp_dir).join("govuc")
}

/// The folder that holds the folder of every lab.
pub fn labs() -> PathBuf {
    PathBuf::from("/var/lib/govuc-lab")
}

/// This program's file, for those of its commands that run on their own.
pub fn this_program() -> std::io::Result<PathBuf> {
    let path = std::env::current_exe()?;
    // The kernel marks a file that was replaced by a rebuild; the new one has the name.
    Ok(path.to_string_lossy().trim_end_matches(" (deleted)").into())
}

impl LabFolder {
    pub fn new(path: PathBuf) -> LabFolder {
        LabFolder(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn site(&self, site: Site) -> SiteFolder {
        SiteFolder(self.0.join(site.name()))
    }

    /// What was decided when the lab was made: its index.
    pub fn record(&self) -> PathBuf {
        self.0.join("lab.json")
    }

    /// Which faults are in force.
    pub fn faults(&self) -> PathBuf {
        self.0.join("faults.json")
    }

    /// The administrator's kubeconfig, with one context for each data centre.
    pub fn kubeconfig(&self) -> PathBuf {
        self.0.join("kubeconfig")
    }

    /// The kubeconfig of an ordinary user.
    pub fn user_kubeconfig(&self, user: &str) -> PathBuf {
        self.0.join("users").join(format!("{user}.yaml"))
    }
}

impl SiteFolder {
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Every folder that must exist before the site's machine starts.
    pub fn folders(&self) -> Vec<PathBuf> {
        let names = [
            "pki",
            "kubeconfig",
            "log",
            "etcd",
            "kubelet",
            "containerd",
            "cni",
            "plugins",
            "manifests",
            "volumes",
        ];
        names.into_iter().map(|name| self.0.join(name)).collect()
    }

    /// Certificates and keys.
    pub fn pki(&self, file: &str) -> PathBuf {
        self.0.join("pki").join(file)
    }

    /// The kubeconfig of one component, or `admin`.
    pub fn kubeconfig(&self, user: &str) -> PathBuf {
        self.0.join("kubeconfig").join(format!("{user}.yaml"))
    }

    pub fn log(&self, program: &str) -> PathBuf {
        self.0.join("log").join(format!("{program}.log"))
    }

    /// Persistent volumes, each in a folder of its own.
    pub fn volumes(&self) -> PathBuf {
        self.0.join("volumes")
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

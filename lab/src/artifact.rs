//! The programs a lab runs, built once for each state of their sources and kept in the user's cache.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ring::digest;

use crate::paths;

const KUBERNETES_VERSION: &str = "v1.35.4";
const CONTAINERD_VERSION: &str = "v2.2.9";
const RUNC_VERSION: &str = "1.4.3";

/// A set of programs that is built together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Artifact {
    /// etcd, the control plane, kubelet, kube-proxy and CoreDNS in one program.
    Kubernetes,
    /// containerd, its shim, ctr and runc.
    Cri,
    /// Process 1 of machines and pods.
    Pause,
    /// Flux's source-controller and kustomize-controller with their kinds, and a server of git repositories.
    Flux,
    /// Argo CD's apply, diff and health in one program.
    Argo,
}

/// Where the programs of every artifact are.
#[derive(Debug, Clone)]
pub struct Programs {
    pub kubernetes: PathBuf,
    /// The folder of containerd, its shim, ctr and runc.
    pub cri: PathBuf,
    pub pause: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{path}: {source}")]
    File { path: String, source: std::io::Error },
    #[error("{program} can't be started: {source}; `cargo lab up` as root names what is missing")]
    Start { program: String, source: std::io::Error },
    #[error("building {name} failed ({status}):\n{last_words}\nthe whole output is in {log}")]
    Failed {
        name: &'static str,
        status: std::process::ExitStatus,
        last_words: String,
        log: String,
    },
}

/// One call of a compiler.
struct Step {
    program: &'static str,
    arguments: Vec<String>,
    environment: &'static [(&'static str, &'static str)],
}

/// Builds what is not in the cache yet, and says where everything is.
pub fn programs() -> Result<Programs, Error> {
    let [kubernetes, cri, pause] = [Artifact::Kubernetes, Artifact::Cri, Artifact::Pause].map(built);
    Ok(Programs {
        kubernetes: kubernetes?.join("kubernetes"),
        cri: cri?,
        pause: pause?.join("pause"),
    })
}

/// Only the Kubernetes of the API-only tier and of kubectl, which needs no C library to build.
pub fn kubernetes() -> Result<PathBuf, Error> {
    Ok(built(Artifact::Kubernetes)?.join("kubernetes"))
}

/// The folder of `source-controller`, `kustomize-controller` and `git`; their kinds are in `crds/`.
pub fn flux() -> Result<PathBuf, Error> {
    built(Artifact::Flux)
}

pub fn argo() -> Result<PathBuf, Error> {
    Ok(built(Artifact::Argo)?.join("argo"))
}

impl Artifact {
    fn name(self) -> &'static str {
        match self {
            Artifact::Kubernetes => "kubernetes",
            Artifact::Cri => "cri",
            Artifact::Pause => "pause",
            Artifact::Flux => "flux",
            Artifact::Argo => "argo",
        }
    }

    /// How long it takes when nothing is cached, for the patience of who waits.
    fn patience(self) -> &'static str {
        match self {
            Artifact::Kubernetes => "about 6 minutes on 2 cores, once",
            Artifact::Cri => "about a minute, once",
            Artifact::Pause => "seconds",
            Artifact::Flux => "about 5 minutes on 2 cores, once",
            Artifact::Argo => "about 3 minutes on 2 cores, once",
        }
    }

    /// The sources that the result depends on, besides what `go.sum` names.
    fn sources(self) -> Result<Vec<PathBuf>, Error> {
        let lab = Path::new(env!("CARGO_MANIFEST_DIR"));
        if self == Artifact::Pause {
            return Ok(vec![lab.join("pause.rs")]);
        }
        let folder = lab.join(self.name());
        let entries = fs::read_dir(&folder).map_err(|source| file(&folder, source))?;
        let mut sources: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        sources.sort();
        Ok(sources)
    }

    /// The calls that build it into the folder `out`.
    fn steps(self, out: &Path) -> Vec<Step> {
        let out = out.display();
        let go = |environment, arguments: &[&str]| Step {
            program: "go",
            arguments: ["build", "-mod=readonly", "-trimpath"]
                .iter()
                .chain(arguments)
                .map(|a| a.to_string())
                .collect(),
            environment,
        };
        let pure = |arguments: &[&str]| go(&[("CGO_ENABLED", "0")], arguments);
        match self {
            Artifact::Kubernetes => {
                let package = "k8s.io/component-base/version";
                let flags = format!(
                    "-s -w -X {package}.gitVersion={KUBERNETES_VERSION} -X {package}.gitMajor=1 -X {package}.gitMinor=35 \
                     -X {package}.gitTreeState=clean -X {package}.gitCommit={KUBERNETES_VERSION} \
                     -X {package}.buildDate=1970-01-01T00:00:00Z"
                );
                vec![pure(&[
                    "-ldflags",
                    &flags,
                    "-o",
                    &format!("{out}/kubernetes"),
                    ".",
                ])]
            }
            Artifact::Cri => {
                let module = "github.com/containerd/containerd/v2";
                let commands =
                    ["containerd", "containerd-shim-runc-v2", "ctr"].map(|c| format!("{module}/cmd/{c}"));
                let flags = format!("-s -w -X {module}/version.Version={CONTAINERD_VERSION}");
                let tags = "no_btrfs no_zfs no_devmapper no_tracing";
                let mut containerd = vec!["-tags", tags, "-ldflags", &flags, "-o"];
                let folder = format!("{out}/");
                containerd.push(&folder);
                containerd.extend(commands.iter().map(String::as_str));
                let flags = format!("-s -w -X main.version={RUNC_VERSION}");
                let runc = [
                    "-tags",
                    "seccomp",
                    "-ldflags",
                    &flags,
                    "-o",
                    &folder,
                    "github.com/opencontainers/runc",
                ];
                vec![pure(&containerd), go(&[("CGO_ENABLED", "1")], &runc)]
            }
            Artifact::Flux => {
                let controllers = ["source-controller", "kustomize-controller"];
                let mut steps: Vec<Step> = controllers
                    .into_iter()
                    .map(|name| (name, format!("github.com/fluxcd/{name}")))
                    .chain([("git", ".".to_owned())])
                    .map(|(name, package)| {
                        pure(&["-ldflags", "-s -w", "-o", &format!("{out}/{name}"), &package])
                    })
                    .collect();
                // Modules keep the kinds beside their programs.
                let copy = format!(
                    "mkdir $0/crds && for name in {}; do \
                     cp --no-preserve=mode \"$(go list -m -f '{{{{.Dir}}}}' github.com/fluxcd/$name)\"/config/crd/bases/*.yaml $0/crds || exit 1; \
                     done",
                    controllers.join(" ")
                );
                steps.push(Step {
                    program: "sh",
                    arguments: vec!["-c".to_owned(), copy, out.to_string()],
                    environment: &[],
                });
                steps
            }
            Artifact::Argo => vec![pure(&["-ldflags", "-s -w", "-o", &format!("{out}/argo"), "."])],
            Artifact::Pause => {
                let source = Path::new(env!("CARGO_MANIFEST_DIR"))
                    .join("pause.rs")
                    .display()
                    .to_string();
                let flags =
                    "--edition=2024 -O -C panic=abort -C target-feature=+crt-static -C strip=symbols -o";
                let mut arguments: Vec<String> = flags.split(' ').map(str::to_owned).collect();
                arguments.extend([format!("{out}/pause"), source]);
                vec![Step {
                    program: "rustc",
                    arguments,
                    environment: &[],
                }]
            }
        }
    }
}

/// The folder with the programs of `artifact`.
fn built(artifact: Artifact) -> Result<PathBuf, Error> {
    let cache = paths::cache().join("artifacts");
    fs::create_dir_all(&cache).map_err(|source| file(&cache, source))?;
    let target = cache.join(format!("{}-{}", artifact.name(), fingerprint(artifact)?));
    if target.exists() {
        return Ok(target);
    }
    let lock = cache.join(format!("{}.lock", artifact.name()));
    let held = File::create(&lock)
        .and_then(|lock| lock.lock().map(|()| lock))
        .map_err(|source| file(&lock, source))?;
    if !target.exists() {
        eprintln!("building {} ({})", target.display(), artifact.patience());
        let prefix = format!("building-{}-", artifact.name());
        remove_abandoned(&cache, &prefix);
        // Built aside and renamed: what is in the cache under this name is whole.
        let aside = tempfile::Builder::new()
            .prefix(&prefix)
            .tempdir_in(&cache)
            .map_err(|s| file(&cache, s))?;
        build(artifact, aside.path())?;
        let done = aside.keep();
        fs::rename(&done, &target).map_err(|source| file(&target, source))?;
    }
    drop(held);
    Ok(target)
}

/// Removes what a build that was killed left; whoever holds the lock is the only one who builds.
fn remove_abandoned(cache: &Path, prefix: &str) {
    let entries = fs::read_dir(cache).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| {
        entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(prefix.as_bytes())
    }) {
        // What can't be removed is only disk space.
        let _ = fs::remove_dir_all(entry.path());
    }
}

/// A hash of everything that decides the result: sources by name and content, and the calls of the compiler.
fn fingerprint(artifact: Artifact) -> Result<String, Error> {
    let mut context = digest::Context::new(&digest::SHA256);
    let mut add = |bytes: &[u8]| {
        context.update(&(bytes.len() as u64).to_le_bytes());
        context.update(bytes);
    };
    for source in artifact.sources()? {
        add(source.file_name().unwrap_or_default().as_encoded_bytes());
        add(&fs::read(&source).map_err(|error| file(&source, error))?);
    }
    for step in artifact.steps(Path::new("out")) {
        add(step.program.as_bytes());
        for argument in step.arguments.iter().filter(|a| !a.starts_with('/')) {
            add(argument.as_bytes());
        }
        for (name, value) in step.environment {
            add(format!("{name}={value}").as_bytes());
        }
    }
    Ok(hex::encode(&context.finish().as_ref()[..8]))
}

fn build(artifact: Artifact, out: &Path) -> Result<(), Error> {
    let name = artifact.name();
    let lab = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = if artifact == Artifact::Pause {
        lab.to_owned()
    } else {
        lab.join(name)
    };
    let log = paths::cache().join("artifacts").join(format!("{name}.log"));
    let output = File::create(&log).map_err(|source| file(&log, source))?;
    for step in artifact.steps(out) {
        let streams = || {
            output
                .try_clone()
                .map(Stdio::from)
                .map_err(|source| file(&log, source))
        };
        let mut command = Command::new(step.program);
        command
            .args(&step.arguments)
            .envs(step.environment.iter().copied())
            .current_dir(&folder);
        command.stdin(Stdio::null()).stdout(streams()?).stderr(streams()?);
        let status = watched(name, &mut command).map_err(|source| Error::Start {
            program: step.program.to_owned(),
            source,
        })?;
        if !status.success() {
            let text = fs::read_to_string(&log).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let last_words = lines[lines.len().saturating_sub(15)..].join("\n");
            return Err(Error::Failed {
                name,
                status,
                last_words,
                log: log.display().to_string(),
            });
        }
    }
    Ok(())
}

/// Runs a long step to its end and says every ten seconds that it goes on.
fn watched(name: &str, command: &mut Command) -> std::io::Result<std::process::ExitStatus> {
    let start = Instant::now();
    let mut told = Duration::ZERO;
    let mut child = command.spawn()?;
    loop {
        if let Some(status) = child.try_wait()? {
            if told > Duration::ZERO || start.elapsed() > Duration::from_secs(2) {
                eprintln!("  {name}: done after {} s", start.elapsed().as_secs());
            }
            return Ok(status);
        }
        std::thread::sleep(Duration::from_millis(50));
        if start.elapsed() >= told + Duration::from_secs(10) {
            told = start.elapsed();
            eprintln!("  {name}: {} s", told.as_secs());
        }
    }
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
    fn a_fingerprint_is_stable_and_each_artifact_has_its_own() {
        let all = [
            Artifact::Kubernetes,
            Artifact::Cri,
            Artifact::Pause,
            Artifact::Flux,
            Artifact::Argo,
        ];
        let mut prints = all.map(|a| fingerprint(a).unwrap());
        assert_eq!(prints, all.map(|a| fingerprint(a).unwrap()));
        prints.sort();
        assert!(prints.windows(2).all(|two| two[0] != two[1]));
    }

    #[test]
    fn versions_told_to_the_linker_are_those_of_the_modules() {
        let lab = Path::new(env!("CARGO_MANIFEST_DIR"));
        let modules = |name: &str| fs::read_to_string(lab.join(name).join("go.mod")).unwrap();
        assert!(modules("kubernetes").contains(&format!("k8s.io/kubernetes {KUBERNETES_VERSION}")));
        assert!(modules("cri").contains(&format!("containerd/containerd/v2 {CONTAINERD_VERSION}")));
        assert!(modules("cri").contains(&format!("opencontainers/runc v{RUNC_VERSION}")));
    }
}

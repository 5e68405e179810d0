//! Builds the images of `images/` with buildah and hands them to a site's containerd.
//!
//! An image is known by the hash of everything that goes into it: its folder, the programs and folders its
//! `image.json` names, and the base. The hash is its tag, so changed content is a changed reference and rolls pods.
//!
//! ```text
//! images/NAME ─┐
//! programs ────┼─> context (staged) ─> key ─> archive in the cache? ──yes──> import
//! folders ─────┘                                     └─no─> buildah ─> archive ─┘
//! ```

mod archive;
mod base;
mod buildah;
mod context;
mod import;
mod programs;
mod spec;
mod unpack;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use buildah::Buildah;
pub use context::digest;
pub use import::{Imported, import};
pub use spec::{ImageName, ImageSpec, all, named};

/// How many archives of one image are kept: the one in use and two to go back to.
const KEPT_ARCHIVES: usize = 3;

/// An image whose archive lies in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltImage {
    /// The folder's name under `images/`.
    pub name: ImageName,
    /// `localhost/govuc/NAME:KEY`, the tag that changes with the content.
    pub reference: String,
    /// An OCI archive that names the image by `reference` and by `localhost/govuc/NAME:dev`.
    pub archive: PathBuf,
}

/// Why an image could not be described, built or imported.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{action} {path}")]
    File {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error(
        "image name {name:?} must be 1 to 40 of a-z, 0-9 and -, starting with a letter; rename its folder"
    )]
    Name { name: String },
    #[error("no image {name:?} under {folder}; there are: {known}")]
    Unknown {
        name: String,
        folder: PathBuf,
        known: String,
    },
    #[error("{path} must be {{\"programs\": [...], \"folders\": {{...}}}}")]
    Manifest {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("{path}: {field} {value:?} must be a relative path without `..`")]
    Folder {
        path: PathBuf,
        field: &'static str,
        value: String,
    },
    #[error("{program} is not installed; run: {remedy}")]
    Missing {
        program: &'static str,
        remedy: &'static str,
    },
    #[error("cannot start {program}")]
    Start { program: String, source: io::Error },
    #[error("{what} failed; the whole log is {log}, its end:\n{tail}")]
    Failed {
        what: String,
        log: PathBuf,
        tail: String,
    },
    #[error("cargo build of {programs} failed; its messages are above")]
    Programs { programs: String },
    #[error(
        "cargo built no program {program:?}; image.json must name a package whose program has the same name"
    )]
    NoProgram { program: String },
    #[error("{path} is not an OCI image index")]
    Index {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("cannot read {archive}")]
    Unpack {
        archive: PathBuf,
        source: crate::command::Error,
    },
    #[error("ctr refused image {reference}: {message}")]
    Import { reference: String, message: String },
}

/// Attaches what was being done, and to which file, to an I/O error.
trait At<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, Error>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, Error> {
        self.map_err(|source| Error::File {
            action,
            path: path.to_owned(),
            source,
        })
    }
}

/// Builds `specs` one after the other and returns them in the same order.
///
/// `cache` is the lab's cache folder, shared between checkouts; `report` gets one line per step that took time.
/// An image whose key has an archive is not built again.
///
/// # Errors
/// A missing tool, a program that does not compile, or a failed step with the end of its log.
pub fn build(
    repository: &Path,
    cache: &Path,
    specs: &[ImageSpec],
    report: &dyn Fn(&str),
) -> Result<Vec<BuiltImage>, Error> {
    if specs.is_empty() {
        return Ok(Vec::new());
    }
    let workshop = Workshop::open(cache, report)?;
    let programs = programs::built(repository, specs, &workshop.folder("programs")?)?;
    specs
        .iter()
        .map(|spec| workshop.build(repository, spec, &programs))
        .collect()
}

/// The image part of the cache. Looking up what was built needs no lock: only building does.
struct Workshop<'a> {
    root: PathBuf,
    report: &'a dyn Fn(&str),
}

impl<'a> Workshop<'a> {
    fn open(cache: &Path, report: &'a dyn Fn(&str)) -> Result<Self, Error> {
        let root = cache.join("images");
        fs::create_dir_all(&root).at("make", &root)?;
        Ok(Self { root, report })
    }

    /// Held while building. Two buildahs of one store, each in a mount namespace of its own, could take away each
    /// other's mounts; and two cores build one image as fast as two.
    fn lock(&self) -> Result<File, Error> {
        let path = self.root.join("lock");
        let lock = File::create(&path).at("make", &path)?;
        if lock.try_lock().is_err() {
            (self.report)("images: waiting for another build in the same cache");
            lock.lock().at("lock", &path)?;
        }
        Ok(lock)
    }

    fn folder(&self, name: &str) -> Result<PathBuf, Error> {
        let folder = self.root.join(name);
        fs::create_dir_all(&folder).at("make", &folder)?;
        Ok(folder)
    }

    fn build(
        &self,
        repository: &Path,
        spec: &ImageSpec,
        programs: &BTreeMap<String, PathBuf>,
    ) -> Result<BuiltImage, Error> {
        let base = match base::made(&self.root) {
            Some(base) => base,
            None => {
                let _held = self.lock()?;
                base::make(&self.root, self.report)?
            }
        };
        // A context of its own: another process may be reading the one it staged.
        let contexts = self.folder("context")?;
        let context = tempfile::tempdir_in(&contexts).at("make a folder in", &contexts)?;
        let staged = context::stage(repository, spec, programs, context.path())?;
        let key = context::key(&staged, &base.digest)?;
        let archives = self.folder("archives")?;
        let image = BuiltImage {
            name: spec.name.clone(),
            reference: format!("{}:{key}", spec.name.repository()),
            archive: archives.join(format!("{}@{key}.tar", spec.name)),
        };
        if used(&image.archive)? {
            return Ok(image);
        }
        let _held = self.lock()?;
        if used(&image.archive)? {
            return Ok(image);
        }
        let start = Instant::now();
        (self.report)(&format!("image {}: building", spec.name));
        let logs = self.folder("log")?;
        let buildah = Buildah::in_folder(&self.root)?;
        buildah.base(&base, &logs)?;
        let dev = spec.name.development();
        let log = logs.join(format!("{}.log", spec.name));
        buildah.build(&staged, &[&image.reference, &dev], &log)?;
        archive::write(&buildah, &image, &dev, &self.root, &log)?;
        prune(&archives, &spec.name)?;
        let size = fs::metadata(&image.archive).at("look at", &image.archive)?.len() / 1_000_000;
        let seconds = start.elapsed().as_secs_f64();
        (self.report)(&format!(
            "image {}: built in {seconds:.1} s, {size} MB",
            spec.name
        ));
        Ok(image)
    }
}

/// Removes all but the newest archives of one image.
fn prune(archives: &Path, name: &ImageName) -> Result<(), Error> {
    let prefix = format!("{name}@");
    let mut found = Vec::new();
    for entry in fs::read_dir(archives).at("list", archives)? {
        let entry = entry.at("list", archives)?;
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            let changed = entry
                .metadata()
                .and_then(|m| m.modified())
                .at("look at", &entry.path())?;
            found.push((changed, entry.path()));
        }
    }
    found.sort();
    found.reverse();
    for (_, path) in found.iter().skip(KEPT_ARCHIVES) {
        fs::remove_file(path).at("remove", path)?;
    }
    Ok(())
}

/// Whether there is an archive. It becomes the newest, so that pruning keeps what is used.
fn used(archive: &Path) -> Result<bool, Error> {
    match File::open(archive) {
        Ok(file) => file
            .set_modified(std::time::SystemTime::now())
            .at("touch", archive)
            .map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).at("open", archive),
    }
}

/// Runs `command` with all its output in `log`.
///
/// # Errors
/// [`Error::Failed`] with the last 30 lines when it does not end well.
fn logged(command: &mut Command, what: &str, log: &Path) -> Result<(), Error> {
    let out = File::options()
        .create(true)
        .append(true)
        .open(log)
        .at("open", log)?;
    let err = out.try_clone().at("open", log)?;
    let status = command
        .stdin(std::process::Stdio::null())
        .stdout(out)
        .stderr(err)
        .status()
        .map_err(|source| Error::Start {
            program: command.get_program().to_string_lossy().into_owned(),
            source,
        })?;
    if status.success() {
        return Ok(());
    }
    let text = fs::read(log).at("read", log)?;
    Err(Error::Failed {
        what: what.into(),
        log: log.to_owned(),
        tail: tail(&String::from_utf8_lossy(&text)),
    })
}

/// The last 30 lines.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

/// Whether `program` is in `PATH` or where Debian puts an administrator's programs.
fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|folder| folder.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_shows_the_last_thirty_lines_and_where_the_rest_is() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("x.log");
        let mut command = Command::new("sh");
        command.args(["-c", "seq 100; exit 3"]);
        let error = logged(&mut command, "step", &log).unwrap_err();
        let Error::Failed { tail, log: shown, .. } = error else {
            panic!("{error}")
        };
        assert_eq!(shown, log);
        assert_eq!(tail.lines().next(), Some("71"));
        assert_eq!(tail.lines().count(), 30);
    }

    #[test]
    fn only_the_newest_archives_of_the_same_image_stay() {
        let folder = tempfile::tempdir().unwrap();
        let name: ImageName = "mail".parse().unwrap();
        let file = |n: &str| folder.path().join(n);
        for (age, n) in [
            (9, "mail@a.tar"),
            (1, "mail@b.tar"),
            (5, "mail@c.tar"),
            (3, "mail@d.tar"),
            (99, "mailx@a.tar"),
        ] {
            let made = File::create(file(n)).unwrap();
            made.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(age))
                .unwrap();
        }
        prune(folder.path(), &name).unwrap();
        assert!(!file("mail@a.tar").exists());
        assert!(file("mail@b.tar").exists() && file("mail@c.tar").exists() && file("mail@d.tar").exists());
        assert!(file("mailx@a.tar").exists());
    }
}

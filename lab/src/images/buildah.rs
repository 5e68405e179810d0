//! The `buildah` command, its store in the cache and nothing of it outside.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::base::{self, Base};
use super::{At, Error, installed, logged};

/// Accepts what is in the local store; nothing is ever pulled.
const POLICY: &str = r#"{"default": [{"type": "insecureAcceptAnything"}]}"#;

const BASE_CONTAINERFILE: &str = "FROM scratch\nADD base.tar /\nENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nCMD [\"bash\"]\n";

pub(super) struct Buildah {
    store: PathBuf,
    run: PathBuf,
    temporary: PathBuf,
    policy: PathBuf,
    driver: &'static str,
}

impl Buildah {
    /// Finds buildah and a storage driver that works for a store under `root`.
    ///
    /// # Errors
    /// [`Error::Missing`] when buildah or unshare is not installed.
    pub(super) fn in_folder(root: &Path) -> Result<Self, Error> {
        if !installed("buildah") {
            return Err(Error::Missing {
                program: "buildah",
                remedy: "apt-get install --no-install-recommends buildah",
            });
        }
        if !installed("unshare") {
            return Err(Error::Missing {
                program: "unshare",
                remedy: "apt-get install util-linux",
            });
        }
        let folder = root.join("buildah");
        let mut buildah = Self {
            store: folder.join("store"),
            run: folder.join("run"),
            temporary: folder.join("tmp"),
            policy: folder.join("policy.json"),
            driver: "overlay",
        };
        for path in [&buildah.store, &buildah.run, &buildah.temporary] {
            fs::create_dir_all(path).at("make", path)?;
        }
        fs::write(&buildah.policy, POLICY).at("write", &buildah.policy)?;
        // A store keeps the driver it began with; the two would not see each other's images.
        let plain = buildah.store.join("vfs").exists();
        if plain || !buildah.quiet(&["info"]) {
            buildah.driver = "vfs";
        }
        Ok(buildah)
    }

    /// Makes `base` known under the names that Containerfiles use.
    pub(super) fn base(&self, base: &Base, logs: &Path) -> Result<(), Error> {
        let known = format!("localhost/govuc/base:{}", &base.digest[..12]);
        if self.quiet(&["inspect", "--type", "image", &known]) {
            return Ok(());
        }
        let context = tempfile::tempdir_in(&self.temporary).at("make a folder in", &self.temporary)?;
        let link = context.path().join("base.tar");
        if fs::hard_link(&base.archive, &link).is_err() {
            symlink(&base.archive, &link).at("make", &link)?;
        }
        let file = context.path().join("Containerfile");
        fs::write(&file, BASE_CONTAINERFILE).at("write", &file)?;
        let names: Vec<&str> = base::NAMES.into_iter().chain([known.as_str()]).collect();
        self.build(context.path(), &names, &logs.join("base.log"))
    }

    /// Builds the Containerfile of `context` and names the result by every one of `references`.
    pub(super) fn build(&self, context: &Path, references: &[&str], log: &Path) -> Result<(), Error> {
        // A log of one build: what an earlier one said would only mislead.
        fs::write(log, "").at("write", log)?;
        let mut command = self.command();
        command.args([
            "bud",
            "--isolation",
            "chroot",
            "--network",
            "host",
            "--layers",
            "--pull-never",
        ]);
        command.arg("--signature-policy").arg(&self.policy);
        for reference in references {
            command.args(["-t", reference]);
        }
        command.arg("-f").arg(context.join("Containerfile")).arg(context);
        logged(&mut command, &format!("building {}", references[0]), log)
    }

    /// Writes image `reference` as an OCI layout to `folder`.
    pub(super) fn push(&self, reference: &str, folder: &Path, log: &Path) -> Result<(), Error> {
        let mut command = self.command();
        command
            .args(["push", "--quiet", "--signature-policy"])
            .arg(&self.policy);
        command
            .arg(reference)
            .arg(format!("oci:{}:image", folder.display()));
        logged(&mut command, &format!("writing {reference}"), log)
    }

    /// buildah in a mount namespace of its own: it leaves its store mounted on itself, which must not outlive it.
    fn command(&self) -> Command {
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private", "buildah", "--root"])
            .arg(&self.store);
        command
            .arg("--runroot")
            .arg(&self.run)
            .args(["--storage-driver", self.driver]);
        command
            .env("TMPDIR", &self.temporary)
            .env("BUILDAH_FORMAT", "oci");
        command
    }

    /// Whether `arguments` succeed.
    fn quiet(&self, arguments: &[&str]) -> bool {
        let mut command = self.command();
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }
}

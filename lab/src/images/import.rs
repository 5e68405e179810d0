//! Hands an archive to a site's containerd.

use std::fs::File;
use std::process::{Command, Stdio};

use super::{At, BuiltImage, Error};

/// Whether an import had anything to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imported {
    Now,
    AlreadyThere,
}

/// Imports `image` where it is not already present.
///
/// `ctr` gives a fresh `ctr` command that reaches the site's containerd in the namespace the kubelet uses, such as
/// `nsenter … ctr -a /run/containerd/containerd.sock -n k8s.io`. The archive goes through its standard input, so
/// the site need not see the cache.
///
/// # Errors
/// [`Error::Import`] with what ctr said.
pub fn import(ctr: impl Fn() -> Command, image: &BuiltImage) -> Result<Imported, Error> {
    let filter = format!("name=={}", image.reference);
    let listed = run(
        ctr()
            .args(["images", "list", "--quiet", &filter])
            .stdin(Stdio::null()),
        image,
    )?;
    if listed.lines().any(|line| line.trim() == image.reference) {
        return Ok(Imported::AlreadyThere);
    }
    let archive = File::open(&image.archive).at("read", &image.archive)?;
    run(
        ctr().args(["images", "import", "--local", "-"]).stdin(archive),
        image,
    )?;
    Ok(Imported::Now)
}

fn run(command: &mut Command, image: &BuiltImage) -> Result<String, Error> {
    let refused = |message: String| Error::Import {
        reference: image.reference.clone(),
        message,
    };
    let output = command.output().map_err(|error| refused(error.to_string()))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(refused(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(folder: &std::path::Path) -> BuiltImage {
        let archive = folder.join("a.tar");
        std::fs::write(&archive, "archive").unwrap();
        BuiltImage {
            name: "mail".parse().unwrap(),
            reference: "localhost/govuc/mail:0123".into(),
            archive,
        }
    }

    fn shell(script: String) -> impl Fn() -> Command {
        move || {
            let mut command = Command::new("sh");
            command.args(["-c", &script, "ctr"]);
            command
        }
    }

    #[test]
    fn an_image_that_is_there_is_not_imported_again() {
        let folder = tempfile::tempdir().unwrap();
        let ctr = shell("[ $2 = list ] && echo localhost/govuc/mail:0123".into());
        assert_eq!(
            import(ctr, &image(folder.path())).unwrap(),
            Imported::AlreadyThere
        );
    }

    #[test]
    fn an_absent_image_is_imported_from_its_archive() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("taken");
        let ctr = shell(format!("[ $2 = list ] || cat > {}", taken.display()));
        assert_eq!(import(ctr, &image(folder.path())).unwrap(), Imported::Now);
        assert_eq!(std::fs::read_to_string(taken).unwrap(), "archive");
    }

    #[test]
    fn what_ctr_says_reaches_the_reader() {
        let folder = tempfile::tempdir().unwrap();
        let error = import(
            shell("echo no space left >&2; exit 1".into()),
            &image(folder.path()),
        )
        .unwrap_err();
        assert!(error.to_string().contains("no space left"), "{error}");
    }
}

//! The build context: a copy of everything an image is made of, and the key that stands for it.

use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ring::digest::{Context, SHA256};

use super::spec::MANIFEST;
use super::{At, Error, ImageSpec};

/// Raised when this module builds differently from the same files.
const FORMAT: &str = "govuc image 1";

/// Copies the folder, programs and other folders of `spec` to a new folder of `contexts` and returns it.
///
/// Permissions become 0644 or 0755 and every time the epoch: a checkout's umask and clock would otherwise be
/// part of the layers, and buildah would find nothing in its cache.
pub(super) fn stage(
    repository: &Path,
    spec: &ImageSpec,
    programs: &BTreeMap<String, PathBuf>,
    contexts: &Path,
) -> Result<PathBuf, Error> {
    let to = contexts.join(spec.name.as_str());
    copy(&spec.folder, &to)?;
    let manifest = to.join(MANIFEST);
    if manifest.exists() {
        fs::remove_file(&manifest).at("remove", &manifest)?;
    }
    for program in &spec.programs {
        let from = programs.get(program).ok_or_else(|| Error::NoProgram {
            program: program.clone(),
        })?;
        let bin = to.join("bin");
        fs::create_dir_all(&bin).at("make", &bin)?;
        copy(from, &bin.join(program))?;
    }
    for (name, source) in &spec.folders {
        let target = to.join(name);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).at("make", parent)?;
        }
        copy(&repository.join(source), &target)?;
    }
    settle(&to)?;
    Ok(to)
}

/// The first 12 hexadecimal digits of the hash over everything under `staged` and the digest of the base.
pub(super) fn key(staged: &Path, base: &str) -> Result<String, Error> {
    let mut hash = Context::new(&SHA256);
    let mut part = |bytes: &[u8]| {
        hash.update(&(bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    part(FORMAT.as_bytes());
    part(base.as_bytes());
    for path in tree(staged)? {
        let name = path.strip_prefix(staged).unwrap_or(&path);
        let meta = fs::symlink_metadata(&path).at("look at", &path)?;
        part(name.as_os_str().as_encoded_bytes());
        part(&meta.permissions().mode().to_be_bytes());
        if meta.is_symlink() {
            part(
                fs::read_link(&path)
                    .at("read", &path)?
                    .as_os_str()
                    .as_encoded_bytes(),
            );
        } else if meta.is_file() {
            part(digest(&path)?.as_bytes());
        }
    }
    Ok(hex::encode(hash.finish())[..12].to_owned())
}

/// SHA-256 of a file, in hexadecimal.
pub fn digest(path: &Path) -> Result<String, Error> {
    let mut file = File::open(path).at("read", path)?;
    let mut hash = Context::new(&SHA256);
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer).at("read", path)? {
            0 => return Ok(hex::encode(hash.finish())),
            n => hash.update(&buffer[..n]),
        }
    }
}

/// Everything under `root`, sorted by path, without `root`.
pub(super) fn tree(root: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).at("list", &folder)? {
            let entry = entry.at("list", &folder)?;
            if entry.file_type().at("look at", &entry.path())?.is_dir() {
                folders.push(entry.path());
            }
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Copies a file, a symbolic link or a whole folder; what is already there in a folder stays.
fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    let meta = fs::symlink_metadata(from).at("read", from)?;
    if meta.is_symlink() {
        symlink(fs::read_link(from).at("read", from)?, to).at("make", to)
    } else if meta.is_dir() {
        fs::create_dir_all(to).at("make", to)?;
        for entry in fs::read_dir(from).at("list", from)? {
            let entry = entry.at("list", from)?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
        Ok(())
    } else {
        fs::copy(from, to).map(drop).at("copy", from)
    }
}

/// Gives everything under `root`, and `root`, the permissions and times every checkout agrees on.
fn settle(root: &Path) -> Result<(), Error> {
    for path in tree(root)?.iter().map(PathBuf::as_path).chain([root]) {
        let meta = fs::symlink_metadata(path).at("look at", path)?;
        if !meta.is_symlink() {
            settle_one(path, meta.is_dir() || meta.permissions().mode() & 0o100 != 0).at("change", path)?;
        }
    }
    Ok(())
}

fn settle_one(path: &Path, executable: bool) -> io::Result<()> {
    fs::set_permissions(
        path,
        Permissions::from_mode(if executable { 0o755 } else { 0o644 }),
    )?;
    let epoch = FileTimes::new()
        .set_accessed(SystemTime::UNIX_EPOCH)
        .set_modified(SystemTime::UNIX_EPOCH);
    File::open(path)?.set_times(epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixture {
        root: tempfile::TempDir,
        spec: ImageSpec,
    }

    impl Fixture {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            let folder = root.path().join("images/mail");
            fs::create_dir_all(folder.join("conf")).unwrap();
            fs::write(folder.join("Containerfile"), "FROM debian:trixie-slim").unwrap();
            fs::write(folder.join("conf/a.conf"), "a").unwrap();
            fs::write(folder.join("image.json"), "{}").unwrap();
            fs::write(root.path().join("govuc-guard"), "program").unwrap();
            fs::create_dir_all(root.path().join("shared")).unwrap();
            fs::write(root.path().join("shared/b.conf"), "b").unwrap();
            let spec = ImageSpec {
                name: "mail".parse().unwrap(),
                folder,
                programs: vec!["govuc-guard".into()],
                folders: [("conf".to_owned(), PathBuf::from("shared"))].into(),
            };
            Self { root, spec }
        }

        fn key(&self, base: &str) -> String {
            let programs = [("govuc-guard".to_owned(), self.root.path().join("govuc-guard"))].into();
            let contexts = tempfile::tempdir().unwrap();
            let staged = stage(self.root.path(), &self.spec, &programs, contexts.path()).unwrap();
            assert!(staged.join("bin/govuc-guard").exists());
            assert!(staged.join("conf/b.conf").exists() && !staged.join(MANIFEST).exists());
            key(&staged, base).unwrap()
        }
    }

    #[test]
    fn the_same_content_has_the_same_key_whatever_its_age_umask_and_manifest() {
        let fixture = Fixture::new();
        let before = fixture.key("base");
        let file = fixture.spec.folder.join("conf/a.conf");
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        File::open(&file)
            .unwrap()
            .set_modified(SystemTime::UNIX_EPOCH)
            .unwrap();
        fs::write(fixture.spec.folder.join("image.json"), "{ }").unwrap();
        assert_eq!(fixture.key("base"), before);
    }

    #[test]
    fn a_change_of_anything_that_goes_in_changes_the_key() {
        let fixture = Fixture::new();
        let mut seen = vec![fixture.key("base"), fixture.key("other base")];
        let executable = |path: &Path| fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
        let conf = fixture.spec.folder.join("conf/a.conf");
        for change in [
            &|| fs::write(&conf, "c").unwrap() as (),
            &|| executable(&conf),
            &|| fs::rename(&conf, fixture.spec.folder.join("conf/d.conf")).unwrap(),
            &|| fs::write(&conf, "").unwrap(),
            &|| fs::write(fixture.root.path().join("govuc-guard"), "changed").unwrap(),
            &|| fs::write(fixture.root.path().join("shared/b.conf"), "changed").unwrap(),
            &|| symlink("x", fixture.spec.folder.join("link")).unwrap(),
        ] as [&dyn Fn(); 7]
        {
            change();
            let key = fixture.key("base");
            assert!(!seen.contains(&key));
            seen.push(key);
        }
    }
}

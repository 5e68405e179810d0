//! Unpacks an archive to the root file system that a container of the image would see.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{At, BuiltImage, Error};
use crate::command;

/// A file of this prefix takes away what it is named after (OCI image specification, "Whiteouts").
const WHITEOUT: &str = ".wh.";
/// Takes away all that lower layers have in its folder.
const OPAQUE: &str = ".wh..wh..opq";

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Manifest {
    layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
}

impl BuiltImage {
    /// Lays the layers over each other in `root`, which is made. Owners are kept, so it needs root.
    ///
    /// # Errors
    /// An archive that is not one of an OCI image, or what tar said.
    pub fn unpack(&self, root: &Path) -> Result<(), Error> {
        let beside = root.parent().unwrap_or(root);
        let layout = tempfile::tempdir_in(beside).at("make a folder in", beside)?;
        let layout = layout.path();
        fs::create_dir(root).at("make", root)?;
        tar(&["--extract", "--file"], &self.archive, layout)?;
        // A service's own user has to get in, whatever the umask is.
        fs::set_permissions(root, fs::Permissions::from_mode(0o755)).at("open", root)?;
        let path = layout.join("index.json");
        let index: Index = read(&path)?;
        // Every entry is the same manifest under another name.
        let image = index.manifests.first().ok_or_else(|| Error::Index {
            path,
            source: serde::de::Error::custom("it lists no image"),
        })?;
        let manifest: Manifest = read(&image.blob(layout))?;
        for layer in &manifest.layers {
            lay(&layer.blob(layout), root)?;
        }
        Ok(())
    }
}

impl Descriptor {
    fn blob(&self, layout: &Path) -> PathBuf {
        layout.join("blobs").join(self.digest.replacen(':', "/", 1))
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let text = fs::read(path).at("read", path)?;
    serde_json::from_slice(&text).map_err(|source| Error::Index {
        path: path.to_owned(),
        source,
    })
}

/// Whiteouts mean the layers below, so they come before the layer's own files.
fn lay(layer: &Path, root: &Path) -> Result<(), Error> {
    let listed = tar(&["--list", "--quoting-style=literal", "--file"], layer, root)?;
    for name in listed.lines() {
        take_away(root, name)?;
    }
    let excluded = format!("--exclude={WHITEOUT}*");
    let extract = [
        "--extract",
        "--same-permissions",
        "--numeric-owner",
        &excluded,
        "--file",
    ];
    tar(&extract, layer, root).map(drop)
}

/// Does what an entry of this name asks for if it is a whiteout.
fn take_away(root: &Path, name: &str) -> Result<(), Error> {
    let entry = root.join(name.trim_start_matches('/'));
    let (Some(folder), Some(file)) = (entry.parent(), entry.file_name().and_then(|file| file.to_str()))
    else {
        return Ok(());
    };
    let Some(hidden) = file.strip_prefix(WHITEOUT) else {
        return Ok(());
    };
    // A link of the image may lead to the same path of this host, which is not the image's to remove.
    let (Ok(folder), Ok(root)) = (folder.canonicalize(), root.canonicalize()) else {
        return Ok(());
    };
    if !folder.starts_with(&root) {
        return Ok(());
    }
    if file != OPAQUE {
        return remove(&folder.join(hidden));
    }
    for entry in fs::read_dir(&folder).at("list", &folder)? {
        remove(&entry.at("list", &folder)?.path())?;
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), Error> {
    match path.symlink_metadata() {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    }
    .at("remove", path)
}

/// GNU tar finds out by itself how an archive is compressed.
fn tar(verb: &[&str], archive: &Path, folder: &Path) -> Result<String, Error> {
    let mut tar = Command::new("tar");
    tar.args(verb).arg(archive).arg("--directory").arg(folder);
    let output = command::run(&mut tar).map_err(|source| Error::Unpack {
        archive: archive.to_owned(),
        source,
    })?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An archive of layers of uncompressed files: (path, content).
    fn archive(folder: &Path, layers: &[&[(&str, &str)]]) -> BuiltImage {
        let packed = |files: &[(&str, &str)]| {
            let mut tar = tar::Builder::new(Vec::new());
            for (path, content) in files {
                let mut header = tar::Header::new_gnu();
                header.set_mode(0o644);
                header.set_size(content.len() as u64);
                tar.append_data(&mut header, path, content.as_bytes()).unwrap();
            }
            tar.into_inner().unwrap()
        };
        let numbers: Vec<String> = (0..layers.len())
            .map(|n| format!(r#"{{"digest": "sha256:{n}"}}"#))
            .collect();
        let mut files = vec![
            (
                "index.json".to_owned(),
                br#"{"manifests": [{"digest": "sha256:m"}]}"#.to_vec(),
            ),
            (
                "blobs/sha256/m".to_owned(),
                format!(r#"{{"layers": [{}]}}"#, numbers.join(",")).into_bytes(),
            ),
        ];
        for (n, layer) in layers.iter().enumerate() {
            files.push((format!("blobs/sha256/{n}"), packed(layer)));
        }
        let mut tar = tar::Builder::new(Vec::new());
        for (path, content) in &files {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o644);
            header.set_size(content.len() as u64);
            tar.append_data(&mut header, path, content.as_slice()).unwrap();
        }
        let archive = folder.join("image.tar");
        fs::write(&archive, tar.into_inner().unwrap()).unwrap();
        BuiltImage {
            name: "cyrus".parse().unwrap(),
            reference: "localhost/govuc/cyrus:0123".into(),
            archive,
        }
    }

    #[test]
    fn an_upper_layer_replaces_and_takes_away_what_is_below() {
        let folder = tempfile::tempdir().unwrap();
        let image = archive(
            folder.path(),
            &[
                &[
                    ("etc/kept", "1"),
                    ("etc/gone", "1"),
                    ("srv/old", "1"),
                    ("same", "1"),
                    ("top", "1"),
                ],
                &[
                    ("etc/.wh.gone", ""),
                    ("srv/new", "2"),
                    ("srv/.wh..wh..opq", ""),
                    ("same", "2"),
                    (".wh.top", ""),
                ],
            ],
        );
        let root = folder.path().join("root");
        image.unpack(&root).unwrap();
        let text = |path: &str| fs::read_to_string(root.join(path)).ok();
        assert_eq!(text("etc/kept").as_deref(), Some("1"));
        assert_eq!(text("same").as_deref(), Some("2"));
        assert_eq!(text("srv/new").as_deref(), Some("2"));
        for gone in ["etc/gone", "etc/.wh.gone", "srv/old", "srv/.wh..wh..opq", "top"] {
            assert_eq!(text(gone), None, "{gone}");
        }
    }

    #[test]
    fn a_whiteout_behind_a_link_out_of_the_image_removes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (root, outside) = (folder.path().join("root"), folder.path().join("host"));
        for made in [&root, &outside] {
            fs::create_dir(made).unwrap();
        }
        fs::write(outside.join("file"), "").unwrap();
        std::os::unix::fs::symlink(&outside, root.join("link")).unwrap();
        take_away(&root, "link/.wh.file").unwrap();
        take_away(&root, "../host/.wh.file").unwrap();
        assert!(outside.join("file").exists());
    }
}

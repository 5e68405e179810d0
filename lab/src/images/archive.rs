//! The archive an image is kept and imported as.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

use super::buildah::Buildah;
use super::context::tree;
use super::{At, BuiltImage, Error};

/// containerd names an imported image by this annotation; buildah writes none that it takes for a whole name.
const NAME: &str = "io.containerd.image.name";

/// Writes the archive of `image`, complete or not at all, naming it by its reference and by `dev`.
pub(super) fn write(
    buildah: &Buildah,
    image: &BuiltImage,
    dev: &str,
    root: &Path,
    log: &Path,
) -> Result<(), Error> {
    let folder = tempfile::tempdir_in(root).at("make a folder in", root)?;
    let layout = folder.path().join("layout");
    buildah.push(&image.reference, &layout, log)?;
    let path = layout.join("index.json");
    let index = fs::read(&path).at("read", &path)?;
    let index = named(&index, &[&image.reference, dev]).map_err(|source| Error::Index {
        path: path.clone(),
        source,
    })?;
    fs::write(&path, index).at("write", &path)?;

    let unfinished = folder.path().join("image.tar");
    pack(&layout, &unfinished).at("write", &unfinished)?;
    fs::rename(&unfinished, &image.archive).at("rename to", &image.archive)
}

/// The index with its one manifest entered once for every name.
fn named(index: &[u8], names: &[&str]) -> serde_json::Result<Vec<u8>> {
    let mut index: Value = serde_json::from_slice(index)?;
    let manifest = index["manifests"][0].clone();
    let entries = names.iter().map(|name| {
        let mut entry = manifest.clone();
        entry["annotations"] = json!({ NAME: name });
        entry
    });
    index["manifests"] = entries.collect();
    serde_json::to_vec(&index)
}

fn pack(layout: &Path, archive: &Path) -> std::io::Result<()> {
    let mut tar = tar::Builder::new(File::create(archive)?);
    tar.mode(tar::HeaderMode::Deterministic);
    for path in tree(layout).map_err(std::io::Error::other)? {
        let name = path.strip_prefix(layout).map_err(std::io::Error::other)?;
        tar.append_path_with_name(&path, name)?;
    }
    tar.into_inner()?.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_names_the_same_manifest_by_every_reference() {
        let index = br#"{"schemaVersion": 2, "manifests": [
            {"digest": "sha256:1", "size": 7, "annotations": {"org.opencontainers.image.ref.name": "image"}}]}"#;
        let index: Value = serde_json::from_slice(&named(index, &["a:1", "a:dev"]).unwrap()).unwrap();
        let entries = index["manifests"].as_array().unwrap();
        assert_eq!(entries.len(), 2);
        assert!(
            entries
                .iter()
                .all(|e| e["digest"] == "sha256:1" && e["size"] == 7)
        );
        assert_eq!(entries[0]["annotations"], json!({ NAME: "a:1" }));
        assert_eq!(entries[1]["annotations"], json!({ NAME: "a:dev" }));
    }
}

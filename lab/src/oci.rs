//! Writes an image of one layer as an OCI archive, for programs that need no file system but themselves.

use ring::digest;
use serde_json::{Value, json};

/// An image: its name and the files of its only layer.
pub struct Image<'a> {
    /// `HOST/NAME:TAG`
    pub name: &'a str,
    pub entrypoint: &'a [&'a str],
    pub files: &'a [File<'a>],
}

/// A program in an image.
pub struct File<'a> {
    /// Without leading slash.
    pub path: &'a str,
    pub content: &'a [u8],
    /// Symbolic links to it, without leading slash.
    pub links: &'a [&'a str],
}

impl Image<'_> {
    /// The archive, as `ctr images import` reads it. The same image gives the same bytes.
    pub fn archive(&self) -> std::io::Result<Vec<u8>> {
        let layer = self.layer()?;
        let configuration = json!({
            "architecture": architecture(),
            "os": "linux",
            "config": {
                "Entrypoint": self.entrypoint,
                "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
                "WorkingDir": "/",
            },
            "rootfs": {"type": "layers", "diff_ids": [sha256(&layer)]},
        })
        .to_string()
        .into_bytes();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor("application/vnd.oci.image.config.v1+json", &configuration),
            "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", &layer)],
        })
        .to_string()
        .into_bytes();
        let mut entry = descriptor("application/vnd.oci.image.manifest.v1+json", &manifest);
        entry["annotations"] = json!({"io.containerd.image.name": self.name});
        entry["platform"] = json!({"architecture": architecture(), "os": "linux"});
        let index = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [entry],
        });
        let mut archive = tar::Builder::new(Vec::new());
        add(
            &mut archive,
            "oci-layout",
            br#"{"imageLayoutVersion":"1.0.0"}"#,
            0o644,
        )?;
        add(&mut archive, "index.json", index.to_string().as_bytes(), 0o644)?;
        for blob in [&configuration, &manifest, &layer] {
            add(
                &mut archive,
                &format!("blobs/{}", sha256(blob).replace(':', "/")),
                blob,
                0o644,
            )?;
        }
        archive.into_inner()
    }

    fn layer(&self) -> std::io::Result<Vec<u8>> {
        let mut layer = tar::Builder::new(Vec::new());
        for (folder, mode) in [
            ("etc", 0o755),
            ("tmp", 0o1777),
            ("proc", 0o555),
            ("sys", 0o555),
            ("dev", 0o755),
        ] {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Directory);
            header.set_mode(mode);
            header.set_size(0);
            layer.append_data(&mut header, format!("{folder}/"), std::io::empty())?;
        }
        add(
            &mut layer,
            "etc/passwd",
            b"root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n",
            0o644,
        )?;
        add(&mut layer, "etc/group", b"root:x:0:\nnogroup:x:65534:\n", 0o644)?;
        for file in self.files {
            add(&mut layer, file.path, file.content, 0o755)?;
            for link in file.links {
                let mut header = tar::Header::new_gnu();
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_mode(0o777);
                header.set_size(0);
                layer.append_link(&mut header, link, format!("/{}", file.path))?;
            }
        }
        layer.into_inner()
    }
}

fn add(archive: &mut tar::Builder<Vec<u8>>, path: &str, content: &[u8], mode: u32) -> std::io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode);
    header.set_size(content.len() as u64);
    archive.append_data(&mut header, path, content)
}

fn descriptor(media_type: &str, blob: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": sha256(blob), "size": blob.len()})
}

fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(digest::digest(&digest::SHA256, bytes)))
}

/// This host's architecture in Go's words.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn image(content: &[u8]) -> Vec<u8> {
        let files = [File {
            path: "bin/busybox",
            content,
            links: &["bin/sh"],
        }];
        Image {
            name: "lab.local/box:1",
            entrypoint: &["/bin/busybox"],
            files: &files,
        }
        .archive()
        .unwrap()
    }

    #[test]
    fn the_same_image_gives_the_same_bytes() {
        assert_eq!(image(b"x"), image(b"x"));
        assert_ne!(image(b"x"), image(b"y"));
    }

    #[test]
    fn every_blob_lies_under_its_own_digest() {
        let bytes = image(b"x");
        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut blobs = 0;
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            if let Some(digest) = path.strip_prefix("blobs/sha256/") {
                assert_eq!(format!("sha256:{digest}"), sha256(&content));
                blobs += 1;
            }
        }
        assert_eq!(blobs, 3);
    }
}

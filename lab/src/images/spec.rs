//! What an image is made of: its folder under `images/` and the `image.json` in it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;

use super::{At, Error};

/// The file that says what a build needs from outside the image's folder. It stays out of the build context.
pub(super) const MANIFEST: &str = "image.json";

/// The name of a folder under `images/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageName(String);

/// One image as the repository describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageSpec {
    pub name: ImageName,
    /// Holds the `Containerfile`; all of it is the build context.
    pub folder: PathBuf,
    /// Packages of this workspace whose program of the same name is put into the context as `bin/NAME`.
    pub programs: Vec<String>,
    /// Name in the context → folder or file of the repository that is copied there.
    pub folders: BTreeMap<String, PathBuf>,
}

/// `image.json`. It lies beside the Containerfile so that an image's folder alone tells the whole of the image.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    #[serde(default)]
    programs: Vec<String>,
    #[serde(default)]
    folders: BTreeMap<String, String>,
}

impl ImageName {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The reference without a tag.
    pub(super) fn repository(&self) -> String {
        format!("localhost/govuc/{}", self.0)
    }

    /// The tag that stays while the content changes, for people.
    pub(super) fn development(&self) -> String {
        format!("{}:dev", self.repository())
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ImageName {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let fits = (1..=40).contains(&name.len())
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(letters);
        if fits {
            Ok(Self(name.into()))
        } else {
            Err(Error::Name { name: name.into() })
        }
    }
}

impl ImageSpec {
    fn read(folder: PathBuf) -> Result<Self, Error> {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().parse()?;
        let path = folder.join(MANIFEST);
        let manifest: Manifest = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|source| Error::Manifest {
                path: path.clone(),
                source,
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Manifest::default(),
            Err(error) => return Err(error).at("read", &path),
        };
        let inside = |field, value: &str| match Path::new(value) {
            p if p.components().all(|c| matches!(c, Component::Normal(_))) => Ok(p.to_owned()),
            _ => Err(Error::Folder {
                path: path.clone(),
                field,
                value: value.into(),
            }),
        };
        let folders = manifest
            .folders
            .iter()
            .map(|(name, source)| {
                inside("name in folders", name)?;
                Ok((name.clone(), inside("source in folders", source)?))
            })
            .collect::<Result<_, Error>>()?;
        Ok(Self {
            name,
            folder,
            programs: manifest.programs,
            folders,
        })
    }
}

/// Every image of the repository, by name: each folder of `images/` that has a `Containerfile`.
///
/// # Errors
/// A folder whose name can't be an image's, or an `image.json` that can't be read as one.
pub fn all(repository: &Path) -> Result<Vec<ImageSpec>, Error> {
    let images = repository.join("images");
    let mut specs = Vec::new();
    for entry in fs::read_dir(&images).at("list", &images)? {
        let folder = entry.at("list", &images)?.path();
        if folder.join("Containerfile").is_file() {
            specs.push(ImageSpec::read(folder)?);
        }
    }
    specs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(specs)
}

/// The images called `names`, in that order; all of them when no name is given.
///
/// # Errors
/// As [`all`], and a name that no folder has.
pub fn named(repository: &Path, names: &[String]) -> Result<Vec<ImageSpec>, Error> {
    let specs = all(repository)?;
    if names.is_empty() {
        return Ok(specs);
    }
    let known = || {
        specs
            .iter()
            .map(|s| s.name.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let unknown = |name: &String| Error::Unknown {
        name: name.clone(),
        folder: repository.join("images"),
        known: known(),
    };
    names
        .iter()
        .map(|name| {
            specs
                .iter()
                .find(|s| s.name.as_str() == name)
                .cloned()
                .ok_or_else(|| unknown(name))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn a_folder_with_a_containerfile_is_an_image() {
        let root = repository(&[
            ("images/router/Containerfile", "FROM scratch"),
            (
                "images/router/image.json",
                r#"{"programs": ["govuc-router"], "folders": {"conf": "services/router/conf"}}"#,
            ),
            ("images/cyrus/Containerfile", "FROM scratch"),
            ("images/notes/README.md", ""),
        ]);
        let specs = all(root.path()).unwrap();
        let names: Vec<_> = specs.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["cyrus", "router"]);
        assert_eq!(specs[1].programs, ["govuc-router"]);
        assert_eq!(specs[1].folders["conf"], Path::new("services/router/conf"));
    }

    #[test]
    fn a_manifest_may_not_reach_outside_the_repository() {
        for source in ["../etc", "/etc", "a/../../b"] {
            let json = format!(r#"{{"folders": {{"conf": "{source}"}}}}"#);
            let root = repository(&[("images/x/Containerfile", ""), ("images/x/image.json", &json)]);
            assert!(matches!(all(root.path()), Err(Error::Folder { .. })), "{source}");
        }
    }

    #[test]
    fn a_misspelt_field_of_a_manifest_is_refused() {
        let root = repository(&[
            ("images/x/Containerfile", ""),
            ("images/x/image.json", r#"{"program": ["a"]}"#),
        ]);
        assert!(matches!(all(root.path()), Err(Error::Manifest { .. })));
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let root = repository(&[
            ("images/cyrus/Containerfile", ""),
            ("images/router/Containerfile", ""),
        ]);
        let error = named(root.path(), &["cirus".into()]).unwrap_err().to_string();
        assert!(error.contains("cyrus, router"), "{error}");
    }

    #[test]
    fn names_that_no_registry_takes_are_refused() {
        for name in ["", "Cyrus", "a b", "-a", "1a", &"a".repeat(41)] {
            assert!(name.parse::<ImageName>().is_err(), "{name}");
        }
    }
}

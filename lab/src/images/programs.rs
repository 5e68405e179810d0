//! The workspace's own programs that go into images.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::{At, Error, ImageSpec, installed};
use crate::cargo::cargo;

/// Builds every program that `specs` name and returns where the stripped copies are.
///
/// The dev profile: a lab's image is rebuilt often and thrown away. cargo's own messages go to the terminal.
pub(super) fn built(
    repository: &Path,
    specs: &[ImageSpec],
    folder: &Path,
) -> Result<BTreeMap<String, PathBuf>, Error> {
    let names: BTreeSet<&str> = specs
        .iter()
        .flat_map(|spec| &spec.programs)
        .map(String::as_str)
        .collect();
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    if !installed("strip") {
        return Err(Error::Missing {
            program: "strip",
            remedy: "apt-get install binutils",
        });
    }
    let mut cargo = cargo(&["build", "--quiet", "--message-format", "json-render-diagnostics"]);
    cargo.current_dir(repository);
    for name in &names {
        cargo.args(["--package", name, "--bin", name]);
    }
    let output = cargo
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source| Error::Start {
            program: "cargo".into(),
            source,
        })?;
    if !output.status.success() {
        return Err(Error::Programs {
            programs: names.into_iter().collect::<Vec<_>>().join(", "),
        });
    }
    let made = executables(&String::from_utf8_lossy(&output.stdout));
    names
        .into_iter()
        .map(|name| {
            let from = made
                .get(name)
                .ok_or_else(|| Error::NoProgram { program: name.into() })?;
            Ok((name.to_owned(), strip(from, &folder.join(name))?))
        })
        .collect()
}

/// Program name → file, from cargo's messages.
fn executables(messages: &str) -> BTreeMap<String, PathBuf> {
    let messages = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    messages
        .filter(|message| message["reason"] == "compiler-artifact")
        .filter_map(|message| {
            let name = message["target"]["name"].as_str()?;
            Some((name.to_owned(), message["executable"].as_str()?.into()))
        })
        .collect()
}

/// Puts the copy there in one step: another process may be reading the one before.
fn strip(from: &Path, to: &Path) -> Result<PathBuf, Error> {
    let unfinished = to.with_extension(format!("{}.part", std::process::id()));
    let mut command = Command::new("strip");
    command.arg("-o").arg(&unfinished).arg(from);
    let status = command.status().map_err(|source| Error::Start {
        program: "strip".into(),
        source,
    })?;
    if !status.success() {
        return Err(Error::NoProgram {
            program: from.display().to_string(),
        });
    }
    fs::rename(&unfinished, to).at("rename", &unfinished)?;
    Ok(to.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_in_cargos_messages_and_libraries_are_not() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"govuc"},"executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"govuc"},"executable":"/t/debug/govuc"}"#,
            "\nnot json\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        assert_eq!(
            executables(messages),
            [("govuc".to_owned(), PathBuf::from("/t/debug/govuc"))].into()
        );
    }
}

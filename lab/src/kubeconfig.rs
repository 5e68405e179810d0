//! Kubeconfig files: of the components, of the administrator, and of any user one likes to be.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::certificates::Credential;

/// One cluster as one user.
pub struct Context<'a> {
    pub name: &'a str,
    /// `https://ADDRESS:PORT`
    pub server: String,
    /// The certificate of the cluster's authority, PEM.
    pub authority: String,
    pub credential: Credential,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{path}: {source}")]
    File { path: String, source: std::io::Error },
}

/// Writes a kubeconfig with these contexts; the first is the current one.
pub fn write(path: &Path, contexts: &[Context]) -> Result<(), Error> {
    let failed = |source| Error::File {
        path: path.display().to_string(),
        source,
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    // JSON is YAML; every client reads it.
    let text = format!("{:#}\n", render(contexts));
    let aside = aside(path);
    fs::write(&aside, text).map_err(failed)?;
    fs::set_permissions(&aside, std::os::unix::fs::PermissionsExt::from_mode(0o600)).map_err(failed)?;
    fs::rename(&aside, path).map_err(failed)
}

fn aside(path: &Path) -> PathBuf {
    path.with_extension("new")
}

fn render(contexts: &[Context]) -> Value {
    let each = |part: fn(&Context) -> Value| contexts.iter().map(part).collect::<Vec<_>>();
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": contexts.first().map_or("", |context| context.name),
        "clusters": each(|c| json!({"name": c.name, "cluster": {
            "server": c.server,
            "certificate-authority-data": STANDARD.encode(&c.authority),
        }})),
        "users": each(|c| json!({"name": c.name, "user": {
            "client-certificate-data": STANDARD.encode(&c.credential.certificate),
            "client-key-data": STANDARD.encode(&c.credential.key),
        }})),
        "contexts": each(|c| json!({"name": c.name, "context": {"cluster": c.name, "user": c.name}})),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::config::Kubeconfig;

    #[test]
    fn a_client_library_reads_what_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users/zainab.yaml");
        let context = |name| Context {
            name,
            server: "https://198.18.1.2:6443".to_owned(),
            authority: "A".to_owned(),
            credential: Credential {
                certificate: "B".to_owned(),
                key: "C".to_owned(),
            },
        };
        write(&path, &[context("pdsa1"), context("pdsa2")]).unwrap();
        let read = Kubeconfig::read_from(&path).unwrap();
        assert_eq!(read.current_context.as_deref(), Some("pdsa1"));
        assert_eq!(read.contexts.len(), 2);
    }
}

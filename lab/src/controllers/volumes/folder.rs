//! The folder a volume is.

use std::io;
use std::path::{Path, PathBuf};

/// Why a folder could not be made or removed.
#[derive(Debug, thiserror::Error)]
#[error("{action} {path}")]
pub(super) struct Error {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// Makes the folder, empty and root's as a new disk's would be: a pod that is not root needs an fsGroup.
pub(super) async fn make(path: &Path) -> Result<(), Error> {
    let made = tokio::fs::create_dir_all(path).await;
    made.map_err(|source| Error {
        action: "make",
        path: path.to_owned(),
        source,
    })
}

/// Removes the folder with all it holds; it may be gone already.
pub(super) async fn remove(path: &Path) -> Result<(), Error> {
    match tokio::fs::remove_dir_all(path).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(|source| Error {
            action: "remove",
            path: path.to_owned(),
            source,
        }),
    }
}

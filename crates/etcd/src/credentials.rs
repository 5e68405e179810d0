//! The certificate shown to etcd, as its files are now.

use std::sync::{Arc, Mutex};

use govuc_wire::tls::{self, Files};
use rustls::ClientConfig;

/// Read again for each connection, so that a renewed certificate is used from the next one on.
pub(crate) struct Credentials {
    files: Files,
    last: Mutex<Option<Arc<ClientConfig>>>,
}

impl Credentials {
    pub fn new(files: Files) -> Self {
        Self {
            files,
            last: Mutex::default(),
        }
    }

    /// What was readable last stays in use: files that are being replaced do not fit each other for a moment.
    pub fn config(&self) -> Result<Arc<ClientConfig>, tls::Error> {
        let read = self
            .files
            .load()
            .and_then(|material| material.client(&[b"http/1.1"]));
        let mut last = self.last.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        match (read, &*last) {
            (Ok(config), _) => {
                let config = Arc::new(config);
                *last = Some(config.clone());
                Ok(config)
            }
            (Err(error), Some(known)) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the certificate for etcd can't be read; the last one stays in use"
                );
                Ok(known.clone())
            }
            (Err(error), None) => Err(error),
        }
    }
}

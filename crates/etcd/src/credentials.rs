//! The certificate shown to etcd, as its files are now.

use std::sync::{Arc, Mutex};

use govuc_wire::tls::{self, Files, Material};
use rustls::ClientConfig;

/// What is shown on the next connection.
pub(crate) enum Credentials {
    /// Read again for each connection, so that a renewed certificate is used from the next one on.
    Files {
        files: Files,
        last: Mutex<Option<Arc<ClientConfig>>>,
    },
    /// Of a program that has its certificate in memory, and makes another client when it has another.
    Held(Arc<ClientConfig>),
}

const PROTOCOLS: [&[u8]; 1] = [b"h2"];

impl Credentials {
    pub fn new(files: Files) -> Self {
        Self::Files {
            files,
            last: Mutex::default(),
        }
    }

    pub fn held(material: &Material) -> Result<Self, tls::Error> {
        Ok(Self::Held(Arc::new(material.client(&PROTOCOLS)?)))
    }

    /// What was readable last stays in use: files that are being replaced do not fit each other for a moment.
    pub fn config(&self) -> Result<Arc<ClientConfig>, tls::Error> {
        let (files, last) = match self {
            Self::Files { files, last } => (files, last),
            Self::Held(config) => return Ok(config.clone()),
        };
        let read = files.load().and_then(|material| material.client(&PROTOCOLS));
        let mut last = last.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
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

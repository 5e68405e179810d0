//! PLACEHOLDER by the lead engineer so that the tree compiles; the engineer of this file replaces all of it and keeps these names.

use std::fmt;
use tokio::io::{AsyncRead, AsyncWrite};

pub struct Login {
    pub user: String,
    pub password: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest(pub String);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("not built")]
    NotBuilt,
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub async fn digest(_stream: impl AsyncRead + AsyncWrite + Unpin, _login: Login) -> Result<Digest, Error> {
    Err(Error::NotBuilt)
}

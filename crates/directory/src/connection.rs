//! Connections to one provider: as a service by certificate, kept; as a user by password, one for each question.

use std::{sync::Arc, time::Duration};

use govuc_wire::tls;
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapError, LdapResult, StdStream};
use tokio::{net::TcpStream, sync::Mutex, time};

use crate::{Error, Suffix};

/// How long a provider may take, for connecting and for each operation.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// Where a provider listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// `host:port` to dial.
    pub address: String,
    /// The name in its certificate.
    pub server_name: String,
}

/// What is shown to the provider.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// Read again for each connection, so that a rotated certificate is used from the next one on.
    Files(tls::Files),
    Material(Arc<tls::Material>),
}

/// One provider. Cheap to clone; connects when it is first asked, and anew after a failure.
#[derive(Clone)]
pub struct Directory(Arc<Inner>);

struct Inner {
    endpoint: Endpoint,
    credentials: Credentials,
    suffix: Suffix,
    kept: Mutex<Option<Ldap>>,
}

impl Endpoint {
    /// The directory of a site, from either cluster.
    pub fn of_site(site: &str) -> Self {
        use govuc_wire::names;
        let server_name = names::server_name("directory", site, names::MAIL_NAMESPACE);
        Self {
            address: format!("{server_name}:{}", names::TLS_PORT),
            server_name,
        }
    }
}

impl Directory {
    pub fn new(endpoint: Endpoint, credentials: Credentials, suffix: Suffix) -> Self {
        Self(Arc::new(Inner {
            endpoint,
            credentials,
            suffix,
            kept: Mutex::new(None),
        }))
    }

    pub fn suffix(&self) -> &Suffix {
        &self.0.suffix
    }

    /// Runs an operation as the service. A kept connection may have died unnoticed, so what fails on one is asked once
    /// more on a new one: every operation here may be repeated.
    // A plain function of a future, not an AsyncFn: whether that one's futures may change threads can't be told for every
    // lifetime, and then no caller can be spawned.
    pub(crate) async fn run<T, F>(&self, operation: impl Fn(Ldap) -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, LdapError>>,
    {
        let kept = self.0.kept.lock().await.clone();
        if let Some(ldap) = kept {
            match self.attempt(&operation, ldap).await {
                Err(Error::Connection(_)) => {}
                outcome => return outcome,
            }
        }
        let ldap = self.service().await?;
        self.attempt(&operation, ldap).await
    }

    async fn attempt<T, F>(&self, operation: &impl Fn(Ldap) -> F, mut ldap: Ldap) -> Result<T, Error>
    where
        F: Future<Output = Result<T, LdapError>>,
    {
        ldap.with_timeout(DEADLINE);
        match operation(ldap).await {
            Ok(value) => Ok(value),
            Err(error) => {
                self.0.kept.lock().await.take();
                Err(transport(error))
            }
        }
    }

    /// A connection on which the certificate says who asks; kept for whoever asks next.
    async fn service(&self) -> Result<Ldap, Error> {
        let mut ldap = self.connect().await?;
        let answer = ldap
            .with_timeout(DEADLINE)
            .sasl_external_bind()
            .await
            .map_err(transport)?;
        if answer.rc != 0 {
            return Err(Error::Unauthorised(answer.text));
        }
        *self.0.kept.lock().await = Some(ldap.clone());
        Ok(ldap)
    }

    /// A connection on which nobody is signed in yet.
    pub(crate) async fn connect(&self) -> Result<Ldap, Error> {
        let config = match &self.0.credentials {
            Credentials::Files(files) => files.load()?.client(&[])?,
            Credentials::Material(material) => material.client(&[])?,
        };
        let Endpoint { address, server_name } = &self.0.endpoint;
        let unreachable = |source| Error::Unreachable {
            address: address.clone(),
            source,
        };
        let deadline = Error::Deadline(DEADLINE.as_secs());
        let connecting = async {
            let stream = TcpStream::connect(address).await.map_err(unreachable)?;
            stream.set_nodelay(true).map_err(unreachable)?;
            let settings = LdapConnSettings::new()
                .set_config(Arc::new(config))
                .set_std_stream(StdStream::Tcp(stream.into_std().map_err(unreachable)?));
            LdapConnAsync::with_settings(settings, &format!("ldaps://{server_name}"))
                .await
                .map_err(transport)
        };
        let (connection, ldap) = time::timeout(DEADLINE, connecting)
            .await
            .map_err(|_| deadline)??;
        let peer = server_name.clone();
        tokio::spawn(async move {
            if let Err(error) = connection.drive().await {
                tracing::debug!(peer, %error, "a connection to the directory ended");
            }
        });
        Ok(ldap)
    }
}

pub(crate) fn transport(error: LdapError) -> Error {
    match error {
        LdapError::Timeout { .. } => Error::Deadline(DEADLINE.as_secs()),
        other => Error::Connection(other),
    }
}

/// A result that says neither success nor anything its caller knows.
pub(crate) fn unexpected(result: &LdapResult) -> Error {
    Error::Answer {
        code: result.rc,
        text: result.text.clone(),
    }
}

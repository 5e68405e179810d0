//! Clients of kubeconfig contexts.

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};

use super::output;

/// A cluster as kubeconfig names it.
#[derive(Clone)]
pub struct Context {
    /// `None`: the current context.
    pub name: Option<String>,
    pub client: Client,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("kubeconfig can't be read: set KUBECONFIG or --kubeconfig")]
    Read(#[source] Box<KubeconfigError>),
    #[error("kubeconfig has no usable context {name}: the contexts are {known}")]
    Unknown {
        name: String,
        known: String,
        source: Box<KubeconfigError>,
    },
    #[error("a client can't be made for context {name}")]
    Client { name: String, source: Box<kube::Error> },
}

/// Of a command that is about both sites.
#[derive(Debug, thiserror::Error)]
pub enum PairError {
    #[error(transparent)]
    Context(#[from] Error),
    #[error("--contexts names {0} clusters; the service has two: write --contexts A,B")]
    Count(usize),
    #[error("--contexts names {0} twice: write the two clusters of the two sites")]
    Twice(String),
}

/// Of a command that shows what several clusters have. One that is away is no reason to say nothing of the others.
#[derive(Debug, thiserror::Error)]
pub enum ShowError {
    #[error(transparent)]
    Context(#[from] Error),
    #[error("{}", .0.join("\n       "))]
    NotSeen(Vec<String>),
    #[error(transparent)]
    Output(#[from] output::Error),
}

impl Context {
    pub fn label(&self) -> &str {
        self.name.as_deref().unwrap_or("the current context")
    }
}

/// Clients of these contexts; of the current one when none is named.
pub async fn open(names: &[String]) -> Result<Vec<Context>, Error> {
    if names.is_empty() {
        return Ok(vec![one(None).await?]);
    }
    let kubeconfig = read()?;
    let mut contexts = Vec::new();
    for name in names {
        contexts.push(context(&kubeconfig, Some(name)).await?);
    }
    Ok(contexts)
}

/// Clients of the two sites' clusters.
pub async fn two(names: &[String]) -> Result<[Context; 2], PairError> {
    let [one, other] = names else {
        return Err(PairError::Count(names.len()));
    };
    if one == other {
        return Err(PairError::Twice(one.clone()));
    }
    let kubeconfig = read()?;
    Ok([
        context(&kubeconfig, Some(one)).await?,
        context(&kubeconfig, Some(other)).await?,
    ])
}

/// What can't be seen, if anything.
pub fn all_seen(faults: Vec<String>) -> Result<(), ShowError> {
    if faults.is_empty() {
        Ok(())
    } else {
        Err(ShowError::NotSeen(faults))
    }
}

/// A client of this context; of the current one when none is named.
pub async fn one(name: Option<&str>) -> Result<Context, Error> {
    context(&read()?, name).await
}

fn read() -> Result<Kubeconfig, Error> {
    Kubeconfig::read().map_err(|error| Error::Read(Box::new(error)))
}

async fn context(kubeconfig: &Kubeconfig, name: Option<&str>) -> Result<Context, Error> {
    let label = name.unwrap_or("(the current one)");
    let options = KubeConfigOptions {
        context: name.map(str::to_owned),
        ..Default::default()
    };
    let mut config = Config::from_custom_kubeconfig(kubeconfig.clone(), &options)
        .await
        .map_err(|error| Error::Unknown {
            name: label.to_owned(),
            known: kubeconfig
                .contexts
                .iter()
                .map(|context| context.name.as_str())
                .collect::<Vec<_>>()
                .join(", "),
            source: Box::new(error),
        })?;
    // kube takes HTTPS_PROXY from the environment and then asks it even for hosts of NO_PROXY.
    config.proxy_url = None;
    let client = Client::try_from(config).map_err(|error| Error::Client {
        name: label.to_owned(),
        source: Box::new(error),
    })?;
    Ok(Context {
        name: name.map(str::to_owned),
        client,
    })
}

//! Clients of kubeconfig contexts.

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};

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

impl Context {
    pub fn label(&self) -> &str {
        self.name.as_deref().unwrap_or("the current context")
    }
}

/// Clients of these contexts; of the current one when none is named.
pub async fn open(names: &[String]) -> Result<Vec<Context>, Error> {
    let names: Vec<Option<String>> = if names.is_empty() {
        vec![None]
    } else {
        names.iter().cloned().map(Some).collect()
    };
    let kubeconfig = Kubeconfig::read().map_err(|error| Error::Read(Box::new(error)))?;
    let known: Vec<&str> = kubeconfig
        .contexts
        .iter()
        .map(|context| context.name.as_str())
        .collect();
    let mut contexts = Vec::new();
    for name in names {
        let label = name.clone().unwrap_or_else(|| "(the current one)".to_owned());
        let options = KubeConfigOptions {
            context: name.clone(),
            ..Default::default()
        };
        let mut config = Config::from_custom_kubeconfig(kubeconfig.clone(), &options)
            .await
            .map_err(|error| Error::Unknown {
                name: label.clone(),
                known: known.join(", "),
                source: Box::new(error),
            })?;
        // kube takes HTTPS_PROXY from the environment and then asks it even for hosts of NO_PROXY.
        config.proxy_url = None;
        let client = Client::try_from(config).map_err(|error| Error::Client {
            name: label,
            source: Box::new(error),
        })?;
        contexts.push(Context { name, client });
    }
    Ok(contexts)
}

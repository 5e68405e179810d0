//! `kubectl govuc disconnect`: takes the other site's authority out of a cluster. May be repeated.
//!
//! Of what `connect` writes only that goes. The root secret stays, since everything that is stored and signed hangs on it, and so
//! does the evidence that the roles' etcd is formed: without it a member could begin another one.

use clap::Args;
use govuc_wire::names::SYSTEM_NAMESPACE;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, api::DeleteParams};
use serde::Serialize;

use super::{
    confirm,
    contexts::{self, Context},
    output::{self, Format},
};
use crate::pki::kept::PEER_CONFIG_MAP;

/// What a person types.
const WORD: &str = "disconnect";

#[derive(Args, Debug)]
pub struct Arguments {
    /// The clusters, as contexts of kubeconfig: both as A,B; or the one that is left.
    #[arg(
        long,
        visible_alias = "context",
        value_delimiter = ',',
        num_args = 1,
        required = true
    )]
    contexts: Vec<String>,
    /// Ask for no confirmation.
    #[arg(long)]
    yes: bool,
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

/// What was found and done.
#[derive(Serialize)]
struct Done {
    contexts: Vec<String>,
    /// Those that trusted the other site until now.
    disconnected: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Context(#[from] contexts::Error),
    #[error("--contexts names {0} clusters; the service has two: write A,B, or the one that is left")]
    Count(usize),
    #[error("{context}: ConfigMap {PEER_CONFIG_MAP} in {SYSTEM_NAMESPACE} can't be {verb}{done}")]
    Api {
        context: String,
        verb: &'static str,
        /// What was done before.
        done: String,
        source: Box<kube::Error>,
    },
    #[error(transparent)]
    NotConfirmed(#[from] confirm::Error),
    #[error(transparent)]
    Output(#[from] output::Error),
}

pub async fn run(arguments: Arguments) -> Result<(), Error> {
    if arguments.contexts.len() > 2 {
        return Err(Error::Count(arguments.contexts.len()));
    }
    let clusters = contexts::open(&arguments.contexts).await?;
    // All are read before one is changed: a cluster that is away is to be left out by whoever knows that it is gone.
    let mut connected: Vec<&Context> = Vec::new();
    for cluster in &clusters {
        let found = maps(cluster).get_opt(PEER_CONFIG_MAP).await;
        if found.map_err(failed(cluster, "read", &[]))?.is_some() {
            connected.push(cluster);
        }
    }
    if !connected.is_empty() {
        eprintln!("{}", meaning(&labels(&connected)));
        if !arguments.yes {
            confirm::by_typing(WORD)?;
        }
    }
    let mut disconnected = Vec::new();
    for cluster in connected {
        let deleted = maps(cluster)
            .delete(PEER_CONFIG_MAP, &DeleteParams::default())
            .await;
        match deleted {
            Ok(_) => disconnected.push(cluster.label().to_owned()),
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            Err(error) => return Err(failed(cluster, "deleted", &disconnected)(error)),
        }
    }
    let text = match disconnected[..] {
        [] => format!(
            "{}: not connected; nothing was changed",
            arguments.contexts.join(" and ")
        ),
        _ => format!("{}: disconnected", disconnected.join(" and ")),
    };
    let done = Done {
        contexts: arguments.contexts,
        disconnected,
    };
    output::print(arguments.output, &done, &text)?;
    Ok(())
}

/// For who is to agree to it.
fn meaning(clusters: &[String]) -> String {
    format!(
        "{}: the other site's authority is taken out.
- Within half a minute the operator there lets the other one in no more, and nothing is mirrored
  between the sites.
- It stops, as before the first connect: no agency or mailbox is made, changed or removed, no certificate
  is renewed, and no switchover, failover or hold is carried out. What runs goes on as it is.
- What runs has its certificates still, and trusts the other site by them: stores go on following
  each other as long as the line and both sites are there. To part them, cut the line.
The root secret and all data stay. To connect again: kubectl govuc connect --contexts A,B",
        clusters.join(" and ")
    )
}

fn maps(cluster: &Context) -> Api<ConfigMap> {
    Api::namespaced(cluster.client.clone(), SYSTEM_NAMESPACE)
}

fn labels(clusters: &[&Context]) -> Vec<String> {
    clusters
        .iter()
        .map(|cluster| cluster.label().to_owned())
        .collect()
}

fn failed(cluster: &Context, verb: &'static str, done: &[String]) -> impl FnOnce(kube::Error) -> Error {
    let context = cluster.label().to_owned();
    let done = match done {
        [] => "; nothing was changed".to_owned(),
        done => format!("; disconnected already: {}", done.join(" and ")),
    };
    move |source| Error::Api {
        context,
        verb,
        done,
        source: Box::new(source),
    }
}

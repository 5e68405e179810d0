//! `kubectl govuc mirror accept`: deletions that were held back.

use std::collections::BTreeMap;

use clap::Args;
use govuc_wire::names::SYSTEM_NAMESPACE;
use k8s_openapi::{api::core::v1::ConfigMap, jiff::Timestamp};
use kube::{Api, api::PostParams};
use serde::Serialize;

use super::super::{
    contexts::{self, Context},
    output::{self, Format},
};
use crate::mirror::{BRAKE, Brake};

const MANAGER: &str = "govuc-mirror-accept";

#[derive(Args, Debug)]
pub struct Arguments {
    /// Contexts of kubeconfig, separated by commas: of the clusters that hold deletions back. The current one when left out.
    #[arg(long, visible_alias = "context", value_delimiter = ',')]
    contexts: Vec<String>,
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

/// What was accepted in one cluster.
#[derive(Serialize)]
struct Done {
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<String>,
    /// Kinds, and since when their deletions were held back.
    accepted: BTreeMap<String, Timestamp>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Context(#[from] contexts::Error),
    #[error("{context}: ConfigMap {BRAKE} in {SYSTEM_NAMESPACE} can't be read or written")]
    Api {
        context: String,
        source: Box<kube::Error>,
    },
    #[error(
        "{context}: ConfigMap {BRAKE} in {SYSTEM_NAMESPACE} has {kind}: {text:?}, which the operator did not write. Remedy: take it out"
    )]
    Unreadable {
        context: String,
        kind: String,
        text: String,
    },
    #[error(transparent)]
    Output(#[from] output::Error),
}

pub async fn run(arguments: Arguments) -> Result<(), Error> {
    for context in contexts::open(&arguments.contexts).await? {
        let accepted = accepted(&context).await?;
        let place = context.label();
        let text = match accepted
            .iter()
            .map(|(kind, since)| format!("{kind} since {since}"))
            .collect::<Vec<_>>()
        {
            none if none.is_empty() => format!("{place}: no deletion is held back"),
            kinds => format!(
                "{place}: what was deleted at the other site is deleted here too: {}",
                kinds.join(", ")
            ),
        };
        let done = Done {
            context: context.name.clone(),
            accepted,
        };
        output::print(arguments.output, &done, &text)?;
    }
    Ok(())
}

async fn accepted(context: &Context) -> Result<BTreeMap<String, Timestamp>, Error> {
    let maps: Api<ConfigMap> = Api::namespaced(context.client.clone(), SYSTEM_NAMESPACE);
    let failed = |source| Error::Api {
        context: context.label().to_owned(),
        source: Box::new(source),
    };
    let mut accepted = BTreeMap::new();
    let Some(mut map) = maps.get_opt(BRAKE).await.map_err(failed)? else {
        return Ok(accepted);
    };
    for (kind, text) in map.data.iter_mut().flatten() {
        let brake: Brake = serde_json::from_str(text).map_err(|_| Error::Unreadable {
            context: context.label().to_owned(),
            kind: kind.clone(),
            text: text.clone(),
        })?;
        let Some(since) = brake.since else { continue };
        // Times and nothing else: there is always a JSON of it.
        *text = serde_json::to_string(&brake.accept(Timestamp::now())).unwrap_or_default();
        accepted.insert(kind.clone(), since);
    }
    if !accepted.is_empty() {
        let params = PostParams {
            field_manager: Some(MANAGER.to_owned()),
            ..Default::default()
        };
        // With its version: what the operator has written meanwhile is not lost.
        maps.replace(BRAKE, &params, &map).await.map_err(failed)?;
    }
    Ok(accepted)
}

//! `kubectl govuc certificates`: every certificate the service has, and what is wrong with it.

mod read;
pub mod row;
mod table;

use clap::Args;
use k8s_openapi::jiff::Timestamp;

use self::row::{Row, rows};
use super::{
    contexts::{self, ShowError},
    output::{self, Format},
};
use crate::controller::chain;

#[derive(Args, Debug)]
pub struct Arguments {
    /// Contexts of kubeconfig, one or both sites': A,B. With both it is told, too, what one trusts of the other. The current one
    /// when left out.
    #[arg(long, visible_alias = "context", value_delimiter = ',')]
    contexts: Vec<String>,
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("--contexts names {0} clusters; the service has two: write A,B, or one of them")]
    Count(usize),
    #[error(transparent)]
    Show(#[from] ShowError),
}

/// Whether a certificate has expired, is about to end, or can't be read.
pub async fn run(arguments: Arguments) -> Result<bool, Error> {
    if arguments.contexts.len() > 2 {
        return Err(Error::Count(arguments.contexts.len()));
    }
    let contexts = contexts::open(&arguments.contexts)
        .await
        .map_err(ShowError::from)?;
    let (mut sites, mut faults) = (Vec::new(), Vec::new());
    for context in &contexts {
        match read::site(context).await {
            Ok(site) => sites.push(site),
            Err(error) => faults.push(chain(&error)),
        }
    }
    let rows = rows(&sites, Timestamp::now());
    if !sites.is_empty() {
        output::print(arguments.output, &rows, &table::table(&rows)).map_err(ShowError::from)?;
    }
    contexts::all_seen(faults)?;
    Ok(rows.iter().any(Row::is_urgent))
}

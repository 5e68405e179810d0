//! `kubectl govuc failover --force`: makes a site primary although its copy may lack something.

mod prospect;
mod receipt;

use std::time::Duration;

use clap::{ArgGroup, Args};
use govuc_api::{FailoverState, MailStore};
use tokio::time::Instant;

use self::{prospect::Prospect, receipt::Receipt};
use super::{
    confirm,
    contexts::{self, Context},
    output::{self, Format},
    stores::{self, Course, Shown, Wish, copy, serves, span, tenths},
};
use crate::controller::chain;

const MANAGER: &str = "govuc-failover";
/// The guards are given this long to begin: a lost primary's lease has run out by then.
const BEGIN: Duration = Duration::from_secs(60);

#[derive(Args, Debug)]
#[command(group(ArgGroup::new("stores").required(true).args(["store", "all"])))]
pub struct Arguments {
    /// The store.
    store: Option<String>,
    /// Every store that is not at the site already.
    #[arg(long)]
    all: bool,
    /// The site that is to be primary.
    #[arg(long, value_name = "SITE")]
    to: String,
    /// Do without what the copy there lacks. What that is is said beforehand.
    #[arg(long)]
    force: bool,
    /// Ask for no confirmation.
    #[arg(long)]
    yes: bool,
    /// Say what would be missing, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// A context of kubeconfig: the cluster of a site that is up. The current one when left out.
    #[arg(long)]
    context: Option<String>,
    /// How long to wait for the end of each. What is under way then goes on.
    #[arg(long, default_value = "2m", value_parser = span)]
    timeout: Duration,
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Context(#[from] contexts::Error),
    #[error(transparent)]
    Stores(#[from] stores::Error),
    #[error(
        "--force is missing: a failover does without what only the other copy has. See what that is with --dry-run; \
         kubectl govuc switchover loses nothing, and needs both sites"
    )]
    NotForced,
    #[error(transparent)]
    NotConfirmed(#[from] confirm::Error),
    #[error("{}", .0.join("\n       "))]
    NotMoved(Vec<String>),
    #[error(
        "interrupted. What was asked for goes on as operation {operation}: see kubectl get mailstores -o wide"
    )]
    Interrupted { operation: String },
    #[error(transparent)]
    Output(#[from] output::Error),
}

pub async fn run(arguments: Arguments) -> Result<(), Error> {
    if !arguments.force && !arguments.dry_run {
        return Err(Error::NotForced);
    }
    let context = contexts::one(arguments.context.as_deref()).await?;
    stores::site_can_take(&context, &arguments.to).await?;
    let named = stores::named(&context, arguments.store.as_deref()).await?;
    let chosen: Vec<(MailStore, Prospect)> = named
        .into_iter()
        .filter(|store| arguments.store.is_some() || !serves(copy(store, &arguments.to)))
        .map(|store| {
            let prospect = Prospect::of(&store, &arguments.to);
            (store, prospect)
        })
        .collect();
    let shown = Shown {
        format: arguments.output,
        one: arguments.store.is_some(),
        to: &arguments.to,
    };
    if arguments.dry_run {
        let prospects: Vec<&Prospect> = chosen.iter().map(|(_, prospect)| prospect).collect();
        return Ok(shown.print(&prospects, |_| true)?);
    }
    for (_, prospect) in &chosen {
        eprintln!("{prospect}");
    }
    let (refused, chosen): (Vec<_>, Vec<_>) = chosen
        .into_iter()
        .partition(|(_, prospect)| prospect.refusal.is_some());
    if !chosen.is_empty() && !arguments.yes {
        confirm::by_typing(arguments.store.as_deref().unwrap_or(&arguments.to))?;
    }
    let operation = stores::operation("fo");
    let forced = chosen
        .iter()
        .map(|(store, prospect)| force(&context, &arguments, &operation, store, prospect));
    let Some(mut receipts) = stores::each(forced).await else {
        return Err(Error::Interrupted { operation });
    };
    receipts.extend(refused.iter().map(|(_, prospect)| {
        let message = prospect.refusal.clone().unwrap_or_default();
        Receipt::of(prospect, &operation, FailoverState::Refused, message)
    }));
    let not_done = shown.conclude(&receipts, |receipt| receipt.state == FailoverState::Done)?;
    if not_done.is_empty() {
        Ok(())
    } else {
        Err(Error::NotMoved(not_done))
    }
}

async fn force(
    context: &Context,
    arguments: &Arguments,
    operation: &str,
    store: &MailStore,
    prospect: &Prospect,
) -> Receipt {
    let began = Instant::now();
    let receipt = |state, message: String| Receipt {
        seconds: tenths(began.elapsed()),
        ..Receipt::of(prospect, operation, state, message)
    };
    let wish = Wish {
        field: "failover",
        manager: MANAGER,
        operation,
        to: &arguments.to,
        begin: BEGIN,
    };
    let look = |store: MailStore| {
        let now = store.status?.failover.filter(|now| now.id == operation)?;
        Some(match now.state.is_final() {
            true => Course::Ended(now),
            false => Course::GoesOn(now.message),
        })
    };
    match stores::pursue(context, store, &wish, arguments.timeout, look, String::clone).await {
        Err(error) => receipt(FailoverState::Refused, chain(&error)),
        Ok(Course::Ended(end)) => Receipt {
            from: end.from,
            era: end.era,
            term: end.term,
            lacks: end.lacks,
            passed_over: end.passed_over,
            ..receipt(end.state, end.message)
        },
        Ok(Course::GoesOn(said)) => receipt(
            FailoverState::Pending,
            format!(
                "it has not ended within {} s, and goes on. {}",
                arguments.timeout.as_secs(),
                said.unwrap_or_default()
            ),
        ),
    }
}

//! `kubectl govuc hold`: has a site serve though the roles' etcd does not answer it.

mod prospect;
mod receipt;

use std::time::Duration;

use clap::{ArgGroup, Args};
use govuc_api::{CopyState, HoldState, HoldStatus, MailStore};
use kube::ResourceExt;
use tokio::time::Instant;

use self::{
    prospect::{Prospect, warning},
    receipt::Receipt,
};
use super::{
    confirm,
    contexts::{self, Context},
    output::{self, Format},
    stores::{self, Course, Shown, Wish, copy, serves, span, tenths},
};
use crate::controller::chain;

const MANAGER: &str = "govuc-hold";
/// The guard is given this long to begin: etcd has to have been silent for 15 s, and a guard that has just started, or has promised
/// the other one not to take the store, waits for as long again.
const BEGIN: Duration = Duration::from_secs(60);

#[derive(Args, Debug)]
#[command(group(ArgGroup::new("stores").required(true).args(["store", "all"])))]
pub struct Arguments {
    /// The store.
    store: Option<String>,
    /// Every store that the site does not serve already.
    #[arg(long)]
    all: bool,
    /// The site that is to serve. The other one must not: nobody else sees to that.
    #[arg(long, value_name = "SITE")]
    to: String,
    /// Ask for no confirmation.
    #[arg(long)]
    yes: bool,
    /// Say what is known and what is at risk, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// A context of kubeconfig: the cluster of that site, and no other. The current one when left out.
    #[arg(long)]
    context: Option<String>,
    /// How long to wait until it serves each. What is under way then goes on.
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
        "nothing was done: --to is {to}, and {context} is the cluster of {own}. A hold is written into the cluster of the site that \
         is to serve, since nobody else is reached. Remedy: write --context with the cluster of {to}"
    )]
    OtherCluster {
        to: String,
        context: String,
        own: String,
    },
    #[error(transparent)]
    NotConfirmed(#[from] confirm::Error),
    #[error("{}", .0.join("\n       "))]
    NotHeld(Vec<String>),
    #[error(
        "interrupted. What was asked for goes on as operation {operation}: see status.hold of the stores"
    )]
    Interrupted { operation: String },
    #[error(transparent)]
    Output(#[from] output::Error),
}

pub async fn run(arguments: Arguments) -> Result<(), Error> {
    let context = contexts::one(arguments.context.as_deref()).await?;
    stores::site_can_take(&context, &arguments.to).await?;
    let named = stores::named(&context, arguments.store.as_deref()).await?;
    if let Some(own) = stores::own_site(&named).filter(|own| *own != arguments.to) {
        return Err(Error::OtherCluster {
            to: arguments.to.clone(),
            context: context.label().to_owned(),
            own: own.to_owned(),
        });
    }
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
        shown.print(&prospects, |_| true)?;
        tell_risk(&prospects);
        return Ok(());
    }
    for (_, prospect) in &chosen {
        eprintln!("{prospect}");
    }
    let (refused, chosen): (Vec<_>, Vec<_>) = chosen
        .into_iter()
        .partition(|(_, prospect)| prospect.refusal.is_some());
    let prospects: Vec<&Prospect> = chosen.iter().map(|(_, prospect)| prospect).collect();
    tell_risk(&prospects);
    if !chosen.is_empty() && !arguments.yes {
        confirm::by_typing(arguments.store.as_deref().unwrap_or(&arguments.to))?;
    }
    let operation = stores::operation("ho");
    let held = chosen
        .iter()
        .map(|(store, _)| hold(&context, &arguments, &operation, store));
    let Some(mut receipts) = stores::each(held).await else {
        return Err(Error::Interrupted { operation });
    };
    receipts.extend(refused.iter().map(|(_, prospect)| Receipt {
        store: prospect.store.clone(),
        operation: operation.clone(),
        state: HoldState::Refused,
        to: arguments.to.clone(),
        serves: false,
        seconds: 0.0,
        message: prospect.refusal.clone().unwrap_or_default(),
    }));
    let not_done = shown.conclude(&receipts, |receipt| receipt.serves)?;
    if not_done.is_empty() {
        Ok(())
    } else {
        Err(Error::NotHeld(not_done))
    }
}

/// Once for all stores: it is the same site that must not serve.
fn tell_risk(prospects: &[&Prospect]) {
    if let Some(prospect) = prospects.iter().find(|prospect| prospect.refusal.is_none()) {
        eprintln!("{}", warning(prospect));
    }
}

async fn hold(context: &Context, arguments: &Arguments, operation: &str, store: &MailStore) -> Receipt {
    let began = Instant::now();
    let name = store.name_any();
    let receipt = |state, serves, message: String| Receipt {
        store: name.clone(),
        operation: operation.to_owned(),
        state,
        to: arguments.to.clone(),
        serves,
        seconds: tenths(began.elapsed()),
        message,
    };
    let wish = Wish {
        field: "hold",
        manager: MANAGER,
        operation,
        to: &arguments.to,
        begin: BEGIN,
    };
    let look = |store: MailStore| {
        let now = store.status.as_ref()?.hold.clone();
        let now = now.filter(|now| now.id == operation)?;
        Some(match ended(&store, &now) {
            Some(serves) => Course::Ended((now, serves)),
            None => Course::GoesOn(now),
        })
    };
    let words = |said: &HoldStatus| said.message.clone();
    match stores::pursue(context, store, &wish, arguments.timeout, look, words).await {
        Err(error) => receipt(HoldState::Refused, false, chain(&error)),
        Ok(Course::Ended((end, serves))) => receipt(end.state, serves, end.message),
        Ok(Course::GoesOn(said)) => {
            let (state, message) = said.map_or((HoldState::Pending, String::new()), |said| {
                (said.state, said.message)
            });
            let seconds = arguments.timeout.as_secs();
            receipt(
                state,
                false,
                format!("it does not serve after {seconds} s, and goes on. {message}"),
            )
        }
    }
}

/// Whether the site serves, once that is known: a hold that was begun is no engine that runs.
fn ended(store: &MailStore, hold: &HoldStatus) -> Option<bool> {
    let at_site = copy(store, &hold.to).map(|copy| copy.state);
    match hold.state {
        HoldState::Held if at_site == Some(CopyState::Held) => Some(true),
        HoldState::Pending | HoldState::Held => None,
        HoldState::Settled => Some(true),
        HoldState::Refused | HoldState::Expired => Some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case::not_begun("Pending", "Follower", None)]
    #[case::the_engine_starts("Held", "Unknown", None)]
    #[case::it_serves("Held", "Held", Some(true))]
    #[case::etcd_came_back("Settled", "Alone", Some(true))]
    #[case::refused("Refused", "Follower", Some(false))]
    #[case::too_late("Expired", "Follower", Some(false))]
    fn it_ends_well_once_the_site_serves(
        #[case] state: &str,
        #[case] copy: &str,
        #[case] serves: Option<bool>,
    ) {
        let hold = json!({"id": "ho-1", "state": state, "to": "pdsa1"});
        let store: MailStore = serde_json::from_value(json!({
            "apiVersion": "1govuc.gov.my/v1alpha1", "kind": "MailStore", "metadata": {"name": "mail-1"},
            "spec": {"preferredSite": "pdsa1"},
            "status": {"hold": hold, "sites": [{"name": "pdsa1", "state": copy}]},
        }))
        .unwrap();
        let hold: HoldStatus = serde_json::from_value(hold).unwrap();
        assert_eq!(ended(&store, &hold), serves);
    }

    #[test]
    fn a_cluster_is_of_the_site_that_its_operator_names_first() {
        let store = |status| -> MailStore {
            serde_json::from_value(json!({
                "apiVersion": "1govuc.gov.my/v1alpha1", "kind": "MailStore", "metadata": {"name": "mail-1"},
                "spec": {"preferredSite": "pdsa1"}, "status": status,
            }))
            .unwrap()
        };
        let sites = json!([{"name": "pdsa2", "state": "Follower"}, {"name": "pdsa1", "state": "Unknown"}]);
        let stores = [store(json!({})), store(json!({"sites": sites}))];
        assert_eq!(stores::own_site(&stores), Some("pdsa2"));
        assert_eq!(stores::own_site(&stores[..1]), None);
    }
}

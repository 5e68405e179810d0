//! `kubectl govuc switchover`: moves stores to the other site, losing nothing.

use std::{fmt, time::Duration};

use clap::{ArgGroup, Args};
use govuc_api::{Agency, MailStore, SwitchoverState, SwitchoverStatus, conditions::types};
use kube::{Api, ResourceExt};
use serde::Serialize;
use tokio::time::Instant;

use super::{
    contexts::{self, Context},
    output::{self, Format},
    stores::{self, Course, Shown, Wish, missing, read, span, tenths},
};
use crate::{conditions, controller::chain};

const MANAGER: &str = "govuc-switchover";
/// What has begun ends within as much, so as much is kept of the time there is.
const UNDER_WAY: Duration = Duration::from_secs(50);
/// The guards are given this long to begin, at least and at most.
const BEGIN_LEAST: Duration = Duration::from_secs(15);
const BEGIN_MOST: Duration = Duration::from_secs(60);

#[derive(Args, Debug)]
#[command(group(ArgGroup::new("stores").required(true).args(["store", "agency", "all"])))]
pub struct Arguments {
    /// The store.
    store: Option<String>,
    /// Every store that the agency's mail is on.
    #[arg(long)]
    agency: Option<String>,
    /// Every store.
    #[arg(long)]
    all: bool,
    /// The site that is to be primary.
    #[arg(long, value_name = "SITE")]
    to: String,
    /// A context of kubeconfig: either cluster's. The current one when left out.
    #[arg(long)]
    context: Option<String>,
    /// How long to wait for the end of each. What is under way then goes on.
    #[arg(long, default_value = "90s", value_parser = span)]
    timeout: Duration,
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

/// How it ended for one store.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Receipt {
    store: String,
    operation: String,
    state: SwitchoverState,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    to: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    term: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    /// From the command to the end.
    seconds: f64,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Context(#[from] contexts::Error),
    #[error(transparent)]
    Stores(#[from] stores::Error),
    #[error("agency {0} is on no store yet: see kubectl get agency {0}")]
    NoStores(String),
    #[error("{}", .0.join("\n       "))]
    NotMoved(Vec<String>),
    #[error(
        "interrupted. What was asked for goes on as operation {operation}: see kubectl get mailstores -o wide"
    )]
    Interrupted { operation: String },
    #[error(transparent)]
    Output(#[from] output::Error),
}

/// Why a store can't be moved now.
#[derive(Debug, PartialEq)]
enum Refusal {
    Already,
    UnderWay(String),
    NobodyIsPrimary,
    NotInStep(String),
}

pub async fn run(arguments: Arguments) -> Result<(), Error> {
    let context = contexts::one(arguments.context.as_deref()).await?;
    stores::site_can_take(&context, &arguments.to).await?;
    let stores = chosen(&context, &arguments).await?;
    let operation = stores::operation("sw");
    let moved = stores
        .iter()
        .map(|store| move_one(&context, &arguments, &operation, store));
    let Some(receipts) = stores::each(moved).await else {
        return Err(Error::Interrupted { operation });
    };
    let shown = Shown {
        format: arguments.output,
        one: arguments.store.is_some(),
        to: &arguments.to,
    };
    let not_moved = shown.conclude(&receipts, |receipt| receipt.state == SwitchoverState::Done)?;
    if not_moved.is_empty() {
        Ok(())
    } else {
        Err(Error::NotMoved(not_moved))
    }
}

/// The stores that are meant. Of several, those that are at the site already need nothing.
async fn chosen(context: &Context, arguments: &Arguments) -> Result<Vec<MailStore>, Error> {
    let list = stores::named(context, arguments.store.as_deref()).await?;
    if arguments.store.is_some() {
        return Ok(list);
    }
    let elsewhere = list
        .into_iter()
        .filter(|store| refusal(store, &arguments.to) != Some(Refusal::Already));
    let Some(name) = &arguments.agency else {
        return Ok(elsewhere.collect());
    };
    let agencies: Api<Agency> = Api::all(context.client.clone());
    let agency = agencies
        .get_opt(name)
        .await
        .map_err(read(context, "the agency"))?
        .ok_or_else(|| missing(context, &format!("agency {name}"), "agencies"))?;
    let placed: Vec<String> = agency
        .status
        .map_or_else(Vec::new, |status| status.stores)
        .into_iter()
        .map(|store| store.name)
        .collect();
    if placed.is_empty() {
        return Err(Error::NoStores(name.clone()));
    }
    Ok(elsewhere
        .filter(|store| placed.contains(&store.name_any()))
        .collect())
}

/// Why the store can't be moved to the site now, as far as the object shows.
fn refusal(store: &MailStore, to: &str) -> Option<Refusal> {
    let status = store.status.clone().unwrap_or_default();
    let Some(primary) = status.primary else {
        return Some(Refusal::NobodyIsPrimary);
    };
    if primary == to {
        return Some(Refusal::Already);
    }
    if let Some(switchover) = status.switchover
        && !switchover.state.is_final()
    {
        return Some(Refusal::UnderWay(switchover.id));
    }
    if conditions::is_true(&status.conditions, types::REPLICATED) {
        return None;
    }
    let replicated = status
        .conditions
        .into_iter()
        .find(|condition| condition.type_ == types::REPLICATED);
    Some(Refusal::NotInStep(
        replicated.map_or_else(String::new, |condition| condition.message),
    ))
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Already => f.write_str("that site is the primary already"),
            Refusal::UnderWay(operation) => {
                write!(f, "switchover {operation} is under way: wait for its end")
            }
            Refusal::NobodyIsPrimary => {
                f.write_str("no site is primary, as far as is known: see kubectl describe mailstore")
            }
            Refusal::NotInStep(why) => write!(
                f,
                "NotInStep: {why}. Wait until it is Replicated: kubectl wait mailstore --for=condition=Replicated"
            ),
        }
    }
}

async fn move_one(context: &Context, arguments: &Arguments, operation: &str, store: &MailStore) -> Receipt {
    let began = Instant::now();
    let name = store.name_any();
    let receipt = |state, message: String| Receipt {
        store: name.clone(),
        operation: operation.to_owned(),
        state,
        from: store.status.as_ref().and_then(|status| status.primary.clone()),
        to: arguments.to.clone(),
        term: None,
        digest: None,
        seconds: tenths(began.elapsed()),
        message,
    };
    if let Some(refusal) = refusal(store, &arguments.to) {
        return receipt(SwitchoverState::Refused, refusal.to_string());
    }
    let wish = Wish {
        field: "switchover",
        manager: MANAGER,
        operation,
        to: &arguments.to,
        begin: arguments
            .timeout
            .saturating_sub(UNDER_WAY)
            .clamp(BEGIN_LEAST, BEGIN_MOST),
    };
    let look = |store: MailStore| {
        let now = store.status?.switchover.filter(|now| now.id == operation)?;
        Some(match now.state.is_final() {
            true => Course::Ended(now),
            false => Course::GoesOn(now),
        })
    };
    let words = |said: &SwitchoverStatus| format!("{:?}: {}", said.state, said.message);
    match stores::pursue(context, store, &wish, arguments.timeout, look, words).await {
        Err(error) => receipt(SwitchoverState::Refused, chain(&error)),
        Ok(Course::Ended(end)) => Receipt {
            from: end.from,
            term: end.term,
            digest: end.digest,
            ..receipt(end.state, end.message)
        },
        Ok(Course::GoesOn(said)) => receipt(
            said.map_or(SwitchoverState::Pending, |said| said.state),
            format!(
                "it has not ended within {} s, and goes on",
                arguments.timeout.as_secs()
            ),
        ),
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Receipt {
            store,
            operation,
            to,
            seconds,
            message,
            ..
        } = self;
        write!(f, "mailstore.1govuc.gov.my/{store} ")?;
        if self.state != SwitchoverState::Done {
            return write!(f, "did not move to {to}. {:?}: {message}", self.state);
        }
        let from = self.from.as_deref().unwrap_or("nowhere");
        write!(f, "moved from {from} to {to} in {seconds:.1} s")?;
        if let Some(term) = self.term {
            write!(f, ", term {term}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, ", both copies {digest}")?;
        }
        write!(f, ", operation {operation}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    fn store(status: Value) -> MailStore {
        serde_json::from_value(json!({
            "apiVersion": "1govuc.gov.my/v1alpha1", "kind": "MailStore", "metadata": {"name": "mail-1"},
            "spec": {"preferredSite": "pdsa1"}, "status": status,
        }))
        .unwrap()
    }

    fn at(primary: &str, replicated: &str) -> Value {
        json!({"primary": primary, "conditions": [{
            "type": "Replicated", "status": replicated, "reason": "Because", "message": "the copy is behind",
            "lastTransitionTime": "2026-11-24T00:00:00Z",
        }]})
    }

    #[rstest]
    #[case::in_step(at("pdsa1", "True"), None)]
    #[case::there_already(at("pdsa2", "True"), Some("already"))]
    #[case::behind(at("pdsa1", "False"), Some("NotInStep: the copy is behind"))]
    #[case::not_known(at("pdsa1", "Unknown"), Some("NotInStep"))]
    #[case::nothing_is_known(json!({}), Some("no site is primary"))]
    fn what_can_be_refused_beforehand_is(#[case] status: Value, #[case] because: Option<&str>) {
        let refusal = refusal(&store(status), "pdsa2").map(|refusal| refusal.to_string());
        match (&refusal, because) {
            (None, None) => {}
            (Some(refusal), Some(because)) => assert!(refusal.contains(because), "{refusal}"),
            _ => panic!("{refusal:?}"),
        }
    }

    #[test]
    fn one_at_a_time() {
        let mut status = at("pdsa1", "True");
        status["switchover"] = json!({"id": "sw-0", "state": "Draining", "to": "pdsa2"});
        assert_eq!(
            refusal(&store(status.clone()), "pdsa2"),
            Some(Refusal::UnderWay("sw-0".into()))
        );
        status["switchover"]["state"] = json!("Aborted");
        assert_eq!(refusal(&store(status), "pdsa2"), None);
    }
}

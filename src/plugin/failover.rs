//! `kubectl govuc failover --force`: makes a site primary although its copy may lack something.

use std::{
    fmt,
    io::{self, IsTerminal, Write},
    time::Duration,
};

use clap::{ArgGroup, Args};
use futures::{StreamExt, stream};
use govuc_api::{CopyState, FailoverState, FailoverStatus, Lack, MailStore, PassedOver, StoreCopy};
use kube::ResourceExt;
use serde::Serialize;
use tokio::{signal, time::Instant};
use uuid::Uuid;

use super::{
    contexts::{self, Context},
    output::{self, Format},
    stores::{self, Wish, span, tenths},
};
use crate::{controller::chain, mail_store::recorded::lack};

const MANAGER: &str = "govuc-failover";
/// The guards are given this long to begin: a lost primary's lease has run out by then.
const BEGIN: Duration = Duration::from_secs(60);
/// Stores on their way at a time.
const AT_ONCE: usize = 4;

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

/// What a failover would mean for one store, as far as its object shows.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Prospect {
    store: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    to: String,
    lacks: Lack,
    /// The sites whose copy does not answer, or does not serve.
    unreachable: Vec<String>,
    /// Why it would not be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<String>,
}

/// How it ended for one store.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Receipt {
    store: String,
    operation: String,
    state: FailoverState,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    to: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    era: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    term: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lacks: Option<Lack>,
    #[serde(skip_serializing_if = "Option::is_none")]
    passed_over: Option<PassedOver>,
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
    #[error(
        "--force is missing: a failover does without what only the other copy has. See what that is with --dry-run; \
         kubectl govuc switchover loses nothing, and needs both sites"
    )]
    NotForced,
    #[error("nothing was done: standard input is no terminal to confirm at. Write --yes to go on without")]
    NoTerminal,
    #[error("nothing was done: what was typed is not {0:?}")]
    Declined(String),
    #[error("standard input can't be read")]
    Input(#[from] io::Error),
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
    let names: Vec<String> = arguments.context.iter().cloned().collect();
    let mut contexts = contexts::open(&names).await?;
    let Some(context) = contexts.pop() else {
        return Ok(());
    };
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
    if arguments.dry_run {
        let prospects: Vec<&Prospect> = chosen.iter().map(|(_, prospect)| prospect).collect();
        return Ok(print(&arguments, &prospects, |_| true)?);
    }
    for (_, prospect) in &chosen {
        eprintln!("{prospect}");
    }
    let (refused, chosen): (Vec<_>, Vec<_>) = chosen
        .into_iter()
        .partition(|(_, prospect)| prospect.refusal.is_some());
    if !chosen.is_empty() && !arguments.yes {
        confirm(arguments.store.as_deref().unwrap_or(&arguments.to))?;
    }
    let operation = format!("fo-{}", &Uuid::new_v4().simple().to_string()[..12]);
    let all = stream::iter(&chosen)
        .map(|(store, prospect)| force(&context, &arguments, &operation, store, prospect))
        .buffered(AT_ONCE)
        .collect::<Vec<Receipt>>();
    let mut receipts = tokio::select! {
        receipts = all => receipts,
        _ = signal::ctrl_c() => return Err(Error::Interrupted { operation }),
    };
    receipts.extend(refused.iter().map(|(_, prospect)| {
        let message = prospect.refusal.clone().unwrap_or_default();
        prospect.receipt(&operation, FailoverState::Refused, message)
    }));
    // What was not done is told as the command's error.
    print(&arguments, &receipts, |receipt| {
        receipt.state == FailoverState::Done
    })?;
    let not_done: Vec<String> = receipts
        .iter()
        .filter(|receipt| receipt.state != FailoverState::Done)
        .map(Receipt::to_string)
        .collect();
    if not_done.is_empty() {
        Ok(())
    } else {
        Err(Error::NotMoved(not_done))
    }
}

fn print<T: Serialize + fmt::Display>(
    arguments: &Arguments,
    items: &[T],
    shown: impl Fn(&T) -> bool,
) -> Result<(), output::Error> {
    match (arguments.output, items) {
        (None, []) => println!("every store is at {} already", arguments.to),
        (None, items) => items
            .iter()
            .filter(|item| shown(item))
            .for_each(|item| println!("{item}")),
        (format, [item]) if arguments.store.is_some() => output::print(format, item, "")?,
        (format, items) => output::print(format, &items, "")?,
    }
    Ok(())
}

/// Has a person at a terminal type the word.
fn confirm(word: &str) -> Result<(), Error> {
    if !io::stdin().is_terminal() {
        return Err(Error::NoTerminal);
    }
    eprint!("Type {word} to go on: ");
    io::stderr().flush()?;
    let mut typed = String::new();
    io::stdin().read_line(&mut typed)?;
    if typed.trim() == word {
        Ok(())
    } else {
        Err(Error::Declined(word.to_owned()))
    }
}

fn copy<'a>(store: &'a MailStore, site: &str) -> Option<&'a StoreCopy> {
    let status = store.status.as_ref()?;
    status.sites.iter().find(|copy| copy.name == site)
}

fn serves(copy: Option<&StoreCopy>) -> bool {
    copy.is_some_and(|copy| matches!(copy.state, CopyState::Paired | CopyState::Alone))
}

/// Why it would not be done, as far as the object shows: in the words of field, value, rule and remedy.
fn refusal(store: &MailStore, to: &str) -> Option<String> {
    let name = store.name_any();
    let status = store.status.clone().unwrap_or_default();
    let failover = status.failover.filter(|failover| !failover.state.is_final());
    let switchover = status
        .switchover
        .filter(|switchover| !switchover.state.is_final());
    let under_way = failover
        .map(|failover| failover.id)
        .or(switchover.map(|switchover| switchover.id));
    let target = copy(store, to);
    let other = status.sites.iter().find(|copy| copy.name != to);
    if let Some(operation) = under_way {
        return Some(format!(
            "operation {operation} is under way. Remedy: wait for its end: kubectl get mailstore {name} -o wide"
        ));
    }
    if serves(target) {
        return Some(format!(
            "--to is {to}, which is the primary already, and serves. Remedy: nothing is to be done"
        ));
    }
    if let Some(other) = other.filter(|other| serves(Some(other))) {
        return Some(format!(
            "--to is {to}, while {} serves and can be reached: nothing has to be given up. Remedy: kubectl govuc switchover \
             {name} --to {to}, which loses nothing, once the copies are in step",
            other.name
        ));
    }
    match target {
        Some(copy) if copy.state == CopyState::Unknown => Some(format!(
            "--to is {to}, whose guard does not answer, or does not know its role: only a copy that is up can be primary. \
             Remedy: kubectl -n govuc-mail get pod {name}-0 in the cluster of {to}"
        )),
        Some(copy) if copy.volume.is_some() => None,
        _ => Some(format!(
            "--to is {to}, where store {name} has no volume as far as is known. Remedy: see kubectl get mailstore {name} \
             -o yaml in the cluster of {to}"
        )),
    }
}

impl Prospect {
    fn of(store: &MailStore, to: &str) -> Self {
        let status = store.status.clone().unwrap_or_default();
        let volume = copy(store, to).and_then(|copy| copy.volume.as_deref());
        let recorded = status.recorded.as_ref();
        let holder = recorded.and_then(|recorded| recorded.primary.clone());
        Self {
            store: store.name_any(),
            from: holder.or(status.primary),
            to: to.to_owned(),
            lacks: lack(recorded, volume),
            unreachable: status
                .sites
                .iter()
                .filter(|copy| copy.state == CopyState::Unknown)
                .map(|copy| copy.name.clone())
                .collect(),
            refusal: refusal(store, to),
        }
    }

    fn receipt(&self, operation: &str, state: FailoverState, message: String) -> Receipt {
        Receipt {
            store: self.store.clone(),
            operation: operation.to_owned(),
            state,
            from: self.from.clone(),
            to: self.to.clone(),
            era: None,
            term: None,
            lacks: None,
            passed_over: None,
            seconds: 0.0,
            message,
        }
    }
}

impl fmt::Display for Prospect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Prospect { store, to, lacks, .. } = self;
        write!(f, "mailstore.1govuc.gov.my/{store} to {to}")?;
        if let Some(from) = self.from.as_ref().filter(|from| *from != to) {
            write!(f, " from {from}")?;
        }
        if let Some(refusal) = &self.refusal {
            return write!(f, ": can't be. {refusal}");
        }
        for site in &self.unreachable {
            write!(f, "\n  {site} does not answer, or does not serve")?;
        }
        write!(f, "\n  what would be missing at {to}: {}", lacks.message)
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
    let name = &prospect.store;
    let receipt = |state, message: String| Receipt {
        seconds: tenths(began.elapsed()),
        ..prospect.receipt(operation, state, message)
    };
    let wish = Wish {
        field: "failover",
        manager: MANAGER,
        operation,
        to: &arguments.to,
        begin: BEGIN,
    };
    if let Err(error) = stores::ask(context, store, &wish).await {
        return receipt(FailoverState::Refused, chain(&error));
    }
    let tell = |what: &str| eprintln!("{:>6.1} s  {name}: {what}", began.elapsed().as_secs_f64());
    tell(&format!("asked for as {operation}"));
    let mut said: Option<FailoverStatus> = None;
    let end = stores::follow(context, name, began + arguments.timeout, |store| {
        let now = store.status?.failover.filter(|now| now.id == operation)?;
        if now.state.is_final() {
            return Some(now);
        }
        if said.as_ref() != Some(&now) {
            tell(&now.message);
            said = Some(now);
        }
        None
    });
    match end.await {
        Some(end) => Receipt {
            from: end.from,
            era: end.era,
            term: end.term,
            lacks: end.lacks,
            passed_over: end.passed_over,
            ..receipt(end.state, end.message)
        },
        None => receipt(
            FailoverState::Pending,
            format!(
                "it has not ended within {} s, and goes on. {}",
                arguments.timeout.as_secs(),
                said.map_or_else(String::new, |said| said.message)
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
        if self.state != FailoverState::Done {
            return write!(f, "was not forced to {to}. {:?}: {message}", self.state);
        }
        write!(f, "forced to {to} in {seconds:.1} s")?;
        if let (Some(era), Some(term)) = (self.era, self.term) {
            write!(f, ", era {era}, term {term}")?;
        }
        write!(f, ", operation {operation}")?;
        if !message.is_empty() {
            write!(f, "; {message}")?;
        }
        if let Some(lacks) = &self.lacks {
            write!(f, "\n  missing at {to}: {}", lacks.message)?;
        }
        if let Some(PassedOver { site, volume, term }) = &self.passed_over {
            write!(
                f,
                "\n  passed over: the copy at {site} (volume {volume}, last served in term {term}). It is left as it is when it \
                 comes back; keep it"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use govuc_api::Extent;
    use rstest::rstest;
    use serde_json::{Value, json};

    /// As the operator of pdsa2 says it when pdsa1 was lost while alone.
    fn lost() -> Value {
        json!({
            "primary": "pdsa1",
            "sites": [
                {"name": "pdsa2", "volume": "b", "state": "Follower"},
                {"name": "pdsa1", "volume": "a", "state": "Unknown"},
            ],
            "recorded": {
                "era": 1, "term": 4, "primary": "pdsa1", "volume": "a", "paired": false, "peerVolume": "b",
                "behindSince": "2026-11-24T00:09:00Z",
            },
        })
    }

    fn prospect(changes: impl FnOnce(&mut Value)) -> Prospect {
        let mut status = lost();
        changes(&mut status);
        let store: MailStore = serde_json::from_value(json!({
            "apiVersion": "1govuc.gov.my/v1alpha1", "kind": "MailStore", "metadata": {"name": "mail-1"},
            "spec": {"preferredSite": "pdsa1"}, "status": status,
        }))
        .unwrap();
        Prospect::of(&store, "pdsa2")
    }

    #[test]
    fn what_would_be_missing_is_said_beforehand() {
        let text = prospect(|_| {}).to_string();
        assert_eq!(
            text,
            "mailstore.1govuc.gov.my/mail-1 to pdsa2 from pdsa1\n  \
             pdsa1 does not answer, or does not serve\n  \
             what would be missing at pdsa2: what pdsa1 has stored since 2026-11-24T00:09:00Z; how many changes is not known"
        );
        let in_step = prospect(|status| status["recorded"]["paired"] = json!(true));
        assert_eq!(in_step.lacks.extent, Extent::Nothing);
        assert!(in_step.refusal.is_none());
        let silent = prospect(|status| status["recorded"] = Value::Null);
        assert_eq!(silent.lacks.extent, Extent::Unknown);
    }

    #[rstest]
    #[case::the_primary_serves(
        |s: &mut Value| s["sites"][1]["state"] = json!("Alone"), "kubectl govuc switchover mail-1 --to pdsa2")]
    #[case::it_is_there_already(|s: &mut Value| s["sites"][0]["state"] = json!("Alone"), "primary already")]
    #[case::its_guard_is_silent(
        |s: &mut Value| s["sites"][0]["state"] = json!("Unknown"), "guard does not answer")]
    #[case::it_has_no_volume(
        |s: &mut Value| s["sites"][0]["volume"] = Value::Null, "no volume")]
    #[case::nothing_is_known(|s: &mut Value| *s = json!({}), "no volume")]
    #[case::a_switchover_is_under_way(
        |s: &mut Value| s["switchover"] = json!({"id": "sw-0", "state": "Draining", "to": "pdsa2"}), "sw-0")]
    #[case::a_failover_is_under_way(
        |s: &mut Value| s["failover"] = json!({"id": "fo-0", "state": "Pending", "to": "pdsa2"}), "fo-0")]
    fn what_can_be_refused_beforehand_is(#[case] change: fn(&mut Value), #[case] because: &str) {
        let refusal = prospect(change).refusal.unwrap();
        assert!(
            refusal.contains(because) && refusal.contains("Remedy: "),
            "{refusal}"
        );
    }

    #[test]
    fn the_receipt_says_what_is_missing_and_which_copy_to_keep() {
        let prospect = prospect(|_| {});
        let receipt = Receipt {
            era: Some(2),
            term: Some(5),
            lacks: Some(prospect.lacks.clone()),
            passed_over: Some(PassedOver {
                site: "pdsa1".into(),
                volume: "a".into(),
                term: 4,
            }),
            ..prospect.receipt("fo-1", FailoverState::Done, String::new())
        };
        let text = receipt.to_string();
        for part in [
            "era 2, term 5",
            "since 2026-11-24T00:09:00Z",
            "copy at pdsa1 (volume a",
            "keep it",
        ] {
            assert!(text.contains(part), "without {part:?}: {text}");
        }
    }
}

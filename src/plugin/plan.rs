//! `kubectl govuc plan`: what waits for a maintenance window, why, and when it will happen.

use clap::Args;
use govuc_api::{MailStore, PendingRestart, Platform, RolesMode, WithheldEngine, conditions::types};
use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};
use kube::ResourceExt;
use serde::Serialize;

use super::{
    contexts::{self, Context, ShowError},
    output::{self, Format},
    stores,
};
use crate::{
    controller::chain,
    maintenance::{Opening, Schedule, announced, told},
};

#[derive(Args, Debug)]
pub struct Arguments {
    /// Contexts of kubeconfig, separated by commas: each site tells of its own. The current one when left out.
    #[arg(long, visible_alias = "context", value_delimiter = ',')]
    contexts: Vec<String>,
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

/// What is planned at one site.
#[derive(Serialize, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
struct SitePlan {
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<String>,
    /// Of each window the next time, the present one too. None: restarts wait for nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    windows: Option<Vec<Coming>>,
    /// What is wrong with the windows.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
    pending: Vec<Act>,
    /// Engines that stores do not get.
    withheld: Vec<Withheld>,
    /// Stores on their way to another preferred site.
    moves: Vec<Move>,
}

/// A window's next time, for both sites.
#[derive(Serialize, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
struct Coming {
    name: String,
    start: Time,
    end: Time,
    /// Since when both clusters have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    announced_at: Option<Time>,
    /// Whether that can be known: only with a witness.
    #[serde(skip)]
    announceable: bool,
}

/// A restart that waits.
#[derive(Serialize, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
struct Act {
    kind: &'static str,
    name: String,
    /// Why it waits, for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
    #[serde(flatten)]
    restart: PendingRestart,
}

/// An engine that a store does not get.
#[derive(Serialize, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
struct Withheld {
    store: String,
    /// The version that runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    running: Option<String>,
    #[serde(flatten)]
    engine: WithheldEngine,
}

/// A store that is to follow its `spec.preferredSite`.
#[derive(Serialize, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
struct Move {
    store: String,
    from: String,
    to: String,
    /// Why it has not moved, or how it goes; for people.
    message: String,
}

pub async fn run(arguments: Arguments) -> Result<(), ShowError> {
    let now = Timestamp::now();
    let mut plans = Vec::new();
    let mut faults = Vec::new();
    for context in contexts::open(&arguments.contexts).await? {
        match read(&context).await {
            Ok((platform, stores)) => plans.push(SitePlan {
                context: context.name,
                ..plan(&platform, &stores, now)
            }),
            Err(error) => faults.push(chain(&error)),
        }
    }
    let text: Vec<String> = plans.iter().map(SitePlan::text).collect();
    if !plans.is_empty() {
        output::print(arguments.output, &plans, &text.join("\n"))?;
    }
    contexts::all_seen(faults)
}

async fn read(context: &Context) -> Result<(Platform, Vec<MailStore>), stores::Error> {
    Ok((
        stores::platform(context).await?,
        stores::named(context, None).await?,
    ))
}

/// As the site's operator wrote it into the statuses.
fn plan(platform: &Platform, stores: &[MailStore], now: Timestamp) -> SitePlan {
    let mut pending = Vec::new();
    if let Some(status) = &platform.status {
        let acts = acts(
            "Platform",
            platform.name_any(),
            &status.pending,
            &status.conditions,
        );
        pending.extend(acts);
    }
    for store in stores {
        if let Some(status) = &store.status {
            let acts = acts("MailStore", store.name_any(), &status.pending, &status.conditions);
            pending.extend(acts);
        }
    }
    let withheld = stores.iter().filter_map(Withheld::of).collect();
    let moves = stores.iter().filter_map(Move::of).collect();
    let schedule = platform
        .spec
        .maintenance
        .as_ref()
        .map(|spec| Schedule::of(spec, now));
    let (windows, fault) = match schedule {
        None => (None, None),
        Some(Ok(schedule)) => (Some(coming(schedule.openings(now, 1), platform)), None),
        Some(Err(error)) => (Some(Vec::new()), Some(error.to_string())),
    };
    SitePlan {
        context: None,
        windows,
        fault,
        pending,
        withheld,
        moves,
    }
}

fn acts(
    kind: &'static str,
    name: String,
    pending: &[PendingRestart],
    conditions: &[Condition],
) -> impl Iterator<Item = Act> {
    let condition = conditions
        .iter()
        .find(|condition| condition.type_ == types::UPGRADE_PENDING);
    let message = condition.map_or_else(String::new, |condition| condition.message.clone());
    pending.iter().map(move |restart| Act {
        kind,
        name: name.clone(),
        message: message.clone(),
        restart: restart.clone(),
    })
}

fn coming(openings: Vec<Opening>, platform: &Platform) -> Vec<Coming> {
    let spec = platform.spec.maintenance.as_ref();
    let status = platform.status.as_ref().map_or(&[][..], |status| &status.windows);
    let announced_at = |name: &str| {
        let window = spec?.windows.iter().find(|window| window.name == name)?;
        announced::announced(status, name, &announced::digest(window)).cloned()
    };
    let each = openings.into_iter();
    each.map(|opening| Coming {
        announced_at: announced_at(&opening.window),
        announceable: platform.spec.roles.mode == RolesMode::Witness,
        name: opening.window,
        start: Time(opening.from),
        end: Time(opening.until),
    })
    .collect()
}

impl SitePlan {
    fn text(&self) -> String {
        let mut lines = vec![
            self.context
                .clone()
                .unwrap_or_else(|| "the current context".to_owned()),
        ];
        match (&self.windows, &self.fault) {
            (_, Some(fault)) => lines.push(format!("  windows: {fault}")),
            (None, None) => {
                lines.push("  no maintenance windows: changes restart what they must at once".to_owned())
            }
            (Some(windows), None) if windows.is_empty() => {
                lines.push("  no maintenance window comes any more".to_owned());
            }
            (Some(windows), None) => lines.extend(windows.iter().map(Coming::text)),
        }
        if self.pending.is_empty() && self.withheld.is_empty() && self.moves.is_empty() {
            lines.push("  nothing waits".to_owned());
        }
        lines.extend(self.pending.iter().map(Act::text));
        lines.extend(self.withheld.iter().map(Withheld::text));
        lines.extend(self.moves.iter().map(Move::text));
        lines.join("\n")
    }
}

impl Coming {
    fn text(&self) -> String {
        let announced = match &self.announced_at {
            Some(at) => format!(", announced {}", told(at.0)),
            None if self.announceable => ", not announced: not seen in both clusters".to_owned(),
            None => String::new(),
        };
        format!(
            "  window {}: {} to {}{announced}",
            self.name,
            told(self.start.0),
            told(self.end.0)
        )
    }
}

impl Act {
    fn text(&self) -> String {
        let Self {
            kind, name, restart, ..
        } = self;
        let when = match (&restart.opens, &restart.window) {
            (Some(opens), Some(window)) => format!("{} in window {window}", told(opens.0)),
            _ => "no time is set".to_owned(),
        };
        format!(
            "  restart {} of {kind} {name}: {}\n    when: {when}\n    why then: {}",
            restart.part,
            restart.change,
            self.reason()
        )
    }

    /// The message names every part after what holds for all.
    fn reason(&self) -> String {
        let why = self
            .message
            .split(". To be restarted:")
            .next()
            .unwrap_or_default();
        format!("{}: {why}", self.restart.reason)
    }
}

impl Withheld {
    fn of(store: &MailStore) -> Option<Self> {
        let status = store.status.as_ref()?;
        Some(Self {
            store: store.name_any(),
            running: status.version.clone(),
            engine: status.withheld.clone()?,
        })
    }

    fn text(&self) -> String {
        let WithheldEngine {
            version,
            reason,
            message,
        } = &self.engine;
        let running = self.running.as_deref().unwrap_or("what it runs");
        format!(
            "  keep MailStore {} at {running}, not {version}\n    why: {reason}: {message}",
            self.store
        )
    }
}

impl Move {
    fn of(store: &MailStore) -> Option<Self> {
        let status = store.status.as_ref()?.preferred_site.as_ref()?;
        if status.site == store.spec.preferred_site {
            return None;
        }
        let attempt = status.switchover.as_ref().map(|attempt| &attempt.message);
        Some(Self {
            store: store.name_any(),
            from: status.site.clone(),
            to: store.spec.preferred_site.clone(),
            message: status.waiting.as_ref().or(attempt).cloned().unwrap_or_default(),
        })
    }

    fn text(&self) -> String {
        let Self {
            store,
            from,
            to,
            message,
        } = self;
        format!("  move MailStore {store} from {from} to {to}\n    {message}")
    }
}

#[cfg(test)]
mod tests;

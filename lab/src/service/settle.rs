//! Waits until objects are Ready, and says what they wait for meanwhile.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use kube::api::{Api, ApiResource, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use serde_json::Value;

use crate::network::Site;

/// How often a waiting lab looks.
const PERIOD: Duration = Duration::from_millis(500);

/// The kinds of the operator, as one asks for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Platform,
    MailStore,
    Agency,
    Mailbox,
}

/// What an object says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Ready,
    /// Not ready, or not about this generation yet; for people.
    Waiting(String),
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Platform => "Platform",
            Kind::MailStore => "MailStore",
            Kind::Agency => "Agency",
            Kind::Mailbox => "Mailbox",
        }
    }

    fn plural(self) -> &'static str {
        match self {
            Kind::Platform => "platforms",
            Kind::MailStore => "mailstores",
            Kind::Agency => "agencies",
            Kind::Mailbox => "mailboxes",
        }
    }

    /// The API of this kind in all namespaces.
    pub fn api(self, client: &kube::Client) -> Api<DynamicObject> {
        let kind = GroupVersionKind::gvk("1govuc.gov.my", "v1alpha1", self.name());
        Api::all_with(
            client.clone(),
            &ApiResource::from_gvk_with_plural(&kind, self.plural()),
        )
    }
}

/// A client of one site's API server.
pub async fn client(kubeconfig: &std::path::Path, site: Site) -> anyhow::Result<kube::Client> {
    let options = kube::config::KubeConfigOptions {
        context: Some(site.name().to_owned()),
        ..Default::default()
    };
    let read = kube::config::Kubeconfig::read_from(kubeconfig).context("the lab's kubeconfig")?;
    let mut config = kube::Config::from_custom_kubeconfig(read, &options)
        .await
        .context("the lab's kubeconfig")?;
    // A client built from a kubeconfig would otherwise take the proxy of the environment.
    config.proxy_url = None;
    Ok(kube::Client::try_from(config)?)
}

/// Waits until there are at least `least` objects of `kind` and all of them are Ready. Each change of what they
/// wait for is told once.
pub async fn settled(
    client: &kube::Client,
    site: Site,
    kind: Kind,
    least: usize,
    limit: Duration,
) -> anyhow::Result<()> {
    let start = Instant::now();
    let mut told: BTreeMap<String, String> = BTreeMap::new();
    loop {
        let objects = kind.api(client).list(&ListParams::default()).await;
        let waiting: BTreeMap<String, String> = match &objects {
            Ok(objects) => objects.items.iter().filter_map(waiting).collect(),
            Err(error) => BTreeMap::from([("the API server".to_owned(), error.to_string())]),
        };
        let enough = objects.is_ok_and(|objects| objects.items.len() >= least);
        if enough && waiting.is_empty() {
            return Ok(());
        }
        for (name, reason) in &waiting {
            if told.get(name) != Some(reason) {
                eprintln!(
                    "  {site} {:>4.0} s  {} {name}: {reason}",
                    start.elapsed().as_secs_f64(),
                    kind.name()
                );
            }
        }
        if start.elapsed() > limit {
            bail!("{site}: {} not Ready after {limit:?}: {waiting:?}", kind.plural());
        }
        told = waiting;
        tokio::time::sleep(PERIOD).await;
    }
}

fn waiting(object: &DynamicObject) -> Option<(String, String)> {
    let name = object.metadata.name.clone().unwrap_or_default();
    match state(object.metadata.generation, &object.data["status"]) {
        State::Ready => None,
        State::Waiting(reason) => Some((name, reason)),
    }
}

/// Reads the condition `Ready` as kstatus does: it counts only when it is about the present generation.
fn state(generation: Option<i64>, status: &Value) -> State {
    let conditions = status["conditions"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let Some(ready) = conditions.iter().find(|condition| condition["type"] == "Ready") else {
        return State::Waiting("no status yet".to_owned());
    };
    if ready["observedGeneration"].as_i64() != generation {
        return State::Waiting("its last change was not seen yet".to_owned());
    }
    if ready["status"] == "True" {
        return State::Ready;
    }
    let text = |field: &str| ready[field].as_str().unwrap_or_default().to_owned();
    State::Waiting(format!("{}: {}", text("reason"), text("message")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn status(generation: i64, ready: &str) -> Value {
        json!({"conditions": [{"type": "Ready", "status": ready, "observedGeneration": generation,
               "reason": "DirectoryDown", "message": "no answer"}]})
    }

    #[test]
    fn ready_counts_only_for_the_present_generation() {
        assert_eq!(state(Some(2), &status(2, "True")), State::Ready);
        assert_eq!(
            state(Some(3), &status(2, "True")),
            State::Waiting("its last change was not seen yet".into())
        );
    }

    #[test]
    fn what_is_not_ready_says_why() {
        assert_eq!(
            state(Some(2), &status(2, "False")),
            State::Waiting("DirectoryDown: no answer".into())
        );
        assert_eq!(
            state(Some(1), &Value::Null),
            State::Waiting("no status yet".into())
        );
    }
}

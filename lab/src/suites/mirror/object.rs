//! Mailboxes of a test as kubectl's user writes them, and what both clusters say of them.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

use crate::command;
use crate::network::Site;
use crate::service::Service;

/// The agency whose mailboxes are written.
pub const NAMESPACE: &str = "agency-kkr";
const PERIOD: Duration = Duration::from_millis(100);
/// How long the other site may take while nothing is wrong.
pub const SOON: Duration = Duration::from_secs(30);
/// The same after something was, with every pause between tries.
pub const LATER: Duration = Duration::from_secs(120);

/// Something about an object in a cluster, as a condition to wait for.
pub struct Wanted<'a> {
    pub site: Site,
    pub name: &'a str,
    /// For people.
    pub what: &'a str,
    pub limit: Duration,
}

pub fn mailbox(name: &str, quota: &str) -> Value {
    json!({
        "apiVersion": "1govuc.gov.my/v1alpha1",
        "kind": "Mailbox",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "type": "Individual",
            "address": format!("{name}@kkr.gov.my"),
            "individual": {"staffNumber": format!("T-{}", name.to_uppercase()), "name": name, "grade": 41},
            "quota": {"size": quota},
        },
    })
}

pub fn apply(service: &Service, site: Site, object: &Value) -> anyhow::Result<()> {
    service
        .kubectl
        .run_with(site, &["apply", "-f", "-"], &object.to_string())?;
    Ok(())
}

/// Changes its size, as a person does with kubectl edit.
pub fn resize(service: &Service, site: Site, name: &str, quota: &str) -> anyhow::Result<()> {
    let patch = json!({"spec": {"quota": {"size": quota}}}).to_string();
    let words = [
        "-n",
        NAMESPACE,
        "patch",
        "mailbox",
        name,
        "--type=merge",
        "-p",
        &patch,
    ];
    service.kubectl.run(site, &words)?;
    Ok(())
}

/// Does not wait until it is gone.
pub fn delete(service: &Service, site: Site, names: &[&str]) -> anyhow::Result<()> {
    let words = [&["-n", NAMESPACE, "delete", "mailbox", "--wait=false"], names].concat();
    service.kubectl.run(site, &words)?;
    Ok(())
}

/// None if it is not there.
pub fn read(service: &Service, site: Site, name: &str) -> anyhow::Result<Option<Value>> {
    match service
        .kubectl
        .run(site, &["-n", NAMESPACE, "get", "mailbox", name, "-o", "json"])
    {
        Ok(text) => Ok(Some(serde_json::from_str(&text).context("kubectl's JSON")?)),
        Err(command::Error::Failed { stderr, .. }) if stderr.contains("NotFound") => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub fn size(object: &Value) -> &str {
    object["spec"]["quota"]["size"].as_str().unwrap_or_default()
}

/// Status, reason and message of a condition that speaks of the present generation.
pub fn condition(object: &Value, kind: &str) -> Option<(String, String, String)> {
    let conditions = object["status"]["conditions"].as_array()?;
    let found = conditions.iter().find(|condition| condition["type"] == kind)?;
    let current = found["observedGeneration"] == object["metadata"]["generation"];
    let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
    current.then(|| (text("status"), text("reason"), text("message")))
}

/// Whether it is the same at both sites, as it says itself.
pub fn is_mirrored(object: &Value) -> bool {
    condition(object, "Mirrored").is_some_and(|(status, ..)| status == "True")
}

impl Wanted<'_> {
    /// Waits, and returns the seconds that took.
    pub async fn wait(
        &self,
        service: &Service,
        is_so: impl Fn(Option<&Value>) -> bool,
    ) -> anyhow::Result<f64> {
        let start = Instant::now();
        loop {
            let object = read(service, self.site, self.name)?;
            if is_so(object.as_ref()) {
                return Ok(start.elapsed().as_secs_f64());
            }
            if start.elapsed() > self.limit {
                let seen = object.map(|object| json!({"spec": object["spec"], "metadata": object["metadata"]["annotations"],
                    "finalizers": object["metadata"]["finalizers"], "conditions": object["status"]["conditions"]}));
                bail!(
                    "{}: {} after {:?} not {}: {}",
                    self.site,
                    self.name,
                    self.limit,
                    self.what,
                    seen.unwrap_or_default()
                );
            }
            tokio::time::sleep(PERIOD).await;
        }
    }
}

/// Waits until it is there with this size at both sites, and both say so.
pub async fn at_both(service: &Service, name: &str, quota: &str, limit: Duration) -> anyhow::Result<f64> {
    let start = Instant::now();
    for site in Site::DATA_CENTRES {
        let wanted = Wanted {
            site,
            name,
            what: "mirrored with the size that was written",
            limit,
        };
        wanted
            .wait(service, |object| {
                object.is_some_and(|object| size(object) == quota && is_mirrored(object))
            })
            .await?;
    }
    Ok(start.elapsed().as_secs_f64())
}

/// Waits until it is nowhere.
pub async fn at_none(service: &Service, name: &str, limit: Duration) -> anyhow::Result<f64> {
    let start = Instant::now();
    for site in Site::DATA_CENTRES {
        let wanted = Wanted {
            site,
            name,
            what: "gone",
            limit,
        };
        wanted.wait(service, |object| object.is_none()).await?;
    }
    Ok(start.elapsed().as_secs_f64())
}

/// What was kept of an object that was overruled.
pub fn kept(service: &Service, site: Site, secret: &str) -> anyhow::Result<Value> {
    let template = r#"go-template={{index .data "object.json" | base64decode}}"#;
    let text = service
        .kubectl
        .run(site, &["-n", NAMESPACE, "get", "secret", secret, "-o", template])?;
    let object: Value = serde_json::from_str(&text).context("what was kept is no JSON")?;
    ensure!(
        object["kind"] == "Mailbox",
        "what was kept is no mailbox: {object}"
    );
    Ok(object)
}

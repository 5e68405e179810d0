//! What is in the repository, and the same in a cluster.

use anyhow::Context;
use serde_json::{Value, json};

use crate::cargo::repository;
use crate::command;
use crate::network::Site;
use crate::service::Kubectl;

/// The agency whose mailboxes are written.
pub const AGENCY: &str = "kkr";
pub const AGENCY_NAMESPACE: &str = "agency-kkr";

/// Which object.
#[derive(Clone, Debug)]
pub enum Object {
    Agency(String),
    Mailbox(String),
}

impl Object {
    pub fn mailbox(name: &str) -> Object {
        Object::Mailbox(name.to_owned())
    }

    /// Kind, name and where, as kubectl is told.
    pub fn words(&self) -> [&str; 4] {
        match self {
            Object::Agency(name) => ["agency", name, "-n", "default"],
            Object::Mailbox(name) => ["mailbox", name, "-n", AGENCY_NAMESPACE],
        }
    }
}

/// A file of `examples/`, as people copy it.
pub fn example(path: &str) -> anyhow::Result<String> {
    let path = repository().join("examples").join(path);
    std::fs::read_to_string(&path).with_context(|| path.display().to_string())
}

pub fn mailbox(name: &str, size: Option<&str>) -> Value {
    let mut object = json!({
        "apiVersion": "1govuc.gov.my/v1alpha1", "kind": "Mailbox",
        "metadata": {"name": name, "namespace": AGENCY_NAMESPACE},
        "spec": {
            "type": "Individual",
            "address": format!("{name}@kkr.gov.my"),
            "individual": {"staffNumber": format!("T-{}", name.to_uppercase()), "name": name, "grade": 41},
        },
    });
    if let Some(size) = size {
        object["spec"]["quota"] = json!({"size": size});
    }
    object
}

/// Its file in the repository.
pub fn file(name: &str) -> String {
    format!("mailboxes/{name}.yaml")
}

/// None if it is not there.
pub fn read(kubectl: &Kubectl, site: Site, object: &Object) -> anyhow::Result<Option<Value>> {
    let words = [
        &["get", "--show-managed-fields", "-o", "json"],
        &object.words()[..],
    ]
    .concat();
    match kubectl.run(site, &words) {
        Ok(text) => Ok(Some(serde_json::from_str(&text).context("kubectl's JSON")?)),
        Err(command::Error::Failed { stderr, .. }) if stderr.contains("NotFound") => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// One that must be there.
pub fn present(kubectl: &Kubectl, site: Site, object: &Object) -> anyhow::Result<Value> {
    read(kubectl, site, object)?.with_context(|| format!("{object:?} is not at {site}"))
}

pub fn version(object: &Value) -> &str {
    object["metadata"]["resourceVersion"].as_str().unwrap_or_default()
}

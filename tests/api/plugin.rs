//! The plugin, run as people run it, beside an operator that the test plays.

use std::{
    process::{Command, Output, Stdio},
    time::Duration,
};

use govuc_api::MailStore;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::cluster::{put_as, remove};

/// Nobody is at its terminal.
pub fn govuc(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kubectl-govuc"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A store as its operator makes it.
pub fn store(name: &str) -> Value {
    json!({
        "apiVersion": "1govuc.gov.my/v1alpha1", "kind": "MailStore", "metadata": {"name": name},
        "spec": {"preferredSite": "pdsa1", "capacity": 10},
    })
}

/// What is asked of a store, in that field of its spec.
pub fn wish(field: &str, name: &str, id: &str, to: &str) -> Value {
    json!({
        "apiVersion": "1govuc.gov.my/v1alpha1", "kind": "MailStore", "metadata": {"name": name},
        "spec": {field: {"id": id, "to": to, "notAfter": "2026-11-24T00:00:00Z"}},
    })
}

/// A new store of which its operator says this.
pub async fn store_that_is(admin: &Client, name: &str, status: Value) -> Api<MailStore> {
    let file = store(name);
    remove(admin, &file).await;
    put_as(admin, "govuc", &file).await.unwrap();
    let stores: Api<MailStore> = Api::all(admin.clone());
    says_of_itself(&stores, name, status).await;
    stores
}

pub async fn says_of_itself(stores: &Api<MailStore>, name: &str, status: Value) {
    stores
        .patch_status(
            name,
            &PatchParams::default(),
            &Patch::Merge(&json!({"status": status})),
        )
        .await
        .unwrap();
}

/// Runs the plugin; once its operation is in the store's spec, by its id, the operator says what comes of it.
pub async fn person(
    stores: &Api<MailStore>,
    name: &str,
    words: &'static [&'static str],
    asked: impl Fn(&MailStore) -> Option<String>,
    status: impl Fn(&str) -> Value,
) -> Output {
    let operator = async {
        let id = loop {
            if let Some(id) = asked(&stores.get(name).await.unwrap()) {
                break id;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        says_of_itself(stores, name, status(&id)).await;
    };
    let person = tokio::task::spawn_blocking(move || govuc(words));
    let (person, ()) = tokio::join!(person, operator);
    person.unwrap()
}

/// As somebody else, whom the administrator's kubeconfig impersonates.
pub fn govuc_as(user: &str, arguments: &[&str]) -> Output {
    let administrators = std::fs::read_to_string(std::env::var("KUBECONFIG").unwrap()).unwrap();
    let mut kubeconfig: Value = serde_yaml::from_str(&administrators).unwrap();
    for entry in kubeconfig["users"].as_array_mut().unwrap() {
        entry["user"]["as"] = json!(user);
        entry["user"]["as-groups"] = json!(["system:authenticated"]);
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), kubeconfig.to_string()).unwrap();
    Command::new(env!("CARGO_BIN_EXE_kubectl-govuc"))
        .env("KUBECONFIG", file.path())
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

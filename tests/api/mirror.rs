//! Deletions that the mirror holds back, and who lets them through.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    cluster::{RECOVERER, api, installed, put, remove},
    plugin::{govuc, govuc_as, text},
};

/// As the operator writes it down.
fn brake(data: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "govuc-mirror", "namespace": "govuc-system"},
        "data": data,
    })
}

/// What is there of it, a kind at a time: all is one test, since a cluster has one.
#[tokio::test]
async fn deletions_that_are_held_back_are_accepted_by_who_may_write_that() {
    let admin = installed(None).await;
    remove(&admin, &brake(json!({}))).await;
    let accept = ["mirror", "accept", "--context", "pdsa1"];
    let told = govuc(&accept);
    assert!(
        text(&told.stdout).contains("no deletion is held back"),
        "{told:?}"
    );

    let since = "2026-11-27T11:28:54Z";
    let held = json!({"deletions": [since], "since": since}).to_string();
    let free = json!({"deletions": [since]}).to_string();
    put(&admin, &brake(json!({"mailbox": held, "agency": free})))
        .await
        .unwrap();
    // As docs/how-to/divergence.md has it.
    let metadata = json!({"name": "mirror-accept", "namespace": "govuc-system"});
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata,
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["govuc-mirror"], "verbs": ["get", "update"]}],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "mirror-accept"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": RECOVERER}],
    });
    for object in [&role, &binding] {
        remove(&admin, object).await;
    }
    let told = govuc_as(RECOVERER, &accept);
    let message = text(&told.stderr);
    assert_eq!(told.status.code(), Some(1));
    assert!(
        message.contains("ConfigMap govuc-mirror in govuc-system can't be"),
        "{message}"
    );
    for object in [&role, &binding] {
        put(&admin, object).await.unwrap();
    }
    let mut told = govuc_as(RECOVERER, &accept);
    // The authorizer hears of a new role a moment later.
    for _ in 0..50 {
        if told.status.success() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        told = govuc_as(RECOVERER, &accept);
    }
    let said = text(&told.stdout);
    assert!(
        said.contains(&format!("mailbox since {since}")) && !said.contains("agency"),
        "{told:?}"
    );

    let written = api(&admin, &brake(json!({}))).get("govuc-mirror").await.unwrap();
    let kind =
        |kind: &str| serde_json::from_str::<Value>(written.data["data"][kind].as_str().unwrap()).unwrap();
    assert!(
        kind("mailbox")["since"].is_null() && kind("mailbox")["accepted"].is_string(),
        "{written:?}"
    );
    assert!(kind("agency")["accepted"].is_null(), "{written:?}");
    let told = govuc(&[&accept[..], &["-o", "json"]].concat());
    let done: Value = serde_json::from_str(&text(&told.stdout)).unwrap();
    assert_eq!(done, json!({"context": "pdsa1", "accepted": {}}));
}

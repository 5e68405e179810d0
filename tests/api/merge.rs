//! What the plugin says of reports that it can't show. Those that it can show need a node: `cargo lab test mail`.

use std::{process::Output, time::Duration};

use kube::{Client, ResourceExt};
use serde_json::json;

use crate::{
    cluster::{RECOVERER, api, installed, put, put_as, remove},
    plugin::{govuc, govuc_as, store, text},
};

/// A store of which there is no pod yet.
async fn made(admin: &Client, name: &str) {
    let file = store(name);
    remove(admin, &file).await;
    put_as(admin, "govuc", &file).await.unwrap();
}

#[track_caller]
fn says(output: &Output, parts: &[&str]) {
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert_eq!(text(&output.stdout), "");
    for part in parts {
        assert!(message.contains(part), "without {part:?}: {message}");
    }
}

#[tokio::test]
async fn a_report_of_no_store_and_of_one_without_a_pod_is_refused() {
    let admin = installed(None).await;
    let report = |store| govuc(&["merge", "report", store, "--context", "pdsa1"]);
    says(
        &report("nowhere"),
        &["pdsa1: there is no mailstore nowhere: see kubectl get mailstores"],
    );
    made(&admin, "without-pod").await;
    says(
        &report("without-pod"),
        &["pdsa1: there is no pod without-pod-0 in govuc-mail", "Remedy: "],
    );
}

#[tokio::test]
async fn a_pod_that_does_not_run_is_told_of() {
    let admin = installed(None).await;
    made(&admin, "not-running").await;
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "not-running-0", "namespace": "govuc-mail"},
        "spec": {
            "automountServiceAccountToken": false,
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": 900, "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [{
                "name": "guard", "image": "none",
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
            }],
        },
    });
    remove(&admin, &pod).await;
    // The namespace's account takes a moment.
    let mut last = String::new();
    for _ in 0..150 {
        match put(&admin, &pod).await {
            Ok(made) => {
                assert_eq!(made.name_any(), "not-running-0");
                last.clear();
                break;
            }
            Err(error) => last = error,
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(last, "");
    let told = govuc(&["merge", "report", "not-running", "--context", "pdsa1"]);
    api(&admin, &pod)
        .delete("not-running-0", &Default::default())
        .await
        .unwrap();
    says(
        &told,
        &[
            "pdsa1: the container guard of pod not-running-0 in govuc-mail can't be reached",
            "host",
            "Remedy: see kubectl -n govuc-mail get pod not-running-0",
        ],
    );
}

/// Who decides on failovers may not read what is in a store for that.
#[tokio::test]
async fn who_may_not_exec_in_the_pod_is_told_which_verbs_that_takes() {
    let admin = installed(None).await;
    made(&admin, "not-read").await;
    says(
        &govuc_as(
            RECOVERER,
            &["merge", "report", "not-read", "--context", "pdsa1", "-o", "json"],
        ),
        &[
            "pdsa1: the report in pod not-read-0 of govuc-mail may not be read",
            RECOVERER,
            "verbs get and create on pods/exec",
            "Remedy: ",
        ],
    );
}

/// As `docs/how-to/merge-report.md` has it: of one store, by both verbs.
#[tokio::test]
async fn who_may_exec_in_one_stores_pod_is_refused_no_longer_there_and_still_elsewhere() {
    let admin = installed(None).await;
    for name in ["readable", "unreadable"] {
        made(&admin, name).await;
    }
    let metadata = json!({"name": "merge-report", "namespace": "govuc-mail"});
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "merge-report"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": RECOVERER}],
    });
    let role = |verbs: &[&str]| {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata,
            "rules": [{
                "apiGroups": [""], "resources": ["pods/exec"], "resourceNames": ["readable-0"], "verbs": verbs,
            }],
        })
    };
    put(&admin, &binding).await.unwrap();
    let report = |store| govuc_as(RECOVERER, &["merge", "report", store, "--context", "pdsa1"]);
    put(&admin, &role(&["get", "create"])).await.unwrap();
    let mut told = report("readable");
    // The authorizer hears of a new role a moment later.
    for _ in 0..50 {
        if !text(&told.stderr).contains("may not be read") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        told = report("readable");
    }
    says(&told, &["pdsa1: there is no pod readable-0 in govuc-mail"]);
    says(
        &report("unreadable"),
        &["the report in pod unreadable-0 of govuc-mail may not be read"],
    );
}

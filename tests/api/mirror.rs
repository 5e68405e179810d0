//! Deletions that the mirror holds back, and who lets them through.

use std::time::Duration;

use serde_json::{Value, json};

use govuc::{
    cluster::Cluster,
    mirror::{MANAGER, ownership},
    telemetry::Metrics,
};
use govuc_api::Mailbox;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};

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

/// A pipeline that no longer names a field has it gone, also where the mirror has written it.
#[tokio::test]
async fn a_field_that_the_mirror_wrote_goes_when_a_pipeline_names_it_no_more() {
    let admin = installed(None).await;
    let mailboxes: Api<Mailbox> = Api::namespaced(admin.clone(), "agency-kkr");
    let spec = json!({
        "type": "Individual", "address": "owned@kkr.gov.my",
        "individual": {"staffNumber": "KKR-OWNED", "name": "Ali", "grade": 44},
    });
    let applied = async |quota: Value| {
        let mut spec = spec.clone();
        if !quota.is_null() {
            spec["quota"] = quota;
        }
        let object = json!({"apiVersion": "1govuc.gov.my/v1alpha1", "kind": "Mailbox", "metadata": {"name": "owned"}, "spec": spec});
        let params = PatchParams::apply("kustomize-controller").force();
        mailboxes
            .patch("owned", &params, &Patch::Apply(object))
            .await
            .unwrap()
    };
    let _ = mailboxes.delete("owned", &Default::default()).await;
    let mut mailbox = applied(json!({"size": "2Gi"})).await;
    let cluster = Cluster::new(admin.clone(), Metrics::default()).writing_as(MANAGER);
    // The other site's people have changed it, and the pipeline's source then says the same.
    mailbox.spec.quota = serde_json::from_value(json!({"size": "3Gi"})).unwrap();
    assert!(cluster.replace(&mailbox).await.unwrap());
    let mailbox = applied(json!({"size": "3Gi"})).await;
    assert!(ownership::is_the_mirrors(&mailbox));

    let change = json!({
        "uid": mailbox.uid(), "resourceVersion": mailbox.resource_version(),
        "annotations": {"example.com/noted": "now"},
        "managedFields": ownership::given_up(mailbox.managed_fields()),
    });
    let amended = cluster
        .amend::<Mailbox>(Some("agency-kkr"), "owned", change)
        .await;
    assert!(amended.unwrap());
    let mailbox = mailboxes.get("owned").await.unwrap();
    assert!(
        !ownership::is_the_mirrors(&mailbox),
        "{:?}",
        mailbox.managed_fields()
    );
    assert_eq!(mailbox.annotations()["example.com/noted"], "now");
    let mailbox = applied(Value::Null).await;
    assert_eq!(mailbox.spec.quota, None);
    mailboxes.delete("owned", &Default::default()).await.unwrap();
}

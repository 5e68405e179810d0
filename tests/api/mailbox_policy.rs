//! Where mailboxes may be, and who says which addresses an agency has.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::json;

use crate::cluster::{APPLICANT, agency_namespace, client, example, installed, put, refusal, try_out};

#[tokio::test]
async fn without_the_agencys_policy_no_mailbox_is_taken() {
    let admin = installed(None).await;
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "agency-bare"}});
    put(&admin, &namespace).await.unwrap();
    let mut mailbox = example("mailboxes/ali-ahmad.yaml");
    mailbox["metadata"]["namespace"] = json!("agency-bare");
    let message = try_out(&admin, &mailbox).await.unwrap_err();
    assert!(message.contains("govuc-mailbox-policy"), "{message}");
}

#[tokio::test]
async fn an_agencys_policy_is_the_operators_to_write() {
    let admin = installed(None).await;
    agency_namespace(&admin, "agency-guarded").await;
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": "all-config-maps", "namespace": "agency-guarded"},
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"]}],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "all-config-maps", "namespace": "agency-guarded"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "all-config-maps"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": APPLICANT}],
    });
    put(&admin, &role).await.unwrap();
    put(&admin, &binding).await.unwrap();
    let person = client("pdsa1", Some(APPLICANT)).await;
    let maps: Api<ConfigMap> = Api::namespaced(person, "agency-guarded");
    let change = json!({"data": {"domains": "jpa.gov.my"}});
    let changed = maps
        .patch("govuc-policy", &PatchParams::default(), &Patch::Merge(&change))
        .await;
    let message = changed.map_err(refusal).unwrap_err();
    assert!(
        message.contains("only the operator") && message.contains("spec.domains"),
        "{message}"
    );
    let deleted = maps.delete("govuc-policy", &DeleteParams::default()).await;
    assert!(
        deleted
            .map_err(refusal)
            .unwrap_err()
            .contains("only the operator")
    );

    let operator = client("pdsa1", Some("system:serviceaccount:govuc-system:govuc")).await;
    let maps: Api<ConfigMap> = Api::namespaced(operator, "agency-guarded");
    maps.patch("govuc-policy", &PatchParams::default(), &Patch::Merge(&change))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_mailbox_that_goes_is_judged_no_more() {
    let admin = installed(None).await;
    agency_namespace(&admin, "agency-shrinking").await;
    let mut mailbox = example("mailboxes/ali-ahmad.yaml");
    mailbox["metadata"]["namespace"] = json!("agency-shrinking");
    mailbox["metadata"]["finalizers"] = json!(["1govuc.gov.my/operator"]);
    put(&admin, &mailbox).await.unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(admin.clone(), "agency-shrinking");
    let change = json!({"data": {"domains": "other.gov.my"}});
    maps.patch("govuc-policy", &PatchParams::default(), &Patch::Merge(&change))
        .await
        .unwrap();
    let api = crate::cluster::api(&admin, &mailbox);
    api.delete("ali-ahmad", &DeleteParams::default()).await.unwrap();
    let freed = json!({"metadata": {"finalizers": null}});
    api.patch("ali-ahmad", &PatchParams::default(), &Patch::Merge(&freed))
        .await
        .unwrap();
    assert!(api.get_opt("ali-ahmad").await.unwrap().is_none());
}

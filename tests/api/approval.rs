//! Who may decide, and whether a pipeline that applies its files again leaves the decision alone.

use kube::{
    Client,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::cluster::{
    APPLICANT, APPROVER, PIPELINE, api, example, installed, put, put_as, refusal, remove, says,
};

fn agency(name: &str, requested_by: &str) -> Value {
    let mut agency = example("agencies/kkr.yaml");
    agency["metadata"]["name"] = json!(name);
    agency["spec"]["application"]["requestedBy"] = json!(requested_by);
    agency
}

fn decision(name: &str, by: &str) -> Value {
    json!({
        "apiVersion": "1govuc.gov.my/v1alpha1", "kind": "Agency", "metadata": {"name": name},
        "spec": {"approval": {"decision": "Approved", "decidedBy": by, "on": "2026-11-24"}},
    })
}

async fn approval(client: &Client, name: &str) -> Value {
    let found = api(client, &decision(name, "")).get(name).await.unwrap();
    found.data["spec"]["approval"]["decision"].clone()
}

#[tokio::test]
async fn an_application_is_made_under_the_own_name_unless_by_a_pipeline() {
    let applicant = installed(Some(APPLICANT)).await;
    let pipeline = installed(Some(PIPELINE)).await;
    let admin = installed(None).await;
    for name in ["own-name", "for-others"] {
        remove(&admin, &agency(name, "")).await;
    }
    says(
        put(&applicant, &agency("own-name", "somebody")).await,
        &["spec.application.requestedBy", "somebody", "aminah", "Remedy"],
    );
    put(&applicant, &agency("own-name", APPLICANT)).await.unwrap();
    put(&pipeline, &agency("for-others", "somebody")).await.unwrap();
    // Neither may hand an application to another afterwards.
    says(
        put(&applicant, &agency("own-name", "somebody")).await,
        &["requestedBy"],
    );
}

#[tokio::test]
async fn a_decision_needs_the_verb_the_own_name_and_anothers_application() {
    let admin = installed(None).await;
    let applicant = installed(Some(APPLICANT)).await;
    let approver = installed(Some(APPROVER)).await;
    for name in ["decided", "own-case"] {
        remove(&admin, &agency(name, "")).await;
    }
    put(&admin, &agency("decided", APPLICANT)).await.unwrap();
    says(
        put_as(&applicant, "govuc-approve", &decision("decided", APPLICANT)).await,
        &[
            "spec.approval",
            "aminah",
            "verb approve",
            "kubectl govuc approve decided",
        ],
    );
    says(
        put_as(&approver, "govuc-approve", &decision("decided", "somebody")).await,
        &["spec.approval.decidedBy", "somebody", "own name"],
    );
    put(&admin, &agency("own-case", APPROVER)).await.unwrap();
    says(
        put_as(&approver, "govuc-approve", &decision("own-case", APPROVER)).await,
        &["spec.approval.decidedBy", "own application", "another approver"],
    );
    put_as(&approver, "govuc-approve", &decision("decided", APPROVER))
        .await
        .unwrap();
    assert_eq!(approval(&admin, "decided").await, "Approved");
}

#[tokio::test]
async fn a_decision_that_comes_with_the_file_is_refused() {
    let pipeline = installed(Some(PIPELINE)).await;
    let mut agency = agency("in-the-file", "somebody");
    remove(&installed(None).await, &agency).await;
    agency["spec"]["approval"] = decision("", PIPELINE)["spec"]["approval"].clone();
    says(put(&pipeline, &agency).await, &["spec.approval", "verb approve"]);
}

#[tokio::test]
async fn an_approval_survives_whatever_a_pipeline_applies() {
    let admin = installed(None).await;
    let approver = installed(Some(APPROVER)).await;
    let pipeline = installed(Some(PIPELINE)).await;
    let mut file = agency("gitops", "somebody");
    remove(&admin, &file).await;
    put_as(&pipeline, "flux", &file).await.unwrap();
    put_as(&approver, "govuc-approve", &decision("gitops", APPROVER))
        .await
        .unwrap();

    put_as(&pipeline, "flux", &file).await.unwrap();
    assert_eq!(approval(&admin, "gitops").await, "Approved", "applied again");
    file["spec"]["displayName"]["en"] = json!("Works");
    let api = api(&pipeline, &file);
    let force = PatchParams::apply("flux").force();
    api.patch("gitops", &force, &Patch::Apply(&file)).await.unwrap();
    assert_eq!(approval(&admin, "gitops").await, "Approved", "applied by force");
    let merge = json!({"spec": {"displayName": {"en": "Public Works"}}});
    api.patch("gitops", &PatchParams::default(), &Patch::Merge(&merge))
        .await
        .unwrap();
    assert_eq!(approval(&admin, "gitops").await, "Approved", "merged");

    let mut whole = api.get("gitops").await.unwrap();
    whole.metadata.managed_fields = None;
    whole.data["spec"].as_object_mut().unwrap().remove("approval");
    let replaced = api.replace("gitops", &PostParams::default(), &whole).await;
    says(
        replaced.map_err(refusal),
        &["spec.approval", "pipeline", "verb approve"],
    );
    assert_eq!(
        approval(&admin, "gitops").await,
        "Approved",
        "after the refused replace"
    );
}

/// Nobody but the operator's account may: whoever decides in one cluster has decided in both.
#[tokio::test]
async fn what_was_decided_in_the_other_cluster_is_taken_from_the_mirror() {
    let admin = installed(None).await;
    let operator = installed(Some("system:serviceaccount:govuc-system:govuc")).await;
    let pipeline = installed(Some(PIPELINE)).await;
    let mut decided = agency("mirrored", "somebody");
    decided["spec"]["approval"] = decision("mirrored", "another")["spec"]["approval"].clone();
    remove(&admin, &decided).await;
    says(
        put(&pipeline, &decided).await,
        &["spec.approval", "pipeline", "verb approve"],
    );
    put(&operator, &decided).await.unwrap();
    assert_eq!(approval(&admin, "mirrored").await, "Approved");
    remove(&admin, &decided).await;
}

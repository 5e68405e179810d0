//! What can't be changed once it is there.

use serde_json::{Value, json};

use crate::cluster::{APPROVER, api, example, installed, put, try_out};

async fn refused(object: &Value, says: &[&str]) {
    let client = installed(None).await;
    let message = try_out(&client, object).await.unwrap_err();
    for part in says {
        assert!(message.contains(part), "without {part:?}: {message}");
    }
}

#[tokio::test]
async fn a_platforms_domain_and_sites_stay() {
    let mut platform = example("platform.yaml");
    platform["spec"]["domain"] = json!("govuc.gov.my");
    refused(&platform, &["spec.domain", "1govuc.gov.my", "can't change"]).await;
    let mut platform = example("platform.yaml");
    platform["spec"]["sites"].as_array_mut().unwrap().reverse();
    refused(&platform, &["spec.sites", "pdsa1 and pdsa2", "can't change"]).await;
    let mut platform = example("platform.yaml");
    platform["spec"]["sites"][1]["gateway"] = json!("gw.pdsa2.gov.my:8443");
    try_out(&installed(None).await, &platform).await.unwrap();
}

#[tokio::test]
async fn a_platform_keeps_its_witness_and_may_move_it() {
    let client = installed(None).await;
    let mut platform = example("platform.yaml");
    platform["spec"]["roles"]["witness"]["endpoint"] = json!("w.gov.my:8443");
    try_out(&client, &platform).await.unwrap();
    platform["spec"]["roles"] = json!({"mode": "TwoSite"});
    refused(&platform, &["spec.roles", "can't go back", "witness.endpoint"]).await;
}

#[tokio::test]
async fn an_approved_agency_keeps_its_application_its_site_and_its_placement() {
    let admin = installed(None).await;
    let approver = installed(Some(APPROVER)).await;
    let mut agency = example("agencies/kkr.yaml");
    agency["metadata"]["name"] = json!("settled");
    crate::cluster::remove(&admin, &agency).await;
    put(&admin, &agency).await.unwrap();
    let approval = json!({
        "apiVersion": agency["apiVersion"], "kind": "Agency", "metadata": {"name": "settled"},
        "spec": {"approval": {"decision": "Approved", "decidedBy": APPROVER, "on": "2026-11-24"}},
    });
    crate::cluster::put_as(&approver, "govuc-approve", &approval)
        .await
        .unwrap();

    let changed = |pointer: &str, value: Value| {
        let mut changed = agency.clone();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        changed.pointer_mut(parent).unwrap()[key] = value;
        changed
    };
    refused(
        &changed("/spec/application/justification", json!("Another.")),
        &["spec.application", "withdraw"],
    )
    .await;
    refused(
        &changed("/spec/preferredSite", json!("pdsa2")),
        &["spec.preferredSite", "pdsa1", "switchover"],
    )
    .await;
    refused(
        &changed("/spec/mail", json!({"placement": "Dedicated"})),
        &["placement", "can't be edited"],
    )
    .await;
    try_out(&admin, &changed("/spec/displayName/en", json!("Works")))
        .await
        .unwrap();

    let withdrawn = json!({
        "apiVersion": agency["apiVersion"], "kind": "Agency", "metadata": {"name": "settled"}, "spec": {},
    });
    crate::cluster::put_as(&approver, "govuc-approve", &withdrawn)
        .await
        .unwrap();
    let found = api(&admin, &agency).get("settled").await.unwrap();
    assert!(found.data["spec"]["approval"].is_null());
    try_out(
        &admin,
        &changed("/spec/application/justification", json!("Another.")),
    )
    .await
    .unwrap();
}

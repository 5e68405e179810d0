//! The plugin, run as people run it.

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{
    cluster::{api, client, example, installed, put, remove},
    plugin::{govuc, text},
};

#[tokio::test]
async fn two_sites_are_connected_once_and_never_across_two_roots() {
    let sites = [installed(None).await, client("pdsa2", None).await];
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "govuc-system"}});
    for (site, name) in sites.iter().zip(["one", "two"]) {
        put(site, &namespace).await.unwrap();
        let secrets: Api<Secret> = Api::namespaced(site.clone(), "govuc-system");
        let _ = secrets.delete("govuc-root", &DeleteParams::default()).await;
        let authority = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "govuc-ca", "namespace": "govuc-system"},
            "stringData": {"tls.crt": format!("certificate {name}"), "tls.key": "key"},
        });
        put(site, &authority).await.unwrap();
    }
    let connect = [
        "connect",
        "--contexts",
        "pdsa1,pdsa2",
        "--timeout",
        "5",
        "-o",
        "json",
    ];
    let first = govuc(&connect);
    assert!(first.status.success(), "{}", text(&first.stderr));
    let done: Value = serde_json::from_slice(&first.stdout).unwrap();
    assert_eq!(done["root"], "Made");
    let mut roots = Vec::new();
    for (site, peer) in sites.iter().zip(["two", "one"]) {
        let maps: Api<ConfigMap> = Api::namespaced(site.clone(), "govuc-system");
        let map = maps.get("govuc-peer-ca").await.unwrap();
        assert_eq!(map.data.unwrap()["ca.crt"], format!("certificate {peer}"));
        let secrets: Api<Secret> = Api::namespaced(site.clone(), "govuc-system");
        roots.push(secrets.get("govuc-root").await.unwrap().data.unwrap());
    }
    assert_eq!(roots[0], roots[1]);

    let again = govuc(&connect);
    let done: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(
        (&done["root"], &done["certificatesWritten"]),
        (&json!("Kept"), &json!([]))
    );

    // The second one is set up from nothing, and is told of what the first one has.
    let formed = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "roles-formed", "namespace": "govuc-system"},
        "data": {"cluster": "c1"},
    });
    put(&sites[0], &formed).await.unwrap();
    assert!(govuc(&connect).status.success());
    let maps: Api<ConfigMap> = Api::namespaced(sites[1].clone(), "govuc-system");
    let told = async || maps.get("roles-formed").await.unwrap().data.unwrap();
    assert_eq!(told().await["cluster"], "c1");
    assert!(govuc(&connect).status.success());
    for site in &sites {
        remove(site, &formed).await;
    }

    let secrets: Api<Secret> = Api::namespaced(sites[1].clone(), "govuc-system");
    secrets
        .delete("govuc-root", &DeleteParams::default())
        .await
        .unwrap();
    let foreign = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "govuc-root", "namespace": "govuc-system"},
        "stringData": {"root": "another root of thirty-two bytes"},
    });
    put(&sites[1], &foreign).await.unwrap();
    let refused = govuc(&connect);
    assert_eq!(refused.status.code(), Some(1));
    let message = text(&refused.stderr);
    assert!(
        message.contains("different root secrets") && message.contains("delete"),
        "{message}"
    );
}

#[tokio::test]
async fn an_agency_is_decided_on_by_the_plugin() {
    let admin = installed(None).await;
    let mut agency = example("agencies/kkr.yaml");
    agency["metadata"]["name"] = json!("by-plugin");
    crate::cluster::remove(&admin, &agency).await;
    put(&admin, &agency).await.unwrap();
    let api = crate::cluster::api(&admin, &agency);
    let decision = async || api.get("by-plugin").await.unwrap().data["spec"]["approval"].clone();

    let approved = govuc(&["approve", "by-plugin", "--contexts", "pdsa1"]);
    assert!(approved.status.success(), "{}", text(&approved.stderr));
    assert_eq!(decision().await["decision"], "Approved");
    let rejected = govuc(&[
        "approve",
        "by-plugin",
        "--reject",
        "--reason",
        "No budget.",
        "--contexts",
        "pdsa1",
    ]);
    assert!(rejected.status.success(), "{}", text(&rejected.stderr));
    assert_eq!(decision().await["reason"], "No budget.");
    let withdrawn = govuc(&["approve", "by-plugin", "--withdraw", "--contexts", "pdsa1"]);
    assert!(withdrawn.status.success(), "{}", text(&withdrawn.stderr));
    assert!(decision().await.is_null());

    let missing = govuc(&["approve", "no-such-agency", "--contexts", "pdsa1"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(text(&missing.stderr).contains("no agency no-such-agency"));
    assert_eq!(
        govuc(&["approve", "by-plugin", "--reject"]).status.code(),
        Some(2)
    );
}

#[tokio::test]
async fn what_waits_at_a_site_is_told_though_the_other_one_can_not_be_read() {
    let site = installed(None).await;
    let store = json!({
        "apiVersion": "1govuc.gov.my/v1alpha1", "kind": "MailStore", "metadata": {"name": "planned"},
        "spec": {"preferredSite": "pdsa1"},
    });
    let api = api(&site, &store);
    put(&site, &store).await.unwrap();
    let mut status = store.clone();
    status["status"] = json!({
        "pending": [{"part": "planned", "change": "image of guard: 2 for 1", "reason": "AwaitingWindow", "window": "ahad-malam",
            "opens": "2026-12-05T17:00:00Z", "closes": "2026-12-05T18:30:00Z"}],
        "conditions": [{"type": "UpgradePending", "status": "True", "reason": "AwaitingWindow", "message": "not yet",
            "lastTransitionTime": "2026-12-01T00:00:00Z"}],
    });
    let params = PatchParams::apply("test").force();
    api.patch_status("planned", &params, &Patch::Apply(&status))
        .await
        .unwrap();

    // There is no govuc in the second cluster.
    let told = govuc(&["plan", "--contexts", "pdsa1,pdsa2", "-o", "json"]);
    assert_eq!(told.status.code(), Some(1));
    assert!(
        text(&told.stderr).contains("pdsa2: Platform can't be read"),
        "{}",
        text(&told.stderr)
    );
    let plans: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(plans[0]["context"], "pdsa1");
    let acts = plans[0]["pending"].as_array().unwrap();
    let act = acts.iter().find(|act| act["name"] == "planned").unwrap();
    assert_eq!(
        (&act["kind"], &act["part"], &act["opens"], &act["message"]),
        (
            &json!("MailStore"),
            &json!("planned"),
            &json!("2026-12-05T17:00:00Z"),
            &json!("not yet")
        )
    );

    let told = govuc(&["plan", "--contexts", "pdsa1"]);
    assert_eq!(told.status.code(), Some(0));
    let told = text(&told.stdout);
    assert!(
        told.contains("restart planned of MailStore planned: image of guard: 2 for 1"),
        "{told}"
    );
    assert!(
        told.contains("when: 2026-12-06T01:00:00+08:00 in window ahad-malam"),
        "{told}"
    );
    remove(&site, &store).await;
}

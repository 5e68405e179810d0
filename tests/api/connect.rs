//! The plugin, run as people run it.

use std::process::{Command, Output};

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, api::DeleteParams};
use serde_json::{Value, json};

use crate::cluster::{client, example, installed, put};

fn govuc(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kubectl-govuc"))
        .args(arguments)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

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

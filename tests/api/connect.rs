//! The plugin, run as people run it.

use std::process::Output;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

use crate::{
    cluster::{api, client, example, installed, put, remove},
    plugin::{govuc, text},
};

/// Two clusters are connected once at a time.
static CONNECTING: Mutex<()> = Mutex::const_new(());
pub const CONNECT: [&str; 5] = ["connect", "--contexts", "pdsa1,pdsa2", "--timeout", "5"];

/// Two sites that were never connected, and whose operators have made their authorities.
pub async fn strangers() -> (MutexGuard<'static, ()>, [Client; 2]) {
    let alone = CONNECTING.lock().await;
    let sites = [installed(None).await, client("pdsa2", None).await];
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "govuc-system"}});
    for (site, name) in sites.iter().zip(["one", "two"]) {
        put(site, &namespace).await.unwrap();
        for (kind, name) in [
            ("Secret", "govuc-root"),
            ("ConfigMap", "govuc-peer-ca"),
            ("ConfigMap", "roles-formed"),
        ] {
            remove(site, &system(kind, name)).await;
        }
        authority(site, name).await;
    }
    remove(&sites[1], &operator("pdsa2", "any")).await;
    (alone, sites)
}

pub fn system(kind: &str, name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "govuc-system"}})
}

async fn authority(site: &Client, name: &str) {
    let mut authority = system("Secret", "govuc-ca");
    authority["stringData"] = json!({"tls.crt": format!("certificate {name}"), "tls.key": "key"});
    put(site, &authority).await.unwrap();
}

/// The Deployment of an operator, without its pods.
fn operator(site: &str, image: &str) -> Value {
    let labels = json!({"app": "govuc"});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "govuc", "namespace": "govuc-system"},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": labels},
            "spec": {"containers": [{
                "name": "operator", "image": image, "env": [{"name": "GOVUC_SITE", "value": site}],
            }]},
        }},
    })
}

/// Whom a cluster trusts.
pub async fn trusted(site: &Client) -> Option<String> {
    let maps: Api<ConfigMap> = Api::namespaced(site.clone(), "govuc-system");
    let map = maps.get_opt("govuc-peer-ca").await.unwrap()?;
    map.data.unwrap().remove("ca.crt")
}

pub async fn root(site: &Client) -> Option<Vec<u8>> {
    let secrets: Api<Secret> = Api::namespaced(site.clone(), "govuc-system");
    let secret = secrets.get_opt("govuc-root").await.unwrap()?;
    Some(secret.data.unwrap().remove("root").unwrap().0)
}

#[track_caller]
pub fn done(told: &Output) -> Value {
    assert!(told.status.success(), "{}", text(&told.stderr));
    serde_json::from_slice(&told.stdout).unwrap()
}

pub fn json_of(words: &[&str]) -> Output {
    govuc(&[words, &["-o", "json"]].concat())
}

fn result<'a>(done: &'a Value, check: &str) -> (&'a str, &'a str) {
    let checks = done["checks"].as_array().unwrap();
    let found = checks.iter().find(|found| found["check"] == check).unwrap();
    (
        found["result"].as_str().unwrap(),
        found["found"].as_str().unwrap(),
    )
}

#[tokio::test]
async fn two_sites_that_do_not_fit_are_refused_before_anything_is_written() {
    let (_alone, [one, other]) = strangers().await;
    put(&other, &operator("pdsa1", "localhost/govuc/operator:dev"))
        .await
        .unwrap();
    let refused = govuc(&CONNECT);
    assert_eq!(refused.status.code(), Some(1));
    let message = text(&refused.stderr);
    assert!(
        message.contains("nothing was changed: the operators of pdsa1 and pdsa2 are both of site pdsa1"),
        "{message}"
    );
    let table = text(&refused.stdout);
    assert!(
        table.starts_with("CHECK         RESULT       FOUND\nversions      good"),
        "{table}"
    );
    assert!(table.contains("\nsites         refused"), "{table}");
    assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
    let refused = json_of(&CONNECT);
    assert_eq!(refused.status.code(), Some(1));
    let told: Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert_eq!(
        (&told["root"], &told["certificatesWritten"]),
        (&Value::Null, &json!([]))
    );
    assert_eq!(result(&told, "Sites").0, "Refused");
    for site in [&one, &other] {
        assert_eq!((root(site).await, trusted(site).await), (None, None));
    }

    put(&other, &operator("pdsa2", "localhost/govuc/operator:next"))
        .await
        .unwrap();
    let told = done(&json_of(&CONNECT));
    let (versions, found) = result(&told, "Versions");
    assert!(
        versions == "Warning" && found.contains("operator:next at pdsa2"),
        "{found}"
    );
    assert_eq!(result(&told, "Sites"), ("Good", "pdsa1 is pdsa1, pdsa2 is pdsa2"));
    // The kind is not even known there.
    assert_eq!(
        result(&told, "Platforms"),
        ("NotChecked", "pdsa2: there is no Platform")
    );
    // Both are on one machine, and have Services of their own.
    assert_eq!(result(&told, "Clocks").0, "Good");
    assert_eq!(
        result(&told, "Networks"),
        ("Good", "those of pods and Services are apart")
    );
    assert_eq!(
        result(&told, "RootSecrets"),
        ("Good", "neither has one: it is made")
    );
    assert_eq!(
        result(&told, "Authorities"),
        ("Good", "neither trusts the other's yet")
    );
    remove(&other, &operator("pdsa2", "any")).await;
}

#[tokio::test]
async fn an_empty_cluster_takes_the_place_of_one_that_is_no_more() {
    let (_alone, [one, other]) = strangers().await;
    done(&json_of(&CONNECT));
    let kept = root(&one).await.unwrap();
    let mut formed = system("ConfigMap", "roles-formed");
    formed["data"] = json!({"cluster": "c1"});
    put(&one, &formed).await.unwrap();

    for (kind, name) in [("Secret", "govuc-root"), ("ConfigMap", "govuc-peer-ca")] {
        remove(&other, &system(kind, name)).await;
    }
    authority(&other, "three").await;
    let told = done(&json_of(&CONNECT));
    assert_eq!(
        (&told["root"], &told["certificatesWritten"]),
        (&json!("Copied"), &json!(["pdsa1", "pdsa2"]))
    );
    let (authorities, found) = result(&told, "Authorities");
    assert!(
        authorities == "Warning" && found.starts_with("pdsa1 trusted another authority"),
        "{found}"
    );
    assert_eq!(trusted(&one).await.as_deref(), Some("certificate three"));
    assert_eq!(root(&other).await, Some(kept));
    let maps: Api<ConfigMap> = Api::namespaced(other.clone(), "govuc-system");
    assert_eq!(
        maps.get("roles-formed").await.unwrap().data.unwrap()["cluster"],
        "c1"
    );
    for site in [&one, &other] {
        remove(site, &formed).await;
    }
}

#[tokio::test]
async fn two_sites_are_connected_once_and_never_across_two_roots() {
    let _alone = CONNECTING.lock().await;
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

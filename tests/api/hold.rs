//! Who may decide that a site serves though the roles' etcd does not answer it, and what the plugin says before and after.

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

use crate::cluster::{APPLICANT, MOVER, RECOVERER, api, installed, put_as, remove, says};

fn store(name: &str) -> Value {
    json!({
        "apiVersion": "1govuc.gov.my/v1alpha1", "kind": "MailStore", "metadata": {"name": name},
        "spec": {"preferredSite": "pdsa1", "capacity": 10},
    })
}

fn hold(name: &str, id: &str, to: &str) -> Value {
    json!({
        "apiVersion": "1govuc.gov.my/v1alpha1", "kind": "MailStore", "metadata": {"name": name},
        "spec": {"hold": {"id": id, "to": to, "notAfter": "2026-11-24T00:00:00Z"}},
    })
}

#[tokio::test]
async fn a_store_is_held_at_the_word_of_who_has_the_verb_and_of_nobody_else() {
    let admin = installed(None).await;
    let recoverer = installed(Some(RECOVERER)).await;
    let file = store("held");
    remove(&admin, &file).await;
    put_as(&admin, "govuc", &file).await.unwrap();
    for user in [APPLICANT, MOVER] {
        let other = installed(Some(user)).await;
        says(
            put_as(&other, "flux", &hold("held", "ho-1", "pdsa1")).await,
            &[
                "spec.hold",
                user,
                "verb hold",
                "role govuc-failover-operator",
                "kubectl govuc hold held --to SITE",
            ],
        );
    }
    put_as(&recoverer, "govuc-hold", &hold("held", "ho-1", "pdsa1"))
        .await
        .unwrap();
    put_as(&admin, "govuc", &file).await.unwrap();
    let asked = api(&admin, &file).get("held").await.unwrap().data["spec"]["hold"].clone();
    assert_eq!(asked["id"], "ho-1", "applied again by the operator");
}

#[tokio::test]
async fn no_hold_is_edited_and_none_is_where_no_site_is() {
    let admin = installed(None).await;
    let recoverer = installed(Some(RECOVERER)).await;
    let file = store("not-held");
    remove(&admin, &file).await;
    put_as(&admin, "govuc", &file).await.unwrap();
    put_as(&recoverer, "govuc-hold", &hold("not-held", "ho-1", "pdsa1"))
        .await
        .unwrap();
    says(
        put_as(&recoverer, "govuc-hold", &hold("not-held", "ho-1", "pdsa2")).await,
        &["ho-1", "stays as it is", "another id"],
    );
    says(
        put_as(&recoverer, "govuc-hold", &hold("not-held", "ho-2", "pdsa9")).await,
        &["spec.hold.to", "pdsa9", "pdsa1 and pdsa2"],
    );
}

fn govuc(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kubectl-govuc"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

async fn says_of_itself(stores: &Api<MailStore>, name: &str, status: Value) {
    stores
        .patch_status(
            name,
            &PatchParams::default(),
            &Patch::Merge(&json!({"status": status})),
        )
        .await
        .unwrap();
}

/// As the operator of pdsa1 says it when pdsa1 is cut off from everything.
async fn cut_off(admin: &Client, name: &str) -> Api<MailStore> {
    let file = store(name);
    remove(admin, &file).await;
    put_as(admin, "govuc", &file).await.unwrap();
    let stores: Api<MailStore> = Api::all(admin.clone());
    let status = json!({
        "primary": "pdsa2",
        "sites": [
            {"name": "pdsa1", "volume": "a", "state": "Follower"},
            {"name": "pdsa2", "volume": "b", "state": "Unknown"},
        ],
        "recorded": {
            "era": 1, "term": 4, "primary": "pdsa2", "leased": true, "volume": "b", "paired": false, "peerVolume": "a",
            "behindSince": "2026-11-24T00:09:00Z",
        },
    });
    says_of_itself(&stores, name, status).await;
    stores
}

#[tokio::test]
async fn the_plugin_says_what_is_at_risk_and_does_nothing_before_a_person_has_agreed() {
    let admin = installed(None).await;
    let stores = cut_off(&admin, "warned-first").await;
    let with = |more: &[&'static str]| {
        let first = ["hold", "warned-first", "--context", "pdsa1"];
        govuc(&[&first[..], more].concat())
    };
    let told = with(&["--to", "pdsa1", "--dry-run", "-o", "json"]);
    let warned = text(&told.stderr);
    assert!(told.status.success(), "{warned}");
    assert!(warned.contains("make sure that pdsa2 does not serve"), "{warned}");
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(told["servedLast"], "pdsa2");
    assert_eq!(told["lacks"]["since"], "2026-11-24T00:09:00Z");
    assert_eq!(told["unreachable"], json!(["pdsa2"]));
    for (arguments, because) in [
        (&["--to", "pdsa1"][..], "no terminal"),
        (&["--to", "pdsa2", "--yes"], "is the cluster of pdsa1"),
        (&["--to", "pdsa9", "--yes"], "the sites are pdsa1 and pdsa2"),
    ] {
        let refused = with(arguments);
        let message = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{message}");
        assert!(message.contains(because), "{message}");
    }
    assert_eq!(stores.get("warned-first").await.unwrap().spec.hold, None);

    let served = json!({"sites": [
        {"name": "pdsa1", "volume": "a", "state": "Follower"}, {"name": "pdsa2", "volume": "b", "state": "Alone"},
    ]});
    says_of_itself(&stores, "warned-first", served).await;
    let refused = with(&["--to", "pdsa1", "--yes"]);
    let message = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{message}");
    assert!(message.contains("both sites would"), "{message}");
    assert_eq!(stores.get("warned-first").await.unwrap().spec.hold, None);
}

/// Runs the plugin, with an operator that says this once it is asked for something.
async fn person(name: &'static str, status: impl Fn(&str) -> Value) -> Output {
    let admin = installed(None).await;
    let stores = cut_off(&admin, name).await;
    let operator = async {
        let asked = loop {
            if let Some(asked) = stores.get(name).await.unwrap().spec.hold {
                break asked;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        says_of_itself(&stores, name, status(&asked.id)).await;
    };
    let person = tokio::task::spawn_blocking(move || {
        govuc(&[
            "hold",
            name,
            "--yes",
            "--to",
            "pdsa1",
            "--context",
            "pdsa1",
            "-o",
            "json",
        ])
    });
    let (person, ()) = tokio::join!(person, operator);
    person.unwrap()
}

#[tokio::test]
async fn the_plugin_waits_until_the_site_serves() {
    let person = person("waited-for", |id| {
        json!({
            "hold": {"id": id, "state": "Held", "to": "pdsa1", "message": "pdsa1 serves without the roles' etcd"},
            "sites": [
                {"name": "pdsa1", "volume": "a", "state": "Held"}, {"name": "pdsa2", "volume": "b", "state": "Unknown"},
            ],
        })
    })
    .await;
    assert!(person.status.success(), "{}", text(&person.stderr));
    let receipt: Value = serde_json::from_slice(&person.stdout).unwrap();
    assert_eq!(
        (&receipt["state"], &receipt["serves"]),
        (&json!("Held"), &json!(true))
    );
}

#[tokio::test]
async fn the_plugin_says_why_a_site_does_not_serve() {
    let person = person(
        "in-vain",
        |id| json!({"hold": {"id": id, "state": "Refused", "to": "pdsa1", "message": "the roles' etcd answers"}}),
    )
    .await;
    assert_eq!(person.status.code(), Some(1));
    let message = text(&person.stderr);
    assert!(
        message.contains("is not held at pdsa1. Refused: the roles' etcd answers"),
        "{message}"
    );
}

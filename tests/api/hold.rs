//! Who may decide that a site serves though the roles' etcd does not answer it, and what the plugin says before and after.

use govuc_api::MailStore;
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::{
    cluster::{APPLICANT, MOVER, RECOVERER, api, installed, put_as, remove, says},
    plugin::{govuc, person, says_of_itself, store, store_that_is, text, wish},
};

fn hold(name: &str, id: &str, to: &str) -> Value {
    wish("hold", name, id, to)
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

/// As the operator of pdsa1 says it when pdsa1 is cut off from everything.
async fn cut_off(admin: &Client, name: &str) -> Api<MailStore> {
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
    store_that_is(admin, name, status).await
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

fn asked(store: &MailStore) -> Option<String> {
    store.spec.hold.as_ref().map(|hold| hold.id.clone())
}

#[tokio::test]
async fn the_plugin_waits_until_the_site_serves() {
    let admin = installed(None).await;
    let stores = cut_off(&admin, "waited-for").await;
    let words = &[
        "hold",
        "waited-for",
        "--yes",
        "--to",
        "pdsa1",
        "--context",
        "pdsa1",
        "-o",
        "json",
    ];
    let person = person(&stores, "waited-for", words, asked, |id| {
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
    let admin = installed(None).await;
    let stores = cut_off(&admin, "in-vain").await;
    let words = &[
        "hold",
        "in-vain",
        "--yes",
        "--to",
        "pdsa1",
        "--context",
        "pdsa1",
        "-o",
        "json",
    ];
    let person = person(
        &stores,
        "in-vain",
        words,
        asked,
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

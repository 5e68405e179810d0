//! Who may decide that a store does without what only the lost site has, and what the plugin says before and after.

use govuc_api::MailStore;
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::{
    cluster::{APPLICANT, MOVER, RECOVERER, api, installed, put_as, remove, says},
    plugin::{govuc, person, says_of_itself, store, store_that_is, text, wish},
};

fn force(name: &str, id: &str, to: &str) -> Value {
    wish("failover", name, id, to)
}

#[tokio::test]
async fn a_store_is_forced_at_the_word_of_who_has_the_verb_and_of_nobody_else() {
    let admin = installed(None).await;
    let recoverer = installed(Some(RECOVERER)).await;
    let file = store("forced");
    remove(&admin, &file).await;
    put_as(&admin, "govuc", &file).await.unwrap();
    for user in [APPLICANT, MOVER] {
        let other = installed(Some(user)).await;
        says(
            put_as(&other, "flux", &force("forced", "fo-1", "pdsa2")).await,
            &[
                "spec.failover",
                user,
                "verb failover",
                "role govuc-failover-operator",
                "kubectl govuc failover forced --force --to SITE",
            ],
        );
    }
    put_as(&recoverer, "govuc-failover", &force("forced", "fo-1", "pdsa2"))
        .await
        .unwrap();
    put_as(&admin, "govuc", &file).await.unwrap();
    let asked = api(&admin, &file).get("forced").await.unwrap().data["spec"]["failover"].clone();
    assert_eq!(asked["id"], "fo-1", "applied again by the operator");
}

#[tokio::test]
async fn no_failover_is_edited_and_none_goes_where_no_site_is() {
    let admin = installed(None).await;
    let recoverer = installed(Some(RECOVERER)).await;
    let file = store("not-forced");
    remove(&admin, &file).await;
    put_as(&admin, "govuc", &file).await.unwrap();
    let mut moves = force("not-forced", "fo-1", "pdsa2");
    moves["spec"]["switchover"] = moves["spec"]["failover"].take();
    moves["spec"].as_object_mut().unwrap().remove("failover");
    says(
        put_as(&recoverer, "govuc-switchover", &moves).await,
        &["spec.switchover", "verb switchover"],
    );
    put_as(
        &recoverer,
        "govuc-failover",
        &force("not-forced", "fo-1", "pdsa2"),
    )
    .await
    .unwrap();
    says(
        put_as(
            &recoverer,
            "govuc-failover",
            &force("not-forced", "fo-1", "pdsa1"),
        )
        .await,
        &["fo-1", "stays as it is", "another id"],
    );
    says(
        put_as(
            &recoverer,
            "govuc-failover",
            &force("not-forced", "fo-2", "pdsa9"),
        )
        .await,
        &["spec.failover.to", "pdsa9", "pdsa1 and pdsa2"],
    );
}

/// As the operator of pdsa2 says it when pdsa1 was lost while alone.
async fn lost(admin: &Client, name: &str) -> Api<MailStore> {
    let status = json!({
        "primary": "pdsa1",
        "sites": [
            {"name": "pdsa1", "volume": "a", "state": "Unknown"},
            {"name": "pdsa2", "volume": "b", "state": "Follower"},
        ],
        "recorded": {
            "era": 1, "term": 4, "primary": "pdsa1", "leased": false, "volume": "a", "paired": false, "peerVolume": "b",
            "behindSince": "2026-11-24T00:09:00Z",
        },
    });
    store_that_is(admin, name, status).await
}

#[tokio::test]
async fn the_plugin_says_what_would_be_missing_and_does_nothing_before_a_person_has_agreed() {
    let admin = installed(None).await;
    let stores = lost(&admin, "told-first").await;
    let with = |more: &[&'static str]| {
        let first = ["failover", "told-first", "--to", "pdsa2", "--context", "pdsa1"];
        govuc(&[&first[..], more].concat())
    };
    let told = with(&["--dry-run", "-o", "json"]);
    assert!(told.status.success(), "{}", text(&told.stderr));
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(told["lacks"]["extent"], "Changes");
    assert_eq!(told["lacks"]["since"], "2026-11-24T00:09:00Z");
    assert_eq!(told["unreachable"], json!(["pdsa1"]));
    for (arguments, because) in [
        (&[][..], "--force is missing"),
        (&["--force"], "no terminal"),
        (&["--force", "--to", "pdsa9"], "cannot be used multiple times"),
    ] {
        let refused = with(arguments);
        assert!(!refused.status.success());
        assert!(
            text(&refused.stderr).contains(because),
            "{}",
            text(&refused.stderr)
        );
    }
    assert_eq!(stores.get("told-first").await.unwrap().spec.failover, None);

    let served = json!({"sites": [
        {"name": "pdsa1", "volume": "a", "state": "Alone"}, {"name": "pdsa2", "volume": "b", "state": "Follower"},
    ]});
    says_of_itself(&stores, "told-first", served).await;
    let refused = with(&["--force", "--yes"]);
    assert_eq!(refused.status.code(), Some(1));
    let message = text(&refused.stderr);
    assert!(
        message.contains("kubectl govuc switchover told-first --to pdsa2"),
        "{message}"
    );
    assert_eq!(stores.get("told-first").await.unwrap().spec.failover, None);
}

#[tokio::test]
async fn the_plugin_follows_a_failover_to_its_receipt() {
    let admin = installed(None).await;
    let stores = lost(&admin, "followed").await;
    let words = &[
        "failover",
        "followed",
        "--force",
        "--yes",
        "--to",
        "pdsa2",
        "--context",
        "pdsa1",
        "-o",
        "json",
    ];
    let asked = |store: &MailStore| store.spec.failover.as_ref().map(|failover| failover.id.clone());
    let person = person(&stores, "followed", words, asked, |id| {
        json!({"failover": {
            "id": id, "state": "Done", "from": "pdsa1", "to": "pdsa2", "era": 2, "term": 5,
            "lacks": {"extent": "Changes", "message": "what pdsa1 has stored"},
            "passedOver": {"site": "pdsa1", "volume": "a", "term": 4},
        }})
    })
    .await;
    assert!(person.status.success(), "{}", text(&person.stderr));
    let before = text(&person.stderr);
    assert!(
        before.contains("what pdsa1 has stored since 2026-11-24T00:09:00Z"),
        "{before}"
    );
    let receipt: Value = serde_json::from_slice(&person.stdout).unwrap();
    assert_eq!(
        (
            &receipt["era"],
            &receipt["passedOver"]["volume"],
            &receipt["lacks"]["extent"]
        ),
        (&json!(2), &json!("a"), &json!("Changes"))
    );
}

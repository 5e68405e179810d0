//! Who may decide that a store does without what only the lost site has.

use serde_json::{Value, json};

use crate::cluster::{APPLICANT, MOVER, RECOVERER, api, installed, put_as, remove};

fn store(name: &str) -> Value {
    json!({
        "apiVersion": "1govuc.gov.my/v1alpha1", "kind": "MailStore", "metadata": {"name": name},
        "spec": {"preferredSite": "pdsa1", "capacity": 10},
    })
}

fn force(name: &str, id: &str, to: &str) -> Value {
    json!({
        "apiVersion": "1govuc.gov.my/v1alpha1", "kind": "MailStore", "metadata": {"name": name},
        "spec": {"failover": {"id": id, "to": to, "notAfter": "2026-11-24T00:00:00Z"}},
    })
}

#[track_caller]
fn says(outcome: Result<impl Sized, String>, parts: &[&str]) {
    let Err(message) = outcome else {
        panic!("it was allowed");
    };
    for part in parts {
        assert!(message.contains(part), "without {part:?}: {message}");
    }
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

//! Who may move a store, and whether whoever applies it again leaves that alone.

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::{
    cluster::{APPLICANT, MOVER, api, installed, put, put_as, remove, says},
    plugin::{store, wish},
};

fn move_to(name: &str, id: &str, to: &str) -> Value {
    wish("switchover", name, id, to)
}

#[tokio::test]
async fn a_store_moves_at_the_word_of_who_has_the_verb_and_whoever_applies_it_leaves_that_alone() {
    let admin = installed(None).await;
    let mover = installed(Some(MOVER)).await;
    let file = store("moves");
    remove(&admin, &file).await;
    put_as(&admin, "govuc", &file).await.unwrap();
    put_as(&mover, "govuc-switchover", &move_to("moves", "sw-1", "pdsa2"))
        .await
        .unwrap();
    let asked = async || api(&admin, &file).get("moves").await.unwrap().data["spec"]["switchover"].clone();
    assert_eq!(asked().await["id"], "sw-1");
    put_as(&admin, "govuc", &file).await.unwrap();
    let force = PatchParams::apply("flux").force();
    api(&admin, &file)
        .patch("moves", &force, &Patch::Apply(&file))
        .await
        .unwrap();
    assert_eq!(asked().await["id"], "sw-1", "applied by others");
    put_as(&mover, "govuc-switchover", &move_to("moves", "sw-2", "pdsa1"))
        .await
        .unwrap();
    assert_eq!(asked().await["id"], "sw-2");
}

#[tokio::test]
async fn nobody_else_moves_a_store_and_no_operation_is_edited() {
    let admin = installed(None).await;
    let mover = installed(Some(MOVER)).await;
    let file = store("stays-put");
    remove(&admin, &file).await;
    put(&admin, &file).await.unwrap();
    let writer = installed(Some(APPLICANT)).await;
    says(
        put_as(&writer, "flux", &move_to("stays-put", "sw-1", "pdsa2")).await,
        &[
            "spec.switchover",
            "aminah",
            "verb switchover",
            "kubectl govuc switchover stays-put --to SITE",
        ],
    );
    put_as(&mover, "govuc-switchover", &move_to("stays-put", "sw-1", "pdsa2"))
        .await
        .unwrap();
    says(
        put_as(&mover, "govuc-switchover", &move_to("stays-put", "sw-1", "pdsa1")).await,
        &["sw-1", "stays as it is", "another id"],
    );
    says(
        put_as(&mover, "govuc-switchover", &move_to("stays-put", "sw-3", "pdsa9")).await,
        &["spec.switchover.to", "pdsa9", "pdsa1 and pdsa2"],
    );
}

#[tokio::test]
async fn whoever_has_the_verb_may_change_the_preferred_site_and_nobody_else() {
    let admin = installed(None).await;
    let mover = installed(Some(MOVER)).await;
    let writer = installed(Some(APPLICANT)).await;
    let mut file = store("prefers");
    remove(&admin, &file).await;
    put(&admin, &file).await.unwrap();
    file["spec"]["preferredSite"] = json!("pdsa2");
    says(
        put(&writer, &file).await,
        &[
            "spec.preferredSite",
            "aminah",
            "from pdsa1",
            "verb switchover",
            "govuc-store-operator",
        ],
    );
    put(&mover, &file).await.unwrap();
    // What stays the same needs no right.
    put(&writer, &file).await.unwrap();
}

//! In what two clusters differ, as the plugin tells people and programs.

use std::process::Output;

use futures::{StreamExt, stream};
use kube::{
    Client,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{
    cluster::{APPLICANT, agency_namespace, api, both, example, put, release, remove},
    plugin::{govuc, govuc_as, text},
};

const SITES: [&str; 2] = ["--contexts", "pdsa1,pdsa2"];

/// An officer's mailbox in an agency's namespace.
pub fn mailbox(namespace: &str, name: &str, grade: i32) -> Value {
    json!({
        "apiVersion": "1govuc.gov.my/v1alpha1", "kind": "Mailbox", "metadata": {"namespace": namespace, "name": name},
        "spec": {
            "type": "Individual", "address": format!("{name}@kkr.gov.my"),
            "individual": {"staffNumber": format!("KKR-{}", name.to_uppercase()), "name": name, "grade": grade},
        },
    })
}

/// What the mirror says of an object.
pub async fn told(site: &Client, object: &Value, conditions: &[(&str, &str)]) {
    let name = object["metadata"]["name"].as_str().unwrap();
    let mut status = object.clone();
    let conditions = conditions.iter().map(|(type_, reason)| {
        json!({"type": type_, "status": "True", "reason": reason, "message": "", "lastTransitionTime": "2026-12-01T00:00:00Z"})
    });
    status["status"] = json!({"conditions": conditions.collect::<Vec<_>>()});
    let params = PatchParams::apply("test").force();
    let api = api(site, object);
    api.patch_status(name, &params, &Patch::Apply(&status))
        .await
        .unwrap();
}

fn diff(arguments: &[&str]) -> Output {
    govuc(&[&["diff"], arguments, &SITES].concat())
}

#[track_caller]
fn fails(told: &Output, parts: &[&str]) {
    let message = text(&told.stderr);
    assert_eq!(told.status.code(), Some(2), "{message}");
    assert_eq!(text(&told.stdout), "");
    for part in parts {
        assert!(message.contains(part), "without {part:?}: {message}");
    }
}

#[tokio::test]
async fn what_differs_is_told_and_the_exit_code_says_whether_something_does() {
    let sites = both().await;
    let space = "agency-differing";
    for site in &sites {
        agency_namespace(site, space).await;
        release(site, &mailbox(space, "going", 41)).await;
        for name in ["edited", "kept"] {
            remove(site, &mailbox(space, name, 41)).await;
        }
    }
    let [one, other] = &sites;
    put(one, &mailbox(space, "same", 41)).await.unwrap();
    // Defaults that are spelt out are no difference.
    let mut spelt = mailbox(space, "same", 41);
    spelt["spec"]["aliases"] = json!([]);
    put(other, &spelt).await.unwrap();
    let nothing = diff(&["mailbox", "-n", space]);
    assert_eq!(nothing.status.code(), Some(0), "{}", text(&nothing.stderr));
    assert_eq!(
        text(&nothing.stdout),
        "0 differ, 0 only at pdsa1, 0 only at pdsa2, 1 the same\n"
    );

    put(one, &mailbox(space, "edited", 44)).await.unwrap();
    let edited = mailbox(space, "edited", 48);
    put(other, &edited).await.unwrap();
    told(
        other,
        &edited,
        &[("Mirrored", "AwaitingLead"), ("Diverged", "AwaitingLead")],
    )
    .await;
    let mut held = mailbox(space, "going", 41);
    held["metadata"]["finalizers"] = json!(["1govuc.gov.my/mirror"]);
    put(one, &held).await.unwrap();
    api(one, &held)
        .delete("going", &Default::default())
        .await
        .unwrap();
    let kept = mailbox(space, "kept", 41);
    put(other, &kept).await.unwrap();
    told(other, &kept, &[("Mirrored", "DeletedAtPeer")]).await;

    let found = diff(&["-n", space]);
    let expected = "\
Mailbox edited in agency-differing differs
  pdsa2: Mirrored: AwaitingLead, Diverged: AwaitingLead
--- pdsa1
+++ pdsa2
@@ -1,7 +1,7 @@
 address: edited@kkr.gov.my
 aliases: []
 individual:
-  grade: 44
+  grade: 48
   language: ms
   name: edited
   staffNumber: KKR-EDITED

Mailbox going in agency-differing is only at pdsa1
  pdsa1: being deleted

Mailbox kept in agency-differing is only at pdsa2
  pdsa2: Mirrored: DeletedAtPeer

1 differ, 1 only at pdsa1, 1 only at pdsa2, 1 the same
";
    assert_eq!(
        (found.status.code(), text(&found.stdout).as_str()),
        (Some(1), expected)
    );

    let found = diff(&["-n", space, "-o", "json"]);
    assert_eq!(found.status.code(), Some(1));
    let rows: Value = serde_json::from_slice(&found.stdout).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 3);
    let [edited, going, kept] = [&rows[0], &rows[1], &rows[2]];
    assert_eq!(
        (&edited["kind"], &edited["namespace"], &edited["name"]),
        (&json!("Mailbox"), &json!(space), &json!("edited"))
    );
    assert_eq!(edited["at"], json!(["pdsa1", "pdsa2"]));
    assert_eq!(edited["diverged"], json!({"pdsa2": "AwaitingLead"}));
    assert_eq!(edited["specs"]["pdsa1"]["individual"]["grade"], 44);
    assert_eq!(edited["specs"]["pdsa2"]["individual"]["grade"], 48);
    assert_eq!(
        (&going["at"], &going["deleting"]),
        (&json!(["pdsa1"]), &json!(["pdsa1"]))
    );
    assert_eq!(
        (&kept["at"], &kept["mirrored"]),
        (&json!(["pdsa2"]), &json!({"pdsa2": "DeletedAtPeer"}))
    );

    let one_of_them = diff(&["mailbox/same", "-n", space, "-o", "json"]);
    assert_eq!(
        (one_of_them.status.code(), text(&one_of_them.stdout).as_str()),
        (Some(0), "[]\n")
    );
    release(one, &held).await;
}

#[tokio::test]
async fn an_agency_is_compared_by_its_name() {
    let [one, other] = both().await;
    let mut agency = example("agencies/kkr.yaml");
    agency["metadata"]["name"] = json!("differing");
    for site in [&one, &other] {
        remove(site, &agency).await;
        put(site, &agency).await.unwrap();
    }
    assert_eq!(diff(&["agency/differing"]).status.code(), Some(0));
    agency["spec"]["application"]["expectedUsers"] = json!(900);
    put(&other, &agency).await.unwrap();
    let found = diff(&["ag/differing"]);
    let said = text(&found.stdout);
    assert_eq!(found.status.code(), Some(1));
    assert!(
        said.starts_with("Agency differing differs\n--- pdsa1\n+++ pdsa2\n"),
        "{said}"
    );
    assert!(said.contains("\n+  expectedUsers: 900\n"), "{said}");
}

/// More than one answer of the API server has.
#[tokio::test]
async fn of_many_objects_the_one_that_differs_is_found() {
    const MANY: usize = 510;
    let sites = both().await;
    let space = "agency-many";
    for (site, grade) in sites.iter().zip([44, 48]) {
        agency_namespace(site, space).await;
        let made = stream::iter(0..MANY).map(async |number| {
            let grade = if number == MANY - 1 { grade } else { 41 };
            put(site, &mailbox(space, &format!("m{number:03}"), grade))
                .await
                .unwrap();
        });
        made.buffer_unordered(16).collect::<Vec<_>>().await;
    }
    let found = diff(&["mailbox", "-n", space]);
    let said = text(&found.stdout);
    assert_eq!(found.status.code(), Some(1), "{}", text(&found.stderr));
    assert!(
        said.starts_with("Mailbox m509 in agency-many differs\n"),
        "{said}"
    );
    assert!(
        said.ends_with("\n1 differ, 0 only at pdsa1, 0 only at pdsa2, 509 the same\n"),
        "{said}"
    );
}

#[tokio::test]
async fn what_can_not_be_compared_is_no_difference() {
    both().await;
    fails(
        &diff(&["mailstore/mail-1"]),
        &["\"mailstore\" is no kind", "write agency or mailbox"],
    );
    fails(
        &diff(&["mailbox/ali"]),
        &["mailbox/ali is in a namespace", "-n agency-kkr"],
    );
    fails(
        &diff(&["mailbox/nobody", "-n", "agency-kkr"]),
        &["there is no Mailbox nobody in agency-kkr at pdsa1 or pdsa2"],
    );
    for (contexts, says) in [
        ("pdsa1", "names 1 clusters"),
        ("pdsa1,pdsa1", "names pdsa1 twice"),
        ("pdsa1,nowhere", "no usable context nowhere"),
    ] {
        fails(&govuc(&["diff", "--contexts", contexts]), &[says]);
    }
    let refused = govuc_as(APPLICANT, &["diff", "mailbox", SITES[0], SITES[1]]);
    fails(
        &refused,
        &[
            "pdsa1: mailboxes can't be read",
            "\"aminah\" cannot list resource",
        ],
    );
}

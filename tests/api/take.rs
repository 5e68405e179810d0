//! A person decides which site's object stands. Beside API servers without operators: what the mirror makes of it is tested at its rules.

use std::{
    io::{Read, Write},
    process::{Command, Output, Stdio},
};

use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, DynamicObject, ListParams},
};
use serde_json::{Value, json};

use crate::{
    cluster::{APPLICANT, agency_namespace, api, both, example, put, release, remove},
    diff::mailbox,
    plugin::{govuc, govuc_as, text},
};

const AGREED: &str = "1govuc.gov.my/mirror";
const SPACE: &str = "agency-taken";

/// Both sites, of which neither has a mailbox of these names.
async fn without(names: &[&str]) -> [Client; 2] {
    let sites = both().await;
    for site in &sites {
        agency_namespace(site, SPACE).await;
        for name in names {
            let object = mailbox(SPACE, name, 41);
            release(site, &object).await;
            remove(site, &object).await;
        }
        let secrets: Api<Secret> = Api::namespaced(site.clone(), SPACE);
        for secret in secrets.list(&ListParams::default()).await.unwrap() {
            let name = secret.name_any();
            if names
                .iter()
                .any(|of| name.starts_with(&format!("diverged-mailbox-{of}-")))
            {
                secrets.delete(&name, &DeleteParams::default()).await.unwrap();
            }
        }
    }
    sites
}

/// As the mirror leaves an object that was at both sites.
fn agreed(mut object: Value) -> Value {
    object["metadata"]["finalizers"] = json!([AGREED]);
    object["metadata"]["annotations"] = json!({AGREED: "{}", "example.org/note": "stays"});
    object
}

fn take(object: &str, from: &str, more: &[&str]) -> Output {
    let words = [
        "mirror",
        "take",
        object,
        "-n",
        SPACE,
        "--contexts",
        "pdsa1,pdsa2",
        "--from",
        from,
    ];
    govuc(&[&words, more].concat())
}

#[track_caller]
fn receipt(told: &Output) -> Value {
    assert!(told.status.success(), "{}", text(&told.stderr));
    serde_json::from_slice(&told.stdout).unwrap()
}

async fn found(site: &Client, name: &str) -> Option<DynamicObject> {
    api(site, &mailbox(SPACE, name, 41)).get_opt(name).await.unwrap()
}

async fn grade(site: &Client, name: &str) -> Value {
    found(site, name).await.unwrap().data["spec"]["individual"]["grade"].clone()
}

/// The grade of the spec that a Secret keeps.
async fn kept_grade(site: &Client, place: &Value) -> Value {
    let (namespace, name) = place.as_str().unwrap().split_once('/').unwrap();
    assert_eq!(namespace, SPACE);
    let secrets: Api<Secret> = Api::namespaced(site.clone(), SPACE);
    let secret = secrets.get(name).await.unwrap();
    let object: Value = serde_json::from_slice(&secret.data.unwrap()["object.json"].0).unwrap();
    object["spec"]["individual"]["grade"].clone()
}

#[tokio::test]
async fn the_spec_of_one_site_replaces_the_others_which_is_kept() {
    let [one, other] = without(&["both"]).await;
    put(&one, &mailbox(SPACE, "both", 44)).await.unwrap();
    put(&other, &agreed(mailbox(SPACE, "both", 48))).await.unwrap();

    let asked = take("mailbox/both", "pdsa1", &[]);
    let said = text(&asked.stderr);
    assert_eq!(asked.status.code(), Some(1));
    for part in [
        "--- pdsa2\n+++ pdsa1\n",
        "-  grade: 48\n+  grade: 44",
        "pdsa2 gets the spec of pdsa1; what is there is kept in a Secret",
        "nothing was done: standard input is no terminal",
    ] {
        assert!(said.contains(part), "without {part:?}: {said}");
    }
    assert_eq!(
        (grade(&one, "both").await, grade(&other, "both").await),
        (json!(44), json!(48))
    );

    let done = receipt(&take("mailbox/both", "pdsa1", &["--yes", "-o", "json"]));
    assert_eq!(
        (&done["done"], &done["from"], &done["to"]),
        (&json!("Replaced"), &json!("pdsa1"), &json!("pdsa2"))
    );
    assert_eq!(
        (grade(&one, "both").await, grade(&other, "both").await),
        (json!(44), json!(44))
    );
    assert_eq!(kept_grade(&other, &done["kept"]).await, 48);
    // Of the object it is the spec alone.
    let metadata = found(&other, "both").await.unwrap().metadata;
    assert_eq!(metadata.annotations.unwrap()[AGREED], "{}");
    assert_eq!(metadata.finalizers.unwrap(), [AGREED]);

    let again = take("mailbox/both", "pdsa1", &[]);
    assert_eq!(again.status.code(), Some(0));
    assert_eq!(
        text(&again.stdout),
        "Mailbox both in agency-taken: pdsa1 and pdsa2 have the same; nothing was done\n"
    );
}

#[tokio::test]
async fn what_only_that_site_has_is_as_good_as_new_there() {
    let [one, _] = without(&["only"]).await;
    put(&one, &agreed(mailbox(SPACE, "only", 44))).await.unwrap();
    let done = receipt(&take("mailbox/only", "pdsa1", &["--yes", "-o", "json"]));
    assert_eq!((&done["done"], &done["kept"]), (&json!("Renewed"), &Value::Null));
    let metadata = found(&one, "only").await.unwrap().metadata;
    let annotations = metadata.annotations.unwrap();
    assert_eq!(
        (annotations.get(AGREED), annotations["example.org/note"].as_str()),
        (None, "stays")
    );
    assert_eq!(metadata.finalizers.unwrap(), [AGREED]);
    let again = take("mailbox/only", "pdsa1", &[]);
    assert_eq!(again.status.code(), Some(0), "{}", text(&again.stderr));
    assert!(
        text(&again.stdout)
            .contains("it is new at pdsa1, and the mirror makes it at pdsa2; nothing was done")
    );
}

#[tokio::test]
async fn what_only_the_other_site_has_is_deleted_there_and_kept() {
    let [one, _] = without(&["unwanted"]).await;
    let object = agreed(mailbox(SPACE, "unwanted", 44));
    put(&one, &object).await.unwrap();
    let done = receipt(&take("mailbox/unwanted", "pdsa2", &["--yes", "-o", "json"]));
    assert_eq!((&done["done"], &done["to"]), (&json!("Deleted"), &json!("pdsa1")));
    assert_eq!(kept_grade(&one, &done["kept"]).await, 44);
    // The mirror lets it go.
    assert!(
        found(&one, "unwanted")
            .await
            .unwrap()
            .metadata
            .deletion_timestamp
            .is_some()
    );

    let again = take("mailbox/unwanted", "pdsa2", &[]);
    assert_eq!(again.status.code(), Some(0), "{}", text(&again.stderr));
    assert!(text(&again.stdout).contains("being deleted already"));
    release(&one, &object).await;
}

/// A person at a terminal reads what will be done; before the word is typed somebody writes.
async fn read_while(name: &str, from: &str, somebody: impl Future<Output = ()>) -> (Option<i32>, String) {
    let plugin = env!("CARGO_BIN_EXE_kubectl-govuc");
    let command =
        format!("{plugin} mirror take mailbox/{name} -n {SPACE} --contexts pdsa1,pdsa2 --from {from}");
    let mut terminal = Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut screen = terminal.stdout.take().unwrap();
    let mut said = Vec::new();
    while !text(&said).contains("to go on: ") {
        let mut byte = [0];
        assert_eq!(screen.read(&mut byte).unwrap(), 1, "{}", text(&said));
        said.extend(byte);
    }
    somebody.await;
    let mut keyboard = terminal.stdin.take().unwrap();
    writeln!(keyboard, "{name}").unwrap();
    screen.read_to_end(&mut said).unwrap();
    (terminal.wait().unwrap().code(), text(&said))
}

#[tokio::test]
async fn what_is_written_while_a_person_reads_is_not_overwritten() {
    let [one, other] = without(&["raced", "deleted", "renewed"]).await;
    let write = async |site, name, grade| {
        put(site, &agreed(mailbox(SPACE, name, grade))).await.unwrap();
    };
    write(&one, "raced", 41).await;
    write(&other, "raced", 44).await;
    write(&other, "deleted", 44).await;
    write(&one, "renewed", 44).await;
    for (name, at, site) in [
        ("raced", &other, "pdsa2"),
        ("deleted", &other, "pdsa2"),
        ("renewed", &one, "pdsa1"),
    ] {
        let (code, said) = read_while(name, "pdsa1", write(at, name, 48)).await;
        assert_eq!(code, Some(1), "{said}");
        assert!(
            said.contains(&format!(
                "{site}: Mailbox {name} in {SPACE} was changed meanwhile"
            )),
            "{said}"
        );
        assert_eq!(grade(at, name).await, 48);
        let metadata = found(at, name).await.unwrap().metadata;
        assert_eq!(metadata.deletion_timestamp, None);
        assert!(metadata.annotations.unwrap().contains_key(AGREED));
    }
    let (code, said) = read_while("raced", "pdsa1", async {}).await;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(grade(&other, "raced").await, 41);
}

#[tokio::test]
async fn what_would_be_deleted_after_the_other_one_is_not_taken() {
    let [one, other] = without(&["going"]).await;
    let object = agreed(mailbox(SPACE, "going", 44));
    put(&one, &object).await.unwrap();
    put(&other, &object).await.unwrap();
    api(&other, &object)
        .delete("going", &Default::default())
        .await
        .unwrap();
    let refused = take("mailbox/going", "pdsa1", &["--yes"]);
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1));
    for part in [
        "is being deleted at pdsa2",
        "held there by 1govuc.gov.my/mirror",
        "Remedy: ",
    ] {
        assert!(said.contains(part), "without {part:?}: {said}");
    }
    let annotations = found(&one, "going").await.unwrap().metadata.annotations.unwrap();
    assert!(annotations.contains_key(AGREED));
    release(&other, &object).await;
}

#[tokio::test]
async fn what_can_not_be_taken_is_refused_and_stays() {
    let [one, other] = both().await;
    let mut agency = example("agencies/kkr.yaml");
    agency["metadata"]["name"] = json!("taken");
    for site in [&one, &other] {
        remove(site, &agency).await;
    }
    put(&one, &agency).await.unwrap();
    agency["spec"]["application"]["expectedUsers"] = json!(900);
    put(&other, &agency).await.unwrap();
    let words = |from| {
        [
            "mirror",
            "take",
            "agency/taken",
            "--contexts",
            "pdsa1,pdsa2",
            "--yes",
            "--from",
            from,
        ]
    };
    for (told, code, parts) in [
        (
            govuc(&words("pdsa3")),
            1,
            ["--from is \"pdsa3\"", "--contexts are pdsa1 and pdsa2"],
        ),
        (
            govuc_as(APPLICANT, &words("pdsa1")),
            1,
            ["pdsa2: Agency taken can't be read", "aminah"],
        ),
        (
            take("mailbox/nobody", "pdsa1", &["--yes"]),
            1,
            ["there is no Mailbox nobody", "at pdsa1 or pdsa2"],
        ),
        (
            take("mailbox", "pdsa1", &["--yes"]),
            2,
            ["\"mailbox\" names no object", "mailbox/ali"],
        ),
        (
            take("mailstore/mail-1", "pdsa1", &["--yes"]),
            2,
            ["\"mailstore\" is no kind", "agency or mailbox"],
        ),
    ] {
        let said = text(&told.stderr);
        assert_eq!(told.status.code(), Some(code), "{said}");
        for part in parts {
            assert!(said.contains(part), "without {part:?}: {said}");
        }
    }
    let stored = agency.clone();
    let users = async |site| {
        api(site, &stored).get("taken").await.unwrap().data["spec"]["application"]["expectedUsers"].clone()
    };
    assert_ne!(users(&one).await, users(&other).await);
    // A decision of somebody else is brought over by the mirror alone: so the API server has it.
    agency["spec"]["approval"] = json!({"decision": "Approved", "decidedBy": "siti", "on": "2026-11-24"});
    put(&other, &agency).await.unwrap();
    let told = govuc(&words("pdsa2"));
    let said = text(&told.stderr);
    assert_eq!(told.status.code(), Some(1), "{said}");
    for part in [
        "pdsa1: nothing was changed",
        "decidedBy is \"siti\"",
        "Remedy: run kubectl govuc approve taken",
    ] {
        assert!(said.contains(part), "without {part:?}: {said}");
    }
    assert_ne!(users(&one).await, users(&other).await);
}

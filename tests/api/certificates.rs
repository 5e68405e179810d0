//! Every certificate of both clusters, by Secrets that are there.

use std::process::Output;

use govuc::pki::{Authority, Pair, Wanted, trusted};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::Client;
use serde_json::{Value, json};

use crate::{
    cluster::{APPLICANT, put, remove},
    connect::{strangers, system},
    plugin::{govuc, govuc_as, text},
};

const BOTH: [&str; 3] = ["certificates", "--contexts", "pdsa1,pdsa2"];
/// Has what `--help` says that the command needs, and nothing more.
const READER: &str = "reader";

fn pair(site: &str) -> Pair {
    Authority::generate(site, Timestamp::now()).unwrap()
}

async fn keeps(site: &Client, own: &Pair, peer: &Pair) {
    let mut authority = system("Secret", "govuc-ca");
    authority["stringData"] = json!({"tls.crt": own.certificate, "tls.key": own.key});
    let mut other = system("ConfigMap", "govuc-peer-ca");
    other["data"] = json!({"ca.crt": peer.certificate});
    for object in [authority, other] {
        put(site, &object).await.unwrap();
    }
}

fn mx(own: &Pair, peer: &Pair, days_ago: i64) -> Value {
    let issued = Timestamp::now() - SignedDuration::from_hours(24 * days_ago);
    let both = trusted(&own.certificate, &peer.certificate);
    let wanted = Wanted::part("mx", "pdsa1", "govuc-mta", Vec::new(), &both);
    let authority = Authority::from_pair(own.clone()).unwrap();
    let leaf = authority.issue(&wanted, issued).unwrap();
    json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "tls-mx", "namespace": "govuc-mta"},
        "stringData": {"tls.crt": leaf.certificate, "tls.key": leaf.key, "ca.crt": leaf.trusted},
    })
}

fn role(name: &str, namespace: Option<&str>, rules: Value) -> [Value; 2] {
    let kind = if namespace.is_some() {
        "Role"
    } else {
        "ClusterRole"
    };
    let metadata = json!({"name": name, "namespace": namespace});
    let group = "rbac.authorization.k8s.io";
    let version = format!("{group}/v1");
    [
        json!({"apiVersion": version, "kind": kind, "metadata": metadata, "rules": rules}),
        json!({
            "apiVersion": version, "kind": format!("{kind}Binding"), "metadata": metadata,
            "roleRef": {"apiGroup": group, "kind": kind, "name": name},
            "subjects": [{"apiGroup": group, "kind": "User", "name": READER}],
        }),
    ]
}

async fn reader(site: &Client) {
    let rule = |group: &str, resource: &str, verb: &str| json!({"apiGroups": [group], "resources": [resource], "verbs": [verb]});
    let ours = "1govuc.gov.my";
    let mut objects = role(
        "test-reader",
        None,
        json!([rule(ours, "platforms", "get"), rule(ours, "mailstores", "list")]),
    )
    .to_vec();
    for namespace in ["govuc-system", "govuc-mail", "govuc-mta"] {
        let mut rules = vec![rule("", "secrets", "get")];
        if namespace == "govuc-system" {
            rules.push(rule("", "configmaps", "get"));
        }
        objects.extend(role("test-reader", Some(namespace), json!(rules)));
    }
    for object in objects {
        put(site, &object).await.unwrap();
    }
}

/// The rows, and that no key is among what was printed.
fn rows(told: &Output) -> Vec<Value> {
    let shown = text(&told.stdout);
    assert!(!shown.contains("PRIVATE"), "{shown}");
    serde_json::from_str(&shown).unwrap_or_else(|error| panic!("{error}: {}", text(&told.stderr)))
}

#[track_caller]
fn row<'a>(rows: &'a [Value], context: &str, part: &str) -> &'a Value {
    let found = rows
        .iter()
        .find(|row| row["context"] == context && row["part"] == part);
    found.unwrap_or_else(|| panic!("no {part} at {context} in {rows:?}"))
}

#[tokio::test]
async fn certificates_are_shown_with_what_is_wrong_and_no_key() {
    let (_alone, sites) = strangers().await;
    let (one, two) = (pair("pdsa1"), pair("pdsa2"));
    keeps(&sites[0], &one, &two).await;
    keeps(&sites[1], &two, &one).await;
    let good = mx(&one, &two, 0);
    put(&sites[0], &good).await.unwrap();
    let json = [&BOTH[..], &["-o", "json"]].concat();

    let told = govuc(&json);
    assert_eq!(told.status.code(), Some(0), "{}", text(&told.stderr));
    let shown = rows(&told);
    let leaf = row(&shown, "pdsa1", "mx");
    assert_eq!(leaf["problems"], json!([]));
    assert_eq!(leaf["signedBy"], "pdsa1 authority");
    assert_eq!(
        leaf["names"],
        json!(["mx-pdsa1.govuc-mta.svc", "mx.pdsa1.govuc.internal"])
    );
    assert_eq!(
        (&leaf["kind"], &leaf["namespace"]),
        (&json!("Secret"), &json!("govuc-mta"))
    );
    assert!(leaf["renewal"].as_str() < leaf["until"].as_str());
    // Nobody plays the operator here: what it would make is not there.
    assert_eq!(row(&shown, "pdsa1", "directory")["problems"], json!(["Missing"]));
    for (context, signer) in [("pdsa1", "pdsa2 authority"), ("pdsa2", "pdsa1 authority")] {
        let peer = row(&shown, context, "peer authority");
        assert_eq!(
            (&peer["signedBy"], &peer["problems"]),
            (&json!(signer), &json!([]))
        );
        assert_eq!(row(&shown, context, "authority")["problems"], json!([]));
    }

    // The second cluster trusts an authority that the first one has no more.
    keeps(&sites[1], &two, &pair("pdsa1")).await;
    let told = govuc(&json);
    assert_eq!(told.status.code(), Some(0), "nothing ends");
    let shown = rows(&told);
    assert_eq!(
        row(&shown, "pdsa1", "mx")["problems"],
        json!(["NotTrustedByPeer"])
    );
    assert_eq!(
        row(&shown, "pdsa2", "peer authority")["problems"],
        json!(["OtherAuthority"])
    );

    put(&sites[0], &mx(&one, &two, 360)).await.unwrap();
    let told = govuc(&["certificates", "--context", "pdsa1"]);
    assert_eq!(told.status.code(), Some(1));
    let shown = text(&told.stdout);
    let line = shown.lines().find(|line| line.starts_with("pdsa1    mx "));
    assert!(line.is_some_and(|line| line.ends_with("ends soon")), "{shown}");
    assert!(!shown.contains("PRIVATE"), "{shown}");

    // Of another leaf, so that no key fits.
    let mut swapped = mx(&one, &two, 0);
    swapped["stringData"]["tls.crt"] = good["stringData"]["tls.crt"].clone();
    put(&sites[0], &swapped).await.unwrap();
    let told = govuc(&json);
    assert_eq!(
        row(&rows(&told), "pdsa1", "mx")["problems"],
        json!(["KeyDoesNotFit", "NotTrustedByPeer"])
    );
    remove(&sites[0], &good).await;
}

#[tokio::test]
async fn who_may_not_read_secrets_is_told_which_right_it_takes_and_who_has_it_needs_no_more() {
    let (_alone, sites) = strangers().await;
    keeps(&sites[0], &pair("pdsa1"), &pair("pdsa2")).await;
    let words = ["certificates", "--contexts", "pdsa1"];
    let refused = govuc_as(APPLICANT, &words);
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(text(&refused.stdout), "");
    let message = text(&refused.stderr);
    for part in [
        "pdsa1: you may not read Secret govuc-ca in govuc-system",
        "the right to get secrets in govuc-system",
    ] {
        assert!(message.contains(part), "without {part:?}: {message}");
    }

    reader(&sites[0]).await;
    let told = govuc_as(READER, &words);
    assert_eq!(told.status.code(), Some(0), "{}", text(&told.stderr));
    assert!(text(&told.stdout).contains("ConfigMap govuc-system/govuc-peer-ca"));

    let refused = govuc(&["certificates", "--contexts", "a,b,c"]);
    assert_eq!(refused.status.code(), Some(2));
    let unknown = govuc(&["certificates", "--contexts", "pdsa9"]);
    assert!(text(&unknown.stderr).contains("the contexts are"));
}

//! The other site's authority is taken out of a cluster.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use serde_json::json;

use crate::{
    cluster::{APPLICANT, put, remove},
    connect::{CONNECT, done, json_of, root, strangers, system, trusted},
    plugin::{govuc, govuc_as, text},
};

const BOTH: [&str; 3] = ["disconnect", "--contexts", "pdsa1,pdsa2"];

#[tokio::test]
async fn a_disconnected_cluster_trusts_nobody_and_keeps_everything_else() {
    let (_alone, sites) = strangers().await;
    done(&json_of(&CONNECT));
    let mut formed = system("ConfigMap", "roles-formed");
    formed["data"] = json!({"cluster": "c1"});
    for site in &sites {
        put(site, &formed).await.unwrap();
    }
    let kept = root(&sites[0]).await;

    let asked = govuc(&BOTH);
    let message = text(&asked.stderr);
    assert_eq!(asked.status.code(), Some(1));
    for part in [
        "pdsa1 and pdsa2: the other site's authority is taken out",
        "no agency or mailbox is made, changed or removed",
        "stores go on following",
        "kubectl govuc connect --contexts A,B",
        "nothing was done: standard input is no terminal",
    ] {
        assert!(message.contains(part), "without {part:?}: {message}");
    }
    let refused = govuc_as(APPLICANT, &["disconnect", "--context", "pdsa1", "--yes"]);
    let message = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        message.contains("govuc-peer-ca in govuc-system can't be read; nothing was changed"),
        "{message}"
    );
    assert_eq!(trusted(&sites[0]).await.as_deref(), Some("certificate two"));

    // The one that is left.
    let told = done(&json_of(&["disconnect", "--contexts", "pdsa1", "--yes"]));
    assert_eq!(told, json!({"contexts": ["pdsa1"], "disconnected": ["pdsa1"]}));
    assert_eq!(trusted(&sites[0]).await, None);
    assert_eq!(trusted(&sites[1]).await.as_deref(), Some("certificate one"));
    let told = done(&json_of(&[&BOTH[..], &["--yes"]].concat()));
    assert_eq!(told["disconnected"], json!(["pdsa2"]));
    let again = govuc(&BOTH);
    assert_eq!(again.status.code(), Some(0), "{}", text(&again.stderr));
    assert_eq!(
        text(&again.stdout),
        "pdsa1 and pdsa2: not connected; nothing was changed\n"
    );
    for site in &sites {
        assert_eq!((root(site).await, trusted(site).await), (kept.clone(), None));
        let maps: Api<ConfigMap> = Api::namespaced(site.clone(), "govuc-system");
        assert!(maps.get_opt("roles-formed").await.unwrap().is_some());
    }

    let told = done(&json_of(&CONNECT));
    assert_eq!(
        (&told["root"], &told["certificatesWritten"]),
        (&json!("Kept"), &json!(["pdsa1", "pdsa2"]))
    );
    for site in &sites {
        remove(site, &formed).await;
    }
    assert_eq!(
        govuc(&["disconnect", "--contexts", "a,b,c"]).status.code(),
        Some(1)
    );
}

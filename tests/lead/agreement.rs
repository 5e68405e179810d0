//! Two operators that tell each other of their Platforms in a real etcd.

use govuc::platform::agreement::{self, Agreement, Told};
use govuc_api::Platform;
use govuc_etcd::{Etcd, Revision, roles::Roles, testbed::Testbed};
use k8s_openapi::jiff::Timestamp;
use serde_json::json;

use crate::platform;

/// A Platform with a window that ends then.
fn until(end: &str) -> Platform {
    let mut platform = platform();
    let window = json!({"name": "sekali", "start": "2026-12-06T01:00:00+08:00", "end": end});
    platform.spec.maintenance = serde_json::from_value(json!({"windows": [window]})).unwrap();
    platform
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn since(told: &Told) -> [Option<u64>; 2] {
    let said = told.windows();
    [said.own, said.peer].map(|windows| windows.get("sekali").map(|window| window.since))
}

#[tokio::test]
async fn each_hears_of_the_other_and_writes_only_what_is_news() {
    let bed = Testbed::start(1).await;
    let roles = Roles::new(Etcd::new(bed.settings()).unwrap());
    let tell = async |platform: &Platform, own: &str, now| {
        agreement::tell(&roles, platform, own, at(now)).await.unwrap()
    };
    let revision = async || -> Revision {
        let limit = std::time::Duration::from_secs(5);
        roles.read_all(limit).await.unwrap().revision
    };
    let early = until("2026-12-06T04:00:00+08:00");
    let first = tell(&early, "pdsa1", 10).await;
    assert_eq!(
        (first.agreement(), since(&first)),
        (Agreement::Same, [Some(10), None])
    );
    let second = tell(&early, "pdsa2", 20).await;
    assert_eq!(since(&second), [Some(20), Some(10)]);

    let quiet = revision().await;
    for site in ["pdsa1", "pdsa2"] {
        assert_eq!(tell(&early, site, 99).await.agreement(), Agreement::Same);
    }
    assert_eq!(revision().await, quiet, "said again, it is no news");

    // One site has it until later: there it is another window, and only there it is new.
    let late = until("2026-12-06T05:00:00+08:00");
    assert_eq!(since(&tell(&late, "pdsa2", 30).await), [Some(30), Some(10)]);
    assert_eq!(since(&tell(&early, "pdsa1", 40).await), [Some(10), Some(30)]);

    let mut swapped = early.clone();
    swapped.spec.sites.reverse();
    for (platform, site) in [(&swapped, "pdsa2"), (&early, "pdsa1")] {
        let told = tell(platform, site, 50).await;
        assert!(
            matches!(told.agreement(), Agreement::Differs(_)),
            "{site}: {told:?}"
        );
    }
}

#[tokio::test]
async fn without_an_etcd_that_answers_nothing_is_heard() {
    let bed = Testbed::start(1).await;
    let roles = Roles::new(Etcd::new(bed.settings()).unwrap());
    drop(bed);
    assert_eq!(agreement::tell(&roles, &platform(), "pdsa1", at(10)).await, None);
}

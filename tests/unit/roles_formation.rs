//! That the roles' etcd was formed is known as long as anything of it is kept.

use govuc::roles::formation::{evidence, recall, remember};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};

use crate::fixtures::Site;

const NAMESPACES: [&str; 2] = ["govuc-mail", "govuc-system"];

fn site() -> Site {
    let site = Site::lead();
    for name in NAMESPACES {
        let namespace: Namespace =
            serde_json::from_value(serde_json::json!({"metadata": {"name": name}})).unwrap();
        site.server.put(&namespace);
    }
    site
}

fn kept(site: &Site, namespace: &str) -> Option<String> {
    let map: ConfigMap = site.server.get(Some(namespace), "roles-formed")?;
    Some(map.data?["cluster"].clone())
}

#[tokio::test]
async fn of_a_cluster_that_was_never_formed_nothing_is_written() {
    let site = site();
    assert_eq!(recall(&site.context.cluster).await.unwrap(), None);
    assert_eq!(NAMESPACES.map(|namespace| kept(&site, namespace)), [None, None]);
}

#[tokio::test]
async fn what_is_lost_in_one_namespace_comes_back_from_the_other() {
    let site = site();
    remember(&site.context.cluster, "c1").await.unwrap();
    let both = [Some("c1".to_owned()), Some("c1".to_owned())];
    assert_eq!(NAMESPACES.map(|namespace| kept(&site, namespace)), both);
    site.server.writes();
    for namespace in NAMESPACES {
        let lost = self::site();
        lost.server.put(&evidence(namespace, "c1"));
        let recalled = recall(&lost.context.cluster).await.unwrap();
        assert_eq!(recalled.as_deref(), Some("c1"));
        assert_eq!(NAMESPACES.map(|namespace| kept(&lost, namespace)), both);
    }
    recall(&site.context.cluster).await.unwrap();
    assert_eq!(site.server.writes(), Vec::<String>::new());
}

#[tokio::test]
async fn the_first_that_was_formed_stays_the_one() {
    let site = site();
    remember(&site.context.cluster, "c1").await.unwrap();
    remember(&site.context.cluster, "c2").await.unwrap();
    assert_eq!(
        recall(&site.context.cluster).await.unwrap().as_deref(),
        Some("c1")
    );
}

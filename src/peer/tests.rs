//! Both ends over real TLS on loopback, with an authority for each site and an API server that remembers what reached it.

mod bed;

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, TryStreamExt};
use govuc_api::{Agency, SCHEMA};
use govuc_mirror::Mark;
use http::Method;
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Status, jiff::Timestamp};
use kube::{
    Api, ResourceExt,
    api::{ListParams, WatchEvent, WatchParams},
};
use rstest::rstest;
use tokio::time::timeout;

use self::bed::{AGENCIES, Bed, MARKS, SOON, authority};
use super::{Error, client::by};
use crate::pki::OwnCertificate;

async fn until(what: impl Fn() -> bool) {
    let wait = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, wait).await.unwrap();
}

#[tokio::test]
async fn the_peers_operator_reads_what_the_cluster_is_and_has() {
    let bed = Bed::new().await;
    let client = bed.client(bed.of_peer());
    let about = super::about(&client).await.unwrap();
    assert_eq!((about.cluster.as_str(), about.site.as_str()), ("3f", "pdsa1"));
    assert_eq!(about.schema, SCHEMA);
    assert!((about.now.0.as_second() - Timestamp::now().as_second()).abs() < 60);
    assert_eq!(about.mark, Some(Mark { count: 7, at: 70 }));
    assert_eq!(
        bed.api.requests(),
        [
            "GET /api/v1/namespaces/kube-system".to_owned(),
            format!("GET {MARKS}")
        ]
    );

    let agencies: Api<Agency> = Api::all(client);
    let list = agencies
        .list(&ListParams::default().limit(500).labels("a=b"))
        .await
        .unwrap();
    assert_eq!(list.items[0].name_any(), "kkr");
    assert_eq!(
        bed.api.requests(),
        [format!("GET {AGENCIES}?&labelSelector=a%3Db&limit=500")]
    );
    // What the API server says against it comes back as that, and that there is none as a gateway's word.
    for (name, code) in [("gone", 410), ("away", 502)] {
        let error = Error::from(agencies.get(name).await.unwrap_err());
        assert!(
            matches!(&error, Error::Refused(status) if status.code == code),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_watch_comes_event_by_event_and_ends_with_its_reader() {
    let bed = Bed::new().await;
    let agencies: Api<Agency> = Api::all(bed.client(bed.of_peer()));
    let watch = agencies.watch(&WatchParams::default(), "7").await.unwrap();
    let mut watch = Box::pin(watch);
    // The next one is sent only when the one before has come.
    for name in ["kkr", "jpa", "kpm"] {
        bed.api.send(name);
        let event = timeout(SOON, watch.try_next()).await.unwrap().unwrap().unwrap();
        assert!(matches!(event, WatchEvent::Added(agency) if agency.name_any() == name));
    }
    assert!(bed.api.is_watched());
    drop(watch);
    until(|| !bed.api.is_watched()).await;
}

#[rstest]
#[case::a_guard_of_the_peer("peer", "mail-1.pdsa2.govuc.internal")]
#[case::the_gateways_name("peer", "operator-pdsa2.govuc-system.svc")]
#[case::an_operator_of_the_own_site("own", "operator.pdsa1.govuc.internal")]
#[case::the_peer_in_the_name_of_the_own_site("peer", "operator.pdsa1.govuc.internal")]
#[case::another_authority("other", "operator.pdsa2.govuc.internal")]
#[tokio::test]
async fn nobody_else_is_let_in(#[case] of: &str, #[case] identity: &str) {
    let bed = Bed::new().await;
    let other = authority("pdsa2");
    let authority = match of {
        "own" => &bed.authority,
        "peer" => &bed.peer,
        _ => &other,
    };
    let leaf = bed.leaf(authority, identity);
    let client = bed.client(Arc::new(OwnCertificate::of(leaf).unwrap()));
    super::about(&client).await.unwrap_err();
    assert!(bed.api.requests().is_empty());
}

#[tokio::test]
async fn the_client_speaks_to_nobody_but_the_operator_that_it_means() {
    let bed = Bed::new().await;
    let client = by(bed.of_peer(), "pdsa3", bed.address.to_string());
    let error = super::about(&client).await.unwrap_err();
    assert_eq!(error.label(), "unreachable");
}

#[tokio::test]
async fn without_a_certificate_neither_end_has_a_connection() {
    let bed = Bed::new().await;
    let none = bed.client(Arc::default());
    assert!(matches!(super::about(&none).await, Err(Error::NotConnected)));
    let client = bed.client(bed.of_peer());
    bed.own.forget();
    super::about(&client).await.unwrap_err();
    assert!(bed.api.requests().is_empty());
    bed.trust();
    super::about(&client).await.unwrap();
}

#[tokio::test]
async fn who_is_trusted_no_longer_is_cut_off() {
    let bed = Bed::new().await;
    let agencies: Api<Agency> = Api::all(bed.client(bed.of_peer()));
    let mut watch = Box::pin(agencies.watch(&WatchParams::default(), "7").await.unwrap());
    bed.api.send("kkr");
    watch.try_next().await.unwrap().unwrap();
    let alone = bed.authority.certificate();
    bed.own
        .renew(&bed.authority, "pdsa1", alone, Timestamp::now())
        .unwrap();
    until(|| !bed.api.is_watched()).await;
    let end = timeout(SOON, watch.next()).await.unwrap();
    assert!(!matches!(end, Some(Ok(_))));
    bed.api.requests();
    agencies.list(&ListParams::default()).await.unwrap_err();
    assert!(bed.api.requests().is_empty());
}

#[tokio::test]
async fn a_peer_that_is_trusted_no_longer_is_not_read_either() {
    let bed = Bed::new().await;
    let certificate = bed.of_peer();
    let agencies: Api<Agency> = Api::all(bed.client(certificate.clone()));
    let mut watch = Box::pin(agencies.watch(&WatchParams::default(), "7").await.unwrap());
    bed.api.send("kkr");
    watch.try_next().await.unwrap().unwrap();
    certificate.forget();
    let end = timeout(SOON, watch.next()).await.unwrap();
    assert!(!matches!(end, Some(Ok(_))));
}

#[rstest]
#[case::making(Method::POST, AGENCIES, 405)]
#[case::deleting(Method::DELETE, AGENCIES, 405)]
#[case::changing(Method::PATCH, "/apis/1govuc.gov.my/v1alpha1/agencies/kkr", 405)]
#[case::secrets(Method::GET, "/api/v1/secrets", 404)]
#[case::upwards(
    Method::GET,
    "/apis/1govuc.gov.my/v1alpha1/agencies/../../../../api/v1/secrets",
    404
)]
#[case::encoded(Method::GET, "/apis/1govuc.gov.my/v1alpha1/agencies/..%2fmailstores", 404)]
#[tokio::test]
async fn nothing_else_reaches_the_api_server(#[case] method: Method, #[case] path: &str, #[case] code: u16) {
    let bed = Bed::new().await;
    let head =
        format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    let said = bed.says(&head).await;
    assert!(said.starts_with(&format!("HTTP/1.1 {code} ")), "{said}");
    let (_, body) = said.split_once("\r\n\r\n").unwrap();
    let status: Status = serde_json::from_str(body).unwrap();
    assert_eq!(status.code, Some(code.into()));
    assert!(status.message.unwrap().contains(path));
    assert!(bed.api.requests().is_empty());
}

#[tokio::test]
async fn of_an_answer_status_kind_and_body_are_kept_and_of_a_request_no_header_but_accept() {
    let bed = Bed::new().await;
    let said = bed
        .says(&format!(
            "GET {AGENCIES} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nimpersonate-user: admin\r\naccept: a/b\r\n\r\n"
        ))
        .await;
    assert!(said.contains("content-type: application/json;of=the API server\r\n"));
    assert!(!said.contains("audit-id"));
    assert_eq!(bed.api.requests(), [format!("GET {AGENCIES} accept: a/b")]);
    let said = bed
        .says(&format!(
            "GET {AGENCIES}/x HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        ))
        .await;
    assert!(said.starts_with("HTTP/1.1 410 "), "{said}");
}

#[tokio::test]
async fn what_comes_beyond_the_bound_is_closed_and_the_others_are_served() {
    let bed = Bed::new().await;
    let mut held = Vec::new();
    for _ in 0..super::serve::CONNECTIONS {
        held.push(bed.raw().await);
    }
    let client = bed.client(bed.of_peer());
    super::about(&client).await.unwrap_err();
    held.pop();
    let answered = async {
        while super::about(&client).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, answered).await.unwrap();
}

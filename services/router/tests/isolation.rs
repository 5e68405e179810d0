//! A site that reaches nobody is not ready: with a real etcd of three members and two real providers.

// Helpers of tests are tests too.
#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use govuc_directory::{PasswordPolicy, testbed::Testbed as Providers};
use govuc_etcd::{Clock, Etcd, testbed::Testbed as Members};
use govuc_roles::timing::{ISOLATED, Moment};
use govuc_router::{
    holds::Holds,
    isolation::Isolation,
    probes::{self, Readiness},
    providers,
    telemetry::Metrics,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// One site with its router, and a clock that goes when it is told to.
struct Place {
    members: Members,
    providers: Providers,
    isolation: Isolation,
    routes: axum::Router,
    metrics: Metrics,
    seconds: Arc<AtomicU64>,
    held: watch::Sender<BTreeMap<String, u64>>,
}

/// The own site is pdsa1; its own provider and its own member are there all the time.
async fn place() -> Place {
    let (members, providers) = (Members::start(3).await, Providers::start());
    let seconds = Arc::new(AtomicU64::new(1000));
    let clock = Clock::of({
        let seconds = seconds.clone();
        move || Moment::new(Duration::from_secs(seconds.load(Ordering::Relaxed)))
    });
    let metrics = Metrics::default();
    let etcd = Etcd::new(members.settings_of(&[0, 1])).unwrap();
    let own = providers.directory("pdsa1", "front-door");
    let lead = providers.directory("pdsa1", "operator").as_lead(1);
    lead.bootstrap(&PasswordPolicy::default()).await.unwrap();
    let peer = providers.directory_from("pdsa2", "front-door", "pdsa1");
    let (held, holds) = Holds::channel();
    let isolation = Isolation::new(etcd, peer.clone(), holds, clock, metrics.clone());
    let readiness = Readiness::default();
    let both = providers::Providers::new(own, peer, metrics.clone());
    tokio::spawn(readiness.clone().watch(both, CancellationToken::new()));
    while !readiness.is_ready() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Place {
        members,
        providers,
        routes: probes::routes(readiness, Some(isolation.clone()), metrics.clone()),
        isolation,
        metrics,
        seconds,
        held,
    }
}

impl Place {
    fn pass(&self, time: Duration) {
        self.seconds.fetch_add(time.as_secs(), Ordering::Relaxed);
    }

    async fn says(&self) -> (StatusCode, String) {
        let request = Request::get("/readyz").body(Body::empty()).unwrap();
        let response = self.routes.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), 4096).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// The same once more was asked.
    async fn looks(&self) -> StatusCode {
        self.isolation.look().await;
        self.says().await.0
    }

    fn gauge(&self, value: u8) -> bool {
        let text = self.metrics.text().unwrap();
        text.contains(&format!("\ngovuc_router_isolated {value}\n"))
    }
}

#[tokio::test]
async fn a_site_without_etcd_and_without_the_other_site_is_sent_nobody_after_a_minute() {
    let mut place = place().await;
    assert_eq!(place.looks().await, StatusCode::OK);

    // etcd alone is enough.
    place.providers.stop_provider("pdsa2");
    place.pass(ISOLATED);
    assert_eq!(place.looks().await, StatusCode::OK);

    // The own member runs, and knows no leader any more; the own provider answers all the while.
    place.members.kill(1);
    place.members.kill(2);
    place.pass(ISOLATED - Duration::from_secs(1));
    assert_eq!(place.looks().await, StatusCode::OK);
    place.pass(Duration::from_secs(1));
    let (status, text) = place.says().await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(text.contains("nor the other site"), "{text}");
    assert_eq!(place.looks().await, StatusCode::SERVICE_UNAVAILABLE);
    assert!(place.gauge(1));

    // A person has it serve a store.
    place
        .held
        .send_replace(BTreeMap::from([("mail-1".to_owned(), 1)]));
    assert_eq!(place.looks().await, StatusCode::OK);
    place.held.send_replace(BTreeMap::new());
    assert_eq!(place.looks().await, StatusCode::SERVICE_UNAVAILABLE);

    // The other site alone is enough, and at once.
    place.providers.start_provider("pdsa2");
    assert_eq!(place.looks().await, StatusCode::OK);
    assert!(place.gauge(0));
    place.providers.stop_provider("pdsa2");
    place.pass(ISOLATED);
    assert_eq!(place.looks().await, StatusCode::SERVICE_UNAVAILABLE);

    // So is a majority.
    place.members.start_member(1);
    place.members.ready(0).await;
    assert_eq!(place.looks().await, StatusCode::OK);
}

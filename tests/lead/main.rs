//! Two operators and a real etcd: they campaign for the lead, and tell each other of their Platforms. How long things take is the
//! protocol's, so these tests are slow.

// Helpers of tests are tests too.
#![allow(clippy::unwrap_used)]

mod agreement;

use std::{
    future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use govuc::{
    lead::{Campaign, Directories, Ground, Known, Lead, Office, Taken},
    platform::Installation,
    telemetry::Metrics,
};
use govuc_api::Platform;
use govuc_etcd::{Etcd, roles::Roles, testbed::Testbed};
use govuc_roles::{Site, timing::Timing};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A site's directory, which has all that the other one has.
#[derive(Clone, Default)]
struct Directory(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// The highest term written to it.
    written: AtomicU64,
    /// What arrives with the other site's changes while this one takes over.
    arriving: AtomicU64,
    /// It never comes as far as the other one.
    behind: bool,
}

#[async_trait]
impl Directories for Directory {
    async fn written(&self, _: &Ground) -> Option<u64> {
        Some(self.0.written.load(Ordering::SeqCst))
    }

    async fn take_over(&self, _: &Ground, term: u64) -> Taken {
        if self.0.behind {
            future::pending::<()>().await;
        }
        let arrived = self.0.arriving.load(Ordering::SeqCst);
        self.0.written.fetch_max(arrived.max(term), Ordering::SeqCst);
        if arrived > term {
            Taken::Outranked
        } else {
            Taken::Over
        }
    }
}

/// The operator of a site.
struct Operator {
    office: Arc<Office>,
    metrics: Metrics,
    stop: CancellationToken,
    campaign: JoinHandle<()>,
}

impl Operator {
    fn start(bed: &Testbed, site: &str, directory: &Directory) -> Self {
        let (office, metrics, stop) = (
            Arc::<Office>::default(),
            Metrics::default(),
            CancellationToken::new(),
        );
        office.stand_on(Ground {
            installation: Installation::of(&platform(), site).unwrap(),
            roles: Some(Roles::new(Etcd::new(bed.settings()).unwrap())),
        });
        let site = Site::try_from(site.to_owned()).unwrap();
        let campaign = Campaign::new(site, office.clone(), directory.clone(), metrics.clone());
        Self {
            campaign: tokio::spawn(campaign.run(stop.clone())),
            office,
            metrics,
            stop,
        }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.campaign.await.unwrap();
    }

    fn lead(&self) -> Lead {
        self.office.lead()
    }

    async fn knows(&self, site: &str, term: Option<u64>) {
        let known = Known::Site(site.to_owned());
        let wanted = Lead { known, term };
        eventually(&format!("{wanted:?}"), || self.lead() == wanted).await;
    }
}

fn platform() -> Platform {
    serde_yaml::from_str(
        r#"
        apiVersion: 1govuc.gov.my/v1alpha1
        kind: Platform
        metadata: {name: platform, uid: 3f}
        spec:
          domain: 1govuc.gov.my
          sites: [{name: pdsa1, gateway: "198.51.100.1:8443"}, {name: pdsa2, gateway: "203.0.113.1:8443"}]
          roles: {mode: Witness, witness: {endpoint: "192.0.2.1:8443"}}
        "#,
    )
    .unwrap()
}

async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{what}: not within 60 s"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn the_lead_goes_to_the_other_site_with_a_higher_term_and_stays_there() {
    let bed = Testbed::start(1).await;
    let (one, two) = (Directory::default(), Directory::default());
    let second = Operator::start(&bed, "pdsa2", &two);
    let first = Operator::start(&bed, "pdsa1", &one);
    first.knows("pdsa1", Some(2)).await;
    second.knows("pdsa1", None).await;
    first.stop().await;
    second.knows("pdsa2", Some(3)).await;
    let first = Operator::start(&bed, "pdsa1", &one);
    first.knows("pdsa2", None).await;
    // It is not taken back, whatever the order of the sites.
    tokio::time::sleep(Timing::PROTOCOL.renew * 2).await;
    assert_eq!((first.lead().term, second.lead().term), (None, Some(3)));
    let text = second.metrics.text().unwrap();
    for line in [
        "govuc_lead 1",
        "govuc_lead_known 1",
        "govuc_lead_term 3",
        "govuc_lead_changes_total 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}

#[tokio::test]
async fn when_an_operator_dies_the_other_site_leads_only_after_its_mandate() {
    let bed = Testbed::start(1).await;
    let first = Operator::start(&bed, "pdsa1", &Directory::default());
    first.knows("pdsa1", Some(2)).await;
    let second = Operator::start(&bed, "pdsa2", &Directory::default());
    second.knows("pdsa1", None).await;
    // Nothing keeps the lease any more; whoever still acts by what the office says goes on.
    first.campaign.abort();
    eventually("the other one leads", || {
        let (old, new) = (first.lead(), second.lead());
        assert!(!old.is_here() || !new.is_here(), "{old:?} {new:?}");
        new.is_here()
    })
    .await;
    assert_eq!(second.lead().term, Some(3));
}

#[tokio::test]
async fn a_lead_that_etcd_does_not_answer_stops_before_another_may_begin() {
    let bed = Testbed::start(1).await;
    let first = Operator::start(&bed, "pdsa1", &Directory::default());
    first.knows("pdsa1", Some(2)).await;
    bed.freeze(0);
    eventually("it does not act any more", || !first.lead().is_here()).await;
    bed.thaw(0);
    // Its own lease of before is waited out, or given back, like anybody's.
    first.knows("pdsa1", Some(3)).await;
}

#[tokio::test]
async fn a_new_lead_does_not_act_before_its_directory_has_all() {
    let bed = Testbed::start(1).await;
    let behind = Directory(Arc::new(Inner {
        behind: true,
        ..Inner::default()
    }));
    let first = Operator::start(&bed, "pdsa1", &behind);
    let nobody = Lead {
        known: Known::Nobody,
        term: None,
    };
    eventually("nobody leads", || first.lead() == nobody).await;
    let asked = Instant::now();
    while asked.elapsed() < Timing::PROTOCOL.renew * 2 {
        assert!(!first.lead().is_here());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Also then it gives the lead up.
    first.stop().await;
    let second = Operator::start(&bed, "pdsa2", &Directory::default());
    second.knows("pdsa2", Some(3)).await;
}

#[tokio::test]
async fn an_etcd_that_has_forgotten_terms_is_told_of_them_by_the_directory() {
    let bed = Testbed::start(1).await;
    let directory = Directory(Arc::new(Inner {
        arriving: AtomicU64::new(9),
        ..Inner::default()
    }));
    let first = Operator::start(&bed, "pdsa1", &directory);
    first.knows("pdsa1", Some(10)).await;
}

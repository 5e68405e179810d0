//! Two clusters in memory, and their operators' mirrors of mailboxes.

use std::{sync::Arc, time::Duration};

use govuc::{
    cluster::Cluster,
    mirror::{Desk, Heard, Other, Sites, last_mark},
    pki::kept,
    telemetry::Metrics,
};
use govuc_api::{Mailbox, Platform, SCHEMA};
use k8s_openapi::{api::core::v1::Secret, jiff::Timestamp};
use kube::{ResourceExt, runtime::watcher::Event};
use tokio::time::timeout;

use crate::fixtures::{Site, ali};

pub const NAMESPACE: &str = "agency-kkr";
/// Beyond every wait of the mirror for something that changes by itself.
const WAIT: Duration = Duration::from_secs(7);
/// More than anything takes.
const PASSES: usize = 40;
const STEPS: usize = 200;

pub struct Bed {
    pub sites: [Site; 2],
    mirrors: [Arc<Sites>; 2],
    desks: [Desk<Mailbox>; 2],
    /// By which each operator hears that the other one reads specs.
    pub schema_of_the_other: u32,
    /// What each operator's watch of the other cluster has told, as long as it goes on.
    watched: [Option<Vec<Mailbox>>; 2],
    /// The same of its own cluster.
    own: [Option<Vec<Mailbox>>; 2],
    watches: bool,
    /// How often each cluster was replaced by an empty one.
    replaced: [u32; 2],
}

impl Bed {
    /// pdsa1, which leads, and pdsa2.
    pub async fn new() -> Self {
        let lead = Site::lead();
        let sites = [lead.other(), lead];
        let [other, lead] = sites;
        let sites = [lead, other];
        for (site, peer) in sites.iter().zip(["pdsa2", "pdsa1"]) {
            connect(site, peer).await;
        }
        let replaced = [0, 0];
        let mirrors = [0, 1].map(|at| mirror(&sites, at, replaced));
        let desks = [0, 1].map(|at| Desk::new(mirrors[at].clone()));
        let bed = Self {
            sites,
            mirrors,
            desks,
            schema_of_the_other: SCHEMA,
            watched: [None, None],
            own: [None, None],
            watches: false,
            replaced,
        };
        for site in &bed.sites {
            site.server.writes();
        }
        bed
    }

    /// The operator of a site is another process from now on.
    pub fn restart(&mut self, at: usize) {
        self.mirrors[at] = mirror(&self.sites, at, self.replaced);
        self.desks[at] = Desk::new(self.mirrors[at].clone());
        self.break_watch(at);
        self.own[at] = None;
    }

    /// The cluster of the site that follows is gone, and an empty one is connected in its place.
    pub async fn replace(&mut self, at: usize) {
        self.sites[at] = self.sites[1 - at].other();
        connect(&self.sites[at], self.sites[1 - at].context.site.as_str()).await;
        self.replaced[at] += 1;
        self.restart(at);
        self.restart(1 - at);
    }

    /// A person writes this size.
    pub fn write(&self, at: usize, name: &str, size: &str) {
        let mut mailbox = self.get(at, name).unwrap_or_else(|| {
            let mut new = ali();
            new.metadata.name = Some(name.to_owned());
            new.spec.address = format!("{name}@kkr.gov.my");
            new
        });
        mailbox.spec.quota = serde_json::from_value(serde_json::json!({"size": size})).unwrap();
        self.sites[at].server.put(&mailbox);
    }

    pub fn delete(&self, at: usize, name: &str) {
        self.sites[at].server.delete::<Mailbox>(Some(NAMESPACE), name);
    }

    pub fn get(&self, at: usize, name: &str) -> Option<Mailbox> {
        self.sites[at].server.get(Some(NAMESPACE), name)
    }

    /// Name and size of each mailbox.
    pub fn sizes(&self, at: usize) -> Vec<(String, String)> {
        let all = self.sites[at].server.list::<Mailbox>();
        all.iter()
            .map(|mailbox| {
                (
                    mailbox.name_any(),
                    mailbox.spec.quota.as_ref().unwrap().size.0.clone(),
                )
            })
            .collect()
    }

    /// The sizes of what was put aside.
    pub fn kept(&self, at: usize) -> Vec<String> {
        let secrets = self.sites[at].server.list::<Secret>();
        let kept = secrets
            .iter()
            .filter(|secret| secret.name_any().starts_with("diverged-"));
        let sizes = kept.map(|secret| {
            let text = &secret.string_data.as_ref().unwrap()["object.json"];
            let mailbox: Mailbox = serde_json::from_str(text).unwrap();
            mailbox.spec.quota.unwrap().size.0
        });
        sizes.collect()
    }

    /// What a site says of one, as `reason` or `reason, reason`.
    pub fn says(&self, at: usize, name: &str) -> String {
        let status = self
            .get(at, name)
            .and_then(|mailbox| mailbox.status)
            .unwrap_or_default();
        let reasons = status.conditions.into_iter().map(|condition| condition.reason);
        reasons.collect::<Vec<_>>().join(", ")
    }

    /// From now on the other cluster is listed once, and then watched.
    pub fn watch(&mut self) {
        self.watches = true;
    }

    /// The watch of a site's operator breaks, and begins anew with a list.
    pub fn break_watch(&mut self, at: usize) {
        self.watched[at] = None;
    }

    /// Sees both clusters, and does what is due then.
    pub async fn pass(&mut self, at: usize) {
        self.pass_beside(at, |_| ()).await;
    }

    /// With somebody who does something between what is seen and what is done.
    pub async fn pass_beside(&mut self, at: usize, meanwhile: impl FnOnce(&Site)) {
        let there = self.sites[1 - at].server.list::<Mailbox>();
        let (events, heard) = match self.watched[at].take().filter(|_| self.watches) {
            Some(before) => (changes(&before, &there), None),
            None => {
                let Some(heard) = self.ask(at).await else {
                    // What the peer has does not count yet.
                    return;
                };
                (listed(&there), Some(heard))
            }
        };
        self.watched[at] = Some(there);
        let desk = &mut self.desks[at];
        let mut own = self.sites[at].server.list::<Mailbox>();
        let mut version = self.sites[at].server.version();
        match self.own[at].take().filter(|_| self.watches) {
            Some(before) => changes(&before, &own),
            None => listed(&own),
        }
        .into_iter()
        .for_each(|event| desk.see_own(event));
        for event in events {
            let heard = heard.clone().filter(|_| matches!(event, Event::InitDone));
            desk.see_peer(event, heard);
        }
        meanwhile(&self.sites[at]);
        for step in 0..STEPS {
            let Ok(next) = timeout(WAIT, desk.next()).await else {
                break;
            };
            desk.carry_on(next);
            // The own watch is as quick, but for the first look.
            let news = self.sites[at].server.version();
            if step > 1 && version != news {
                let now = self.sites[at].server.list::<Mailbox>();
                changes(&own, &now)
                    .into_iter()
                    .for_each(|event| desk.see_own(event));
                (own, version) = (now, news);
            }
        }
        self.own[at] = Some(own);
        if desk.is_made_good() && self.mirrors[at].notes.made_good("mailbox").await.is_ok() {
            desk.made_good();
        }
    }

    /// A list of the other cluster that breaks off after its first object.
    pub async fn pass_cut_short(&mut self, at: usize) {
        let there = self.sites[1 - at].server.list::<Mailbox>();
        let own = self.sites[at].server.list::<Mailbox>();
        let desk = &mut self.desks[at];
        listed(&own).into_iter().for_each(|event| desk.see_own(event));
        let begun = listed(&there).into_iter().take(2);
        begun.for_each(|event| desk.see_peer(event, None));
        while let Ok(next) = timeout(WAIT, desk.next()).await {
            desk.carry_on(next);
        }
    }

    /// Who the other cluster is, as its operator says; none if that could not be written down.
    async fn ask(&self, at: usize) -> Option<Heard> {
        let uid = uid(1 - at, self.replaced);
        let mark = last_mark(self.sites[1 - at].server.client()).await.unwrap();
        let restored = self.mirrors[at].notes.heard(&uid, mark).await.ok()?;
        let schema = self.schema_of_the_other;
        Some(Heard {
            other: Other { uid, schema },
            restored,
        })
    }

    /// Until neither writes any more. Returns how often each site's cluster was written to.
    pub async fn settle(&mut self) -> [usize; 2] {
        let mut written = [0, 0];
        for _ in 0..PASSES {
            let mut news = 0;
            for (at, written) in written.iter_mut().enumerate() {
                self.pass(at).await;
                let count = self.sites[at].server.writes().len();
                *written += count;
                news += count;
            }
            if news == 0 {
                return written;
            }
        }
        panic!(
            "they write without end: {:?} and {:?}",
            self.sizes(0),
            self.sizes(1)
        );
    }
}

fn uid(at: usize, replaced: [u32; 2]) -> String {
    format!("cluster-{at}-{}", replaced[at])
}

async fn connect(site: &Site, peer: &str) {
    site.connect(peer);
    let (cluster, own) = (&site.context.cluster, &site.context.certificate);
    kept::joined(cluster, own, site.context.site.as_str(), Timestamp::now())
        .await
        .unwrap();
}

fn mirror(sites: &[Site; 2], at: usize, replaced: [u32; 2]) -> Arc<Sites> {
    let (own, peer) = (&sites[at], &sites[1 - at]);
    let name = peer.context.site.to_string();
    let mut mirror = Sites::new(
        own.context.clone(),
        own.cache::<Platform>(),
        name,
        uid(at, replaced),
    );
    mirror.peer = Cluster::new(peer.server.client(), Metrics::default());
    Arc::new(mirror)
}

fn listed(all: &[Mailbox]) -> Vec<Event<Mailbox>> {
    let all = all.iter().cloned().map(Event::InitApply);
    [Event::Init]
        .into_iter()
        .chain(all)
        .chain([Event::InitDone])
        .collect()
}

fn changes(before: &[Mailbox], now: &[Mailbox]) -> Vec<Event<Mailbox>> {
    let is_there = |old: &&Mailbox| now.iter().any(|new| new.name_any() == old.name_any());
    let gone = before
        .iter()
        .filter(|old| !is_there(old))
        .cloned()
        .map(Event::Delete);
    now.iter().cloned().map(Event::Apply).chain(gone).collect()
}

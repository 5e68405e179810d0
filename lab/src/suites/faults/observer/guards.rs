//! What the guards say of themselves, over and over: who holds which store, and whether paired.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use govuc_wire::names;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::record::Holder;
use crate::machine::{Machine, Role};
use crate::network::Site;
use crate::service::{Service, client, line};

/// A guard that does not answer within this is not heard.
const PATIENCE: Duration = Duration::from_secs(2);
/// What a guard said longer ago than this says nothing of now.
const FRESH: Duration = Duration::from_secs(2);

/// One copy of a store: the store's place in the list, and the site.
pub type Slot = (usize, Site);

/// What a guard said last, and when it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    pub at: Instant,
    pub gate_open: bool,
    pub paired: bool,
    pub era: u64,
    pub term: u64,
}

/// Follows the guards of all stores at both sites for as long as it lives.
pub struct Guards {
    said: watch::Receiver<BTreeMap<Slot, Said>>,
    _followers: JoinSet<()>,
}

/// One guard, and what is known of the way to it.
struct Way {
    service: Service,
    kubeconfig: PathBuf,
    site: Site,
    pod: String,
    known: Option<(Machine, Ipv4Addr)>,
}

impl Guards {
    /// Asks each of them once in `period`.
    pub fn follow(service: &Service, stores: &[String], period: Duration) -> Guards {
        let (sender, said) = watch::channel(BTreeMap::new());
        let mut followers = JoinSet::new();
        for (store, name) in stores.iter().enumerate() {
            for site in Site::DATA_CENTRES {
                let sender = sender.clone();
                let mut way = Way {
                    service: service.clone(),
                    kubeconfig: service.lab.folder.kubeconfig(),
                    site,
                    pod: format!("{name}-0"),
                    known: None,
                };
                followers.spawn(async move {
                    loop {
                        if let Ok(Ok(now)) = timeout(PATIENCE, way.ask()).await {
                            sender.send_modify(|said| {
                                said.insert((store, site), now);
                            });
                        } else {
                            way.known = None;
                        }
                        tokio::time::sleep(period).await;
                    }
                });
            }
        }
        Guards {
            said,
            _followers: followers,
        }
    }

    /// Who holds the store now; nobody if that is in doubt.
    pub fn holder(&self, store: usize) -> Option<Holder> {
        holder(&self.said.borrow(), store, fresh())
    }

    /// What follows the guards for one client.
    pub fn view(&self) -> View {
        View(self.said.clone())
    }

    /// Whether the store has a holder that says it is paired.
    pub fn is_paired(&self, store: usize) -> bool {
        let said = self.said.borrow();
        let holder = holder(&said, store, fresh());
        holder.is_some_and(|holder| said[&(store, holder.site)].paired)
    }

    /// Waits until it is so, and gives how long that took.
    pub async fn until(
        &self,
        what: &str,
        limit: Duration,
        is_so: impl Fn(&Guards) -> bool,
    ) -> anyhow::Result<Duration> {
        let start = Instant::now();
        while !is_so(self) {
            if start.elapsed() > limit {
                bail!("not {what} after {limit:?}; the guards say {}", self.sentence());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(start.elapsed())
    }

    /// What each guard said last, for people.
    pub fn sentence(&self) -> String {
        let words = |((store, site), said): (&Slot, &Said)| {
            let age = said.at.elapsed().as_secs_f64();
            let gate = if said.gate_open { "open" } else { "shut" };
            let paired = if said.paired { ", paired" } else { "" };
            format!(
                "{store} at {site}: {gate}{paired}, ({}, {}), {age:.1} s ago",
                said.era, said.term
            )
        };
        self.said
            .borrow()
            .iter()
            .map(words)
            .collect::<Vec<_>>()
            .join("; ")
    }
}

/// As [`Guards`], for a client of the service.
#[derive(Clone)]
pub struct View(watch::Receiver<BTreeMap<Slot, Said>>);

impl View {
    pub fn holder(&self, store: usize) -> Option<Holder> {
        holder(&self.0.borrow(), store, fresh())
    }

    /// Who says, asked after `since`, that it holds the store.
    pub fn holder_since(&self, store: usize, since: Instant) -> Option<Holder> {
        holder(&self.0.borrow(), store, since)
    }
}

/// What was said before this counts no more.
fn fresh() -> Instant {
    let now = Instant::now();
    // A machine that has just started has said nothing yet.
    now.checked_sub(FRESH).unwrap_or(now)
}

/// Who said after `since` that it holds the store.
fn holder(said: &BTreeMap<Slot, Said>, store: usize, since: Instant) -> Option<Holder> {
    let mut open = said
        .iter()
        .filter(|((of, _), said)| *of == store && said.gate_open && said.at > since);
    let ((_, site), said) = open.next()?;
    let holder = Holder {
        era: said.era,
        term: said.term,
        site: *site,
    };
    open.next().is_none().then_some(holder)
}

impl Way {
    async fn ask(&mut self) -> anyhow::Result<Said> {
        let asked = Instant::now();
        let (machine, address) = match &self.known {
            Some(known) => known.clone(),
            None => self.find().await?,
        };
        let stream = line::dial(&machine, SocketAddr::from((address, names::PROBE_PORT)));
        let mut stream = timeout(PATIENCE, stream).await??;
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: guard\r\nConnection: close\r\n\r\n")
            .await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        read(&text, asked)
    }

    async fn find(&mut self) -> anyhow::Result<(Machine, Ipv4Addr)> {
        let machine = Machine::running(&self.service.lab.name, Role::Site(self.site))?;
        let pods: Api<Pod> =
            Api::namespaced(client(&self.kubeconfig, self.site).await?, names::MAIL_NAMESPACE);
        let pod = pods.get(&self.pod).await?;
        let address = pod
            .status
            .and_then(|status| status.pod_ip)
            .context("no address")?;
        let known = (machine, address.parse()?);
        self.known = Some(known.clone());
        Ok(known)
    }
}

/// Reads the guard's OpenMetrics.
fn read(text: &str, at: Instant) -> anyhow::Result<Said> {
    let value = |name: &str| -> anyhow::Result<u64> {
        let line = text.lines().find_map(|line| {
            line.strip_prefix("govuc_guard_")?
                .strip_prefix(name)?
                .strip_prefix(' ')
        });
        Ok(line.with_context(|| format!("no {name}"))?.trim().parse()?)
    };
    Ok(Said {
        at,
        gate_open: value("gate_open")? == 1,
        paired: value("paired")? == 1,
        era: value("era")?,
        term: value("term")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(at: Instant, gate_open: bool) -> Said {
        Said {
            at,
            gate_open,
            paired: false,
            era: 1,
            term: 7,
        }
    }

    #[test]
    fn metrics_tell_who_holds_what() {
        let text = "HTTP/1.1 200 OK\r\n\r\n# HELP govuc_guard_era Of\ngovuc_guard_gate_open 1\ngovuc_guard_paired 0\ngovuc_guard_era 1\ngovuc_guard_term 7\n";
        let at = Instant::now();
        assert_eq!(read(text, at).unwrap(), said(at, true));
        assert!(read("", at).is_err());
    }

    #[test]
    fn in_doubt_nobody_is_the_holder() {
        let now = Instant::now();
        let before = now - Duration::from_millis(1);
        let both = |one, other| {
            BTreeMap::from([
                ((0, Site::Pdsa1), said(now, one)),
                ((0, Site::Pdsa2), said(now, other)),
            ])
        };
        let site = |said: &BTreeMap<Slot, Said>, store, since| holder(said, store, since).map(|now| now.site);
        assert_eq!(site(&both(true, false), 0, before), Some(Site::Pdsa1));
        assert_eq!(site(&both(true, true), 0, before), None);
        assert_eq!(site(&both(false, false), 0, before), None);
        assert_eq!(site(&both(true, false), 1, before), None);
    }

    #[test]
    fn what_was_said_before_a_session_began_says_nothing_of_it() {
        let began = Instant::now();
        let said = BTreeMap::from([
            ((0, Site::Pdsa1), said(began - Duration::from_secs(1), true)),
            ((0, Site::Pdsa2), said(began + Duration::from_secs(1), true)),
        ]);
        assert_eq!(
            holder(&said, 0, began).map(|holder| holder.site),
            Some(Site::Pdsa2)
        );
        assert_eq!(holder(&said, 0, began + Duration::from_secs(1)), None);
    }
}

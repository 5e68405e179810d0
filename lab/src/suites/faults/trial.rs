//! One fault under load: the service is whole, the fault comes and goes, the service is whole again; then everything that
//! clients were told is looked for.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::doors::{Doors, Found};
use super::mend;
use super::observer::record::{self, Entry, Holder, PassedOver};
use super::observer::{Load, Observer};
use crate::service::witness;

/// How long the service may take to be whole again: pairing is tried anew after up to a minute.
const WHOLE: Duration = Duration::from_secs(240);
/// How long everybody may take to log in and to have something stored.
const STARTING: Duration = Duration::from_secs(90);
/// Mail goes on for this long before a fault and after it.
const AROUND: Duration = Duration::from_secs(2);
/// A measured time may be longer than the page says by this much: here two processors run two sites and everybody who writes
/// to them, and whatever else the machine does. What is longer than the page says is told, and is a figure of
/// `docs/reliability.md`; that a store has not changed sides, or has, is what a trial fails by.
const BUSY: Duration = Duration::from_secs(30);

/// What is under way while a fault is in force.
pub struct Trial<'a> {
    pub observer: &'a Observer,
    /// Who held each store before the fault.
    pub before: [Holder; 2],
    load: Load,
    first: usize,
    figures: Mutex<Vec<Figure>>,
    passed_over: Mutex<Option<PassedOver>>,
}

/// How a trial went that failed in nothing.
pub struct Seen {
    /// For people.
    pub text: String,
    pub figures: Vec<Figure>,
}

/// A time that was measured in a trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    pub what: String,
    pub seconds: f64,
    /// What `docs/protocol.md` or the trial itself allows for it.
    pub page: f64,
}

impl Observer {
    /// Runs `during` under load, which begins the fault and says what came of it, then mends everything and looks for
    /// everything. A finding fails the trial, whatever `during` said.
    pub async fn trial(
        &self,
        fault: &str,
        during: impl AsyncFnOnce(&Trial<'_>) -> anyhow::Result<String>,
    ) -> anyhow::Result<Seen> {
        let before = self.whole().await?;
        let first = self.record.len();
        // The same fault may come again in this lab.
        let fault = &format!("{fault}{first}");
        let load = self.start(fault, before[0].site, STARTING).await?;
        tokio::time::sleep(AROUND).await;
        let trial = Trial {
            observer: self,
            before,
            load,
            first,
            figures: Mutex::default(),
            passed_over: Mutex::default(),
        };
        let seen = during(&trial).await;
        let mended = mend::everything(&self.service).await;
        let healing = Instant::now();
        let whole = self.whole().await;
        let healed = healing.elapsed().as_secs_f64();
        tokio::time::sleep(AROUND).await;
        let entries = trial.entries();
        let figures = trial.figures.into_inner().unwrap_or_else(PoisonError::into_inner);
        let passed_over = trial
            .passed_over
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        trial.load.stop().await;
        let kept = match &whole {
            Ok(_) => {
                let (entries, prefix) = (self.record.since(first), self.prefix(fault));
                self.verify(&entries, passed_over, &prefix).await
            }
            Err(_) => Ok(()),
        };
        let mut wrong: Vec<String> = Vec::new();
        if let Some(overlap) = record::overlap(&entries) {
            let (earlier, later, by) = (overlap.earlier, overlap.later, overlap.by);
            wrong.push(format!(
                "{} answered as stored under term {}, {by:?} after {} did under term {}",
                earlier.site, earlier.term, later.site, later.term
            ));
        }
        let results = [
            seen.as_ref().err(),
            mended.as_ref().err(),
            whole.as_ref().err(),
            kept.as_ref().err(),
        ];
        wrong.extend(results.into_iter().flatten().map(|error| format!("{error:#}")));
        let counts = record::counts(&entries);
        let stored: Vec<String> = counts
            .stored
            .iter()
            .map(|(door, count)| format!("{count} stored by {door}'s door"))
            .collect();
        let numbers = format!(
            "{}, {} accepted, {} without answer; whole again {healed:.0} s after healing",
            stored.join(", "),
            counts.accepted,
            counts.unknown
        );
        let seen = seen.unwrap_or_default();
        ensure!(wrong.is_empty(), "{}\n{seen}; {numbers}", wrong.join("\n"));
        Ok(Seen {
            text: format!("{seen}; {numbers}, all there"),
            figures,
        })
    }

    /// Waits until both stores are paired and the witness leads the roles' etcd; gives the stores' holders.
    pub async fn whole(&self) -> anyhow::Result<[Holder; 2]> {
        let start = Instant::now();
        while !self.witness_leads() {
            ensure!(
                start.elapsed() < WHOLE,
                "the witness does not lead the roles' etcd after {WHOLE:?}"
            );
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        self.guards
            .until("both stores paired", WHOLE, |guards| {
                guards.is_paired(0) && guards.is_paired(1)
            })
            .await?;
        match [self.guards.holder(0), self.guards.holder(1)] {
            [Some(one), Some(two)] => Ok([one, two]),
            _ => bail!("a store lost its holder again: {}", self.guards.sentence()),
        }
    }
}

impl Observer {
    fn witness_leads(&self) -> bool {
        let status = witness::etcdctl(&self.service, &["endpoint", "status", "-w", "json"]);
        let Some(status) = status
            .ok()
            .and_then(|text| serde_json::from_str::<Value>(&text).ok())
        else {
            return false;
        };
        let status = &status[0]["Status"];
        status["leader"].is_u64() && status["leader"] == status["header"]["member_id"]
    }
}

impl Trial<'_> {
    /// Everything clients were told since the trial began.
    pub fn entries(&self) -> Vec<Entry> {
        self.observer.record.since(self.first)
    }

    /// Fails unless both stores are still held by whom they were, under the same term.
    pub fn ensure_unchanged(&self) -> anyhow::Result<()> {
        for store in 0..2 {
            let now = self.observer.guards.holder(store);
            ensure!(
                now == Some(self.before[store]),
                "{} was held by {:?}; the guards say {}",
                self.observer.stores[store],
                self.before[store],
                self.observer.guards.sentence()
            );
        }
        Ok(())
    }

    /// What the first store's primary stored since `from` is nowhere else, and another copy takes its place. Gives how often
    /// it stored something.
    pub fn passes_over(&self, from: Instant) -> usize {
        let passed_over = PassedOver {
            store: 0,
            from,
            to: Instant::now(),
        };
        *self.passed_over.lock().unwrap_or_else(PoisonError::into_inner) = Some(passed_over);
        let entries = self.entries();
        let stored = entries
            .iter()
            .filter(|entry| entry.is_stored() && passed_over.covers(entry));
        stored.count()
    }

    /// Waits until the first store is open at another site than before, and gives how long after `from` that was.
    pub async fn moved(&self, from: Instant, limit: Duration) -> anyhow::Result<Duration> {
        let before = self.before[0].site;
        let elsewhere =
            |guards: &super::observer::Guards| guards.holder(0).is_some_and(|now| now.site != before);
        let what = "served by the other site";
        self.observer.guards.until(what, limit + BUSY, elsewhere).await?;
        let moved = from.elapsed();
        self.judge(what, Some(moved), limit)?;
        Ok(moved)
    }

    /// The longest time between `from` and now without anything stored, of the first store's writers. Those who came in
    /// by the other site's door are left out when `near_only`: what cut them off from the store is not the store.
    pub fn gap(&self, from: Instant, near_only: bool, page: Duration) -> anyhow::Result<String> {
        let entries = self.entries();
        let counted = entries.iter().filter(|entry| {
            self.load.near.contains(&entry.writer) || (!near_only && entry.store == 0 && entry.writer < 1000)
        });
        let now = Instant::now();
        self.judge("the longest gap", record::longest_gap(counted, from, now), page)
    }

    /// How long after `from` the first message was stored in the first store, and the first one read, by sessions that
    /// began with another holder than before. Waits for both.
    pub async fn first_again(&self, from: Instant, page: Duration) -> anyhow::Result<String> {
        let (mut stored, mut read) = self.again(from);
        while read.is_none() && from.elapsed() < page + BUSY {
            tokio::time::sleep(Duration::from_millis(200)).await;
            (stored, read) = self.again(from);
        }
        Ok(format!(
            "{}, {}",
            self.judge("stored again", stored, page)?,
            self.judge("read again", read, page)?
        ))
    }

    /// Waits until all doors are found so after `from`.
    pub async fn doors(
        &self,
        doors: &Doors,
        wanted: Found,
        from: Instant,
        page: Duration,
    ) -> anyhow::Result<String> {
        let measured = doors.until(wanted, from, page + BUSY).await?;
        self.judge(&format!("all doors {wanted}"), Some(measured), page)
    }

    /// Says a measured time, and keeps it.
    fn judge(&self, what: &str, measured: Option<Duration>, page: Duration) -> anyhow::Result<String> {
        let told = judge(what, measured, page)?;
        let figure = measured.map(|measured| Figure {
            what: what.to_owned(),
            seconds: measured.as_secs_f64(),
            page: page.as_secs_f64(),
        });
        let mut figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
        figures.extend(figure);
        Ok(told)
    }

    fn again(&self, from: Instant) -> (Option<Duration>, Option<Duration>) {
        let entries = self.entries();
        let of_store = || entries.iter().filter(|entry| entry.store == 0);
        let before = self.before[0];
        let anew = |entry: &Entry| entry.is_stored() && entry.holder.is_some_and(|holder| holder != before);
        let stored = record::first_after(of_store(), from, anew);
        let read = stored.and_then(|stored| {
            let read = record::first_after(of_store(), from + stored, Entry::is_read)?;
            Some(stored + read)
        });
        (stored, read)
    }

    /// How often something was stored in either store since `from`.
    pub fn stored_since(&self, from: Instant) -> usize {
        let entries = self.entries();
        entries
            .iter()
            .filter(|entry| entry.is_stored() && entry.at > from)
            .count()
    }
}

/// Says a measured time beside what the page says of it; fails where it is out of all proportion, or was not seen at all.
fn judge(what: &str, measured: Option<Duration>, page: Duration) -> anyhow::Result<String> {
    let Some(measured) = measured else {
        bail!("{what}: not seen");
    };
    let seconds = measured.as_secs_f64();
    if measured <= page {
        return Ok(format!("{what} {seconds:.1} s"));
    }
    ensure!(
        measured <= page + BUSY,
        "{what} {seconds:.1} s, where {page:?} are required"
    );
    Ok(format!("{what} {seconds:.1} s, MORE than {page:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_beyond_the_page_is_told_and_one_out_of_proportion_fails() {
        let page = Duration::from_secs(5);
        let told = |milliseconds| judge("gap", Some(Duration::from_millis(milliseconds)), page);
        assert_eq!(told(4_200).unwrap(), "gap 4.2 s");
        assert_eq!(told(7_000).unwrap(), "gap 7.0 s, MORE than 5s");
        assert!(told(35_100).is_err());
        assert!(judge("gap", None, page).is_err());
    }
}

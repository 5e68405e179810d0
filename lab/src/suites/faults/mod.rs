//! What happens to mail in a fault, in a lab of its own: each fault under load, and then everything that was answered as
//! stored is looked for. `docs/protocol.md` says what is to come of each.

mod campaign;
mod doors;
mod line;
mod mend;
mod observer;
mod place;
mod processes;
mod promotions;
mod silence;
mod store;
mod switchover;
mod trial;

pub use campaign::{bench, campaign};
pub use promotions::bench as bench_promotions;

use futures::future::LocalBoxFuture;

use super::report::{Report, sentence};
use crate::lab::{Lab, LabName};
use crate::service::Service;
use crate::up;
use observer::Observer;
use trial::Seen;

/// The lab of these tests.
const NAME: &str = "faults";

/// One fault, from a whole service to a whole service. Says what was seen.
type Fault = for<'a> fn(&'a Observer) -> LocalBoxFuture<'a, anyhow::Result<Seen>>;

/// Names faults as sentences.
macro_rules! faults {
    ($($path:path),* $(,)?) => {
        [$((sentence(stringify!($path)), (|observer| Box::pin($path(observer))) as Fault)),*]
    };
}

/// Every fault of `docs/protocol.md` that the lab can make, in an order in which each site loses a store and gets it back.
fn faults() -> Vec<(String, Fault)> {
    faults![
        place::nothing_happens,
        line::the_line_between_the_sites_is_cut,
        store::the_engine_is_killed,
        line::the_witness_is_lost,
        line::etcd_is_silent_everywhere,
        place::operators_and_api_servers_are_gone,
        line::the_witness_is_lost_and_the_line_is_cut,
        store::the_guard_is_stopped_for_two_leases,
        store::the_primarys_pod_is_evicted,
        place::the_primarys_site_is_lost,
        store::the_followers_disk_is_emptied,
        line::one_direction_of_the_line_is_cut,
        store::the_guard_is_killed,
        place::the_primarys_site_is_frozen_for_a_minute,
        place::the_primarys_site_is_lost_while_alone_and_the_store_is_forced,
    ]
    .into()
}

/// What people wait for.
fn benched() -> Vec<(String, Fault)> {
    faults![
        switchover::a_store_is_switched_over,
        place::the_primarys_site_is_lost,
        store::the_guard_is_killed,
    ]
    .into()
}

/// What only the campaign makes: the suite `mail` has the like of it, without the load.
const CAMPAIGN_ONLY: [&str; 5] = [
    "nothing happens",
    "the witness is lost",
    "operators and api servers are gone",
    "one direction of the line is cut",
    "the primarys site is lost while alone and the store is forced",
];

pub async fn run(report: &mut Report, keep: bool) -> anyhow::Result<()> {
    let name: LabName = NAME.parse()?;
    if !keep {
        up::down(&name)?;
    }
    let mut observer = None;
    let opened = async {
        observer = Some(open(&name).await?);
        Ok(())
    };
    let set_up = "both stores are paired, each at its preferred site";
    report.prepare(set_up, opened).await;
    if let Some(observer) = observer {
        let chosen = faults()
            .into_iter()
            .filter(|(sentence, _)| report.is_narrowed() || !CAMPAIGN_ONLY.contains(&sentence.as_str()))
            .collect::<Vec<_>>();
        for (sentence, fault) in chosen {
            let seen = async { Ok(fault(&observer).await?.text) };
            report.observe(&sentence, seen).await;
        }
        let delivered = "everything that submission accepted has arrived";
        report.observe(delivered, observer.delivered()).await;
    }
    if keep { Ok(()) } else { up::down(&name) }
}

/// Brings up the lab with the service in it, or what of it is not there, and waits until it is whole.
async fn open(name: &LabName) -> anyhow::Result<Observer> {
    up::up(name).await?;
    let lab = Lab::open(name)?;
    let service = Service::install(&lab).await?;
    // What was broken off may have left its fault.
    mend::everything(&service).await?;
    service.populate().await?;
    let observer = Observer::open(&service).await?;
    observer.whole().await?;
    Ok(observer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_the_campaign_makes_is_among_the_faults() {
        let all: Vec<String> = faults().into_iter().map(|(sentence, _)| sentence).collect();
        for name in CAMPAIGN_ONLY {
            assert!(
                all.iter().any(|sentence| sentence == name),
                "{name} is none of {all:?}"
            );
        }
    }
}

//! What a site's stores cost the etcd that holds their roles: `cargo lab bench leases`.
//!
//! Each store has a guard at two sites, each with a connection of its own. The primary's keeps its lease, and then both also read
//! the store's records and watch them, at the pace of the protocol. Prints the processor time that each member takes, as a
//! share of one processor.

use std::{fs, time::Duration};

use govuc_etcd::{
    Etcd, Revision,
    roles::{Roles, prefix},
    testbed::{SITES, Testbed},
};
use govuc_roles::{
    Era, Site, StoreName, Term, VolumeId,
    record::{EraRecord, Holder, Session, StateRecord},
    timing::{self, Timing},
};
use tokio::time::{self, Instant, MissedTickBehavior};

const STORES: u32 = 500;
/// One at a time, so that a machine of two processors is not asked for a thousand handshakes at once.
const BETWEEN_STARTS: Duration = Duration::from_millis(5);
const SETTLING: Duration = Duration::from_secs(20);
const WINDOW: Duration = Duration::from_secs(10);
const WINDOWS: usize = 10;
/// Of `/proc/PID/stat`, on every Linux that Rust knows.
const TICKS_IN_A_SECOND: f64 = 100.0;

#[tokio::main]
async fn main() {
    let bed = Testbed::start(SITES.len()).await;
    let etcd = Etcd::connect(bed.settings(), timing::ATTEMPT)
        .await
        .expect("etcd answers");
    let era = EraRecord {
        era: Era(1),
        cluster: "bench".to_owned(),
    };
    let roles = Roles::new(etcd);
    roles
        .put_era(&era, Revision::ABSENT, timing::ATTEMPT)
        .await
        .expect("the first era");
    println!("| | Member | Median | Worst of {WINDOWS} |\n|---|---|---|---|");
    let mut guards = Vec::new();
    for number in 0..STORES {
        let store = StoreName::try_from(format!("mail-{number}").as_str()).expect("a name");
        for (member, site) in SITES[..2].iter().enumerate() {
            // As a guard does: its own site's member first.
            let mut settings = bed.settings();
            settings.endpoints.swap(0, member);
            let guard = Roles::new(
                Etcd::connect(settings, timing::ATTEMPT)
                    .await
                    .expect("etcd answers"),
            );
            if member == 0 {
                hold(&guard, &store, site).await;
            }
            guards.push((guard, store.clone()));
        }
        time::sleep(BETWEEN_STARTS).await;
    }
    measure("leases are kept", &bed).await;
    for (guard, store) in guards {
        tokio::spawn(follow(guard, store));
        time::sleep(BETWEEN_STARTS).await;
    }
    measure("and records are read and watched", &bed).await;
}

/// Prints what each member takes.
async fn measure(what: &str, bed: &Testbed) {
    time::sleep(SETTLING).await;
    let mut shares = [const { Vec::new() }; SITES.len()];
    for _ in 0..WINDOWS {
        let (start, before) = (Instant::now(), used(bed));
        time::sleep(WINDOW).await;
        let elapsed = start.elapsed().as_secs_f64();
        for (member, after) in used(bed).into_iter().enumerate() {
            shares[member].push((after - before[member]) / elapsed * 100.0);
        }
    }
    for (member, mut shares) in shares.into_iter().enumerate() {
        shares.sort_by(f64::total_cmp);
        println!(
            "| {what} | {} | {:.1} % | {:.1} % |",
            SITES[member],
            shares[WINDOWS / 2],
            shares[WINDOWS - 1]
        );
    }
}

/// Takes the store, and keeps its lease from then on.
async fn hold(roles: &Roles, store: &StoreName, site: &str) {
    let state = StateRecord {
        era: Era(1),
        term: Term(1),
        holder: Some(Holder {
            site: Site::try_from(site.to_owned()).expect("a site"),
            volume: VolumeId("volume".to_owned()),
            session: Session("session".to_owned()),
        }),
        paired: true,
        peer: None,
        behind: None,
        hand_over: None,
        unmerged: None,
        merged: None,
    };
    let reading = roles.read(store, timing::ATTEMPT).await.expect("etcd answers");
    let ttl = Timing::PROTOCOL.ttl;
    let acquired = roles
        .acquire(store, reading.expected(), &state, ttl, || (), timing::ATTEMPT)
        .await
        .expect("nobody holds it");
    let (etcd, lease) = (roles.etcd().clone(), acquired.held.lease);
    tokio::spawn(async move {
        let mut ticks = time::interval(Timing::PROTOCOL.renew);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let kept = etcd.keep_alive_once(lease, timing::ATTEMPT).await;
            assert!(matches!(kept, Ok(Some(_))), "a lease is not kept: {kept:?}");
        }
    });
}

/// Reads the store's records, when they change and every few seconds besides.
async fn follow(roles: Roles, store: StoreName) {
    let reading = roles.read(&store, timing::ATTEMPT).await.expect("etcd answers");
    let mut watch = roles
        .etcd()
        .watch(&prefix(&store), reading.revision.next(), timing::ATTEMPT)
        .await
        .expect("etcd answers");
    loop {
        let _changed = time::timeout(timing::READ_AGAIN, watch.next()).await;
        roles.read(&store, timing::ATTEMPT).await.expect("etcd answers");
    }
}

/// Processor time of each member until now, in seconds.
fn used(bed: &Testbed) -> [f64; SITES.len()] {
    std::array::from_fn(|member| {
        let path = format!("/proc/{}/stat", bed.pid(member));
        let text = fs::read_to_string(path).expect("the member runs");
        // The name, in parentheses, may have blanks in it; user and system time are the 14th and 15th field.
        let (_, fields) = text.rsplit_once(')').expect("a name");
        let ticks: Vec<f64> = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse().ok())
            .collect();
        ticks.iter().sum::<f64>() / TICKS_IN_A_SECOND
    })
}

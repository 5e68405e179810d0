//! Both clusters' watches, a task for each kind.

use std::{sync::Arc, time::Duration};

use futures::{
    Stream, StreamExt,
    stream::{self, FuturesUnordered},
};
use govuc_api::{Agency, Mailbox, Platform};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    ResourceExt,
    runtime::{
        WatchStreamExt,
        reflector::Store,
        watcher::{self, Event, watcher},
    },
};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::{
    Mirrored,
    desk::Desk,
    sites::{Heard, Sites},
};
use crate::{cluster::follow, controller::chain, operator::Context, peer};

/// How long until it is looked again for a Platform, a connection, and who the peer is.
const WAITING: Duration = Duration::from_secs(2);
/// How often the peer is asked whether it is still the same cluster, and what no watch tells is looked at.
const TICK: Duration = Duration::from_secs(30);

/// Mirrors every kind until stopped.
pub async fn run(context: Arc<Context>, stop: CancellationToken) {
    let (platforms, changes) = follow::<Platform>(context.cluster.all());
    let following = changes.for_each(async |_| {});
    let mirroring = async {
        let prepared = stop.run_until_cancelled(prepared(context, platforms)).await;
        if let Some(sites) = prepared {
            let sites = Arc::new(sites);
            tokio::join!(
                one_kind::<Agency>(sites.clone(), &stop),
                one_kind::<Mailbox>(sites, &stop)
            );
        }
    };
    tokio::select! {
        () = mirroring => {}
        () = following => {}
    }
}

/// Once there is a Platform, which says what the other site is.
async fn prepared(context: Arc<Context>, platforms: Store<Platform>) -> Sites {
    loop {
        let peer_site = platforms.state().first().and_then(|platform| {
            let own = context.site.as_str();
            let sites = platform.spec.sites.iter().map(|site| &site.name);
            let mut others = sites.filter(|site| *site != own);
            others.next().cloned()
        });
        if let Some(peer_site) = peer_site {
            match context.cluster.read::<Namespace>(None, peer::CLUSTER).await {
                Ok(namespace) => {
                    // Every cluster has that namespace.
                    let uid = namespace.and_then(|namespace| namespace.uid());
                    return Sites::new(context, platforms, peer_site, uid.unwrap_or_default());
                }
                Err(error) => tracing::warn!(error = chain(&error), "the own cluster's uid can't be read"),
            }
        }
        sleep(WAITING).await;
    }
}

/// Mirrors a kind until stopped.
pub async fn one_kind<K: Mirrored>(sites: Arc<Sites>, stop: &CancellationToken) {
    let mut own = watcher(sites.context.cluster.all::<K>(), watcher::Config::default())
        .default_backoff()
        .boxed();
    let mut peer = peer_events(sites.clone()).boxed();
    let mut desk = Desk::<K>::new(sites.clone());
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut asking = FuturesUnordered::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(event) = own.next() => match event {
                Ok(event) => desk.see_own(event),
                Err(error) => tracing::warn!(%error, kind = K::LABEL, "watch"),
            },
            Some(event) = peer.next() => match event {
                Ok((event, heard)) => desk.see_peer(event, heard),
                Err(error) => tracing::info!(%error, kind = K::LABEL, "watch of the other site"),
            },
            step = desk.next() => desk.carry_on(step),
            Some(heard) = asking.next() => match heard {
                Ok(heard) if desk.is_overtaken_by(&heard) => {
                    tracing::warn!(kind = K::LABEL, ?heard, "the other cluster is not what it was: it is read again");
                    peer = peer_events(sites.clone()).boxed();
                }
                // That it can't be reached is told by its watch.
                Ok(_) | Err(_) => {}
            },
            _ = tick.tick() => {
                desk.tick();
                if asking.is_empty() && sites.is_connected() {
                    asking.push(sites.ask());
                }
            },
        }
        if desk.is_made_good() {
            match sites.notes.made_good(K::LABEL).await {
                Ok(()) => desk.made_good(),
                Err(error) => tracing::warn!(error = chain(&error), "not written down"),
            }
        }
    }
    desk.finish().await;
}

/// What the other cluster has, as soon as there is one. Before a list counts as complete it is asked whose it is: a cluster may
/// have been replaced by another one, or restored from a backup.
fn peer_events<K: Mirrored>(
    sites: Arc<Sites>,
) -> impl Stream<Item = watcher::Result<(Event<K>, Option<Heard>)>> + Send {
    let connected = {
        let sites = sites.clone();
        async move {
            while !sites.is_connected() {
                sleep(WAITING).await;
            }
        }
    };
    let peer = sites.peer.all::<K>();
    let events = stream::once(connected).flat_map(move |()| {
        watcher(peer.clone(), watcher::Config::default())
            .default_backoff()
            .boxed()
    });
    events.then(move |event| {
        let sites = sites.clone();
        async move {
            let event = event?;
            let heard = match &event {
                Event::InitDone => Some(heard(&sites).await),
                _ => None,
            };
            Ok((event, heard))
        }
    })
}

/// Who the peer is, as soon as it says so.
async fn heard(sites: &Sites) -> Heard {
    loop {
        match sites.ask().await {
            Ok(heard) => return heard,
            Err(error) => tracing::info!(
                error = chain(&error),
                "what the other site has does not count yet"
            ),
        }
        sleep(WAITING).await;
    }
}

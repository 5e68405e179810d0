//! Parses the command line, wires the parts and ends them in order.

use std::{sync::Arc, time::Instant};

use anyhow::{Context, Result};
use clap::Parser;
use govuc_directory::Suffix;
use govuc_etcd::{Clock, Endpoint, Etcd, Settings, roles::Roles};
use govuc_router::{
    args::{Cli, Common, FrontDoor, Mta, Role},
    door::{self, Door, Texts},
    holds::{self, Holds},
    isolation::Isolation,
    postfix::{self, Knowledge},
    primaries::Primaries,
    probes::{self, Readiness},
    providers::Providers,
    relay::{self, Certificates},
    rules::RulesFile,
    sign_in::SignIn,
    telemetry::Metrics,
    tickets::Tickets,
};
use govuc_wire::{tls::Files, token::SessionKey};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> Result<()> {
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .json()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")))
        .init();
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).context("signals can't be watched")?;
    let stopping = stop.clone();
    tokio::spawn(async move {
        terminate.recv().await;
        tracing::info!("told to end");
        stopping.cancel();
    });
    match cli.role {
        Role::FrontDoor(args) => front_door(args, stop).await,
        Role::Mta(args) => mta(args, stop).await,
    }
}

async fn front_door(args: FrontDoor, stop: CancellationToken) -> Result<()> {
    let key = std::fs::read(&args.session_key)
        .with_context(|| format!("{} can't be read", args.session_key.display()))?;
    let session_key = SessionKey::new(&key)?;
    let rules = RulesFile::open(args.password_rules)?;
    let Shared {
        providers,
        primaries,
        metrics,
    } = shared(&args.common, &stop).await?;
    let tickets = Arc::new(Tickets::new(Instant::now()));
    let door = Arc::new(Door {
        sign_in: SignIn::new(providers.clone(), metrics.clone())?,
        providers,
        primaries,
        session_key,
        tickets: tickets.clone(),
        relay_port: args.relay_port,
        site: args.common.site,
        peer: args.common.peer,
        texts: Texts::of_domain(&args.common.domain),
        rules,
        metrics: metrics.clone(),
    });
    let certificates = Arc::new(Certificates::new(Files::new(args.common.tls)));
    let listener = relay::listen(args.relay_port)
        .with_context(|| format!("port {} of loopback can't be listened at", args.relay_port))?;
    let carrying = relay::serve(listener, tickets, certificates, metrics, stop.clone());
    let asked = probes::serve(bind(args.listen).await?, door::routes(door), stop);
    let ((), asked) = tokio::join!(carrying, asked);
    asked.context("nginx can't be answered any more")
}

async fn mta(args: Mta, stop: CancellationToken) -> Result<()> {
    let Shared {
        providers,
        primaries,
        metrics,
    } = shared(&args.common, &stop).await?;
    let knowledge = Knowledge {
        providers,
        primaries,
        metrics,
    };
    postfix::serve(bind(args.listen).await?, knowledge, stop).await;
    Ok(())
}

/// What both roles have.
struct Shared {
    providers: Providers,
    primaries: Primaries,
    metrics: Metrics,
}

/// The directory, the roles' etcd where there is one, and the port for probes.
async fn shared(args: &Common, stop: &CancellationToken) -> Result<Shared> {
    let suffix = Suffix::of_domain(&args.domain).context("--domain is not usable")?;
    let metrics = Metrics::default();
    let files = Files::new(&args.tls);
    let providers = Providers::of_sites(&args.site, &args.peer, &suffix, &files, metrics.clone());
    let readiness = Readiness::default();
    let etcd = etcd(args)?;
    let leased = etcd.map(|etcd| {
        let holders = Roles::new(etcd.clone()).watch_holders();
        let (told, holds) = Holds::channel();
        let guards = holds::Guards {
            site: args.site.clone(),
            files: files.clone(),
            providers: providers.clone(),
            holders: holders.clone(),
        };
        tokio::spawn(guards.watch(told, stop.clone()));
        let peer = providers.peer().clone();
        let isolation = Isolation::new(etcd, peer, holds.clone(), Clock::boottime(), metrics.clone());
        (Primaries::leased(args.site.clone(), holders, holds), isolation)
    });
    let (primaries, isolation) = leased.unzip();
    let routes = probes::routes(readiness.clone(), isolation.clone(), metrics.clone());
    let serving = probes::serve(bind(args.probes).await?, routes, stop.clone());
    tokio::spawn(async move {
        if let Err(error) = serving.await {
            tracing::error!(%error, "probes can't be answered any more");
        }
    });
    tokio::spawn(readiness.watch(providers.clone(), stop.clone()));
    if let Some(isolation) = isolation {
        tokio::spawn(isolation.watch(stop.clone()));
    }
    Ok(Shared {
        providers,
        primaries: primaries.unwrap_or_else(Primaries::assigned),
        metrics,
    })
}

/// The own site's member, or the peer's; none where stores are assigned.
fn etcd(args: &Common) -> Result<Option<Etcd>> {
    let connected = args.roles_tls.as_ref().map(|folder| {
        Etcd::new(Settings {
            endpoints: [&args.site, &args.peer]
                .map(|site| Endpoint::of_site(site))
                .into(),
            tls: Files::new(folder),
        })
    });
    connected.transpose().context("the roles' etcd can't be asked")
}

async fn bind(address: std::net::SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("{address} can't be listened at"))
}

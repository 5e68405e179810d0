//! Puts the parts together, and takes them down again.

use std::{
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use govuc_etcd::{Clock, Endpoint, Etcd, Settings, roles::Roles};
use govuc_roles::{Event, Identity, Machine, Source, record::Session, timing};
use govuc_wire::{names, tls::Files, token};
use rustls_pki_types::{InvalidDnsNameError, ServerName};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, watch},
    time,
};
use tokio_util::sync::CancellationToken;

use crate::{
    cli::Arguments,
    config::{self, RoleSource, Slot, StoreConfig},
    drain::Drain,
    engine::{self, Installation, Supervisor},
    gate::Gate,
    hold::Holds,
    lease::{Lease, Orders, PeerAnswers},
    listener::Listener,
    merge::{self, Merge},
    metrics::Metrics,
    probes::{self, Probes},
    process::{self, Processes},
    relay::{FullSync, Peer, Relay, incoming::Incoming},
    saslauthd::{self, Leads, Saslauthd},
    source::StaticAssignment,
    status::Reporter,
    tls::{self, Tls},
    tokens::Tokens,
    turn::{Events, Turn, View},
    volume::{self, Volume},
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the runtime can't be started")]
    Runtime(#[source] io::Error),
    #[error(transparent)]
    Config(#[from] config::Error),
    #[error("{path} can't be read")]
    SessionKey { path: PathBuf, source: io::Error },
    #[error("{path}: {source}")]
    Token { path: PathBuf, source: token::Error },
    #[error(transparent)]
    Tls(#[from] tls::Error),
    #[error(transparent)]
    Volume(#[from] volume::Error),
    #[error(transparent)]
    Process(#[from] process::Error),
    #[error("{address} can't be listened on")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("{path} can't be served")]
    Socket { path: PathBuf, source: io::Error },
    #[error("the peer's name is no DNS name")]
    PeerName(#[from] InvalidDnsNameError),
    #[error("the roles' etcd can't be asked")]
    Etcd(#[from] govuc_etcd::Error),
    #[error("signals can't be received")]
    Signal(#[source] io::Error),
    #[error("a part of the guard has ended: {0}")]
    Ended(&'static str),
    #[error("the engine did not stop within {limit:?}", limit = timing::TERMINATION)]
    Late,
}

/// Runs the guard until SIGTERM has been carried out, or something it can't do without has failed.
pub async fn run(arguments: Arguments) -> Result<(), Error> {
    // First of all: a process 1 that has not asked for SIGTERM never gets it.
    let terminations = signal(SignalKind::terminate()).map_err(Error::Signal)?;
    let config = StoreConfig::read(&arguments.config)?;
    let key = Arc::new(session_key(&arguments.session_key)?);
    let tls = Arc::new(Tls::load(arguments.tls.clone())?);
    let volume = Volume::open(&arguments.volume)?;
    let slot = config.slot.clone();
    tracing::info!(
        store = %slot.store, site = %slot.site, volume = volume.copy().volume.0, incarnation = volume.copy().incarnation,
        seen = %volume.evidence().ballot, "the guard starts"
    );

    let (sender, messages) = mpsc::unbounded_channel();
    let events = Events(sender);
    let metrics = Arc::new(Metrics::new());
    let clock = Clock::boottime();
    let gate = Gate::new(clock.clone());
    let processes = Processes::new()?;

    let tls_port = listen(arguments.listen).await?;
    let probe_port = listen(arguments.probes).await?;
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let (sync_port, fill_port) = (listen(loopback).await?, listen(loopback).await?);
    let port_of = |listener: &TcpListener| match listener.local_addr() {
        Ok(address) => Ok(address.port()),
        Err(source) => Err(Error::Listen {
            address: loopback,
            source,
        }),
    };
    let socket = |path: PathBuf| move |source| Error::Socket { path, source };
    let passwords = arguments.run.join("saslauthd");
    let passwords = saslauthd::bind(&passwords).map_err(socket(passwords))?;
    let log = arguments.run.join("log");
    let log = engine::log::bind(&log).map_err(socket(log))?;

    let identity = Identity {
        site: slot.site.clone(),
        peer: slot.peer.clone(),
        copy: volume.copy(),
        session: Session(uuid::Uuid::new_v4().to_string()),
    };
    let reach_peer = || peer(&slot, arguments.peer_address.as_deref(), tls.clone());
    let source = config.role.source(&slot);
    let relay = Arc::new(Relay::new(
        slot.store.to_string(),
        reach_peer()?,
        FullSync {
            program: arguments.engine.join("sync_client"),
            configuration: arguments.run.join("imapd.conf"),
            processes: processes.clone(),
        },
        events.clone(),
        metrics.clone(),
        matches!(source, Source::Lease(_)),
    ));
    let tokens = Tokens {
        key: key.clone(),
        store: slot.store.clone(),
    };
    let merge = Arc::new(Merge {
        peer: reach_peer()?,
        imap: arguments.imap,
        tokens: tokens.clone(),
        reports: volume.reports(),
        events: events.clone(),
        metrics: metrics.clone(),
        state: Mutex::default(),
    });
    let drain = Drain::new(gate.clone(), relay.clone(), arguments.imap, events.clone());
    let leads = Leads::default();
    let lease = match &config.role {
        RoleSource::Assignment(_) => None,
        RoleSource::Lease(_) => Some(Orders::begin(Lease::new(
            slot.store.clone(),
            identity.clone(),
            roles(&slot, &arguments.roles_address, &arguments.roles_tls)?,
            reach_peer()?,
            clock.clone(),
            events.clone(),
            leads.clone(),
        ))),
    };
    let machine = Machine::new(identity, source, volume.evidence(), clock.now()).with_hold(volume.hold());
    let (view_sender, view) = watch::channel(View::first(&machine, volume.copy()));
    let supervisor = Supervisor {
        installation: Installation {
            programs: arguments.engine,
            data: volume.engine_data(),
            run: arguments.run,
            imap: arguments.imap,
            store: slot.store.to_string(),
            sync_port: port_of(&sync_port)?,
            fill_port: port_of(&fill_port)?,
        },
        processes: processes.clone(),
        events: events.clone(),
    };
    // The supervisor ends when nobody can order any more, so this end of the channel is kept: the turn's exit is first.
    let (orders, orders_receiver) = mpsc::unbounded_channel();
    let (signs, signs_receiver) = mpsc::unbounded_channel();
    let turn = Turn {
        slot: slot.clone(),
        machine,
        volume,
        clock,
        gate: gate.clone(),
        engine: orders.clone(),
        lease: lease.clone(),
        relay: relay.clone(),
        drain: Arc::new(drain),
        merge: merge.clone(),
        tokens,
        view: view_sender,
        metrics: metrics.clone(),
        withheld_since: None,
        incoming: CancellationToken::new(),
    };
    let listener = Arc::new(Listener {
        slot: slot.clone(),
        tls: tls.clone(),
        gate,
        imap: arguments.imap,
        lmtp: arguments.lmtp,
        incoming: Incoming::new(
            slot.store.to_string(),
            arguments.imap,
            events.clone(),
            metrics.clone(),
        ),
        answers: PeerAnswers {
            store: slot.store.to_string(),
            events: events.clone(),
            lease,
        },
        holds: Holds {
            store: slot.store.to_string(),
            leased: matches!(config.role, RoleSource::Lease(_)),
            events: events.clone(),
            taken_up: Mutex::default(),
        },
        merge: merge::incoming::Incoming {
            store: slot.store.to_string(),
            engine: arguments.imap,
            events: events.clone(),
            metrics: metrics.clone(),
        },
        reporter: Reporter {
            slot: slot.clone(),
            view: view.clone(),
            relay: relay.clone(),
            merge: merge.clone(),
        },
        metrics: metrics.clone(),
    });
    let answers = Arc::new(Saslauthd {
        key,
        store: slot.store.to_string(),
        view,
        leads,
    });
    let probes = probes::router(Probes {
        events: events.clone(),
        engine: arguments.imap,
        metrics,
    });
    let assignment = match config.role {
        RoleSource::Assignment(_) => Some(StaticAssignment {
            path: arguments.config,
            slot,
            events: events.clone(),
        }),
        RoleSource::Lease(_) => None,
    };
    let failing_relay = relay.clone();
    let engine = supervisor.run(orders_receiver, signs_receiver, move |reason| {
        failing_relay.logged(reason)
    });

    let reaper = tokio::spawn(processes.reap());
    let engine = tokio::spawn(engine);
    let turn = tokio::spawn(turn.run(messages));
    let forward = tokio::spawn(engine::log::forward(log, signs));
    let probes = tokio::spawn(async move { axum::serve(probe_port, probes).await });
    let answers = tokio::spawn(answers.serve(passwords));
    let relay = tokio::spawn(relay.serve(sync_port, fill_port));
    let listener = tokio::spawn(listener.serve(tls_port));
    let rotation = tokio::spawn(tls.follow());
    let assignment = tokio::spawn(async move {
        match assignment {
            Some(assignment) => assignment.follow().await,
            None => std::future::pending().await,
        }
    });
    // Whatever of these ends has failed: the container is started anew, and the volume knows where it was.
    tokio::select! {
        ended = turn => ended.map_err(|_| Error::Ended("turn"))?.map_err(Error::Volume),
        late = terminate(terminations, events) => late,
        _ = reaper => Err(Error::Ended("reaper")),
        _ = engine => Err(Error::Ended("engine's supervisor")),
        _ = forward => Err(Error::Ended("engine's log")),
        _ = probes => Err(Error::Ended("probes")),
        _ = answers => Err(Error::Ended("passwords")),
        _ = relay => Err(Error::Ended("relay")),
        _ = listener => Err(Error::Ended("listener")),
        _ = rotation => Err(Error::Ended("certificates")),
        _ = assignment => Err(Error::Ended("source of the role")),
    }
}

/// Tells the turn of SIGTERM; returns when that has not led to an end in time.
async fn terminate(mut terminations: Signal, events: Events) -> Result<(), Error> {
    terminations.recv().await;
    tracing::info!("SIGTERM");
    events.send(Event::Terminate);
    time::sleep(timing::TERMINATION).await;
    Err(Error::Late)
}

fn session_key(path: &std::path::Path) -> Result<token::SessionKey, Error> {
    let bytes = std::fs::read(path).map_err(|source| Error::SessionKey {
        path: path.to_owned(),
        source,
    })?;
    token::SessionKey::new(&bytes).map_err(|source| Error::Token {
        path: path.to_owned(),
        source,
    })
}

/// The client of the roles' etcd: the own site's member before the other's. The witness' only votes.
fn roles(slot: &Slot, addresses: &[String], tls: &std::path::Path) -> Result<Roles, Error> {
    let mut endpoints = [&slot.site, &slot.peer].map(|site| Endpoint::of_site(site.as_str()));
    for (endpoint, address) in endpoints.iter_mut().zip(addresses) {
        endpoint.address.clone_from(address);
    }
    let settings = Settings {
        endpoints: endpoints.into(),
        tls: Files::new(tls),
    };
    Ok(Roles::new(Etcd::new(settings)?))
}

fn peer(slot: &Slot, address: Option<&str>, tls: Arc<Tls>) -> Result<Peer, Error> {
    let (store, site) = (slot.store.as_str(), slot.peer.as_str());
    let server_name = names::server_name(store, site, names::MAIL_NAMESPACE);
    Ok(Peer {
        address: address.map_or_else(|| format!("{server_name}:{}", names::TLS_PORT), str::to_owned),
        server_name: ServerName::try_from(server_name)?,
        identity: names::identity(store, site),
        tls,
    })
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address)
        .await
        .map_err(|source| Error::Listen { address, source })
}

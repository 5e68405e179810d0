//! The wiring: client, lease, one task per kind, and the order in which they end.

use std::{collections::BTreeMap, fmt, net::SocketAddr, sync::Arc};

use govuc_api::Platform;
use govuc_roles::{Site, SiteError};
use govuc_wire::names::SYSTEM_NAMESPACE;
use k8s_openapi::jiff::Timestamp;
use kube::{
    Client,
    runtime::events::{Recorder, Reporter},
};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    agency,
    cluster::Cluster,
    controller::chain,
    cyrus_admin, directory,
    lead::{Campaign, Lead, Office, Providers},
    leader::Elector,
    mail_store::{
        self,
        engine::{self, Engines},
    },
    mailbox, mirror,
    names::SiteName,
    peer::{self, Served},
    pki::{OwnCertificate, kept},
    platform, roles,
    telemetry::{self, Metrics},
};

/// What the operator is told at its start.
#[derive(Clone, Debug)]
pub struct Options {
    /// The site it runs in.
    pub site: SiteName,
    pub images: Images,
    /// The engines that stores can run.
    pub engines: Engines,
    /// This replica: its pod's name.
    pub replica: String,
    /// Where probes and metrics are served.
    pub listen: SocketAddr,
    /// Where the other site's operator is served.
    pub peer_listen: SocketAddr,
}

/// The images of everything the operator runs, by what they are called in `images/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    pub openldap: String,
    pub postfix: String,
    pub nginx: String,
    pub haproxy: String,
    pub filter: String,
    pub cyrus: String,
    pub router: String,
    pub etcd: String,
}

/// What every reconcile has at hand.
pub struct Context {
    pub cluster: Cluster,
    pub site: SiteName,
    pub images: Images,
    pub engines: Engines,
    pub recorder: Recorder,
    pub metrics: Metrics,
    /// What the operator shows to the parts it talks to; kept current by Platform's reconcile.
    pub certificate: Arc<OwnCertificate>,
    /// The own site's directory.
    pub directory: Arc<dyn directory::Open>,
    /// The mail stores of both sites, as their administrator.
    pub mail: Arc<dyn cyrus_admin::Administrator>,
    /// The etcd that holds roles.
    pub roles: roles::Client,
    /// Who leads.
    pub office: Arc<Office>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no API server is configured: run inside a cluster, or set KUBECONFIG")]
    Config(#[source] kube::Error),
    #[error("{address} can't be listened on")]
    Listen {
        address: SocketAddr,
        source: std::io::Error,
    },
    #[error("the port for probes and metrics failed")]
    Serve(#[source] std::io::Error),
    #[error("a site of this name can't lead")]
    Site(#[from] SiteError),
    #[error("the lease was lost: this replica ends, and the one that has it goes on")]
    LeaseLost,
    #[error("{0} ended by itself")]
    Ended(&'static str),
    #[error("a task panicked")]
    Panicked(#[from] tokio::task::JoinError),
    #[error(transparent)]
    Engines(#[from] engine::Error),
    #[error("GOVUC_IMAGE_{0} is not set: the operator has to be told the image it runs")]
    Image(&'static str),
}

impl Images {
    /// The names, in the order of the fields.
    pub const NAMES: [&str; 8] = [
        "openldap", "postfix", "nginx", "haproxy", "filter", "cyrus", "router", "etcd",
    ];

    /// From a map of `NAME` (in capitals) to reference.
    pub fn from_map(map: &BTreeMap<String, String>) -> Result<Self, Error> {
        let image = |name: &'static str| map.get(name).cloned().ok_or(Error::Image(name));
        Ok(Self {
            openldap: image("OPENLDAP")?,
            postfix: image("POSTFIX")?,
            nginx: image("NGINX")?,
            haproxy: image("HAPROXY")?,
            filter: image("FILTER")?,
            cyrus: image("CYRUS")?,
            router: image("ROUTER")?,
            etcd: image("ETCD")?,
        })
    }
}

impl Context {
    pub fn new(client: Client, options: &Options, metrics: Metrics) -> Self {
        let reporter = Reporter {
            controller: "govuc".to_owned(),
            instance: Some(options.replica.clone()),
        };
        let cluster = Cluster::new(client.clone(), metrics.clone());
        let certificate = Arc::new(OwnCertificate::default());
        Self {
            directory: Arc::new(directory::OwnSite::new(certificate.clone(), &options.site)),
            mail: Arc::new(cyrus_admin::Guards::new(cluster.clone(), certificate.clone())),
            certificate,
            roles: roles::Client::default(),
            office: Arc::default(),
            cluster,
            site: options.site.clone(),
            images: options.images.clone(),
            engines: options.engines.clone(),
            recorder: Recorder::new(client, reporter),
            metrics,
        }
    }
}

impl Context {
    /// Who leads now, and whether it is this site.
    pub fn lead(&self, platform: &Platform) -> Lead {
        Lead::of(platform, self.site.as_str(), &self.office)
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("site", &self.site)
            .finish_non_exhaustive()
    }
}

/// Runs until `stop`, or until something that must not end has ended. First the controllers end, with their running
/// reconciles; only then is the lead given up and the lease given back, so that no two sites and no two replicas act at once.
pub async fn run(options: Options, stop: CancellationToken) -> Result<(), Error> {
    let client = Client::try_default().await.map_err(Error::Config)?;
    let metrics = Metrics::default();
    let context = Arc::new(Context::new(client.clone(), &options, metrics.clone()));

    let over = CancellationToken::new();
    let listener = bind(options.listen).await?;
    let mut admin = tokio::spawn(telemetry::serve(listener, metrics.clone(), over.clone()));
    let mut peers = peers(&context, client, bind(options.peer_listen).await?, &over);
    let mut elector = Elector::new(&context.cluster, SYSTEM_NAMESPACE, options.replica.clone());
    tracing::info!(site = %options.site, "waiting for the lease");
    if !elector.acquire(&stop).await {
        over.cancel();
        return admin.await?.map_err(Error::Serve);
    }
    metrics.acts(true);
    tracing::info!(site = %options.site, "acting");

    // Before anything acts: with the operator's own certificate at hand a restart is no news to any status.
    let site = options.site.as_str();
    if let Err(error) = kept::joined(&context.cluster, &context.certificate, site, Timestamp::now()).await {
        tracing::warn!(
            error = chain(&error),
            "no certificates yet; Platform's reconcile tries again"
        );
    }
    let acting = stop.child_token();
    let campaigning = CancellationToken::new();
    let mut campaign = tokio::spawn(campaign(&context)?.run(campaigning.clone()));
    let mut controllers = controllers(&context, &acting);
    let result = tokio::select! {
        held = elector.hold(&stop) => if held { Ok(()) } else { Err(Error::LeaseLost) },
        Some(ended) = controllers.join_next() => Err(ended.map_or_else(Error::Panicked, Error::Ended)),
        ended = &mut campaign => Err(ended.map_or_else(Error::Panicked, |()| Error::Ended("the campaign for the lead"))),
        ended = &mut admin => Err(match ended {
            Ok(Ok(())) => Error::Ended("the port for probes and metrics"),
            Ok(Err(error)) => Error::Serve(error),
            Err(error) => Error::Panicked(error),
        }),
        Some(ended) = peers.join_next() => Err(ended.map_or_else(Error::Panicked, Error::Ended)),
    };
    acting.cancel();
    // After a lost lease another acts already: what is running here is dropped, not finished.
    if matches!(result, Err(Error::LeaseLost)) {
        controllers.shutdown().await;
    } else {
        while controllers.join_next().await.is_some() {}
    }
    campaigning.cancel();
    if !campaign.is_finished() {
        // What went wrong with it was told above, or is not worth more than the end.
        let _ = campaign.await;
    }
    if !matches!(result, Err(Error::LeaseLost)) {
        elector.release().await;
    }
    metrics.acts(false);
    over.cancel();
    result
}

async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address)
        .await
        .map_err(|source| Error::Listen { address, source })
}

/// What the other site's operator reads by. Every replica has it, whether it acts or not.
fn peers(
    context: &Context,
    client: Client,
    listener: TcpListener,
    stop: &CancellationToken,
) -> JoinSet<&'static str> {
    let (certificate, site) = (context.certificate.clone(), context.site.clone());
    let mut set = JoinSet::new();
    spawn(
        &mut set,
        "the renewal of the operator's own certificate",
        peer::keep(
            context.cluster.clone(),
            certificate.clone(),
            site.clone(),
            context.metrics.expiry().clone(),
            stop.clone(),
        ),
    );
    let served = Served {
        certificate,
        site,
        client,
    };
    spawn(
        &mut set,
        "the port for the other site",
        peer::serve(listener, served, stop.clone()),
    );
    set
}

fn campaign(context: &Context) -> Result<Campaign, Error> {
    Ok(Campaign::new(
        Site::try_from(context.site.to_string())?,
        context.office.clone(),
        Providers::new(context.certificate.clone()),
        context.metrics.clone(),
    ))
}

fn controllers(context: &Arc<Context>, stop: &CancellationToken) -> JoinSet<&'static str> {
    let mut set = JoinSet::new();
    spawn(
        &mut set,
        "the controller of platforms",
        platform::run(context.clone(), stop.clone()),
    );
    spawn(
        &mut set,
        "the controller of stores",
        mail_store::run(context.clone(), stop.clone()),
    );
    spawn(
        &mut set,
        "the controller of agencies",
        agency::run(context.clone(), stop.clone()),
    );
    spawn(
        &mut set,
        "the controller of mailboxes",
        mailbox::run(context.clone(), stop.clone()),
    );
    spawn(&mut set, "the mirror", mirror::run(context.clone(), stop.clone()));
    set
}

fn spawn(
    set: &mut JoinSet<&'static str>,
    name: &'static str,
    controller: impl Future<Output = ()> + Send + 'static,
) {
    set.spawn(async move {
        controller.await;
        name
    });
}

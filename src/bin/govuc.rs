//! The operator's binary.

use std::{collections::BTreeMap, io::Write, net::SocketAddr, process::ExitCode};

use clap::{Parser, Subcommand, builder::NonEmptyStringValueParser};
use govuc::{
    controller::chain,
    mail_store::engine::Engines,
    manifests::{self, File, Installation},
    names::SiteName,
    operator::{self, Images, Options},
    telemetry,
};
use govuc_wire::names::{PROBE_PORT, TLS_PORT};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The operator of the government unified communication service.
#[derive(Parser)]
#[command(name = "govuc", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Act in the cluster this runs in. Images come from GOVUC_IMAGE_<NAME>.
    Run {
        /// The site of this cluster: a name in Platform.spec.sites.
        #[arg(long, env = "GOVUC_SITE")]
        site: SiteName,
        /// Images of the mail engine that stores may be pinned to by spec.version, beside GOVUC_IMAGE_CYRUS; their tags are the versions.
        #[arg(
            long = "engine",
            env = "GOVUC_ENGINES",
            value_name = "REFERENCE",
            value_delimiter = ',',
            value_parser = NonEmptyStringValueParser::new()
        )]
        engines: Vec<String>,
        /// This replica, as the lease names it.
        #[arg(long, env = "HOSTNAME")]
        replica: String,
        /// Where probes and metrics are served.
        #[arg(long, env = "GOVUC_LISTEN", default_value_t = SocketAddr::from(([0, 0, 0, 0], PROBE_PORT)))]
        listen: SocketAddr,
        /// Where the other site's operator reads this cluster's agencies and mailboxes.
        #[arg(long, env = "GOVUC_PEER_LISTEN", default_value_t = SocketAddr::from(([0, 0, 0, 0], TLS_PORT)))]
        peer_listen: SocketAddr,
    },
    /// Print the kinds as one YAML stream.
    Crds,
    /// Print the installation of one site as one YAML stream: kinds, namespaces, roles, admission, operator.
    Manifests {
        /// The site of the cluster it is for.
        #[arg(long)]
        site: SiteName,
        /// An image, as NAME=REFERENCE: operator, openldap, postfix, nginx, haproxy, filter, cyrus, router, etcd.
        /// Those left out are localhost/govuc/NAME:dev.
        #[arg(long = "image", value_name = "NAME=REFERENCE", value_parser = image)]
        images: Vec<(String, String)>,
        /// An image of the mail engine that stores may be pinned to by spec.version, beside cyrus; its tag is the version.
        #[arg(long = "engine", value_name = "REFERENCE", value_parser = NonEmptyStringValueParser::new())]
        engines: Vec<String>,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Run {
            site,
            engines,
            replica,
            listen,
            peer_listen,
        } => run(site, &engines, replica, listen, peer_listen).await,
        Command::Crds => crds(),
        Command::Manifests {
            site,
            images,
            engines,
        } => installation(site, images, &engines),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("govuc: {}", chain(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn run(
    site: SiteName,
    engines: &[String],
    replica: String,
    listen: SocketAddr,
    peer_listen: SocketAddr,
) -> Result<(), anyhow::Error> {
    telemetry::init_logs();
    let images: BTreeMap<String, String> = std::env::vars()
        .filter_map(|(key, value)| Some((key.strip_prefix("GOVUC_IMAGE_")?.to_owned(), value)))
        .collect();
    let images = Images::from_map(&images)?;
    let options = Options {
        site,
        engines: Engines::of(&images.cyrus, engines)?,
        images,
        replica,
        listen,
        peer_listen,
    };
    let stop = CancellationToken::new();
    tokio::spawn(stop_on_signal(stop.clone())?);
    Ok(operator::run(options, stop).await?)
}

fn crds() -> Result<(), anyhow::Error> {
    print(&manifests::crds()?)
}

fn installation(
    site: SiteName,
    images: Vec<(String, String)>,
    engines: &[String],
) -> Result<(), anyhow::Error> {
    let mut files = manifests::crds()?;
    files.extend(manifests::installation(&Installation::new(
        site, images, engines,
    )?)?);
    print(&files)
}

fn print(files: &[File]) -> Result<(), anyhow::Error> {
    let mut out = std::io::stdout().lock();
    for file in files {
        out.write_all(file.yaml()?.as_bytes())?;
    }
    Ok(())
}

fn image(text: &str) -> Result<(String, String), String> {
    let (name, reference) = text
        .split_once('=')
        .ok_or_else(|| format!("{text:?} is not NAME=REFERENCE"))?;
    if name != "operator" && !Images::NAMES.contains(&name) {
        return Err(format!(
            "there is no image {name:?}: the images are operator, {}",
            Images::NAMES.join(", ")
        ));
    }
    Ok((name.to_owned(), reference.to_owned()))
}

/// Listens from now on; what is answered waits.
fn stop_on_signal(stop: CancellationToken) -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        stop.cancel();
    })
}

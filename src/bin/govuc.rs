//! The operator's binary.

use std::{collections::BTreeMap, process::ExitCode};

use clap::{Parser, Subcommand};
use govuc::{
    controller::chain,
    names::SiteName,
    operator::{self, Images, Options},
    telemetry,
};
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
        /// This replica, as the lease names it.
        #[arg(long, env = "HOSTNAME")]
        replica: String,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Run { site, replica } => run(site, replica).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("govuc: {}", chain(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn run(site: SiteName, replica: String) -> Result<(), anyhow::Error> {
    telemetry::init_logs();
    let images: BTreeMap<String, String> = std::env::vars()
        .filter_map(|(key, value)| Some((key.strip_prefix("GOVUC_IMAGE_")?.to_owned(), value)))
        .collect();
    let options = Options {
        site,
        images: Images::from_map(&images)?,
        replica,
    };
    let stop = CancellationToken::new();
    tokio::spawn(stop_on_signal(stop.clone())?);
    Ok(operator::run(options, stop).await?)
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

//! Process 1 of a mail store: its role, its engine, and every byte to and from it.
//!
//! `docs/protocol.md` says who may write; `crates/roles` decides it. Here is what acts on it:
//!
//! ```text
//!  8443 ──> listener ──> gate ──> engine          source ──> turn ──> volume, gate, engine, relay
//!              │                                               ▲
//!              ├──> relay::incoming ──> engine                 │ events
//!  engine ──> relay ──> the peer's guard ──────────────────────┘
//! ```

mod cli;
mod clock;
mod config;
mod drain;
mod engine;
#[cfg(all(test, feature = "cyrus"))]
mod engines;
mod gate;
mod hold;
mod lease;
mod listener;
mod merge;
mod merges;
mod metered;
mod metrics;
mod probes;
mod process;
mod relay;
mod saslauthd;
mod source;
mod status;
mod tls;
mod tokens;
mod turn;
mod volume;
mod wiring;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    if let Some(cli::Command::Merges { merged }) = &arguments.command {
        return match merges::run(
            &arguments.volume,
            merged.as_deref(),
            &mut std::io::stdout().lock(),
        ) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        };
    }
    tracing_subscriber::fmt()
        .json()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")))
        .init();
    let ended = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(wiring::Error::Runtime)
        .and_then(|runtime| runtime.block_on(wiring::run(arguments)));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the guard ends");
            ExitCode::FAILURE
        }
    }
}

//! The kubectl plugin: `kubectl govuc …`.

use std::process::ExitCode;

use clap::Parser;
use govuc::plugin::cli::Arguments;

/// Refused or failed: 1. Wrong usage is 2, by clap.
#[tokio::main]
async fn main() -> ExitCode {
    match Arguments::parse().run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

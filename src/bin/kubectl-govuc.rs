//! The kubectl plugin: `kubectl govuc …`.

use std::process::ExitCode;

use clap::Parser;
use govuc::plugin::cli::{Arguments, End, Failure};

/// Refused or failed: 1, and 2 of `diff`, where 1 means that something differs. Wrong usage is 2, by clap.
#[tokio::main]
async fn main() -> ExitCode {
    match Arguments::parse().run().await {
        Ok(End::Done) => ExitCode::SUCCESS,
        Ok(End::Differs) => ExitCode::FAILURE,
        Err(Failure { message, code }) => {
            eprintln!("error: {message}");
            code.into()
        }
    }
}

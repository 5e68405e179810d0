//! The kubectl plugin: `kubectl govuc …`.

use std::process::ExitCode;

use clap::Parser;
use govuc::plugin::cli::{Arguments, End, Failure};

/// Refused or failed: 1, and 2 of `diff` and `certificates`, where 1 is what they have to say. Wrong usage is 2, by clap.
#[tokio::main]
async fn main() -> ExitCode {
    match Arguments::parse().run().await {
        Ok(End::Done) => ExitCode::SUCCESS,
        Ok(End::Differs | End::Ending) => ExitCode::FAILURE,
        Err(Failure { message, code }) => {
            eprintln!("error: {message}");
            code.into()
        }
    }
}

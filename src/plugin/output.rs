//! Results for people and for programs.

use clap::ValueEnum;
use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Json,
    Yaml,
}

/// Prints `value` in the format, or the text when none was asked for.
pub fn print(format: Option<Format>, value: &impl Serialize, text: &str) -> Result<(), Error> {
    match format {
        None => println!("{text}"),
        Some(Format::Json) => println!("{}", serde_json::to_string_pretty(value)?),
        Some(Format::Yaml) => print!("{}", serde_yaml::to_string(value)?),
    }
    Ok(())
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the result can't be written as JSON")]
    Json(#[from] serde_json::Error),
    #[error("the result can't be written as YAML")]
    Yaml(#[from] serde_yaml::ser::Error),
}

//! Runs a program to its end and turns its failure into a sentence.

use std::io::Write;
use std::process::{Command, Output, Stdio};

/// How many of its last lines a failure quotes.
const LINES: usize = 60;

/// Why a program did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{program} can't be started: {source}; is its package installed?")]
    Start { program: String, source: std::io::Error },
    #[error("{command} failed ({status}): {stderr}")]
    Failed {
        command: String,
        status: std::process::ExitStatus,
        stderr: String,
    },
}

/// Runs `command` and gives what it printed; an exit code other than 0 is an error that quotes its last words.
pub fn run(command: &mut Command) -> Result<Output, Error> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|source| unstarted(command, source))?;
    judge(command, output)
}

/// As [`run`], with `input` on its standard input.
pub fn run_with(command: &mut Command, input: &[u8]) -> Result<Output, Error> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| unstarted(command, source))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends before it has read everything says why on its standard error.
        let _ = stdin.write_all(input);
    }
    let output = child
        .wait_with_output()
        .map_err(|source| unstarted(command, source))?;
    judge(command, output)
}

fn unstarted(command: &Command, source: std::io::Error) -> Error {
    Error::Start {
        program: command.get_program().to_string_lossy().into_owned(),
        source,
    }
}

fn judge(command: &Command, output: Output) -> Result<Output, Error> {
    if output.status.success() {
        return Ok(output);
    }
    let words = [command.get_program()].into_iter().chain(command.get_args());
    Err(Error::Failed {
        command: words
            .map(|w| w.to_string_lossy().into_owned())
            .collect::<Vec<_>>()
            .join(" "),
        status: output.status,
        stderr: last_words(&output),
    })
}

/// What it complained of; a program that checks may say so on its standard output.
fn last_words(output: &Output) -> String {
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    let complaint = Some(said(&output.stderr)).filter(|text| !text.is_empty());
    let text = complaint.unwrap_or_else(|| said(&output.stdout));
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_quotes_the_command_and_its_last_words() {
        let error = run(Command::new("sh").args(["-c", "echo no such link >&2; exit 3"])).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("exit status: 3") && text.ends_with("no such link"),
            "{text}"
        );
    }

    #[test]
    fn a_failure_without_complaint_quotes_what_was_printed() {
        let error = run(Command::new("sh").args(["-c", "echo Diff in main.rs; exit 1"])).unwrap_err();
        assert!(error.to_string().ends_with("Diff in main.rs"), "{error}");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = run(&mut Command::new("no-such-program")).unwrap_err();
        assert!(
            error.to_string().starts_with("no-such-program can't be started"),
            "{error}"
        );
    }

    #[test]
    fn input_reaches_the_program() {
        let output = run_with(&mut Command::new("cat"), b"table ip lab {}").unwrap();
        assert_eq!(output.stdout, b"table ip lab {}");
    }
}

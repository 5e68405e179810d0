//! What a run of tests says: one line for each check, and one line in the end.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// Counts checks and prints each as it ends.
#[derive(Debug, Default)]
pub struct Report {
    passed: usize,
    failed: usize,
    left_out: Vec<String>,
}

impl Report {
    /// Runs a check and prints how it went; true if it passed.
    pub async fn check(&mut self, name: &str, check: impl Future<Output = anyhow::Result<()>>) -> bool {
        let start = Instant::now();
        let result = check.await;
        self.note(
            name,
            start.elapsed(),
            result.map_err(|error| format!("{error:#}")),
        )
    }

    /// As [`Report::check`], for a check that is done by the time it is told.
    pub fn note(&mut self, name: &str, took: Duration, result: Result<(), impl Display>) -> bool {
        let seconds = took.as_secs_f64();
        match result {
            Ok(()) => {
                self.passed += 1;
                println!("ok     {seconds:6.1} s  {name}");
                true
            }
            Err(error) => {
                self.failed += 1;
                println!("FAILED {seconds:6.1} s  {name}\n{}", indented(&error.to_string()));
                false
            }
        }
    }

    /// Counts tests that another program ran and printed.
    pub fn count(&mut self, passed: usize, failed: usize) {
        self.passed += passed;
        self.failed += failed;
    }

    /// Remembers what could not run here and why.
    pub fn leave_out(&mut self, what: &str, why: &str) {
        self.left_out.push(format!("left out: {what}: {why}"));
    }

    pub fn has_failures(&self) -> bool {
        self.failed > 0
    }

    /// What was left out, and the last line.
    pub fn summary(&self) -> String {
        let result = format!("{} passed, {} failed", self.passed, self.failed);
        self.left_out
            .iter()
            .cloned()
            .chain([result])
            .collect::<Vec<_>>()
            .join("\n")
    }
}

fn indented(text: &str) -> String {
    text.lines()
        .map(|line| format!("       {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_line_counts_and_what_was_left_out_stands_before_it() {
        let mut report = Report::default();
        assert!(report.check("one", async { Ok(()) }).await);
        assert!(!report.check("two", async { anyhow::bail!("no") }).await);
        report.count(40, 0);
        report.leave_out("lab", "it needs root");
        assert_eq!(
            report.summary(),
            "left out: lab: it needs root\n41 passed, 1 failed"
        );
        assert!(report.has_failures());
    }
}

//! What a run of tests says: one line for each check, and one line in the end.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// Counts checks and prints each as it ends.
#[derive(Debug, Default)]
pub struct Report {
    passed: usize,
    failed: usize,
    left_out: Vec<String>,
    /// What the names of checks are to contain.
    only: Option<String>,
    chosen: usize,
    passed_over: usize,
}

impl Report {
    /// Of the checks, only those whose names contain this.
    pub fn only(text: &str) -> Self {
        Self {
            only: Some(text.to_lowercase()),
            ..Self::default()
        }
    }

    /// As [`Report::check`], for what has to be there whichever checks are chosen.
    pub async fn prepare(&mut self, name: &str, step: impl Future<Output = anyhow::Result<()>>) -> bool {
        self.run(name, async { step.await.map(|()| String::new()) }).await
    }

    /// Runs a check, if it is chosen, and prints how it went; true if it passed.
    pub async fn check(&mut self, name: &str, check: impl Future<Output = anyhow::Result<()>>) -> bool {
        self.observe(name, async { check.await.map(|()| String::new()) })
            .await
    }

    /// As [`Report::check`], for a check that saw something worth telling.
    pub async fn observe(&mut self, name: &str, check: impl Future<Output = anyhow::Result<String>>) -> bool {
        if !self.chooses(name) {
            self.passed_over += 1;
            return false;
        }
        self.chosen += 1;
        self.run(name, check).await
    }

    async fn run(&mut self, name: &str, check: impl Future<Output = anyhow::Result<String>>) -> bool {
        let start = Instant::now();
        let result = check.await.map_err(|error| format!("{error:#}"));
        self.tell(name, start.elapsed(), result)
    }

    /// As [`Report::check`], for a check that is done by the time it is told.
    pub fn note(&mut self, name: &str, took: Duration, result: Result<(), impl Display>) -> bool {
        let result = result.map(|()| String::new()).map_err(|error| error.to_string());
        self.tell(name, took, result)
    }

    /// As [`Report::note`], for a check that saw something worth telling.
    pub fn tell(&mut self, name: &str, took: Duration, result: Result<String, String>) -> bool {
        let passed = result.is_ok();
        if passed {
            self.passed += 1;
        } else {
            self.failed += 1;
        }
        println!("{}", line(name, took, &result));
        passed
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

    /// Somebody has chosen among the checks, and may mean one that is not run unasked.
    pub fn is_narrowed(&self) -> bool {
        self.only.is_some()
    }

    fn chooses(&self, name: &str) -> bool {
        self.only
            .as_ref()
            .is_none_or(|text| name.to_lowercase().contains(text))
    }

    /// A choice that nothing fits is a failure too: whoever made it believes that something was tried.
    pub fn has_failures(&self) -> bool {
        self.failed > 0 || self.chose_nothing()
    }

    fn chose_nothing(&self) -> bool {
        self.only.is_some() && self.chosen == 0
    }

    /// What was left out, and the last line.
    pub fn summary(&self) -> String {
        let result = format!("{} passed, {} failed", self.passed, self.failed);
        let only = self.only.as_ref().map(|text| match self.chosen {
            0 => format!(
                "no check's name contains {text:?}; there are {}",
                self.passed_over
            ),
            _ => format!(
                "left out: checks whose names do not contain {text:?}: {}",
                self.passed_over
            ),
        });
        self.left_out
            .iter()
            .cloned()
            .chain(only)
            .chain([result])
            .collect::<Vec<_>>()
            .join("\n")
    }
}

fn line(name: &str, took: Duration, result: &Result<String, String>) -> String {
    let seconds = took.as_secs_f64();
    match result {
        Ok(seen) if seen.is_empty() => format!("ok     {seconds:6.1} s  {name}"),
        Ok(seen) => format!("ok     {seconds:6.1} s  {name} ({seen})"),
        Err(error) => format!("FAILED {seconds:6.1} s  {name}\n{}", indented(error)),
    }
}

fn indented(text: &str) -> String {
    text.lines()
        .map(|line| format!("       {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The name of a check, which may stand behind its module's, as a sentence.
pub fn sentence(path: &str) -> String {
    path.rsplit("::").next().unwrap_or(path).trim().replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_tells_what_it_saw_beside_its_name_and_why_it_failed_below() {
        let told = |result: Result<&str, &str>| {
            let result = result.map(str::to_owned).map_err(str::to_owned);
            line("mail is read", Duration::from_millis(1340), &result)
        };
        assert_eq!(told(Ok("")), "ok        1.3 s  mail is read");
        assert_eq!(
            told(Ok("after 0.3 s")),
            "ok        1.3 s  mail is read (after 0.3 s)"
        );
        assert_eq!(
            told(Err("no\nmail")),
            "FAILED    1.3 s  mail is read\n       no\n       mail"
        );
    }

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

    #[tokio::test]
    async fn only_what_is_chosen_runs_and_what_it_needs() {
        let mut report = Report::only("Two at once");
        assert!(report.prepare("people are Ready", async { Ok(()) }).await);
        assert!(!report.check("mail is read", async { panic!("it ran") }).await);
        assert!(report.has_failures(), "nothing was chosen yet");
        assert!(report.summary().contains("no check's name contains"));
        assert!(report.check("of two at once one is done", async { Ok(()) }).await);
        assert!(!report.has_failures());
        assert_eq!(
            report.summary(),
            "left out: checks whose names do not contain \"two at once\": 1\n2 passed, 0 failed"
        );
    }
}

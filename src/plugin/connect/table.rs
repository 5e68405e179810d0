//! What was checked, as text of at most 100 columns: pure.

use super::{
    super::hanging::hanging,
    check::{Check, Subject, Verdict},
};

/// Of the first two columns.
const INDENT: usize = 27;

pub fn table(checks: &[Check]) -> String {
    let mut lines = vec![format!("{:<14}{:<13}FOUND", "CHECK", "RESULT")];
    for check in checks {
        let head = format!("{:<14}{:<13}", subject(check.check), verdict(check.result));
        lines.extend(hanging(&head, INDENT, &check.found));
    }
    lines.join("\n")
}

fn subject(subject: Subject) -> &'static str {
    match subject {
        Subject::Versions => "versions",
        Subject::Sites => "sites",
        Subject::Platforms => "Platforms",
        Subject::Clocks => "clocks",
        Subject::Networks => "networks",
        Subject::RootSecrets => "root secrets",
        Subject::Authorities => "authorities",
    }
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Good => "good",
        Verdict::Warning => "warning",
        Verdict::Refused => "refused",
        Verdict::NotChecked => "not checked",
    }
}

#[cfg(test)]
mod tests {
    use super::{super::super::hanging::WIDTH, *};

    #[test]
    fn a_check_is_a_row_that_goes_on_below_itself() {
        let checks = [
            Check::new(Subject::Versions, Verdict::Good, "both operators are govuc:1"),
            // As many as fit, and three.
            Check::new(Subject::Platforms, Verdict::NotChecked, "a ".repeat(40)),
        ];
        let row = format!("not checked  {}", "a ".repeat(37));
        let expected = format!(
            "CHECK         RESULT       FOUND\nversions      good         both operators are govuc:1\nPlatforms     {}\n{:27}a a a",
            row.trim_end(),
            ""
        );
        assert_eq!(table(&checks), expected);
        assert_eq!(expected.lines().map(str::len).max(), Some(WIDTH));
    }
}

//! The tables in `docs/protocol.md`.

use std::fmt::Write;

use anyhow::Context;

use super::{Counted, Done, sentence};

const BEGIN: &str = "<!-- `cargo lab campaign model` writes from here -->\n";
const END: &str = "<!-- to here -->\n";

/// `page` with `tables` between the marks.
pub fn replaced(page: &str, tables: &str) -> anyhow::Result<String> {
    let marks = || {
        let (before, rest) = page.split_once(BEGIN)?;
        let (_, after) = rest.split_once(END)?;
        Some(format!("{before}{BEGIN}\n{tables}\n{END}{after}"))
    };
    marks().with_context(|| format!("there is no {} … {}", BEGIN.trim(), END.trim()))
}

pub fn tables(done: &[Done]) -> String {
    let counted = || done.iter().filter_map(|done| done.counted.as_ref());
    let mut text = String::from("| Checked | Worlds | Steps | Time |\n|---|---|---|---|\n");
    for bound in counted().filter(|counted| counted.harm.is_none()) {
        let Counted {
            what, worlds, steps, ..
        } = bound;
        let time = time(bound.seconds);
        let _ = writeln!(
            text,
            "| {what} | {} | {} | {time} |",
            grouped(*worlds),
            grouped(*steps)
        );
    }
    for failed in done.iter().filter(|done| done.counted.is_none()) {
        let _ = writeln!(text, "| **FAILED**: {} | | | |", sentence(&failed.name));
    }
    text.push_str("\n| Without the rule | No longer so | Found after |\n|---|---|---|\n");
    for mutant in counted() {
        if let Some(harm) = &mutant.harm {
            let _ = writeln!(
                text,
                "| {} | {harm} | {} worlds |",
                mutant.what,
                grouped(mutant.worlds)
            );
        }
    }
    text
}

fn time(seconds: f64) -> String {
    if seconds < 100.0 {
        format!("{seconds:.0} s")
    } else {
        format!("{:.0} min", seconds / 60.0)
    }
}

/// 1234567 as 1 234 567.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(name: &str, harm: Option<&str>) -> Done {
        Done {
            program: "p".into(),
            name: format!("checks::{name}"),
            counted: Some(Counted {
                what: "one fault".into(),
                worlds: 1_234_567,
                steps: 20,
                seconds: 250.0,
                harm: harm.map(str::to_owned),
            }),
        }
    }

    #[test]
    fn bounds_mutants_and_failures_stand_apart() {
        let failed = Done {
            counted: None,
            ..done("two_faults", None)
        };
        let text = tables(&[done("one", None), done("mutant", Some("one gate")), failed]);
        assert!(
            text.contains("| one fault | 1 234 567 | 20 | 4 min |\n"),
            "{text}"
        );
        assert!(text.contains("| **FAILED**: two faults | | | |\n"), "{text}");
        assert!(
            text.contains("| one fault | one gate | 1 234 567 worlds |\n"),
            "{text}"
        );
    }

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let page = format!("before\n{BEGIN}\nold\n{END}after\n");
        let new = replaced(&page, "new\n").unwrap();
        assert_eq!(new, format!("before\n{BEGIN}\nnew\n\n{END}after\n"));
        assert_eq!(replaced(&new, "new\n").unwrap(), new);
        assert!(replaced("nothing", "new").is_err());
    }
}

//! Differences as people read them: pure.

use similar::TextDiff;

use super::difference::{Difference, Side};

/// A heading, what each site says of it, and what differs in the spec, as `diff -u` has it.
pub fn difference(difference: &Difference, contexts: [&str; 2]) -> String {
    let object = difference.object.text();
    let [one, other] = contexts;
    let mut lines = vec![match &difference.sides {
        [Some(_), None] => format!("{object} is only at {one}"),
        [None, Some(_)] => format!("{object} is only at {other}"),
        [Some(a), Some(b)] if a.spec == b.spec => {
            let at = if a.deleting { one } else { other };
            format!("{object} is the same, and is being deleted at {at}")
        }
        _ => format!("{object} differs"),
    }];
    for (context, side) in contexts.into_iter().zip(&difference.sides) {
        lines.extend(side.as_ref().and_then(|side| said(context, side)));
    }
    let mut text = lines.join("\n");
    text.push('\n');
    if let [Some(a), Some(b)] = &difference.sides {
        text.push_str(&specs([a, b], contexts));
    }
    text
}

/// How many there are of each.
pub fn counts(differences: &[Difference], same: usize, contexts: [&str; 2]) -> String {
    let count = |is: fn(&[Option<Side>; 2]) -> bool| differences.iter().filter(|it| is(&it.sides)).count();
    let [one, other] = contexts;
    format!(
        "{} differ, {} only at {one}, {} only at {other}, {same} the same",
        count(|sides| matches!(sides, [Some(_), Some(_)])),
        count(|sides| matches!(sides, [Some(_), None])),
        count(|sides| matches!(sides, [None, Some(_)])),
    )
}

fn said(context: &str, side: &Side) -> Option<String> {
    let mut words = Vec::new();
    if side.deleting {
        words.push("being deleted".to_owned());
    }
    for (condition, reason) in [("Mirrored", &side.mirrored), ("Diverged", &side.diverged)] {
        words.extend(reason.as_ref().map(|reason| format!("{condition}: {reason}")));
    }
    (!words.is_empty()).then(|| format!("  {context}: {}", words.join(", ")))
}

/// Nothing if they are the same.
fn specs(sides: [&Side; 2], contexts: [&str; 2]) -> String {
    let [old, new] = sides.map(yaml);
    TextDiff::from_lines(&old, &new)
        .unified_diff()
        .header(contexts[0], contexts[1])
        .to_string()
}

/// One line for each value: what is compared by lines must not be folded anew when a word changes.
fn yaml(side: &Side) -> String {
    let options = serde_yaml::ser_options! { prefer_block_scalars: false };
    // Texts, numbers, lists and maps of texts: there is always a YAML of it.
    serde_yaml::to_string_with_options(&side.value(), options).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{
        super::difference::tests::{ali, mailbox, side},
        *,
    };

    const SITES: [&str; 2] = ["pdsa1", "pdsa2"];

    fn found(one: Option<Side>, other: Option<Side>) -> Difference {
        Difference::of(ali(), [one, other]).unwrap()
    }

    #[test]
    fn an_object_that_differs_has_a_heading_and_a_unified_diff() {
        let told = Side {
            mirrored: Some("PeerFollows".into()),
            diverged: Some("Overruled".into()),
            ..side(48)
        };
        let expected = "\
Mailbox ali in agency-kkr differs
  pdsa2: Mirrored: PeerFollows, Diverged: Overruled
--- pdsa1
+++ pdsa2
@@ -1,7 +1,7 @@
 address: ali@kkr.gov.my
 aliases: []
 individual:
-  grade: 44
+  grade: 48
   language: ms
   name: Ali
   staffNumber: KKR-1
";
        assert_eq!(difference(&found(Some(side(44)), Some(told)), SITES), expected);
    }

    #[test]
    fn what_is_only_at_one_site_or_goes_there_is_said_so() {
        let deleting = Side {
            deleting: true,
            ..side(44)
        };
        let text = difference(&found(Some(deleting.clone()), None), SITES);
        assert_eq!(
            text,
            "Mailbox ali in agency-kkr is only at pdsa1\n  pdsa1: being deleted\n"
        );
        let text = difference(&found(None, Some(side(44))), SITES);
        assert_eq!(text, "Mailbox ali in agency-kkr is only at pdsa2\n");
        let text = difference(&found(Some(side(44)), Some(deleting)), SITES);
        assert_eq!(
            text,
            "Mailbox ali in agency-kkr is the same, and is being deleted at pdsa2\n  pdsa2: being deleted\n"
        );
    }

    #[test]
    fn each_difference_is_counted_once() {
        let differences = [
            found(Some(side(44)), Some(side(48))),
            found(Some(side(44)), None),
            found(None, Some(side(44))),
            found(None, Some(side(45))),
        ];
        assert_eq!(
            counts(&differences, 7, SITES),
            "1 differ, 1 only at pdsa1, 2 only at pdsa2, 7 the same"
        );
    }

    fn named(name: &str) -> Option<Side> {
        let mut object = mailbox(44);
        object.spec.individual.as_mut().unwrap().name = name.to_owned();
        Some(Side::of(&object))
    }

    #[test]
    fn a_value_is_one_line_however_long_it_is() {
        let long = "Ali bin Ahmad ".repeat(20);
        let text = difference(
            &found(named(&format!("{long}1")), named(&format!("{long}2"))),
            SITES,
        );
        let changed = text.lines().filter(|line| line.contains("Ahmad"));
        assert_eq!(changed.count(), 2, "{text}");
    }

    #[test]
    fn what_people_wrote_steers_no_terminal() {
        let text = difference(&found(named("Ali\u{1b}[31m"), named("Ali\u{9b}2J\n- x")), SITES);
        assert!(!text.contains(['\u{1b}', '\u{9b}']), "{text}");
        assert_eq!(
            text.lines().filter(|line| line.contains("Ali\\")).count(),
            2,
            "{text}"
        );
    }
}

//! What a merge has brought, as text of at most 100 columns: pure.

use govuc_wire::merge_report::Counts;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::brought::{Account, Attempt, Brought, Folder, Message};
use crate::maintenance::told;

const WIDTH: usize = 100;
/// Of the head's labels.
const LABEL: usize = 10;
const HEADER: &str = "MESSAGES  RECOVERED  MADE  ACCOUNT AND FOLDER";
/// Of the table's numbers.
const NUMBERS: usize = 27;
/// Of a message's indentation and its GUID.
const GUID: usize = 46;

/// `each_message`: below its folder.
pub fn table(brought: &Brought, each_message: bool) -> String {
    let mut lines = head(brought);
    lines.push(String::new());
    if brought.accounts.is_empty() {
        let so_far = if brought.ended.is_some() {
            "Nothing had to be brought."
        } else {
            "Nothing was brought so far."
        };
        lines.push(so_far.to_owned());
        return lines.join("\n");
    }
    lines.push(HEADER.to_owned());
    for account in &brought.accounts {
        lines.extend(row(
            [account.messages, account.recovered, account.folders_made],
            "",
            &label(account),
        ));
        for folder in &account.folders {
            let made = usize::from(folder.made_for.is_some());
            let numbers = [folder.messages.len(), folder.recovered(), made];
            lines.extend(row(numbers, "  ", &origin(folder)));
            if each_message {
                lines.extend(folder.messages.iter().flat_map(message));
            }
        }
    }
    lines.join("\n")
}

fn head(brought: &Brought) -> Vec<String> {
    let Brought {
        store,
        volume,
        from,
        site,
        context,
        attempts,
        ended,
        messages,
        recovered,
        folders_made,
        unreadable_lines,
        ..
    } = brought;
    let mut lines = Vec::new();
    let mut say = |label: &str, text: String| lines.extend(labelled(label, &text));
    say("Store", store.clone());
    let from = from
        .as_ref()
        .map_or_else(String::new, |from| format!(" of {from}"));
    say("Volume", format!("{volume}{from}"));
    let site = site.as_deref().unwrap_or("a site that the store does not tell");
    let context = context.as_deref().map_or_else(
        || "the current context".to_owned(),
        |context| format!("context {context}"),
    );
    say("Report", format!("at {site} ({context})"));
    if let Some(first) = attempts.first() {
        say("Begun", first.text());
    }
    if let [_, .., last] = &attempts[..] {
        say("Again", format!("{}: attempt {}", last.text(), attempts.len()));
    }
    match ended {
        None => say(
            "Ended",
            "not by this report: it goes on (status.merge), or ended at the other site".to_owned(),
        ),
        Some(ended) => {
            let at = ended
                .at
                .as_ref()
                .map_or_else(String::new, |Time(at)| format!("{}, ", told(*at)));
            say("Ended", format!("{at}everything is here"));
        }
    }
    let recovered = match recovered {
        0 => String::new(),
        some => format!(", {some} of them not where they had been"),
    };
    say(
        "Brought",
        format!(
            "{}{recovered}; {} made",
            counted(*messages, "message"),
            counted(*folders_made, "folder")
        ),
    );
    if let Some(Counts { known, expunged, .. }) = ended.as_ref().map(|ended| ended.counts) {
        say(
            "Left",
            format!("{known} that were here already or had been; {expunged} that had been deleted there"),
        );
    }
    if !unreadable_lines.is_empty() {
        let numbers: Vec<String> = unreadable_lines.iter().take(5).map(usize::to_string).collect();
        let more = if unreadable_lines.len() > numbers.len() {
            ", …"
        } else {
            ""
        };
        say(
            "Unread",
            format!(
                "{} of the report, cut short by a power cut or of a later guard: {}{more}",
                counted(unreadable_lines.len(), "line"),
                numbers.join(", ")
            ),
        );
    }
    lines
}

impl Attempt {
    fn text(&self) -> String {
        let at = self
            .at
            .as_ref()
            .map_or_else(String::new, |Time(at)| format!("{}, ", told(*at)));
        format!("{at}era {}, term {}", self.era, self.term)
    }
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

fn label(account: &Account) -> String {
    let label = account.address.as_deref().or(account.id.as_deref());
    label.unwrap_or("(no account's)").to_owned()
}

/// A folder, and which ones at the copy what is in it was in.
fn origin(folder: &Folder) -> String {
    let mut origins: Vec<&str> = folder
        .messages
        .iter()
        .map(|message| message.from.as_str())
        .collect();
    origins.extend(folder.made_for.as_deref());
    origins.retain(|origin| *origin != folder.folder);
    origins.sort_unstable();
    origins.dedup();
    match origins[..] {
        [] => folder.folder.clone(),
        _ => format!("{} (there: {})", folder.folder, origins.join(", ")),
    }
}

fn row(numbers: [usize; 3], indent: &str, name: &str) -> Vec<String> {
    let [messages, recovered, made] = numbers.map(|number| match number {
        0 => "-".to_owned(),
        some => some.to_string(),
    });
    let numbers = format!("{messages:>8}  {recovered:>9}  {made:>4}  {indent}");
    hanging(&numbers, NUMBERS + indent.len(), name)
}

fn message(message: &Message) -> Vec<String> {
    let Message { guid, from, to, .. } = message;
    let way = if from == to {
        to.clone()
    } else {
        format!("{from} -> {to}")
    };
    hanging(&format!("{:4}{guid}  ", ""), GUID, &way)
}

fn labelled(label: &str, text: &str) -> Vec<String> {
    hanging(&format!("{label:<LABEL$}"), LABEL, text)
}

/// `text` after `first`, which has `indent` columns; what does not fit goes on below its beginning.
fn hanging(first: &str, indent: usize, text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let (mut line, mut columns) = (first.to_owned(), indent);
    // What people name a folder must not steer a terminal.
    let shown = text
        .chars()
        .map(|char| if char.is_control() { '\u{fffd}' } else { char });
    for char in shown {
        if columns + width(char) > WIDTH {
            lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
            columns = indent;
        }
        columns += width(char);
        line.push(char);
    }
    lines.push(line);
    lines
}

/// Columns of a terminal. From the Hangul on most letters are wide; one that is not only breaks a line earlier.
fn width(char: char) -> usize {
    if char < '\u{1100}' { 1 } else { 2 }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::plugin::merge::brought::tests::REPORT;

    fn brought() -> Brought {
        let mut brought = Brought {
            store: "mail-1".into(),
            volume: "0c4e7b52-3f0e-4b0e-9a57-0b9d3f1d2c11".into(),
            from: Some("pdsa2".into()),
            site: Some("pdsa1".into()),
            context: Some("one".into()),
            ..Brought::read(REPORT)
        };
        brought.name_accounts(&BTreeMap::from([("3f".into(), "ali@kkr.gov.my".into())]));
        brought
    }

    #[test]
    fn a_report_is_a_head_and_a_table_of_accounts_and_folders() {
        let expected = "\
Store     mail-1
Volume    0c4e7b52-3f0e-4b0e-9a57-0b9d3f1d2c11 of pdsa2
Report    at pdsa1 (context one)
Begun     2026-11-27T13:00:00+08:00, era 2, term 5
Again     2026-11-27T13:01:00+08:00, era 2, term 6: attempt 2
Ended     2026-11-27T13:02:00+08:00, everything is here
Brought   4 messages, 2 of them not where they had been; 2 folders made
Left      71 that were here already or had been; 4 that had been deleted there
Unread    1 line of the report, cut short by a power cut or of a later guard: 4

MESSAGES  RECOVERED  MADE  ACCOUNT AND FOLDER
       1          -     -  1a
       1          -     -    Hantar (there: Sent)
       3          2     1  ali@kkr.gov.my
       1          -     -    INBOX
       2          2     1    Dipulihkan/Projek.1 (there: Projek.1)
       -          -     1  (no account's)
       -          -     1    team/a";
        assert_eq!(table(&brought(), false), expected);
    }

    #[test]
    fn each_message_is_below_its_folder_when_that_is_asked() {
        let text = table(&brought(), true);
        let of_ali = "       \
       1          -     -    INBOX
    0123456789abcdef0123456789abcdef01234567  INBOX
       2          2     1    Dipulihkan/Projek.1 (there: Projek.1)
    1123456789abcdef0123456789abcdef01234567  Projek.1 -> Dipulihkan/Projek.1
    2123456789abcdef0123456789abcdef01234567  Projek.1 -> Dipulihkan/Projek.1
";
        assert!(text.contains(of_ali), "{text}");
    }

    #[test]
    fn a_merge_that_brought_nothing_or_has_not_ended_says_so() {
        let text = table(
            &Brought::read("{\"what\":\"begun\",\"era\":2,\"term\":5}\n"),
            false,
        );
        for part in [
            "Report    at a site that the store does not tell (the current context)",
            "Begun     era 2, term 5",
            "Ended     not by this report",
            "Nothing was brought so far.",
        ] {
            assert!(text.contains(part), "without {part:?}: {text}");
        }
        assert!(!text.contains("Again"), "{text}");
    }

    #[test]
    fn no_line_is_wider_than_a_hundred_columns_and_nothing_of_a_name_is_lost() {
        let mut brought = brought();
        let long = format!("{}{}", "世".repeat(60), "a".repeat(120));
        let folder = &mut brought.accounts[1].folders[0];
        folder.folder.clone_from(&long);
        folder.messages[0].from = format!("x\u{1b}[31m{long}");
        let text = table(&brought, true);
        for line in text.lines() {
            let columns: usize = line.chars().map(width).sum();
            assert!(columns <= WIDTH, "{columns}: {line}");
        }
        assert!(!text.contains('\u{1b}'), "{text}");
        let letters = text.chars().filter(|char| *char == '世').count();
        assert_eq!(letters, 60 * 3, "{text}");
    }
}

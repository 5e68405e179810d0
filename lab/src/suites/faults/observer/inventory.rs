//! What a person finds in the mailbox, by IMAP.

use std::collections::BTreeMap;

use super::client::Session;
use super::expected::Found;
use super::imap::{self, quoted};

/// Folders whose name begins with `prefix`, or all of them, with their messages.
pub async fn take(session: &mut Session, prefix: &str) -> Result<Found, imap::Error> {
    let listed = session.imap.command("LIST \"\" \"*\"").await?;
    let names: Vec<String> = listed
        .untagged
        .iter()
        .filter_map(|line| listed_name(line))
        .collect();
    let mut found = Found::new();
    for name in names.into_iter().filter(|name| name.starts_with(prefix)) {
        session
            .imap
            .command(&format!("EXAMINE {}", quoted(&name)))
            .await?;
        let fetch = "UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])";
        let messages = session.imap.command(fetch).await?;
        found.insert(name, messages_of(&messages.untagged));
    }
    Ok(found)
}

/// The name in an untagged LIST answer; observed names need no escapes.
fn listed_name(line: &str) -> Option<String> {
    let rest = line.strip_prefix("* LIST ")?.split_once(") ")?.1;
    let name = rest.split_once(' ')?.1;
    Some(name.trim_matches('"').to_owned())
}

/// Message-IDs and whether each is flagged. A message that is there twice is flagged if one of them is.
fn messages_of(lines: &[String]) -> BTreeMap<String, bool> {
    let mut messages = BTreeMap::new();
    let mut flagged = false;
    for line in lines {
        if line.starts_with("* ") && line.contains(" FETCH (") {
            flagged = line.contains("\\Flagged");
        }
        let field = line
            .split_once(':')
            .filter(|(name, _)| name.eq_ignore_ascii_case("Message-ID"));
        if let Some((_, id)) = field {
            let id = id.trim().trim_start_matches('<').trim_end_matches('>');
            *messages.entry(id.to_owned()).or_default() |= flagged;
        }
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_folders_are_read() {
        let name = |line| listed_name(line).unwrap();
        assert_eq!(name(r#"* LIST (\HasNoChildren) "/" INBOX"#), "INBOX");
        assert_eq!(name(r#"* LIST (\HasChildren \Noselect) "/" "a b/c""#), "a b/c");
        assert_eq!(listed_name("* OK"), None);
    }

    #[test]
    fn messages_are_read_with_their_flags() {
        let lines = [
            r"* 1 FETCH (FLAGS (\Recent \Flagged) UID 4 BODY[HEADER.FIELDS (MESSAGE-ID)] {30}",
            "Message-ID: <one@x>",
            "",
            ")",
            "* 2 FETCH (FLAGS () UID 5 BODY[HEADER.FIELDS (MESSAGE-ID)] {30}",
            "message-id: <two@x>",
            ")",
        ];
        let read = messages_of(&lines.map(str::to_owned));
        assert_eq!(
            read,
            BTreeMap::from([("one@x".to_owned(), true), ("two@x".to_owned(), false)])
        );
    }
}

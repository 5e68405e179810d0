//! What the peer's engine says, as far as the own one may hear it.

use super::lines::{Lines, Piece};

/// Within so many bytes a line of an engine has its tag and the first word behind it.
const LONGEST_HEAD: usize = 128;
/// A refusal is short; of a longer one this much is enough to know it.
const LONGEST_REFUSAL: usize = 4096;

/// The follower's answers with which the engine goes on by itself, by another way to the same end. When no way is left it
/// hangs up before it answers its client, so nothing is lost by passing these on. Seen after the copies had diverged, when a
/// full sync could not bring them together without (docs/protocol.md, "What the engine does").
const STEPS: [&[u8]; 3] = [
    // There is nothing to delete: `sync_do_folder_delete` in sync_support.c.
    b"NO IMAP_MAILBOX_NONEXISTENT ",
    // The mailbox has another name or id there; the engine syncs the whole user: `do_mailboxes`.
    b"NO IMAP_MAILBOX_MOVED ",
    // What is there is not what the change builds on; the engine compares all of the mailbox: `sync_do_update_mailbox`.
    b"NO IMAP_SYNC_CHECKSUM ",
];

/// What the peer's engine says, as far as the own one may hear it.
#[derive(Default)]
pub struct Answers {
    lines: Lines,
    greeted: bool,
    line: Line,
    /// The beginning of a line that is not understood yet, or all of one that the engine must not hear.
    held: Vec<u8>,
}

/// A line of the peer's that the engine must not hear.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal(pub Vec<u8>);

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Line {
    /// Nothing of it has been passed on.
    #[default]
    Unknown,
    /// More belongs to the same answer.
    Data,
    /// With it the answer is complete.
    Last,
    Refusal,
}

impl Answers {
    /// Appends to `pass` what the engine may hear of it. True if an answer is complete and nothing is begun behind it.
    pub fn take(&mut self, mut bytes: &[u8], leaving: bool, pass: &mut Vec<u8>) -> Result<bool, Refusal> {
        let mut complete = false;
        while let Some(piece) = self.lines.next(&mut bytes) {
            let (text, ends) = match piece {
                Piece::Literal(content) => (content, false),
                Piece::Text(text, ends) => (text, ends),
            };
            if self.line == Line::Unknown {
                self.held.extend_from_slice(text);
                self.line = match Line::of(&self.held, self.greeted) {
                    // Nothing hangs on the answer to LOGOUT.
                    Line::Refusal if leaving => Line::Last,
                    line => line,
                };
                if matches!(self.line, Line::Data | Line::Last) {
                    pass.append(&mut self.held);
                }
            } else if self.line == Line::Refusal {
                self.held.extend_from_slice(text);
            } else {
                pass.extend_from_slice(text);
            }
            if self.line == Line::Refusal && (ends || self.held.len() > LONGEST_REFUSAL) {
                if !is_step(&self.held) {
                    return Err(Refusal(std::mem::take(&mut self.held)));
                }
                pass.append(&mut self.held);
                self.line = Line::Last;
            }
            complete = ends && self.line == Line::Last;
            if ends {
                self.greeted = true;
                self.line = Line::Unknown;
            }
        }
        Ok(complete)
    }
}

impl Line {
    /// What it is by what is known of it. The protocol of servers that speak no IMAP is the same without tags.
    fn of(known: &[u8], greeted: bool) -> Self {
        let mut words = known.splitn(3, |byte| b" \r\n".contains(byte));
        let first = words.next().unwrap_or_default();
        let Some(second) = words.next() else {
            return Self::unless_too_long(known);
        };
        match first {
            b"+" | b"OK" => return Self::Last,
            b"NO" | b"BAD" | b"BYE" => return Self::Refusal,
            _ => {}
        }
        if words.next().is_none() {
            return Self::unless_too_long(known);
        }
        match (first, second) {
            (b"*", b"BYE") => Self::Refusal,
            (b"*", _) if greeted => Self::Data,
            (b"*", _) => Self::Last,
            (_, b"OK") => Self::Last,
            _ => Self::Refusal,
        }
    }

    fn unless_too_long(known: &[u8]) -> Self {
        if known.len() > LONGEST_HEAD {
            Self::Refusal
        } else {
            Self::Unknown
        }
    }
}

/// Of a whole line.
fn is_step(line: &[u8]) -> bool {
    let untagged = |line: &[u8]| STEPS.iter().any(|step| line.starts_with(step));
    let behind_tag = line
        .iter()
        .position(|byte| *byte == b' ')
        .map(|space| &line[space + 1..]);
    untagged(line) || behind_tag.is_some_and(untagged)
}

#[cfg(test)]
mod tests {
    use super::{super::lines::in_every_way, *};

    /// What the engine hears, whether an answer is complete then, and what it must not hear.
    fn heard(chunks: &[&[u8]], leaving: bool) -> (String, bool, Option<String>) {
        let (mut answers, mut pass, mut complete) = (Answers::default(), Vec::new(), false);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        for chunk in chunks {
            match answers.take(chunk, leaving, &mut pass) {
                Ok(is_complete) => complete = is_complete,
                Err(Refusal(line)) => return (text(pass), false, Some(text(line))),
            }
        }
        (text(pass), complete, None)
    }

    fn passes(said: &str) -> bool {
        let mut first = None;
        for way in in_every_way(said.as_bytes()) {
            let (passed, complete, refused) = heard(&way, false);
            assert_eq!(refused, None, "{way:?}");
            assert_eq!(passed, said, "{way:?}");
            assert_eq!(*first.get_or_insert(complete), complete, "{way:?}");
        }
        first.unwrap()
    }

    #[track_caller]
    fn stops(said: &str, before: &str) {
        let (passed, line) = said.split_at(said.find(before).unwrap());
        for way in in_every_way(said.as_bytes()) {
            assert_eq!(
                heard(&way, false),
                (passed.to_owned(), false, Some(line.to_owned())),
                "{way:?}"
            );
        }
    }

    #[test]
    fn answers_pass_whole_and_are_complete_with_their_last_line() {
        assert!(passes("* OK [CAPABILITY IMAP4rev1] mail-1 ready\r\n"));
        assert!(passes(
            "* OK ready\r\n* CAPABILITY IMAP4rev1 X-REPLICATION\r\nC01 OK done\r\n"
        ));
        assert!(passes("* OK ready\r\nS1 OK\r\n"));
        assert!(passes("* OK ready\r\n+ go on\r\n"));
        assert!(passes("* OK ready\r\n+\r\n"));
        assert!(passes("* SASL PLAIN\r\n* OK csync\r\nOK success\r\n"));
        assert!(!passes("* OK ready\r\n* MAILBOX %(UNIQUEID a)\r\n"));
        assert!(!passes("* OK ready\r\nS1 OK done\r\n* MAILBOX "));
        assert!(!passes("* OK ready\r\nS1 OK do"));
    }

    #[test]
    fn what_stands_in_a_literal_is_no_answer() {
        for marker in ["{15}", "{15+}", "%{default 0123abcd 15}"] {
            let said = format!("* OK\r\n* ANNOTATION %(VALUE {marker}\r\nS1 NO\r\n* BYE\r\n)\r\nS1 OK\r\n");
            assert!(passes(&said), "{said}");
        }
        assert!(passes("* OK\r\n* LSUB ({0}\r\n)\r\nS1 OK\r\n"));
    }

    #[test]
    fn the_engine_does_not_hear_a_refusal() {
        stops("* OK ready\r\nA01 NO authentication failure\r\n", "A01");
        stops("* OK ready\r\nS7 NO IMAP_MAILBOX_LOCKED Mailbox locked\r\n", "S7");
        stops(
            "* OK ready\r\n* MAILBOX %(UNIQUEID a)\r\nS7 NO Unknown error\r\n",
            "S7",
        );
        stops("* OK ready\r\nS7 BAD Syntax error\r\n", "S7");
        stops("* OK ready\r\n* BYE shutting down\r\n", "* BYE");
        stops("* OK ready\r\nNO IMAP_PROTOCOL_ERROR Protocol error\r\n", "NO");
        stops("* OK ready\r\nBYE\r\n", "BYE");
        stops("* OK ready\r\nS7 OKAY\r\n", "S7");
        stops("* OK ready\r\nS7 NO\r\n", "S7");
        stops("* BYE no more processes\r\n", "* BYE");
    }

    #[test]
    fn the_engine_hears_a_refusal_with_which_it_goes_on() {
        for step in STEPS {
            let step = std::str::from_utf8(step).unwrap();
            assert!(passes(&format!("* OK\r\nS7 {step}and so on\r\n")));
            assert!(passes(&format!("* OK\r\n{step}and so on\r\n")));
            stops(&format!("* OK\r\nS7 S8 {step}\r\n"), "S7");
        }
    }

    #[test]
    fn an_endless_line_is_not_kept() {
        let (passed, _, refused) = heard(&[&[b'x'; 100_000]], false);
        assert_eq!(
            (passed.as_str(), refused.map(|line| line.len())),
            ("", Some(100_000))
        );
        let mut answers = Answers::default();
        let (mut pass, mut held) = (Vec::new(), 0);
        while answers.take(b"S1 NO and on and on ", false, &mut pass).is_ok() {
            held = answers.held.len();
        }
        assert!(pass.is_empty() && held <= LONGEST_REFUSAL);
        // Data passes while it comes.
        let mut answers = Answers::default();
        for _ in 0..1000 {
            pass.clear();
            answers
                .take(b"* MAILBOX %(and on and on)", false, &mut pass)
                .unwrap();
            assert!(answers.held.is_empty());
        }
    }

    #[test]
    fn a_literal_of_any_length_passes_while_it_comes() {
        let (mut answers, mut pass) = (Answers::default(), Vec::new());
        answers
            .take(
                b"* OK\r\n* FILE %{default a 18446744073709551615}\r\n",
                false,
                &mut pass,
            )
            .unwrap();
        pass.clear();
        for _ in 0..1000 {
            assert_eq!(answers.take(b"S1 NO\r\n", false, &mut pass), Ok(false));
        }
        assert_eq!(pass.len(), 7000);
    }

    #[test]
    fn a_peer_that_takes_its_leave_is_heard() {
        for said in ["* BYE LOGOUT received\r\nQ01 OK Completed\r\n", "Q01 NO\r\n"] {
            for way in in_every_way(said.as_bytes()) {
                assert_eq!(heard(&way, true), (said.to_owned(), true, None));
            }
        }
    }
}

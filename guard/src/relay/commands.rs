//! What the engine says to the peer: whether it takes its leave.

use super::lines::{Lines, Piece};

/// No tag and no LOGOUT is longer.
const LONGEST_HEAD: usize = 64;

/// The engine's commands so far.
#[derive(Default)]
pub struct Commands {
    lines: Lines,
    /// The beginning of the command that is under way.
    head: Vec<u8>,
    leaving: bool,
}

impl Commands {
    pub fn take(&mut self, mut bytes: &[u8]) {
        while let Some(piece) = self.lines.next(&mut bytes) {
            self.leaving = false;
            let Piece::Text(text, ends) = piece else {
                continue;
            };
            let room = LONGEST_HEAD.saturating_sub(self.head.len());
            self.head.extend_from_slice(&text[..text.len().min(room)]);
            if ends {
                let mut words = self.head.splitn(2, |byte| *byte == b' ');
                let command = words.nth(1).unwrap_or_default();
                self.leaving = command.trim_ascii_end().eq_ignore_ascii_case(b"LOGOUT");
                self.head.clear();
            }
        }
    }

    /// Whether the last it said is LOGOUT.
    pub fn leaving(&self) -> bool {
        self.leaving
    }
}

#[cfg(test)]
mod tests {
    use super::{super::lines::in_every_way, *};

    #[test]
    fn only_logout_is_taking_leave() {
        let left = |said: &str| {
            let ways = in_every_way(said.as_bytes()).into_iter();
            let mut left: Vec<bool> = ways
                .map(|way| {
                    let mut commands = Commands::default();
                    way.into_iter().for_each(|chunk| commands.take(chunk));
                    commands.leaving()
                })
                .collect();
            left.dedup();
            assert_eq!(left.len(), 1, "{said}");
            left[0]
        };
        assert!(left("Q01 LOGOUT\r\n"));
        assert!(left("S1 SYNCRESTART\r\nq01 logout\r\n"));
        assert!(!left("Q01 LOGOUT\r\nS2 NOOP\r\n"));
        assert!(!left("Q01 LOGOUT\r\nS2"));
        assert!(!left("S1 NOOP\r\n"));
        assert!(!left("S1 SYNCGET META LOGOUT\r\n"));
        // A message must not make the guard believe that the engine is leaving.
        assert!(!left(
            "S1 SYNCAPPLY MESSAGE (%{default 0123 12}\r\nQ01 LOGOUT\r\n"
        ));
        assert!(!left(
            "S1 SYNCAPPLY MESSAGE (%{default 0123 14}\r\n\r\nQ01 LOGOUT\r\n"
        ));
        assert!(!left(
            "S1 SYNCAPPLY ANNOTATION %(VALUE {12+}\r\nQ01 LOGOUT\r\n)\r\n"
        ));
    }
}

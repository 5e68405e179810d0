//! Cuts Cyrus' sync protocol into lines, as far as the relay has to understand it.
//!
//! It is IMAP: a command or an answer ends with its line, unless the line announces a literal (`{7}`, `{7+}`, or
//! `%{default <guid> 7}` for a message file); then so many bytes follow, and the line goes on. What stands in a literal is
//! mail, and says nothing here.

/// Of a line, as much of its end as an announced literal can take.
const LONGEST_MARKER: usize = 256;

/// Finds where lines end.
#[derive(Default)]
pub struct Lines {
    /// Bytes that are left of a literal.
    literal: u64,
    /// The end of what was seen of the line.
    tail: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    Literal(&'a [u8]),
    /// Part of a line, and whether the line ends with it.
    Text(&'a [u8], bool),
}

impl Lines {
    /// Bytes of a literal that are still to come.
    pub fn literal(&self) -> u64 {
        self.literal
    }

    /// The next piece of what has come; nothing when `bytes` is empty.
    pub fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Option<Piece<'a>> {
        if bytes.is_empty() {
            return None;
        }
        if self.literal > 0 {
            let length = usize::try_from(self.literal)
                .unwrap_or(usize::MAX)
                .min(bytes.len());
            let content = bytes.split_off(..length)?;
            self.literal -= length as u64;
            return Some(Piece::Literal(content));
        }
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let text = bytes.split_off(..end.map_or(bytes.len(), |end| end + 1))?;
        self.remember(text);
        let mut ends = end.is_some();
        if ends {
            if let Some(length) = announced(&self.tail) {
                self.literal = length;
                ends = false;
            }
            self.tail.clear();
        }
        Some(Piece::Text(text, ends))
    }

    fn remember(&mut self, text: &[u8]) {
        self.tail
            .extend_from_slice(&text[text.len().saturating_sub(LONGEST_MARKER)..]);
        let surplus = self.tail.len().saturating_sub(LONGEST_MARKER);
        self.tail.drain(..surplus);
    }
}

/// The length of the literal that a line announces at its end.
fn announced(line: &[u8]) -> Option<u64> {
    let line = line.strip_suffix(b"\n")?;
    let marker = line.strip_suffix(b"\r").unwrap_or(line).strip_suffix(b"}")?;
    let opened = marker.iter().rposition(|byte| *byte == b'{')?;
    let (before, inside) = (&marker[..opened], &marker[opened + 1..]);
    let length = match before.last() {
        Some(b'%') => inside.rsplit(|byte| *byte == b' ').next()?,
        _ => inside.strip_suffix(b"+").unwrap_or(inside),
    };
    // `parse` would take a sign.
    let is_number = length.iter().all(u8::is_ascii_digit);
    is_number.then(|| std::str::from_utf8(length).ok()?.parse().ok())?
}

/// Everything at once, byte by byte, and in two at every place.
#[cfg(test)]
pub fn in_every_way(bytes: &[u8]) -> Vec<Vec<&[u8]>> {
    let mut ways = vec![vec![bytes], bytes.chunks(1).collect()];
    ways.extend((1..bytes.len()).map(|at| vec![&bytes[..at], &bytes[at..]]));
    ways
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines, literals included, and what is left.
    fn cut(said: &str) -> (Vec<String>, String) {
        let mut seen: Vec<(Vec<String>, String)> = in_every_way(said.as_bytes())
            .into_iter()
            .map(|way| {
                let (mut lines, mut whole, mut rest) = (Lines::default(), Vec::new(), String::new());
                for mut chunk in way {
                    while let Some(piece) = lines.next(&mut chunk) {
                        let (Piece::Text(part, _) | Piece::Literal(part)) = piece;
                        rest.push_str(std::str::from_utf8(part).unwrap());
                        if matches!(piece, Piece::Text(_, true)) {
                            whole.push(std::mem::take(&mut rest));
                        }
                    }
                }
                (whole, rest)
            })
            .collect();
        seen.dedup();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.remove(0)
    }

    #[test]
    fn a_line_ends_with_its_last_byte_however_it_comes() {
        assert_eq!(
            cut("a b\r\nc\n\r\nd"),
            (vec!["a b\r\n".into(), "c\n".into(), "\r\n".into()], "d".into())
        );
    }

    #[test]
    fn a_literal_belongs_to_its_line() {
        for marker in ["{6}", "{6+}", "~{6+}", "%{default 0123abcd 6}"] {
            let line = format!("* X (A {marker}\r\n\r\n {{9}})\r\n");
            assert_eq!(
                cut(&format!("{line}next")),
                (vec![line], "next".to_owned()),
                "{marker}"
            );
        }
        assert_eq!(cut("a {2}\r\n\r\nb\r\nc\r\n").0, ["a {2}\r\n\r\nb\r\n", "c\r\n"]);
        assert_eq!(cut("a {0}\r\nb\r\nc\r\n").0, ["a {0}\r\nb\r\n", "c\r\n"]);
        assert_eq!(
            cut("a {2}\r\nxx{2+}\r\n\r\n\r\nb").0,
            ["a {2}\r\nxx{2+}\r\n\r\n\r\n"]
        );
    }

    #[test]
    fn what_only_looks_like_a_literal_is_a_line() {
        for marker in [
            "{}",
            "{x}",
            "{-1}",
            "{+1}",
            "15}",
            "{15",
            "{99999999999999999999}",
            "{1 5}",
            "{15}x",
            "{15} ",
        ] {
            assert_eq!(cut(&format!("* X {marker}\r\nS1 NO\r\n")).0.len(), 2, "{marker}");
        }
    }

    #[test]
    fn of_a_line_without_end_little_is_kept() {
        let mut lines = Lines::default();
        for _ in 0..1000 {
            let mut bytes = &[b'x'; 999][..];
            while lines.next(&mut bytes).is_some() {}
            assert!(lines.tail.len() <= LONGEST_MARKER);
        }
    }
}

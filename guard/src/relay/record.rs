//! One untagged line of an engine's answer about mailboxes.

/// `* KIND %(NAME value NAME value …)`, or `* KIND (value …)`. Values are as the engine wrote them.
pub struct Record<'a> {
    pub kind: &'a [u8],
    /// All behind the kind.
    pub content: &'a [u8],
    fields: Vec<(&'a [u8], &'a [u8])>,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    #[error("a value does not end")]
    Unfinished,
    #[error("a literal is announced that is not there")]
    Literal,
    #[error("a mailbox has a name that is no text")]
    Name,
    #[error("something stands where nothing should")]
    Surplus,
}

/// What is left of a line.
struct Scan<'a>(&'a [u8]);

impl<'a> Record<'a> {
    /// Of a whole line with its literals; nothing if it is a status (`* OK …`) or another kind of answer.
    pub fn parse(line: &'a [u8]) -> Result<Option<Self>, Error> {
        let mut scan = Scan(without_end(line).strip_prefix(b"* ").unwrap_or_default());
        let kind = scan.value()?;
        scan.space();
        let content = scan.0;
        if content.starts_with(b"%(") {
            Self::of_map(kind, content).map(Some)
        } else if content.starts_with(b"(") {
            Ok(Some(Self {
                kind,
                content,
                fields: Vec::new(),
            }))
        } else {
            Ok(None)
        }
    }

    /// Of `%(NAME value …)`, which may be a value of another one.
    pub fn of_map(kind: &'a [u8], content: &'a [u8]) -> Result<Self, Error> {
        let map = content.strip_prefix(b"%(").ok_or(Error::Unfinished)?;
        let mut inside = Scan(map.strip_suffix(b")").ok_or(Error::Unfinished)?);
        let mut fields = Vec::new();
        while !inside.0.is_empty() {
            let name = inside.value()?;
            inside.space();
            fields.push((name, inside.value()?));
            inside.space();
        }
        Ok(Self {
            kind,
            content,
            fields,
        })
    }

    pub fn value(&self, name: &str) -> Option<&'a [u8]> {
        let found = self.fields.iter().find(|(known, _)| *known == name.as_bytes());
        found.map(|(_, value)| *value)
    }

    /// In the engine's order.
    pub fn fields(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.fields.iter().copied()
    }
}

/// The values of `(value value …)`.
pub fn elements(list: &[u8]) -> Result<Vec<&[u8]>, Error> {
    let inside = list.strip_prefix(b"(").and_then(|rest| rest.strip_suffix(b")"));
    let mut inside = Scan(inside.ok_or(Error::Unfinished)?);
    let mut elements = Vec::new();
    while !inside.0.is_empty() {
        elements.push(inside.value()?);
        inside.space();
    }
    Ok(elements)
}

/// The mailbox of `* LIST (flags) "/" name`; nothing if it is another answer.
pub fn listed(line: &[u8]) -> Result<Option<String>, Error> {
    let Some(rest) = line.strip_prefix(b"* LIST ") else {
        return Ok(None);
    };
    let mut scan = Scan(without_end(rest));
    for _ in ["flags", "separator"] {
        scan.value()?;
        scan.space();
    }
    let name = scan.value()?;
    if !scan.0.is_empty() {
        return Err(Error::Surplus);
    }
    String::from_utf8(text(name)?).map(Some).map_err(|_| Error::Name)
}

fn without_end(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r\n").unwrap_or(line)
}

impl<'a> Scan<'a> {
    /// An atom, a string, a literal, or a list of them.
    fn value(&mut self) -> Result<&'a [u8], Error> {
        let (mut at, mut depth) = (0, 0_usize);
        loop {
            let rest = &self.0[at..];
            at += match rest {
                [b'%', b'(', ..] => {
                    depth += 1;
                    2
                }
                [b'(', ..] => {
                    depth += 1;
                    1
                }
                [b')', ..] => {
                    depth = depth.checked_sub(1).ok_or(Error::Surplus)?;
                    1
                }
                [b'"', ..] => quoted_length(rest)?,
                [b'{', ..] => literal(rest)?.1,
                [b' ', ..] if depth > 0 => 1,
                [] if depth > 0 => return Err(Error::Unfinished),
                _ => atom_length(rest),
            };
            if depth == 0 {
                let (value, rest) = self.0.split_at(at);
                self.0 = rest;
                return Ok(value);
            }
        }
    }

    fn space(&mut self) {
        self.0 = self.0.strip_prefix(b" ").unwrap_or(self.0);
    }
}

fn atom_length(rest: &[u8]) -> usize {
    let end = rest.iter().position(|byte| b" ()".contains(byte));
    end.unwrap_or(rest.len())
}

fn quoted_length(rest: &[u8]) -> Result<usize, Error> {
    let mut escaped = true;
    for (at, byte) in rest.iter().enumerate() {
        match byte {
            b'"' if !escaped => return Ok(at + 1),
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    Err(Error::Unfinished)
}

/// Where the content of a literal begins, and where it ends.
fn literal(rest: &[u8]) -> Result<(usize, usize), Error> {
    let begin = rest
        .iter()
        .position(|byte| *byte == b'\n')
        .ok_or(Error::Literal)?
        + 1;
    let digits = rest[1..begin].strip_suffix(b"}\r\n").ok_or(Error::Literal)?;
    let digits = digits.strip_suffix(b"+").unwrap_or(digits);
    let length: usize = std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| digits.parse().ok())
        .ok_or(Error::Literal)?;
    match begin.checked_add(length) {
        Some(end) if end <= rest.len() => Ok((begin, end)),
        _ => Err(Error::Literal),
    }
}

/// What a string stands for.
pub fn text(value: &[u8]) -> Result<Vec<u8>, Error> {
    match value {
        [b'{', ..] => {
            let (begin, end) = literal(value)?;
            Ok(value[begin..end].to_vec())
        }
        [b'"', inside @ .., b'"'] => {
            let mut plain = Vec::with_capacity(inside.len());
            let mut escaped = false;
            for byte in inside {
                if escaped || *byte != b'\\' {
                    plain.push(*byte);
                    escaped = false;
                } else {
                    escaped = true;
                }
            }
            Ok(plain)
        }
        atom => Ok(atom.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(line: &str) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let record = Record::parse(line.as_bytes()).unwrap().unwrap();
        record
            .fields()
            .map(|(name, value)| (text(name), text(value)))
            .collect()
    }

    #[test]
    fn a_mailbox_has_its_values_as_they_are_written() {
        let line = "* MAILBOX %(UNIQUEID i1q MBOXNAME {9}\r\nuser.a.)( ACL \"a\tlr\\\" ) (\" \
                    ANNOTATIONS (%(ENTRY /x VALUE {3}\r\n\")( Y {0}\r\n)) OPTIONS P)\r\n";
        let expected = [
            ("UNIQUEID", "i1q"),
            ("MBOXNAME", "{9}\r\nuser.a.)("),
            ("ACL", "\"a\tlr\\\" ) (\""),
            ("ANNOTATIONS", "(%(ENTRY /x VALUE {3}\r\n\")( Y {0}\r\n))"),
            ("OPTIONS", "P"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(fields(line), expected);
        let record = Record::parse(line.as_bytes()).unwrap().unwrap();
        assert_eq!(
            (record.kind, record.value("UNIQUEID")),
            (&b"MAILBOX"[..], Some(&b"i1q"[..]))
        );
        assert_eq!(record.value("UNIQUE"), None);
    }

    #[test]
    fn a_list_has_content_and_a_status_is_no_record() {
        let record = Record::parse(b"* LSUB (user.a \"user.a.b c\")\r\n")
            .unwrap()
            .unwrap();
        assert_eq!(
            (record.kind, record.content),
            (&b"LSUB"[..], &b"(user.a \"user.a.b c\")"[..])
        );
        for line in ["* OK still here\r\n", "* 5 EXISTS\r\n", "* \r\n", ""] {
            assert!(Record::parse(line.as_bytes()).unwrap().is_none(), "{line}");
        }
    }

    #[test]
    fn what_does_not_end_is_refused() {
        for (line, error) in [
            ("* MAILBOX %(A b\r\n", Error::Unfinished),
            ("* MAILBOX %(A \"b)\r\n", Error::Unfinished),
            ("* MAILBOX %(A (b)\r\n", Error::Unfinished),
            ("* MAILBOX %(A {9}\r\nb)\r\n", Error::Literal),
            ("* MAILBOX %(A {x}\r\nb)\r\n", Error::Literal),
            ("* MAILBOX %(A {18446744073709551615}\r\nb)\r\n", Error::Literal),
            ("* MAILBOX %(A b))\r\n", Error::Surplus),
        ] {
            assert_eq!(Record::parse(line.as_bytes()).err(), Some(error), "{line}");
        }
    }

    #[test]
    fn a_listed_mailbox_has_the_name_that_is_meant() {
        for (line, name) in [
            ("* LIST (\\HasChildren) \"/\" user/3f\r\n", "user/3f"),
            ("* LIST () \"/\" \"user/3f/Sent Items\"\r\n", "user/3f/Sent Items"),
            ("* LIST () \"/\" \"a\\\\b\\\"c\"\r\n", "a\\b\"c"),
            ("* LIST () \"/\" {6}\r\na%\"b c\r\n", "a%\"b c"),
            ("* LIST () NIL \"\"\r\n", ""),
        ] {
            assert_eq!(listed(line.as_bytes()).unwrap().unwrap(), name);
        }
        assert_eq!(listed(b"* LSUB () \"/\" user/3f\r\n"), Ok(None));
        assert_eq!(listed(b"* LIST () \"/\" user 3f\r\n"), Err(Error::Surplus));
        assert_eq!(listed(b"* LIST () \"/\" {2}\r\n\xff\xfe\r\n"), Err(Error::Name));
        assert_eq!(listed(b"* LIST () \"/\" \"user\r\n"), Err(Error::Unfinished));
    }
}

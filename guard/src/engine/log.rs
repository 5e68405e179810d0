//! The engine's log: one datagram a line, from the library that stands in for syslog(3) in the image.

use std::{io, path::Path};

use tokio::{net::UnixDatagram, sync::mpsc};

/// What the guard acts on among the lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sign {
    /// Something was or will be acknowledged without the peer having it.
    SyncError(String),
    /// The master gave up a service or daemon until it is told to read its configuration again.
    Disabled,
}

/// `<PRI>program[pid]: text`.
#[derive(Debug, PartialEq, Eq)]
struct Line<'a> {
    severity: u8,
    program: &'a str,
    text: &'a str,
}

/// Binds the socket that the engine's programs write to.
pub fn bind(path: &Path) -> io::Result<UnixDatagram> {
    // Left behind by a guard that was killed; the volume's lock says that it is gone.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    UnixDatagram::bind(path)
}

/// Forwards lines for ever to this process's own log.
pub async fn forward(socket: UnixDatagram, signs: mpsc::UnboundedSender<Sign>) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = socket.recv(&mut buffer).await?;
        let text = String::from_utf8_lossy(&buffer[..length]);
        let line = parse(&text);
        if let Some(sign) = sign(&line) {
            // The receiver ends with the guard.
            let _ = signs.send(sign);
        }
        emit(&line);
    }
}

fn parse(text: &str) -> Line<'_> {
    let (priority, rest) = text
        .strip_prefix('<')
        .and_then(|rest| rest.split_once('>'))
        .and_then(|(priority, rest)| Some((priority.parse::<u8>().ok()?, rest)))
        .unwrap_or((6, text));
    let (program, text) = rest
        .split_once("]: ")
        .and_then(|(head, text)| Some((head.split_once('[')?.0, text)))
        .unwrap_or(("", rest));
    Line {
        severity: priority & 7,
        program,
        text,
    }
}

/// Both copies have a message under this number, and not the same one, as after a failover from a primary that had stored
/// something unanswered. A step of a full sync: the engine keeps both under new numbers (`compare_one_record` in
/// sync_support.c), and says so as if it were an error.
const RENUMBERED: &str = "SYNCERROR: guid mismatch";

fn sign(line: &Line<'_>) -> Option<Sign> {
    if line.text.contains("SYNCERROR") && !line.text.starts_with(RENUMBERED) {
        Some(Sign::SyncError(line.text.to_owned()))
    } else if line.text.contains("disabling until next SIGHUP") {
        Some(Sign::Disabled)
    } else {
        None
    }
}

fn emit(line: &Line<'_>) {
    let (program, text) = (line.program, redact(line.text));
    // Cyrus says so at every start without privileges, and needs none.
    let harmless = text.starts_with("cannot set caps");
    match line.severity {
        _ if harmless => tracing::debug!(target: "engine", program, "{text}"),
        0..=3 => tracing::error!(target: "engine", program, "{text}"),
        4 => tracing::warn!(target: "engine", program, "{text}"),
        5 | 6 => tracing::info!(target: "engine", program, "{text}"),
        _ => tracing::debug!(target: "engine", program, "{text}"),
    }
}

/// No token leaves by the log, whatever the engine writes to it.
pub(crate) fn redact(text: &str) -> String {
    let is_token = |word: &str| {
        let mut fields = word.split('.');
        fields.next() == Some("v1")
            && fields.next().is_some_and(|expiry| expiry.parse::<u64>().is_ok())
            && fields.next().is_some_and(|mac| !mac.is_empty())
    };
    text.split_inclusive(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c)))
        .map(|piece| {
            let word = piece.trim_end_matches(|c: char| !(c.is_ascii_alphanumeric() || "_-".contains(c)));
            if is_token(word) {
                piece.replace(word, "[token]")
            } else {
                piece.to_owned()
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_severity_program_and_text() {
        let line = parse("<19>sync_client[42]: SYNCERROR: it broke");
        assert_eq!(
            line,
            Line {
                severity: 3,
                program: "sync_client",
                text: "SYNCERROR: it broke"
            }
        );
    }

    #[test]
    fn a_line_of_no_shape_is_kept_whole() {
        for text in ["", "hello", "<x>hello", "<19", "a]: b"] {
            assert!(parse(text).text.len() + 4 >= text.len(), "{text}");
        }
    }

    #[test]
    fn what_is_acted_on_is_recognised() {
        let disabled = "<19>master[1]: too many failures for daemon syncclient, disabling until next SIGHUP";
        assert_eq!(sign(&parse(disabled)), Some(Sign::Disabled));
        let error = "SYNCERROR sync_rightnow: bad protocol";
        assert_eq!(
            sign(&parse(&format!("<19>imap[7]: {error}"))),
            Some(Sign::SyncError(error.into()))
        );
        assert_eq!(sign(&parse("<22>imap[7]: login: localhost")), None);
        let step = "<19>sync_client[7]: SYNCERROR: guid mismatch: mailbox=<user.a> uid=<3> func=<compare_one_record>";
        assert_eq!(sign(&parse(step)), None);
    }

    #[test]
    fn a_token_is_not_logged() {
        assert_eq!(
            redact("badlogin: [127.0.0.1] plaintext 3f v1.1700000060.AbC-_9 failed"),
            "badlogin: [127.0.0.1] plaintext 3f [token] failed"
        );
        assert_eq!(redact("pass=v1.0.QUJD, next"), "pass=[token], next");
        assert_eq!(redact("pass=v1.9.2.QUJD, next"), "pass=[token], next");
        assert_eq!(redact("cyrus v1.2 up."), "cyrus v1.2 up.");
    }
}

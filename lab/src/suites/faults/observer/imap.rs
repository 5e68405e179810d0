//! An IMAP client that takes nothing for an answer but the line with its own tag: libraries differ in what they make of a
//! connection that ends.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};

/// How long a mail program waits for one answer. More than the longest pause that the service may take, and less than
/// people's patience.
pub const PATIENCE: Duration = Duration::from_secs(12);

/// A connection after the greeting.
pub struct Imap<S> {
    stream: BufReader<S>,
    tag: u32,
}

/// What came before the tagged OK, and that line's text.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub untagged: Vec<String>,
    pub text: String,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the IMAP connection failed")]
    Io(#[from] io::Error),
    #[error("the server ended the IMAP connection")]
    Ended,
    #[error("the server did not answer within {PATIENCE:?}")]
    Silent,
    #[error("{command} was answered {answer}")]
    Refused { command: String, answer: String },
}

impl<S: AsyncRead + AsyncWrite + Unpin> Imap<S> {
    /// Waits for the greeting.
    pub async fn greeted(stream: S) -> Result<Self, Error> {
        let mut imap = Self {
            stream: BufReader::new(stream),
            tag: 0,
        };
        patient(imap.line()).await?;
        Ok(imap)
    }

    pub async fn login(&mut self, user: &str, password: &str) -> Result<(), Error> {
        self.ask("LOGIN", &format!("LOGIN {} {}", quoted(user), quoted(password)))
            .await
            .map(drop)
    }

    /// One command, without its tag, and its answer. Text that the command carries stands in it as literals that wait for
    /// nothing (RFC 7888).
    pub async fn command(&mut self, command: &str) -> Result<Answer, Error> {
        let first = command.lines().next().unwrap_or_default().to_owned();
        self.ask(&first, command).await
    }

    /// Says something and waits for no answer.
    pub async fn say(&mut self, command: &str) -> Result<(), Error> {
        self.tag += 1;
        let said = format!("a{} {command}\r\n", self.tag);
        patient(async {
            self.stream.write_all(said.as_bytes()).await?;
            Ok(self.stream.flush().await?)
        })
        .await
    }

    /// The next line, whatever it is.
    pub async fn line(&mut self) -> Result<String, Error> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).await?;
        if line.last() != Some(&b'\n') {
            return Err(Error::Ended);
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    /// `name` stands for the command in errors, which must not hold a password.
    async fn ask(&mut self, name: &str, command: &str) -> Result<Answer, Error> {
        self.say(command).await?;
        let tag = format!("a{} ", self.tag);
        let mut untagged = Vec::new();
        loop {
            let line = patient(self.line()).await?;
            let Some(answer) = line.strip_prefix(&tag) else {
                untagged.push(line);
                continue;
            };
            return match answer.strip_prefix("OK") {
                Some(text) => Ok(Answer {
                    untagged,
                    text: text.trim().to_owned(),
                }),
                None => Err(Error::Refused {
                    command: name.to_owned(),
                    answer: answer.to_owned(),
                }),
            };
        }
    }
}

async fn patient<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::time::timeout(PATIENCE, work)
        .await
        .map_err(|_| Error::Silent)?
}

/// A quoted string (RFC 3501 §4.3).
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn asked(said: &str, command: &str) -> Result<Answer, Error> {
        let (near, mut far) = tokio::io::duplex(4096);
        far.write_all(b"* OK ready\r\n").await.unwrap();
        far.write_all(said.as_bytes()).await.unwrap();
        let mut imap = Imap::greeted(near).await.unwrap();
        // The other half stays able to read, and says nothing more.
        let (_reader, mut writer) = tokio::io::split(far);
        writer.shutdown().await.unwrap();
        imap.command(command).await
    }

    #[tokio::test]
    async fn only_the_line_with_the_tag_is_an_answer() {
        let answer = asked("* 1 EXISTS\r\na1 OK [APPENDUID 7 4] done\r\n", "NOOP")
            .await
            .unwrap();
        assert_eq!(answer.untagged, ["* 1 EXISTS"]);
        assert_eq!(answer.text, "[APPENDUID 7 4] done");
    }

    #[tokio::test]
    async fn the_end_of_a_connection_is_no_answer() {
        for said in ["", "* 1 EXISTS\r\n", "a1 OK"] {
            assert!(matches!(asked(said, "NOOP").await, Err(Error::Ended)), "{said:?}");
        }
    }

    #[tokio::test]
    async fn a_refusal_is_no_success_and_shows_no_password() {
        let (near, mut far) = tokio::io::duplex(4096);
        far.write_all(b"* OK ready\r\na1 NO wrong\r\n").await.unwrap();
        let mut imap = Imap::greeted(near).await.unwrap();
        let error = imap.login("ali", "secret").await.unwrap_err().to_string();
        assert_eq!(error, "LOGIN was answered NO wrong");
    }

    #[test]
    fn quotes_inside_are_escaped() {
        assert_eq!(quoted(r#"a"\b"#), r#""a\"\\b""#);
    }
}

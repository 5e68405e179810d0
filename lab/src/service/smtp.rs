//! A mail client's sending half: just enough of SMTP (RFC 5321, AUTH PLAIN of RFC 4954) to see every answer.

use std::fmt;
use std::io;
use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufStream};

/// How long one answer may take. A message is answered once the filter has seen it, which may itself be late.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to a server, greeted.
pub struct Smtp<S> {
    stream: BufStream<S>,
}

/// A server's answer: its code, and its lines without the code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub code: u16,
    pub text: String,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the SMTP connection failed")]
    Io(#[from] io::Error),
    #[error("the server did not answer within {PATIENCE:?}")]
    Silent,
    #[error("the server ended the SMTP connection")]
    Ended,
    #[error("not an SMTP answer: {0:?}")]
    Malformed(String),
    #[error("{command} was answered {reply}")]
    Refused { command: &'static str, reply: Reply },
}

impl<S: AsyncRead + AsyncWrite + Unpin> Smtp<S> {
    /// Waits for the greeting and says EHLO.
    pub async fn greet(stream: S) -> Result<Self, Error> {
        let mut smtp = Self {
            stream: BufStream::new(stream),
        };
        smtp.reply().await?.expect("greeting", 2)?;
        smtp.hello().await
    }

    /// Says EHLO, at once: after STARTTLS no server greets again.
    pub async fn resume(stream: S) -> Result<Self, Error> {
        let smtp = Self {
            stream: BufStream::new(stream),
        };
        smtp.hello().await
    }

    async fn hello(mut self) -> Result<Self, Error> {
        self.command("EHLO client.example").await?.expect("EHLO", 2)?;
        Ok(self)
    }

    /// Agrees to begin TLS, and gives the connection back for it.
    pub async fn starttls(mut self) -> Result<S, Error> {
        self.command("STARTTLS").await?.expect("STARTTLS", 2)?;
        Ok(self.stream.into_inner())
    }

    /// What carries the conversation.
    pub fn stream(&self) -> &S {
        self.stream.get_ref()
    }

    /// Authenticates; the answer is the caller's to judge.
    pub async fn authenticate(&mut self, user: &str, password: &str) -> Result<Reply, Error> {
        let response = STANDARD.encode(format!("\0{user}\0{password}"));
        self.command(&format!("AUTH PLAIN {response}")).await
    }

    /// One command and its answer.
    pub async fn command(&mut self, line: &str) -> Result<Reply, Error> {
        patient(async {
            self.stream.write_all(line.as_bytes()).await?;
            self.stream.write_all(b"\r\n").await?;
            self.stream.flush().await
        })
        .await?;
        self.reply().await
    }

    /// Hands a message over and gives the last answer; an earlier refusal is an error that names its command.
    pub async fn send(&mut self, from: &str, to: &[&str], message: &str) -> Result<Reply, Error> {
        self.command(&format!("MAIL FROM:<{from}>"))
            .await?
            .expect("MAIL FROM", 2)?;
        for recipient in to {
            self.command(&format!("RCPT TO:<{recipient}>"))
                .await?
                .expect("RCPT TO", 2)?;
        }
        self.command("DATA").await?.expect("DATA", 3)?;
        patient(async {
            for line in message.lines() {
                // A leading dot is doubled (RFC 5321 §4.5.2).
                if line.starts_with('.') {
                    self.stream.write_all(b".").await?;
                }
                self.stream.write_all(line.as_bytes()).await?;
                self.stream.write_all(b"\r\n").await?;
            }
            Ok(())
        })
        .await?;
        self.command(".").await?.expect("the message", 2)
    }

    async fn reply(&mut self) -> Result<Reply, Error> {
        let mut text = String::new();
        loop {
            let mut line = String::new();
            if patient(self.stream.read_line(&mut line)).await? == 0 {
                return Err(Error::Ended);
            }
            let line = line.trim_end();
            let (Some(code), rest) = (line.get(..3).and_then(|code| code.parse().ok()), line.get(3..)) else {
                return Err(Error::Malformed(line.to_owned()));
            };
            let rest = rest.unwrap_or_default();
            text.push_str(rest.get(1..).unwrap_or_default());
            if !rest.starts_with('-') {
                return Ok(Reply { code, text });
            }
            text.push('\n');
        }
    }
}

async fn patient<T>(work: impl Future<Output = io::Result<T>>) -> Result<T, Error> {
    let done = tokio::time::timeout(PATIENCE, work).await;
    Ok(done.map_err(|_| Error::Silent)??)
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.text)
    }
}

impl Reply {
    /// Whether it begins so: `550 5.1.1`.
    pub fn starts_with(&self, code: &str) -> bool {
        self.to_string().starts_with(code)
    }

    fn expect(self, command: &'static str, class: u16) -> Result<Reply, Error> {
        if self.code / 100 == class {
            Ok(self)
        } else {
            Err(Error::Refused { command, reply: self })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    #[tokio::test]
    async fn a_message_is_sent_with_its_dots_doubled() {
        let (near, mut far) = tokio::io::duplex(4096);
        let server = tokio::spawn(async move {
            far.write_all(b"220 mail\r\n250-mail\r\n250 SMTPUTF8\r\n250 from\r\n250 to\r\n354 go\r\n250 2.0.0 queued\r\n")
                .await
                .unwrap();
            let mut said = String::new();
            far.read_to_string(&mut said).await.unwrap();
            said
        });
        let mut smtp = Smtp::greet(near).await.unwrap();
        let reply = smtp
            .send("a@kkr.gov.my", &["b@jpa.gov.my"], "Subject: x\n\n.dot")
            .await
            .unwrap();
        assert_eq!(
            reply,
            Reply {
                code: 250,
                text: "2.0.0 queued".into()
            }
        );
        drop(smtp);
        let said = server.await.unwrap();
        assert!(
            said.ends_with("DATA\r\nSubject: x\r\n\r\n..dot\r\n.\r\n"),
            "{said}"
        );
    }

    #[tokio::test]
    async fn a_refused_recipient_is_named_with_its_answer() {
        let (near, mut far) = tokio::io::duplex(4096);
        far.write_all(b"220 mail\r\n250 mail\r\n250 from\r\n550 5.1.1 unknown\r\n")
            .await
            .unwrap();
        let mut smtp = Smtp::greet(near).await.unwrap();
        let error = smtp
            .send("a@kkr.gov.my", &["b@jpa.gov.my"], "")
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), "RCPT TO was answered 550 5.1.1 unknown");
    }
}

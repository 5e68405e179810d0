//! The Internet as far as the lab has one: a mail server of somebody else's at the witness, to which the sites' name
//! servers send the mail of every domain below `example`.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::bail;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufStream};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{Service, line};
use crate::machine::{Machine, Role};
use crate::network::Site;

/// Somebody who has a mailbox out there.
pub const FRIEND: &str = "rakan@client.example";
/// Somebody who has none: the server refuses the address.
pub const NOBODY: &str = "tiada@client.example";

/// How long a message may be on its way out before it counts as lost.
const LIMIT: Duration = Duration::from_secs(60);
const RELEASE: Duration = Duration::from_secs(5);

/// A message as it arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// The envelope's sender; empty for a notice.
    pub from: String,
    pub to: Vec<String>,
    pub text: String,
}

/// Takes mail until it is dropped.
pub struct ForeignServer {
    inbox: Inbox,
    task: JoinHandle<()>,
}

type Inbox = Arc<Mutex<Vec<Received>>>;

impl ForeignServer {
    /// Listens at port 25 of the witness.
    pub async fn start(service: &Service) -> anyhow::Result<Self> {
        let machine = Machine::running(&service.lab.name, Role::Site(Site::Witness))?;
        let address = SocketAddr::from((service.lab.network.wan(Site::Witness), 25));
        let listener = listen(&machine, address).await?;
        let inbox = Inbox::default();
        let task = tokio::spawn(serve(listener, inbox.clone()));
        Ok(Self { inbox, task })
    }

    /// Waits for a message that `is` the one.
    pub async fn message(&self, is: impl Fn(&Received) -> bool) -> anyhow::Result<Received> {
        let start = Instant::now();
        loop {
            let received = self.inbox.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some(found) = received.iter().find(|message| is(message)) {
                return Ok(found.clone());
            }
            if start.elapsed() > LIMIT {
                bail!(
                    "it is not among the {} messages that came within {LIMIT:?}",
                    received.len()
                );
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

impl Drop for ForeignServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Waits for the port: an earlier server's task lets go of it a moment after the server was dropped.
async fn listen(machine: &Machine, address: SocketAddr) -> io::Result<TcpListener> {
    let start = Instant::now();
    loop {
        match line::listen(machine, address).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && start.elapsed() < RELEASE => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            other => return other,
        }
    }
}

async fn serve(listener: TcpListener, inbox: Inbox) {
    while let Ok((stream, _)) = listener.accept().await {
        let inbox = inbox.clone();
        tokio::spawn(async move {
            // What a client breaks off never arrived.
            let _ = converse(stream, &inbox).await;
        });
    }
}

/// The receiving half of SMTP (RFC 5321).
async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, inbox: &Inbox) -> io::Result<()> {
    let mut stream = BufStream::new(stream);
    let mut message = Received::default();
    answer(&mut stream, "220 mail.example ESMTP").await?;
    while let Some(command) = read_line(&mut stream).await? {
        let upper = command.to_ascii_uppercase();
        let reply = if upper.starts_with("EHLO") || upper.starts_with("HELO") {
            "250 mail.example"
        } else if upper.starts_with("MAIL FROM:") {
            message = Received {
                from: address(&command),
                ..Received::default()
            };
            "250 2.1.0 Ok"
        } else if upper.starts_with("RCPT TO:") && address(&command) == NOBODY {
            "550 5.1.1 There is nobody of that name"
        } else if upper.starts_with("RCPT TO:") {
            message.to.push(address(&command));
            "250 2.1.5 Ok"
        } else if upper == "DATA" {
            answer(&mut stream, "354 Go on").await?;
            message.text = read_text(&mut stream).await?;
            let taken = std::mem::take(&mut message);
            inbox.lock().unwrap_or_else(PoisonError::into_inner).push(taken);
            "250 2.0.0 Ok"
        } else if upper == "QUIT" {
            return answer(&mut stream, "221 2.0.0 Bye").await;
        } else if upper == "RSET" || upper == "NOOP" {
            "250 2.0.0 Ok"
        } else {
            "502 5.5.1 Unknown"
        };
        answer(&mut stream, reply).await?;
    }
    Ok(())
}

/// What stands between the angle brackets of a command.
fn address(command: &str) -> String {
    let inside = command.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inside.map_or_else(String::new, |(address, _)| address.to_owned())
}

async fn answer(stream: &mut (impl AsyncWrite + Unpin), reply: &str) -> io::Result<()> {
    stream.write_all(reply.as_bytes()).await?;
    stream.write_all(b"\r\n").await?;
    stream.flush().await
}

/// One line without its end; `None` when the connection has ended.
async fn read_line(stream: &mut (impl AsyncBufReadExt + Unpin)) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    if stream.read_until(b'\n', &mut line).await? == 0 {
        return Ok(None);
    }
    Ok(Some(
        String::from_utf8_lossy(&line)
            .trim_end_matches(['\r', '\n'])
            .to_owned(),
    ))
}

/// The text up to the line with a single dot.
async fn read_text(stream: &mut (impl AsyncBufReadExt + Unpin)) -> io::Result<String> {
    let mut text = String::new();
    loop {
        match read_line(stream).await? {
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
            Some(line) if line == "." => return Ok(text),
            Some(line) => {
                text.push_str(line.strip_prefix('.').unwrap_or(&line));
                text.push('\n');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::smtp::{Error, Smtp};

    #[tokio::test]
    async fn a_message_arrives_as_it_was_sent() {
        let (near, far) = tokio::io::duplex(4096);
        let inbox = Inbox::default();
        let server = tokio::spawn({
            let inbox = inbox.clone();
            async move { converse(far, &inbox).await }
        });
        let mut smtp = Smtp::greet(near).await.unwrap();
        let refused = smtp.send("ali@kkr.gov.my", &[NOBODY], "").await.unwrap_err();
        assert!(
            matches!(refused, Error::Refused { reply, .. } if reply.text.starts_with("5.1.1")),
            "nobody is taken"
        );
        smtp.send("ali@kkr.gov.my", &[FRIEND], "Subject: x\n\n.dot")
            .await
            .unwrap();
        drop(smtp);
        server.await.unwrap().unwrap();
        assert_eq!(
            *inbox.lock().unwrap(),
            [Received {
                from: "ali@kkr.gov.my".into(),
                to: vec![FRIEND.into()],
                text: "Subject: x\n\n.dot\n".into(),
            }]
        );
    }
}

//! Speaking IMAP, and Cyrus' sync protocol within it, to an engine: an administrator's own questions.

use std::io;

use tokio::io::{
    AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, ReadHalf, WriteHalf,
    split,
};

use super::{
    carry::reason,
    lines::{Lines, Piece},
    record,
};

/// Bytes. An answer has one mailbox a line; the longest part of it is an ACL.
pub const LONGEST_LINE: usize = 1024 * 1024;

/// How an administrator logs in.
pub struct Login {
    pub user: String,
    /// A token.
    pub password: String,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the connection failed: {0}")]
    Connection(#[from] io::Error),
    #[error("the engine closed the connection")]
    Closed,
    /// The beginning of its answer.
    #[error("the engine refuses: {0}")]
    Refused(String),
    #[error("a line of the engine's answer is longer than {0} bytes")]
    Long(usize),
    #[error("the engine's answer is not understood: {0}")]
    Record(#[from] record::Error),
}

/// A connection to an engine whose administrator is logged in.
pub struct Session<S> {
    reader: BufReader<ReadHalf<S>>,
    writer: WriteHalf<S>,
    /// Of an answer's line with its literals, in bytes.
    longest: usize,
}

impl<S: AsyncRead + AsyncWrite> Session<S> {
    /// From the greeting on. Without a bound in time: the caller has one.
    pub async fn log_in(stream: S, login: Login, longest: usize) -> Result<Self, Error> {
        let (reader, writer) = split(stream);
        let mut session = Self {
            reader: BufReader::with_capacity(64 * 1024, reader),
            writer,
            longest,
        };
        session.greeting().await?;
        let (user, password) = (quoted(&login.user), quoted(&login.password));
        session
            .ask(&[format!("LOGIN {user} {password}")], |_| Ok(()))
            .await?;
        Ok(session)
    }

    /// The engine closes after its answer, which nobody needs.
    pub async fn leave(&mut self) -> Result<(), Error> {
        self.writer.write_all(b"Q LOGOUT\r\n").await?;
        Ok(self.writer.flush().await?)
    }

    async fn greeting(&mut self) -> Result<(), Error> {
        let line = self.line().await?;
        if line.starts_with(b"* OK") {
            Ok(())
        } else {
            Err(Error::Refused(reason(&line)))
        }
    }

    /// Sends all of them, and gives each untagged line of the answers to `take`. The first refusal is told when everything is
    /// answered.
    pub async fn ask<C: AsRef<[u8]>>(
        &mut self,
        commands: &[C],
        mut take: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let answers = self.ask_each(commands, |_, line| take(line)).await?;
        answers.into_iter().collect()
    }

    /// Sends all of them, and gives `take` each untagged line with the place of the command that it answers. What is returned for
    /// each command is `Ok` or that the engine refuses it.
    pub async fn ask_each<C: AsRef<[u8]>>(
        &mut self,
        commands: &[C],
        mut take: impl FnMut(usize, &[u8]) -> Result<(), Error>,
    ) -> Result<Vec<Result<(), Error>>, Error> {
        let mut said = Vec::new();
        for (tag, command) in commands.iter().enumerate() {
            said.extend_from_slice(format!("D{tag} ").as_bytes());
            said.extend_from_slice(command.as_ref());
            said.extend_from_slice(b"\r\n");
        }
        self.writer.write_all(&said).await?;
        self.writer.flush().await?;
        let mut answers = Vec::new();
        for tag in 0..commands.len() {
            let tagged = format!("D{tag} ");
            let answer = loop {
                let line = self.line().await?;
                if let Some(answer) = line.strip_prefix(tagged.as_bytes()) {
                    let done = answer.starts_with(b"OK");
                    break done.then_some(()).ok_or_else(|| Error::Refused(reason(&line)));
                }
                if !line.starts_with(b"* ") || line.starts_with(b"* BYE") {
                    return Err(Error::Refused(reason(&line)));
                }
                take(tag, &line)?;
            };
            answers.push(answer);
        }
        Ok(answers)
    }

    /// With its literals.
    async fn line(&mut self) -> Result<Vec<u8>, Error> {
        let (mut line, mut lines) = (Vec::new(), Lines::default());
        loop {
            let begun = line.len();
            // One byte more than may be tells a line that is too long from one that ends just there.
            let room = self.longest - begun + 1;
            let room = match lines.literal() {
                0 => room,
                left => room.min(usize::try_from(left).unwrap_or(room)),
            };
            let mut part = (&mut self.reader).take(room as u64);
            let length = match lines.literal() {
                0 => part.read_until(b'\n', &mut line).await?,
                _ => part.read_to_end(&mut line).await?,
            };
            if length == 0 {
                return Err(Error::Closed);
            }
            if line.len() > self.longest {
                return Err(Error::Long(self.longest));
            }
            let mut rest = &line[begun..];
            while let Some(piece) = lines.next(&mut rest) {
                if matches!(piece, Piece::Text(_, true)) {
                    return Ok(line);
                }
            }
        }
    }
}

pub fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

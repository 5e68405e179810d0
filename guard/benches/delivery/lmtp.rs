//! A client that brings mail by LMTP as Postfix does: its commands in one write, the message with its end in another.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use govuc_wire::names;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use rustls_pki_types::ServerName;

use super::STORE;

/// As govuc-operator with the password that `direct` gives everybody.
const AUTH: &str = "AUTH PLAIN AGdvdnVjLW9wZXJhdG9yAHNlY3JldA==\r\n";

/// Where deliveries are taken.
pub enum Door {
    Plain(SocketAddr),
    /// With TLS once that is asked for, and a password.
    StartTls(SocketAddr, Arc<ClientConfig>, ServerName<'static>),
    /// With TLS from the first byte.
    Tls(SocketAddr, Arc<ClientConfig>, ServerName<'static>),
}

/// How long a message took.
pub struct Delivered {
    /// From its end.
    pub answer: Duration,
    /// From before its connection, or before its sender where that was kept.
    pub session: Duration,
}

trait Stream: Read + Write {}

impl<S: Read + Write> Stream for S {}

struct Lmtp(BufReader<Box<dyn Stream>>);

impl Door {
    /// Over a connection of its own.
    pub fn one(&self, user: &str, size: usize) -> Delivered {
        let begun = Instant::now();
        let mut lmtp = self.connect();
        let answer = lmtp.deliver(user, size);
        let session = begun.elapsed();
        lmtp.say("QUIT\r\n");
        Delivered { answer, session }
    }

    /// Over one connection, whose first message, which the engine's connection to its peer is made for, is not counted.
    pub fn many(&self, user: &str, size: usize, number: usize) -> Vec<Delivered> {
        let mut lmtp = self.connect();
        lmtp.deliver(user, size);
        let delivered = (0..number)
            .map(|_| {
                let begun = Instant::now();
                let answer = lmtp.deliver(user, size);
                Delivered {
                    answer,
                    session: begun.elapsed(),
                }
            })
            .collect();
        lmtp.say("QUIT\r\n");
        delivered
    }

    fn connect(&self) -> Lmtp {
        let mut lmtp = match self {
            Door::Plain(address) => Lmtp::new(connected(*address)),
            Door::StartTls(address, tls, name) => {
                let socket = connected(*address);
                let mut plain = Lmtp::new(socket.try_clone().unwrap());
                plain.hears("220");
                plain.greet();
                plain.say("STARTTLS\r\n");
                plain.hears("220");
                let mut lmtp = Lmtp::new(secured(socket, tls, name));
                lmtp.greet();
                lmtp.say(AUTH);
                lmtp.hears("235");
                return lmtp;
            }
            Door::Tls(address, tls, name) => Lmtp::new(secured(connected(*address), tls, name)),
        };
        lmtp.hears("220");
        lmtp.greet();
        lmtp
    }
}

impl Lmtp {
    fn new(stream: impl Stream + 'static) -> Self {
        Self(BufReader::new(Box::new(stream)))
    }

    fn greet(&mut self) {
        self.say("LHLO mx.example\r\n");
        self.hears("250");
    }

    /// From the message's end to its answer.
    fn deliver(&mut self, user: &str, size: usize) -> Duration {
        let recipient = names::store_address(user, STORE);
        self.say(&format!(
            "MAIL FROM:<sender@a.example>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n"
        ));
        for answer in ["250", "250", "354"] {
            self.hears(answer);
        }
        self.say(&message(size));
        let begun = Instant::now();
        self.hears("250");
        begun.elapsed()
    }

    fn say(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
        self.0.get_mut().flush().unwrap();
    }

    /// An answer, of as many lines as it has.
    fn hears(&mut self, expected: &str) {
        let mut line = String::new();
        loop {
            line.clear();
            self.0.read_line(&mut line).unwrap();
            assert!(line.starts_with(expected), "{line:?} instead of {expected}");
            if line.as_bytes().get(3) != Some(&b'-') {
                return;
            }
        }
    }
}

fn connected(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

fn secured(
    socket: TcpStream,
    tls: &Arc<ClientConfig>,
    name: &ServerName<'static>,
) -> StreamOwned<ClientConnection, TcpStream> {
    StreamOwned::new(ClientConnection::new(tls.clone(), name.clone()).unwrap(), socket)
}

/// One that no other is a duplicate of, with its end, and of `size` bytes without it.
fn message(size: usize) -> String {
    static SENT: AtomicU64 = AtomicU64::new(0);
    let number = SENT.fetch_add(1, Ordering::Relaxed);
    let mut text =
        format!("From: <sender@a.example>\r\nSubject: {number}\r\nMessage-ID: <{number}@a.example>\r\n\r\n");
    let line = "x".repeat(74) + "\r\n";
    while text.len() + line.len() <= size {
        text.push_str(&line);
    }
    text + ".\r\n"
}

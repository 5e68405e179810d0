//! Listens and dials inside a pod of the lab's network tests.
//!
//! ```text
//! govuc-lab-probe serve tcp:8080 udp:5300     answers `ok` to whoever comes, until killed
//! govuc-lab-probe dial 400 tcp:10.41.0.7:8080 prints `tcp:10.41.0.7:8080 open` or `… closed` after at most 400 ms
//! ```
//!
//! A target is open only when its answer arrived, so that TCP and UDP mean the same.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::ExitCode;
use std::str::FromStr;
use std::thread;
use std::time::Duration;

const ANSWER: &[u8] = b"ok";

#[derive(Clone, Copy)]
enum Protocol {
    Tcp,
    Udp,
}

/// `tcp:PORT` or `udp:ADDRESS:PORT`, by what `T` is.
#[derive(Clone, Copy)]
struct Endpoint<T> {
    protocol: Protocol,
    at: T,
}

impl<T: FromStr> FromStr for Endpoint<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} must be tcp: or udp: and then a port or an address with a port");
        let (protocol, at) = text.split_once(':').ok_or_else(wrong)?;
        let protocol = match protocol {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            _ => return Err(wrong()),
        };
        Ok(Self {
            protocol,
            at: at.parse().map_err(|_| wrong())?,
        })
    }
}

impl<T: fmt::Display> fmt::Display for Endpoint<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        };
        write!(f, "{protocol}:{}", self.at)
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("govuc-lab-probe: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<(), String> {
    match arguments {
        [verb, endpoints @ ..] if verb == "serve" && !endpoints.is_empty() => serve(endpoints),
        [verb, milliseconds, targets @ ..] if verb == "dial" => {
            let wait = milliseconds
                .parse()
                .map_err(|_| format!("{milliseconds:?} is no number of milliseconds"))?;
            dial(Duration::from_millis(wait), targets)
        }
        _ => Err(
            "usage: serve tcp:PORT|udp:PORT ... | dial MILLISECONDS tcp:ADDRESS:PORT|udp:ADDRESS:PORT ..."
                .into(),
        ),
    }
}

fn serve(endpoints: &[String]) -> Result<(), String> {
    let mut servers = Vec::new();
    for text in endpoints {
        let endpoint: Endpoint<u16> = text.parse()?;
        let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, endpoint.at));
        let failed = |error: io::Error| format!("cannot listen on {endpoint}: {error}");
        servers.push(match endpoint.protocol {
            Protocol::Tcp => {
                let listener = TcpListener::bind(address).map_err(failed)?;
                thread::spawn(move || answer_tcp(&listener))
            }
            Protocol::Udp => {
                let socket = UdpSocket::bind(address).map_err(failed)?;
                thread::spawn(move || answer_udp(&socket))
            }
        });
    }
    for server in servers {
        server.join().map_err(|_| "a listener ended".to_owned())?;
    }
    Ok(())
}

fn answer_tcp(listener: &TcpListener) {
    for stream in listener.incoming().flatten() {
        // A peer that went away is its own affair.
        let _ = (&stream).write_all(ANSWER);
    }
}

fn answer_udp(socket: &UdpSocket) {
    let mut buffer = [0; 64];
    loop {
        if let Ok((_, from)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(ANSWER, from);
        }
    }
}

/// Dials all targets at the same time: a test asks for a whole column of its matrix at once.
fn dial(wait: Duration, targets: &[String]) -> Result<(), String> {
    let targets: Vec<Endpoint<SocketAddr>> = targets.iter().map(|t| t.parse()).collect::<Result<_, _>>()?;
    let dials: Vec<_> = targets
        .into_iter()
        .map(|target| {
            (
                target,
                thread::spawn(move || answers(target, wait).unwrap_or(false)),
            )
        })
        .collect();
    for (target, dial) in dials {
        let open = dial.join().map_err(|_| "a dial ended early".to_owned())?;
        println!("{target} {}", if open { "open" } else { "closed" });
    }
    Ok(())
}

fn answers(target: Endpoint<SocketAddr>, wait: Duration) -> io::Result<bool> {
    let mut buffer = [0; 64];
    let read = match target.protocol {
        Protocol::Tcp => {
            let mut stream = TcpStream::connect_timeout(&target.at, wait)?;
            stream.set_read_timeout(Some(wait))?;
            stream.read(&mut buffer)?
        }
        Protocol::Udp => {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
            socket.connect(target.at)?;
            socket.set_read_timeout(Some(wait))?;
            socket.send(b"?")?;
            socket.recv(&mut buffer)?
        }
    };
    Ok(&buffer[..read] == ANSWER)
}

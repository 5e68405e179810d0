//! A TCP connection from inside a machine, for a client that runs outside of it.

use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use nix::sched::{CloneFlags, setns};

use crate::machine::Machine;

/// Long enough for a connection through every hop of a busy machine, short enough to see a dead one.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// Dials `address` as a program of the machine would.
pub async fn dial(machine: &Machine, address: SocketAddr) -> io::Result<tokio::net::TcpStream> {
    let namespace = format!("/proc/{}/ns/net", machine.init());
    // A socket belongs to the namespace it was made in, and a thread may enter another one by itself. The thread is
    // one of its own and ends, since one of a pool would stay in the machine.
    let made = tokio::task::spawn_blocking(move || {
        std::thread::spawn(move || -> io::Result<TcpStream> {
            setns(File::open(namespace)?, CloneFlags::CLONE_NEWNET)?;
            let stream = TcpStream::connect_timeout(&address, DEADLINE)?;
            stream.set_nonblocking(true)?;
            Ok(stream)
        })
        .join()
        .unwrap_or_else(|_| Err(io::Error::other("the dialling thread panicked")))
    });
    made.await
        .map_err(io::Error::other)?
        .and_then(tokio::net::TcpStream::from_std)
}

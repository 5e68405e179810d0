//! TCP sockets inside a machine, for clients and servers that run outside of it.

use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use nix::sched::{CloneFlags, setns};

use crate::machine::Machine;

/// Long enough for a connection through every hop of a busy machine, short enough to see a dead one.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// Dials `address` as a program of the machine would.
pub async fn dial(machine: &Machine, address: SocketAddr) -> io::Result<tokio::net::TcpStream> {
    let stream = within(machine, move || {
        let stream = TcpStream::connect_timeout(&address, DEADLINE)?;
        stream.set_nonblocking(true)?;
        Ok(stream)
    });
    tokio::net::TcpStream::from_std(stream.await?)
}

/// Listens at `address` as a program of the machine would.
pub async fn listen(machine: &Machine, address: SocketAddr) -> io::Result<tokio::net::TcpListener> {
    let listener = within(machine, move || {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    tokio::net::TcpListener::from_std(listener.await?)
}

/// Makes a socket in the machine's network: it belongs to the namespace it was made in, whoever uses it.
async fn within<S: Send + 'static>(
    machine: &Machine,
    make: impl FnOnce() -> io::Result<S> + Send + 'static,
) -> io::Result<S> {
    let namespace = format!("/proc/{}/ns/net", machine.init());
    // A thread may enter another namespace by itself. It is one of its own and ends, since one of a pool would stay in
    // the machine.
    let made = tokio::task::spawn_blocking(move || {
        std::thread::spawn(move || {
            setns(File::open(namespace)?, CloneFlags::CLONE_NEWNET)?;
            make()
        })
        .join()
        .unwrap_or_else(|_| Err(io::Error::other("the thread that makes the socket panicked")))
    });
    made.await.map_err(io::Error::other)?
}

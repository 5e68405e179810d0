//! The engine: Cyrus' master, configured for a role, started, watched and stopped.

pub mod log;
mod template;

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use govuc_roles::{Event, Role};
use nix::sys::signal::Signal;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    net::TcpStream,
    sync::mpsc::UnboundedReceiver,
    time,
};

use crate::{
    process::{self, Processes, Running},
    turn::Events,
};

/// How long the engine's processes have to end what they do, before they are killed.
const STOP_PATIENCE: Duration = Duration::from_secs(15);
/// How long the processes of a master that died have, which can serve nobody new.
const ORPHANS_PATIENCE: Duration = Duration::from_secs(3);
/// A dead engine is started again no sooner, so that a broken one doesn't burn the machine.
const RESTART_PAUSE: Duration = Duration::from_secs(1);
/// In bytes.
const LONGEST_GREETING: u64 = 4096;
/// Before the master is told to try again a daemon that it gave up (Cyrus 3.10 does so on SIGHUP only).
const REVIVE_PAUSE: Duration = Duration::from_secs(5);

/// Where the engine is and what it is called.
#[derive(Clone)]
pub struct Installation {
    /// Cyrus' programs: `master`, `sync_client`.
    pub programs: PathBuf,
    /// Lasting data.
    pub data: PathBuf,
    /// Memory: sockets, locks, configuration.
    pub run: PathBuf,
    /// Where it greets.
    pub imap: SocketAddr,
    pub store: String,
    /// The guard's loopback port for the engine's sync.
    pub sync_port: u16,
    /// The same for a full sync that nobody's answer waits for.
    pub fill_port: u16,
}

/// What the guard asks of the engine.
pub enum Order {
    Start {
        role: Role,
        /// The engine's password at the follower, for a primary.
        sync_password: String,
    },
    Stop,
}

/// Starts, watches and stops the engine as ordered.
pub struct Supervisor {
    pub installation: Installation,
    pub processes: Processes,
    pub events: Events,
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{path} can't be written")]
    File { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Template(#[from] template::Error),
    #[error(transparent)]
    Process(#[from] process::Error),
}

enum Ended {
    ByItself,
    Stopped,
}

impl Supervisor {
    /// Until the orders' sender is gone. Every start ends with an `EngineDown`, sent when no process is left.
    pub async fn run(
        self,
        mut orders: UnboundedReceiver<Order>,
        mut signs: UnboundedReceiver<log::Sign>,
        relay_failed: impl Fn(String),
    ) {
        loop {
            let (role, sync_password) = tokio::select! {
                order = orders.recv() => match order {
                    None => return,
                    // The `EngineDown` of the last engine is on its way to who ordered this.
                    Some(Order::Stop) => continue,
                    Some(Order::Start { role, sync_password }) => (role, sync_password),
                },
                // No engine, nothing to do about what the last one said.
                Some(_) = signs.recv() => continue,
            };
            let ended = match self.start(role, &sync_password) {
                Ok(engine) => {
                    self.watch(engine, role, &mut orders, &mut signs, &relay_failed)
                        .await
                }
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "the engine does not start"
                    );
                    Ended::ByItself
                }
            };
            if matches!(ended, Ended::ByItself) {
                time::sleep(RESTART_PAUSE).await;
            }
            self.events.send(Event::EngineDown);
        }
    }

    fn start(&self, role: Role, sync_password: &str) -> Result<Running, Error> {
        let Installation {
            programs, data, run, ..
        } = &self.installation;
        for folder in ["config/socket", "spool", "search"] {
            make(&data.join(folder))?;
        }
        // What an engine that was killed left there would be believed by the next one.
        for folder in ["proc", "socket"] {
            remove(&run.join(folder))?;
        }
        for folder in ["proc", "lock", "tmp", "socket"] {
            make(&run.join(folder))?;
        }
        let (imapd_conf, cyrus_conf) = (run.join("imapd.conf"), run.join("cyrus.conf"));
        let port = self.installation.sync_port.to_string();
        let fill_port = self.installation.fill_port.to_string();
        let values = [
            ("store", self.installation.store.as_str()),
            ("data", text(data)?),
            ("run", text(run)?),
            ("sync_port", &port),
            ("fill_port", &fill_port),
            ("sync_password", sync_password),
        ];
        write_private(
            &imapd_conf,
            &template::render(template::IMAPD_CONF, role, &values)?,
        )?;
        write_private(
            &cyrus_conf,
            &template::render(template::CYRUS_CONF, role, &values)?,
        )?;
        let mut master = Command::new(programs.join("master"));
        master
            .arg("-C")
            .arg(imapd_conf)
            .arg("-M")
            .arg(cyrus_conf)
            .stdin(Stdio::null());
        tracing::info!(?role, "the engine starts");
        Ok(self.processes.spawn(master)?)
    }

    async fn watch(
        &self,
        mut engine: Running,
        role: Role,
        orders: &mut UnboundedReceiver<Order>,
        signs: &mut UnboundedReceiver<log::Sign>,
        relay_failed: &impl Fn(String),
    ) -> Ended {
        let up = greeting(self.installation.imap);
        tokio::pin!(up);
        let mut is_up = false;
        let mut revive_at = None;
        loop {
            let revive = async {
                match revive_at {
                    Some(at) => time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                status = engine.exited() => {
                    tracing::error!(%status, "the engine has ended by itself");
                    engine.signal_group(Signal::SIGTERM);
                    engine.group_ended(ORPHANS_PATIENCE).await;
                    return Ended::ByItself;
                }
                // A start is ordered only after an `EngineDown`, so this is a stop.
                _ = orders.recv() => {
                    tracing::info!("the engine stops");
                    self.stop(&mut engine).await;
                    return Ended::Stopped;
                }
                () = &mut up, if !is_up => {
                    is_up = true;
                    self.events.send(Event::EngineUp(role));
                }
                () = revive => {
                    revive_at = None;
                    engine.signal(Signal::SIGHUP);
                }
                Some(sign) = signs.recv() => match sign {
                    log::Sign::SyncError(text) => relay_failed(text),
                    log::Sign::Disabled => revive_at = Some(time::Instant::now() + REVIVE_PAUSE),
                },
            }
        }
    }

    async fn stop(&self, engine: &mut Running) {
        engine.signal(Signal::SIGTERM);
        // Whatever ends first: the master, and after it its children, or the patience.
        let _ = time::timeout(STOP_PATIENCE, engine.exited()).await;
        engine.group_ended(STOP_PATIENCE / 3).await;
    }
}

/// A connection to the engine, on which no part of what is carried waits until the part before is acknowledged.
pub async fn dial(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Returns when the engine greets at this address.
async fn greeting(address: SocketAddr) {
    while !greets(address).await {
        time::sleep(Duration::from_millis(100)).await;
    }
}

/// Whether the engine greets at this address within a second.
pub async fn greets(address: SocketAddr) -> bool {
    let ask = async {
        let stream = TcpStream::connect(address).await.ok()?;
        // The whole line: closed with something unread, a connection is reset, and the engine logs that.
        let mut line = String::new();
        BufReader::new(stream.take(LONGEST_GREETING))
            .read_line(&mut line)
            .await
            .ok()?;
        line.starts_with("* OK").then_some(())
    };
    matches!(time::timeout(Duration::from_secs(1), ask).await, Ok(Some(())))
}

fn make(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(at(path))
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(path)(error)),
        _ => Ok(()),
    }
}

/// The file holds a password.
fn write_private(path: &Path, content: &str) -> Result<(), Error> {
    let mut file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .map_err(at(path))?;
    file.write_all(content.as_bytes()).map_err(at(path))
}

fn text(path: &Path) -> Result<&str, Error> {
    path.to_str().ok_or_else(|| Error::File {
        path: path.to_owned(),
        source: io::Error::new(io::ErrorKind::InvalidInput, "the path is not UTF-8"),
    })
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_carried_to_the_engine_is_not_held_back() {
        let engine = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = dial(engine.local_addr().unwrap()).await.unwrap();
        assert!(stream.nodelay().unwrap());
    }
}

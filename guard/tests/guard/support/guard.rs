//! A guard as a process of its own, and those who talk to it.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU8, Ordering},
    },
    thread,
};

use govuc_wire::{
    names,
    preamble::{self, SyncOffer},
    status::Status,
    tls,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rustls_pki_types::ServerName;
use tokio::{io::AsyncReadExt, net::TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{PATIENCE, engine::Engine, eventually, pki::Authority};

pub const STORE: &str = "mail-1";
pub const KEY: [u8; 32] = [7; 32];

/// One slot of the store: what its guard is given, and the guard while it runs.
pub struct Slot {
    pub site: &'static str,
    pub address: SocketAddr,
    pub probes: SocketAddr,
    pub engine: Engine,
    pub volume: PathBuf,
    pub log: Arc<Mutex<String>>,
    root: tempfile::TempDir,
    peer: &'static str,
    peer_address: SocketAddr,
    /// More arguments of the guard.
    arguments: Vec<String>,
    child: Option<Child>,
}

/// Two slots whose guards know each other, none of them running.
pub fn slots(authority: &Authority) -> (Slot, Slot) {
    let (one, two) = (own(), own());
    (
        Slot::new(authority, "pdsa1", "pdsa2", one, two),
        Slot::new(authority, "pdsa2", "pdsa1", two, one),
    )
}

/// An address nobody else has; a guard that is started again needs the same one. A port of `127.0.0.1` that was free when it
/// was asked for can be the near end of somebody's connection when the guard listens; connections never begin at these.
fn own() -> SocketAddr {
    static GIVEN: AtomicU8 = AtomicU8::new(1);
    let [high, low] = (std::process::id() as u16).to_be_bytes();
    let host = GIVEN.fetch_add(1, Ordering::Relaxed);
    assert!(host != u8::MAX, "254 addresses are enough for one run");
    SocketAddr::from(([127, 192 + high % 63, low, host], 1993))
}

impl Slot {
    fn new(
        authority: &Authority,
        site: &'static str,
        peer: &'static str,
        address: SocketAddr,
        peer_address: SocketAddr,
    ) -> Self {
        let root = tempfile::tempdir().unwrap();
        let slot = Self {
            site,
            address,
            probes: own(),
            engine: Engine::new(),
            volume: root.path().join("volume"),
            log: Arc::default(),
            root,
            peer,
            peer_address,
            arguments: Vec::new(),
            child: None,
        };
        authority.issue(&slot.tls(), &slot.names());
        fs::create_dir_all(slot.path("run")).unwrap();
        fs::write(slot.path("key"), KEY).unwrap();
        Engine::install(&slot.path("programs"));
        slot
    }

    pub fn names(&self) -> Vec<String> {
        vec![
            names::server_name(STORE, self.site, names::MAIL_NAMESPACE),
            names::identity(STORE, self.site),
        ]
    }

    pub fn tls(&self) -> PathBuf {
        self.path("tls")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// What the operator would write; a running guard takes it up.
    pub fn assign(&self, era: u64, term: u64, primary: &str) {
        self.configure(&format!(r#""era":{era},"term":{term},"primary":"{primary}""#));
    }

    /// The same, with roles in an etcd.
    pub fn lease(&mut self, preferred: &str, arguments: Vec<String>) {
        self.configure(&format!(r#""roles":{{"preferredSite":"{preferred}"}}"#));
        self.arguments = arguments;
    }

    fn configure(&self, role: &str) {
        let text = format!(
            r#"{{"store":"{STORE}","use":"Mail","site":"{}","peer":"{}",{role}}}"#,
            self.site, self.peer
        );
        let new = self.path("store.json.new");
        fs::write(&new, text).unwrap();
        fs::rename(new, self.path("store.json")).unwrap();
    }

    pub fn start(&mut self) {
        let engine = self.engine.address.to_string();
        let mut child = Command::new(env!("CARGO_BIN_EXE_govuc-guard"))
            .args(["--config".as_ref(), self.path("store.json").as_os_str()])
            .args(["--tls".as_ref(), self.tls().as_os_str()])
            .args(["--session-key".as_ref(), self.path("key").as_os_str()])
            .args(["--volume".as_ref(), self.volume.as_os_str()])
            .args(["--run".as_ref(), self.path("run").as_os_str()])
            .args(["--engine".as_ref(), self.path("programs").as_os_str()])
            .args([
                "--listen",
                &self.address.to_string(),
                "--probes",
                &self.probes.to_string(),
            ])
            .args(["--peer-address", &self.peer_address.to_string()])
            .args(["--imap", &engine, "--lmtp", &engine])
            .args(&self.arguments)
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdout, log) = (child.stdout.take().unwrap(), self.log.clone());
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let mut log = log.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        self.child = Some(child);
    }

    pub fn signal(&mut self, signal: Signal) -> ExitStatus {
        let mut child = self.child.take().unwrap();
        kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
        child.wait().unwrap()
    }

    /// To a process that goes on.
    pub fn signal_alive(&self, signal: Signal) {
        let child = self.child.as_ref().unwrap();
        kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
    }

    /// How the guard has ended by itself.
    pub fn ended(&mut self) -> ExitStatus {
        self.child.take().unwrap().wait().unwrap()
    }

    /// The engine syncs once; whether it was answered.
    pub fn sync(&self) -> bool {
        Command::new(self.path("programs/sync_client"))
            .arg("-C")
            .arg(self.path("run/imapd.conf"))
            .args(["-n", "peer"])
            .status()
            .unwrap()
            .success()
    }

    pub fn kill(&mut self) {
        let status = self.signal(Signal::SIGKILL);
        assert_eq!(status.signal(), Some(Signal::SIGKILL as i32));
    }

    /// The engine's first process.
    pub fn master(&self) -> Pid {
        let pid = fs::read_to_string(self.path("run/master.pid")).unwrap();
        Pid::from_raw(pid.trim().parse().unwrap())
    }

    /// As `guard.json` has it.
    pub fn durable(&self) -> (u64, u64) {
        let text = fs::read(self.volume.join("guard.json")).unwrap();
        let content: serde_json::Value = serde_json::from_slice(&text).unwrap();
        (
            content["era"].as_u64().unwrap(),
            content["term"].as_u64().unwrap(),
        )
    }

    pub async fn status(&self, authority: &Authority) -> Option<Status> {
        let operator = [names::identity("operator", self.peer)];
        let mut stream = self.dial(authority, &operator, Some(tls::ALPN_STATUS)).await?;
        let mut text = Vec::new();
        stream.read_to_end(&mut text).await.ok()?;
        serde_json::from_slice(&text).ok()
    }

    pub fn wait_for_state(&self, authority: &Authority, state: &str) -> Status {
        let runtime = runtime();
        eventually(&format!("{} being {state}", self.site), || {
            runtime
                .block_on(self.status(authority))
                .filter(|status| status.state == state)
        })
    }

    /// A connection to the guard as a holder of these names; `None` if TLS fails.
    pub async fn dial(
        &self,
        authority: &Authority,
        names: &[String],
        alpn: Option<&[u8]>,
    ) -> Option<TlsStream<TcpStream>> {
        let config = authority
            .material(names)
            .client(&alpn.into_iter().collect::<Vec<_>>())
            .unwrap();
        let stream = TcpStream::connect(self.address).await.ok()?;
        let name = ServerName::try_from(self.names()[0].clone()).unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
            .ok()
    }

    /// As a router brings a user.
    pub async fn imap(&self, authority: &Authority) -> TlsStream<TcpStream> {
        let door = [names::identity("front-door", "pdsa1")];
        let mut stream = self.dial(authority, &door, Some(tls::ALPN_IMAP)).await.unwrap();
        preamble::write(&mut stream, &user()).await.unwrap();
        stream
    }

    pub fn probe(&self, path: &str) -> (u16, String) {
        let Ok(mut stream) = std::net::TcpStream::connect(self.probes) else {
            return (0, String::new());
        };
        use std::io::Write;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: guard\r\nconnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let code = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
        (code.unwrap_or(0), answer)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        if thread::panicking() {
            eprintln!("--- {}\n{}", self.site, self.log.lock().unwrap());
        }
    }
}

/// What a primary with another volume offers.
pub fn offer(era: u64, term: u64) -> SyncOffer {
    SyncOffer {
        store: STORE.into(),
        era,
        term,
        volume: "another".into(),
        incarnation: 1,
        opening: 1,
    }
}

/// Whom the front door brings.
pub fn user() -> preamble::Session {
    preamble::Session {
        user: "3f".into(),
        client: "198.18.0.9".into(),
        session: "a1".into(),
    }
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// One line, without its end; empty when the connection ends instead.
pub async fn line(stream: &mut TlsStream<TcpStream>) -> String {
    let mut text = String::new();
    let read = async {
        while let Ok(byte @ 1..) = stream.read_u8().await {
            match byte {
                b'\n' => return,
                b'\r' => {}
                byte => text.push(char::from(byte)),
            }
        }
    };
    tokio::time::timeout(PATIENCE, read)
        .await
        .expect("the connection says nothing and does not end");
    text
}

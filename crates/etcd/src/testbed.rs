//! Members of a real etcd on loopback, for tests.
//!
//! `GOVUC_ETCD` is the program: an `etcd`, or the lab's `kubernetes`, which has one in it.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU8, Ordering},
    thread,
    time::Duration,
};

use govuc_wire::{names, tls::Files};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, SanType};
use tempfile::TempDir;

use crate::{Endpoint, Etcd, Settings};

/// The environment variable that names the program.
pub const PROGRAM_VARIABLE: &str = "GOVUC_ETCD";
/// The sites of the members, in order.
pub const SITES: [&str; 3] = ["pdsa1", "pdsa2", names::WITNESS];

const CLIENT_PORT: u16 = 2379;
const PEER_PORT: u16 = 2380;
/// For a cluster to have chosen its first leader.
const READY: Duration = Duration::from_secs(60);

/// One or three members with mutual TLS. They end when this is dropped.
pub struct Testbed {
    folder: TempDir,
    authority: Authority,
    /// Each testbed has loopback addresses of its own, so that all can listen at the service's port.
    network: String,
    running: Vec<Option<Child>>,
}

/// Who issues certificates.
pub struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

static STARTED: AtomicU8 = AtomicU8::new(0);

impl Testbed {
    /// Starts as many members, with nothing in them, and waits until they answer.
    ///
    /// # Panics
    /// When `GOVUC_ETCD` is not set or the members do not start.
    pub async fn start(members: usize) -> Self {
        let pid = std::process::id() as u16;
        let [high, low] = pid.to_be_bytes();
        let mut bed = Self {
            folder: tempfile::Builder::new()
                .prefix("govuc-etcd-")
                .tempdir()
                .expect("a folder for the members"),
            authority: Authority::new("roles"),
            network: format!(
                "127.{}.{}",
                64 + high % 128,
                low ^ STARTED.fetch_add(1, Ordering::Relaxed)
            ),
            running: (0..members).map(|_| None).collect(),
        };
        for member in 0..members {
            bed.certify(member);
            bed.start_member(member);
        }
        for member in 0..members {
            bed.ready(member).await;
        }
        bed
    }

    /// Starts a member that was killed, with what it had.
    pub fn start_member(&mut self, member: usize) {
        self.spawn(member, program(), self.flags(member));
    }

    /// Starts a member that has nothing, and for which the others have a place.
    pub fn join_member(&mut self, member: usize) {
        let mut flags = self.flags(member);
        flags.push("--initial-cluster-state=existing".to_owned());
        self.spawn(member, program(), flags);
    }

    /// Starts a member by another program, which gets these arguments and may become etcd.
    pub fn start_member_by(&mut self, member: usize, program: Vec<OsString>) {
        self.spawn(member, program, Vec::new());
    }

    /// Ends a member, and takes what it had.
    pub fn empty(&mut self, member: usize) {
        self.kill(member);
        fs::remove_dir_all(self.data(member)).expect("the member's data can be removed");
    }

    /// Where a member has what it has.
    pub fn data(&self, member: usize) -> PathBuf {
        self.path(member, "data")
    }

    /// A member's flags as the variables of the environment that etcd takes instead.
    pub fn environment(&self, member: usize) -> Vec<(String, String)> {
        let variable = |flag: String| {
            let (name, value) = flag.split_once('=').unwrap_or((&flag, "true"));
            let name = name.trim_start_matches('-').replace('-', "_").to_uppercase();
            (format!("ETCD_{name}"), value.to_owned())
        };
        self.flags(member).into_iter().map(variable).collect()
    }

    /// Where the others find a member.
    pub fn peer_url(&self, member: usize) -> String {
        format!("https://{}:{PEER_PORT}", self.address(member))
    }

    /// Whether the program that was started for a member still runs.
    pub fn runs(&mut self, member: usize) -> bool {
        let child = self.running[member].as_mut();
        child.is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    fn spawn(&mut self, member: usize, program: Vec<OsString>, flags: Vec<String>) {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.path(member, "log"))
            .expect("a log file");
        // Ends with the thread that starts it, whatever becomes of this process.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .args(program)
            .args(flags)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle of the log"))
            .stderr(log)
            .spawn()
            .expect("setpriv (package util-linux) starts");
        self.running[member] = Some(child);
    }

    /// Waits until a member answers, with the others' consent.
    ///
    /// # Panics
    /// With the member's log when it does not within a minute.
    pub async fn ready(&self, member: usize) {
        if let Err(error) = Etcd::connect(self.settings_of(&[member]), READY).await {
            panic!(
                "etcd of {} is not ready: {error}\n{}",
                SITES[member],
                self.log(member)
            );
        }
    }

    /// Ends a member as a power cut would.
    pub fn kill(&mut self, member: usize) {
        if let Some(mut child) = self.running[member].take() {
            child.kill().expect("etcd can be killed");
            child.wait().expect("etcd has ended");
        }
    }

    /// Stops a member where it is: its connections stay, and nothing is answered.
    pub fn freeze(&self, member: usize) {
        self.signal(member, Signal::SIGSTOP);
        // Each of its threads stops for itself, and until then one may still answer.
        while !self.stands_still(member) {
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn stands_still(&self, member: usize) -> bool {
        let threads = format!("/proc/{}/task", self.pid(member));
        let threads = fs::read_dir(threads).expect("the member runs");
        threads.map_while(Result::ok).all(|thread| {
            // A thread that has ended meanwhile has no more to say. The state is the field after the name.
            let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            stat.rsplit_once(") ")
                .is_none_or(|(_, fields)| fields.starts_with('T'))
        })
    }

    /// Lets a frozen member go on.
    pub fn thaw(&self, member: usize) {
        self.signal(member, Signal::SIGCONT);
    }

    /// The process of a member that runs.
    pub fn pid(&self, member: usize) -> u32 {
        self.running[member].as_ref().expect("the member runs").id()
    }

    pub fn endpoint(&self, member: usize) -> Endpoint {
        Endpoint {
            address: format!("{}:{CLIENT_PORT}", self.address(member)),
            ..Endpoint::of_site(SITES[member])
        }
    }

    /// Where the others find it.
    pub fn peer_endpoint(&self, member: usize) -> Endpoint {
        Endpoint {
            address: format!("{}:{PEER_PORT}", self.address(member)),
            ..Endpoint::of_peer(SITES[member])
        }
    }

    /// A member's own certificate as files.
    pub fn member_files(&self, member: usize) -> Files {
        Files::new(self.path(member, "tls"))
    }

    /// For a client that prefers the members in their order.
    pub fn settings(&self) -> Settings {
        self.settings_of(&(0..self.running.len()).collect::<Vec<_>>())
    }

    /// For a client that knows these members.
    pub fn settings_of(&self, members: &[usize]) -> Settings {
        Settings {
            endpoints: members.iter().map(|member| self.endpoint(*member)).collect(),
            tls: self.client_files(),
        }
    }

    /// A client's certificate as files.
    pub fn client_files(&self) -> Files {
        Files::new(self.client_folder())
    }

    /// The folder of those files, for a program that is given it.
    pub fn client_folder(&self) -> PathBuf {
        let folder = self.folder.path().join("client");
        let identity = names::identity(names::ROLES_CLIENT, SITES[0]);
        self.authority
            .write(&folder, vec![dns(&identity)], &self.authority);
        folder
    }

    /// Who issues the members' certificates.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// What a member has said.
    pub fn log(&self, member: usize) -> String {
        fs::read_to_string(self.path(member, "log")).unwrap_or_default()
    }

    fn signal(&self, member: usize, signal: Signal) {
        let pid = Pid::from_raw(self.pid(member).cast_signed());
        kill(pid, signal).expect("a child can be signalled");
    }

    fn address(&self, member: usize) -> String {
        format!("{}.{}", self.network, member + 1)
    }

    fn path(&self, member: usize, name: &str) -> PathBuf {
        self.folder.path().join(SITES[member]).join(name)
    }

    fn certify(&self, member: usize) {
        let address = self.address(member).parse().expect("an address");
        let names = vec![
            dns(&Endpoint::of_site(SITES[member]).server_name),
            dns(&Endpoint::of_peer(SITES[member]).server_name),
            dns(names::ROLES_MEMBER),
            SanType::IpAddress(address),
        ];
        self.authority
            .write(&self.path(member, "tls"), names, &self.authority);
    }

    fn flags(&self, member: usize) -> Vec<String> {
        let peer = |member: usize| self.peer_url(member);
        let client = format!("https://{}:{CLIENT_PORT}", self.address(member));
        let all: Vec<String> = (0..self.running.len())
            .map(|member| format!("{}={}", SITES[member], peer(member)))
            .collect();
        let file = |name: &str| self.path(member, "tls").join(name).display().to_string();
        vec![
            format!("--name={}", SITES[member]),
            format!("--data-dir={}", self.data(member).display()),
            // A killed process loses nothing by it, only a crash of the whole host would.
            "--unsafe-no-fsync".to_owned(),
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            format!("--listen-peer-urls={}", peer(member)),
            format!("--initial-advertise-peer-urls={}", peer(member)),
            format!("--initial-cluster={}", all.join(",")),
            "--heartbeat-interval=100".to_owned(),
            "--election-timeout=1000".to_owned(),
            "--log-level=warn".to_owned(),
            format!("--cert-file={}", file("tls.crt")),
            format!("--key-file={}", file("tls.key")),
            format!("--trusted-ca-file={}", file("ca.crt")),
            "--client-cert-auth".to_owned(),
            format!("--peer-cert-file={}", file("tls.crt")),
            format!("--peer-key-file={}", file("tls.key")),
            format!("--peer-trusted-ca-file={}", file("ca.crt")),
            "--peer-client-cert-auth".to_owned(),
            // What a member dials from is none of the addresses in its certificate, as behind a gateway.
            "--experimental-peer-skip-client-san-verification".to_owned(),
            format!("--peer-cert-allowed-hostname={}", names::ROLES_MEMBER),
        ]
    }
}

impl Drop for Testbed {
    fn drop(&mut self) {
        for member in 0..self.running.len() {
            self.kill(member);
        }
    }
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.distinguished_name = subject(&format!("{name} authority"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("a certificate").pem();
        Self {
            certificate,
            issuer: Issuer::new(params, key),
        }
    }

    /// Writes `tls.crt` and `tls.key` for these names, and the `ca.crt` of `trusted`.
    pub fn write(&self, folder: &Path, names: Vec<SanType>, trusted: &Authority) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.distinguished_name = subject("roles");
        params.subject_alt_names = names;
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        fs::create_dir_all(folder).expect("a folder");
        for (name, text) in [
            ("tls.crt", certificate.pem()),
            ("tls.key", key.serialize_pem()),
            ("ca.crt", trusted.certificate.clone()),
        ] {
            fs::write(folder.join(name), text).expect("a file");
        }
    }
}

/// The program of etcd, and what it wants before etcd's own flags.
pub fn program() -> Vec<OsString> {
    let program = std::env::var_os(PROGRAM_VARIABLE)
        .map(PathBuf::from)
        .unwrap_or_else(|| panic!("{PROGRAM_VARIABLE} is not set: it names a program of etcd"));
    let lab = program.file_stem().is_some_and(|name| name == "kubernetes");
    [program.into_os_string()]
        .into_iter()
        .chain(lab.then(|| "etcd".into()))
        .collect()
}

/// A name for a certificate.
pub fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().expect("a DNS name"))
}

fn subject(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::OrganizationName, "govuc");
    subject.push(DnType::CommonName, name);
    subject
}

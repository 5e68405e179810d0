//! Two real providers on loopback, for tests: the slapd of `images/openldap`, configured by its own template.
//!
//! `GOVUC_SLAPD_ROOT` is a folder with the image's file system; tests run as root, for slapd is started inside it.

use std::{
    fs,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

use govuc_wire::{names, tls};
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, SanType};
use tempfile::TempDir;

use crate::{Credentials, Directory, Endpoint, Suffix};

/// The environment variable that names the image's file system.
pub const ROOT_VARIABLE: &str = "GOVUC_SLAPD_ROOT";
/// The domain of the providers' tree.
pub const DOMAIN: &str = "1govuc.gov.my";
/// The sites; the first is provider 1.
pub const SITES: [&str; 2] = ["pdsa1", "pdsa2"];

/// The user of the image.
const USER: u32 = 901;
const TEMPLATE: &str = include_str!("../../../images/openldap/slapd.conf.in");

/// Two providers that replicate to each other. They end when this is dropped.
pub struct Testbed {
    root: PathBuf,
    /// Below the root's `tmp`, where slapd finds it.
    folder: TempDir,
    authorities: [Authority; 2],
    /// Each testbed has loopback addresses of its own, so that all can listen at the service's port.
    network: String,
    running: [Option<Child>; 2],
}

struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

static STARTED: AtomicU8 = AtomicU8::new(0);

impl Testbed {
    /// Starts both providers, with empty trees.
    ///
    /// # Panics
    /// When `GOVUC_SLAPD_ROOT` is not set or slapd does not start.
    pub fn start() -> Self {
        let mut bed = Self::prepare();
        for site in SITES {
            bed.start_provider(site);
        }
        bed
    }

    /// Everything but running providers.
    pub fn prepare() -> Self {
        let root = std::env::var_os(ROOT_VARIABLE)
            .map(PathBuf::from)
            .unwrap_or_else(|| {
                panic!(
                    "{ROOT_VARIABLE} is not set: it names a folder with the file system of images/openldap"
                )
            });
        let folder = tempfile::Builder::new()
            .prefix("govuc-")
            .tempdir_in(root.join("tmp"))
            .expect("a folder in the image");
        let pid = std::process::id() as u16;
        let [high, low] = pid.to_be_bytes();
        let network = format!(
            "127.{}.{}",
            64 + high % 128,
            low ^ STARTED.fetch_add(1, Ordering::Relaxed)
        );
        let bed = Self {
            root,
            folder,
            authorities: SITES.map(Authority::new),
            network,
            running: [None, None],
        };
        let hosts: String = SITES
            .iter()
            .map(|site| format!("{} {}\n", bed.address(site), Endpoint::of_site(site).server_name))
            .collect();
        bed.write("hosts", &hosts);
        for site in SITES {
            bed.configure(site);
        }
        own(bed.folder.path());
        bed
    }

    /// Starts a provider that was stopped, or never was started.
    pub fn start_provider(&mut self, site: &str) {
        let inside = Path::new("/").join(
            self.folder
                .path()
                .strip_prefix(&self.root)
                .expect("the folder is in the root"),
        );
        let log = fs::File::create(self.folder.path().join(format!("{site}.log"))).expect("a log file");
        // A mount namespace of its own gives each testbed its own hosts file over the image's.
        let child = Command::new("unshare")
            .args(["--mount", "sh", "-c"])
            .arg(r#"mount --bind "$1" "$2/etc/hosts" && exec chroot --userspec=901:901 "$2" /usr/sbin/slapd -d none -f "$3" -h "$4""#)
            .arg("sh")
            .arg(self.folder.path().join("hosts"))
            .arg(&self.root)
            .arg(inside.join(site).join("slapd.conf"))
            .arg(format!("ldaps://{}:{}/", self.address(site), names::TLS_PORT))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle of the log"))
            .stderr(log)
            .spawn()
            .expect("unshare (package util-linux) starts");
        self.running[index(site)] = Some(child);
        self.wait_until_listening(site);
    }

    /// Ends a provider as a power cut would.
    pub fn stop_provider(&mut self, site: &str) {
        if let Some(mut child) = self.running[index(site)].take() {
            child.kill().expect("slapd can be killed");
            child.wait().expect("slapd has ended");
        }
    }

    pub fn endpoint(&self, site: &str) -> Endpoint {
        Endpoint {
            address: format!("{}:{}", self.address(site), names::TLS_PORT),
            ..Endpoint::of_site(site)
        }
    }

    /// A site's provider as a part of that site sees it.
    pub fn directory(&self, site: &str, part: &str) -> Directory {
        self.directory_from(site, part, site)
    }

    /// A site's provider as a part of any site sees it.
    pub fn directory_from(&self, site: &str, part: &str, home: &str) -> Directory {
        let material = Arc::new(self.material(part, home));
        let suffix = Suffix::of_domain(DOMAIN).expect("the domain is one");
        Directory::new(self.endpoint(site), Credentials::Material(material), suffix)
    }

    pub fn material(&self, part: &str, site: &str) -> tls::Material {
        let (certificate, key) = self.authorities[index(site)].issue(part, site);
        tls::Material::from_pem(&certificate, &key, &self.trusted()).expect("usable certificates")
    }

    /// A part's certificate as files.
    pub fn files(&self, part: &str, site: &str) -> tls::Files {
        let folder = format!("{part}-{site}");
        let (certificate, key) = self.authorities[index(site)].issue(part, site);
        self.write(&format!("{folder}/tls.crt"), &certificate);
        self.write(&format!("{folder}/tls.key"), &key);
        self.write(&format!("{folder}/ca.crt"), &self.trusted());
        tls::Files::new(self.folder.path().join(folder))
    }

    /// What a provider has said.
    pub fn log(&self, site: &str) -> String {
        fs::read_to_string(self.folder.path().join(format!("{site}.log"))).unwrap_or_default()
    }

    fn address(&self, site: &str) -> String {
        format!("{}.{}", self.network, index(site) + 1)
    }

    fn trusted(&self) -> String {
        self.authorities
            .iter()
            .map(|authority| authority.certificate.as_str())
            .collect()
    }

    fn configure(&self, site: &str) {
        let own = index(site);
        let inside = |path: &str| {
            let folder = self.folder.path().join(site).join(path);
            fs::create_dir_all(&folder).expect("a folder");
            let inside = folder
                .strip_prefix(&self.root)
                .expect("the folder is in the root");
            format!("/{}", inside.display())
        };
        let suffix = Suffix::of_domain(DOMAIN).expect("the domain is one");
        let text = TEMPLATE
            .replace("{{suffix}}", suffix.dn())
            .replace("{{server-id}}", &(own + 1).to_string())
            .replace("{{peer-server}}", &Endpoint::of_site(SITES[1 - own]).server_name)
            .replace("/etc/govuc/tls", &inside("tls"))
            .replace("/var/lib/ldap", &inside("db"))
            .replace("/run/slapd", &inside("run"));
        self.write(&format!("{site}/slapd.conf"), &text);
        let (certificate, key) = self.authorities[own].issue("directory", site);
        self.write(&format!("{site}/tls/tls.crt"), &certificate);
        self.write(&format!("{site}/tls/tls.key"), &key);
        self.write(&format!("{site}/tls/ca.crt"), &self.trusted());
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).expect("a folder");
        }
        fs::write(&path, text).expect("a file");
    }

    fn wait_until_listening(&mut self, site: &str) {
        let endpoint = self.endpoint(site).address;
        let begun = Instant::now();
        while std::net::TcpStream::connect(&endpoint).is_err() {
            let ended = self.running[index(site)]
                .as_mut()
                .and_then(|child| child.try_wait().ok().flatten());
            if ended.is_some() || begun.elapsed() > Duration::from_secs(20) {
                panic!(
                    "slapd of {site} does not listen at {endpoint}: {}",
                    self.log(site)
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Testbed {
    fn drop(&mut self) {
        for site in SITES {
            self.stop_provider(site);
        }
    }
}

impl Authority {
    fn new(site: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.distinguished_name = subject(&format!("{site} authority"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("a certificate").pem();
        Self {
            certificate,
            issuer: Issuer::new(params, key),
        }
    }

    /// Certificate and key, as the operator issues them.
    fn issue(&self, part: &str, site: &str) -> (String, String) {
        let identity = names::identity(part, site);
        let server = names::server_name(part, site, names::MAIL_NAMESPACE);
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.distinguished_name = subject(&identity);
        params.subject_alt_names = [identity, server]
            .into_iter()
            .map(|name| SanType::DnsName(name.try_into().expect("a DNS name")))
            .collect();
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }
}

fn subject(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::OrganizationName, "govuc");
    subject.push(DnType::CommonName, name);
    subject
}

fn index(site: &str) -> usize {
    SITES
        .iter()
        .position(|known| *known == site)
        .expect("a site of the testbed")
}

/// Gives a folder and all in it to the image's user.
fn own(path: &Path) {
    chown(path, Some(USER), Some(USER)).expect("root gives the folder away");
    if path.is_dir() {
        for entry in fs::read_dir(path).expect("a folder") {
            own(&entry.expect("an entry").path());
        }
    }
}

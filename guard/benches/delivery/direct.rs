//! Two engines of which the first has the second for its peer, configured by the image's templates.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::net::{UnixDatagram, UnixListener, UnixStream},
    sync::{Arc, Mutex},
    thread,
};

use govuc_etcd::testbed::{Authority, dns};
use govuc_roles::Role;
use govuc_wire::{
    names::{self, OPERATOR_USER},
    tls::Files,
};
use rustls_pki_types::ServerName;

use super::{SITES, STORE, container::Container, imap, lmtp::Door, template};

const PASSWORD: &str = "secret";
const IMAP_PORT: u16 = 1143;
const LMTP_PORT: u16 = 2003;
const TLS_PORT: u16 = 2004;
/// The engine's own TLS for deliveries, as strict as the guard's. Nothing of a session is kept, as Postfix keeps none.
const TLS: &str = "
allowstarttls: on
tls_server_cert: /etc/govuc/tls/tls.crt
tls_server_key: /etc/govuc/tls/tls.key
tls_client_ca_file: /etc/govuc/tls/ca.crt
tls_client_certs: require
tls_session_timeout: 0
";

pub struct Direct {
    primary: Engine,
    follower: Engine,
    client: Arc<rustls::ClientConfig>,
}

struct Engine {
    container: Container,
    /// Of its log.
    sync_errors: Arc<Mutex<Vec<String>>>,
}

impl Direct {
    /// In step, with mailboxes for `users`.
    pub fn start(users: &[String]) -> Self {
        let (mut primary, mut follower) = (Engine::new(), Engine::new());
        let tls = primary.container.etc().join("tls");
        // OpenSSL tells an authority from whom it certifies by their names.
        let authority = Authority::new("bench");
        authority.write(&tls, vec![dns(&server_name())], &authority);
        for name in ["tls.crt", "tls.key", "ca.crt"] {
            primary.container.give(&tls.join(name));
        }
        follower.start(Role::Follower, None);
        primary.start(Role::Primary, Some(&follower));
        let stream = TcpStream::connect(primary.at(IMAP_PORT)).unwrap();
        imap::create_mailboxes(stream, (OPERATOR_USER, PASSWORD), users);
        let mx = primary.container.etc().join("mx");
        authority.write(&mx, vec![dns(&names::identity("mx", SITES[0]))], &authority);
        let mut client = Files::new(mx).load().unwrap().client(&[]).unwrap();
        client.resumption = rustls::client::Resumption::disabled();
        Self {
            primary,
            follower,
            client: client.into(),
        }
    }

    /// Without TLS.
    pub fn door(&self) -> Door {
        Door::Plain(self.primary.at(LMTP_PORT))
    }

    /// With the engine's own TLS.
    pub fn tls_door(&self) -> Door {
        Door::StartTls(
            self.primary.at(TLS_PORT),
            self.client.clone(),
            ServerName::try_from(server_name()).unwrap(),
        )
    }

    /// # Panics
    /// When anything was answered that the follower may lack.
    pub fn assert_in_step(&self) {
        for engine in [&self.primary, &self.follower] {
            let errors = engine.sync_errors.lock().unwrap();
            assert!(errors.is_empty(), "{errors:?}");
        }
    }
}

impl Engine {
    fn new() -> Self {
        Self {
            container: Container::new(),
            sync_errors: Arc::default(),
        }
    }

    fn at(&self, port: u16) -> SocketAddr {
        (self.container.address, port).into()
    }

    fn start(&mut self, role: Role, peer: Option<&Engine>) {
        let (data, run) = (self.container.data(), self.container.run());
        for folder in ["", "config", "config/socket", "spool", "search"] {
            self.container.folder(&data.join("cyrus").join(folder));
        }
        for folder in ["proc", "lock", "tmp", "socket", "saslauthd"] {
            self.container.folder(&run.join(folder));
        }
        let port = IMAP_PORT.to_string();
        let values = [
            ("store", STORE),
            ("data", "/var/lib/govuc/cyrus"),
            ("run", "/run/cyrus"),
            ("sync_port", &port),
            ("fill_port", &port),
            ("sync_password", PASSWORD),
        ];
        let own = self.container.address.to_string();
        let mut cyrus = template::render(template::CYRUS_CONF, role, &values).unwrap();
        let mut imapd = template::render(template::IMAPD_CONF, role, &values).unwrap();
        if let Some(peer) = peer {
            let host = peer.container.address;
            imapd = imapd.replace("_sync_host: 127.0.0.1", &format!("_sync_host: {host}")) + TLS;
            // Without -a: who may deliver unasked is not let into TLS.
            let tls = format!(
                r#"tls cmd="lmtpd" listen="127.0.0.1:{TLS_PORT}" proto="tcp4" prefork=1 maxchild=64"#
            );
            cyrus = cyrus.replacen("SERVICES {", &format!("SERVICES {{\n{tls}"), 1);
        }
        self.container.file(
            &run.join("cyrus.conf"),
            cyrus.replace("127.0.0.1:", &format!("{own}:")),
        );
        self.container.file(&run.join("imapd.conf"), imapd);
        self.serve_passwords();
        self.follow_log();
        self.container.start(&["/usr/lib/cyrus/bin/master"]);
        let ready = run.join("master.ready");
        self.container.wait_for("the engine is ready", || ready.exists());
    }

    /// As saslauthd does: four counted strings in, one out.
    fn serve_passwords(&self) {
        let path = self.container.run().join("saslauthd/mux");
        let listener = UnixListener::bind(&path).unwrap();
        self.container.give(&path);
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                // Whoever hangs up needs no answer.
                let _ = answer(stream);
            }
        });
    }

    fn follow_log(&self) {
        let path = self.container.run().join("log");
        let socket = UnixDatagram::bind(&path).unwrap();
        self.container.give(&path);
        let errors = self.sync_errors.clone();
        thread::spawn(move || {
            let mut buffer = vec![0; 16 * 1024];
            while let Ok(length) = socket.recv(&mut buffer) {
                let line = String::from_utf8_lossy(&buffer[..length]);
                if line.contains("SYNCERROR") {
                    errors.lock().unwrap().push(line.into_owned());
                }
            }
        });
    }
}

fn server_name() -> String {
    names::server_name(STORE, SITES[0], names::MAIL_NAMESPACE)
}

fn answer(mut stream: UnixStream) -> std::io::Result<()> {
    let mut fields = Vec::new();
    for _ in 0..4 {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut field = vec![0; u16::from_be_bytes(length).into()];
        stream.read_exact(&mut field)?;
        fields.push(field);
    }
    let verdict: &[u8] = if fields[1] == PASSWORD.as_bytes() {
        b"\0\x02OK"
    } else {
        b"\0\x02NO"
    };
    stream.write_all(verdict)
}

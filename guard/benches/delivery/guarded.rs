//! Two engines, each with its guard in front, whose roles are in a real etcd.

use std::{
    fs::{self, Permissions},
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::fs::{PermissionsExt, symlink},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use govuc_etcd::testbed::Testbed;
use govuc_wire::{
    names::{self, OPERATOR_USER, PROBE_PORT, TLS_PORT},
    preamble::Session,
    status::Status,
    tls::{ALPN_IMAP, ALPN_STATUS},
    token::{Purpose, SessionKey, Subject},
};
use rustls::{ClientConfig, ClientConnection, StreamOwned, client::Resumption};
use rustls_pki_types::ServerName;

use super::{SITES, STORE, container::Container, imap, lmtp::Door, pki::Authority};

const KEY: [u8; 32] = [7; 32];
/// Starts the engine where the slot has its address: its templates know the pod's alone.
const MASTER: &str = r#"#!/bin/sh
sed -i "s/127\.0\.0\.1:/ADDRESS:/" /run/cyrus/cyrus.conf
exec /usr/lib/cyrus/bin/master "$@"
"#;

pub struct Guarded {
    primary: Slot,
    _follower: Slot,
    /// As who mail is brought.
    mx: Arc<ClientConfig>,
    /// As who the status is asked.
    operator: Arc<ClientConfig>,
}

struct Slot {
    site: &'static str,
    container: Container,
}

impl Guarded {
    /// Paired, with mailboxes for `users`.
    pub fn start(authority: &Authority, etcd: &Testbed, users: &[String]) -> Self {
        let [mut primary, mut follower] = SITES.map(|site| Slot {
            site,
            container: Container::new(),
        });
        let member = etcd.endpoint(0).address;
        let none = "127.0.0.1:1".to_owned();
        // The own site's member first; the follower's has none.
        primary.start(authority, etcd, &follower, [&member, &none]);
        follower.start(authority, etcd, &primary, [&none, &member]);
        let client = |part, alpn: &[&[u8]]| {
            let material = authority.material(&[names::identity(part, SITES[0])]);
            let mut client = material.client(alpn).unwrap();
            client.resumption = Resumption::disabled();
            Arc::new(client)
        };
        let guarded = Self {
            primary,
            _follower: follower,
            mx: client("mx", &[]),
            operator: client("operator", &[ALPN_STATUS]),
        };
        let container = &guarded.primary.container;
        container.wait_for("the store is paired", || guarded.is_paired());
        let imap = guarded.primary.dial(&client("operator", &[ALPN_IMAP]));
        guarded.create_mailboxes(imap.unwrap(), users);
        guarded
    }

    /// The gate.
    pub fn door(&self) -> Door {
        Door::Tls(
            self.primary.listens(),
            self.mx.clone(),
            self.primary.server_name(),
        )
    }

    /// # Panics
    /// When anything was answered that the follower may lack.
    pub fn assert_in_step(&self) {
        let said = self.primary.container.said();
        let mut unsynced = said.lines().filter(|line| line.contains("SYNCERROR"));
        assert_eq!(unsynced.next(), None);
        assert!(self.is_paired(), "{said}");
    }

    fn is_paired(&self) -> bool {
        let status = || {
            let mut stream = self.primary.dial(&self.operator)?;
            let mut text = Vec::new();
            // However it ends.
            let _ = stream.read_to_end(&mut text);
            serde_json::from_slice::<Status>(&text).ok()
        };
        status().is_some_and(|status| status.state == "Paired")
    }

    /// As the operator does.
    fn create_mailboxes(&self, mut stream: impl Read + Write, users: &[String]) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let subject = Subject {
            purpose: Purpose::Admin,
            user: OPERATOR_USER,
            store: STORE,
            era: 1,
        };
        let token = SessionKey::new(&KEY).unwrap().mint_of_lead(subject, 1, now);
        let session = Session {
            user: OPERATOR_USER.to_owned(),
            client: "127.0.0.1".to_owned(),
            session: "bench".to_owned(),
        };
        writeln!(stream, "{}", serde_json::to_string(&session).unwrap()).unwrap();
        imap::create_mailboxes(stream, (OPERATOR_USER, &token), users);
    }
}

impl Slot {
    fn at(&self, port: u16) -> SocketAddr {
        (self.container.address, port).into()
    }

    fn listens(&self) -> SocketAddr {
        self.at(TLS_PORT)
    }

    fn server_name(&self) -> ServerName<'static> {
        ServerName::try_from(names::server_name(STORE, self.site, names::MAIL_NAMESPACE)).unwrap()
    }

    /// A connection to the guard; `None` if it takes none.
    fn dial(&self, client: &Arc<ClientConfig>) -> Option<StreamOwned<ClientConnection, TcpStream>> {
        let socket = TcpStream::connect(self.listens()).ok()?;
        let session = ClientConnection::new(client.clone(), self.server_name()).unwrap();
        Some(StreamOwned::new(session, socket))
    }

    fn start(&mut self, authority: &Authority, etcd: &Testbed, peer: &Slot, members: [&str; 2]) {
        self.configure(authority, etcd, peer);
        let [own, other] = members;
        let (imap, lmtp) = (self.at(1143).to_string(), self.at(2003).to_string());
        let (listen, probes) = (self.listens().to_string(), self.at(PROBE_PORT).to_string());
        self.container.start(&[
            "/usr/bin/govuc-guard",
            "--engine=/etc/govuc/programs",
            &format!("--listen={listen}"),
            &format!("--probes={probes}"),
            &format!("--peer-address={}", peer.listens()),
            &format!("--roles-address={own}"),
            &format!("--roles-address={other}"),
            &format!("--imap={imap}"),
            &format!("--lmtp={lmtp}"),
        ]);
    }

    fn configure(&self, authority: &Authority, etcd: &Testbed, peer: &Slot) {
        let (container, etc) = (&self.container, self.container.etc());
        let store = serde_json::json!({
            "store": STORE, "use": "Mail", "site": self.site, "peer": peer.site,
            "roles": {"preferredSite": SITES[0]},
        });
        container.file(&etc.join("store/store.json"), store.to_string());
        container.file(&etc.join("session/key"), KEY);
        let own = [
            names::server_name(STORE, self.site, names::MAIL_NAMESPACE),
            names::identity(STORE, self.site),
        ];
        authority.issue(&etc.join("tls"), &own);
        let roles = etcd.client_folder();
        for name in ["tls.crt", "tls.key", "ca.crt"] {
            container.give(&etc.join("tls").join(name));
            container.file(&etc.join("roles").join(name), fs::read(roles.join(name)).unwrap());
        }
        let programs = etc.join("programs");
        let master = MASTER.replace("ADDRESS", &container.address.to_string());
        container.file(&programs.join("master"), master);
        fs::set_permissions(programs.join("master"), Permissions::from_mode(0o755)).unwrap();
        symlink("/usr/lib/cyrus/bin/sync_client", programs.join("sync_client")).unwrap();
    }
}

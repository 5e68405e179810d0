//! The authority of the etcd that holds roles, apart from those of the sites: a mistake there must not fence every store.
//!
//! It is derived from the root secret, so both operators have the same one and nothing secret crosses the line.

use govuc_wire::names::{
    MAIL_NAMESPACE, ROLES, ROLES_CLIENT, ROLES_MEMBER, ROLES_PEER, WITNESS, identity, server_name,
};
use k8s_openapi::jiff::{Timestamp, ToSpan};
use rcgen::{KeyPair, PKCS_ED25519};
use rustls::pki_types::PrivatePkcs8KeyDer;

use super::{Authority, Error, Root, Usage, Wanted, authority::AUTHORITY_DAYS};

/// The number is raised to replace the key while the root stays.
const KEY_INFO: &str = "roles-ca 1";
const NAME: &str = "roles authority";
/// What stands before the 32 bytes of an Ed25519 key in PKCS #8 (RFC 8410, §7).
const ED25519_PKCS8: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];
/// The certificate is made anew, for the same key, when a third of its life is left.
const RENEWED_AFTER_DAYS: i64 = AUTHORITY_DAYS * 2 / 3;
const DAY: i64 = 86_400;

/// The authority as it is `now`. `since` is when this cluster got the root secret: the certificate is then the same at every
/// pass. The other cluster's has the same name and key and other dates, which is the same authority to whoever verifies.
pub fn roles_authority(root: &Root, since: Timestamp, now: Timestamp) -> Result<Authority, Error> {
    let key = [ED25519_PKCS8.as_slice(), &root.derive(KEY_INFO)].concat();
    let key = KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(key), &PKCS_ED25519)
        .map_err(Error::Make)?;
    Authority::with_key(key, NAME, begin(since, now)?)
}

/// When the certificate that is current `now` begins.
fn begin(since: Timestamp, now: Timestamp) -> Result<Timestamp, Error> {
    let period = RENEWED_AFTER_DAYS * DAY;
    let past = (now.as_second() - since.as_second()).max(0) / period;
    since
        .checked_add((past * period).seconds())
        .map_err(|_| Error::Time(now))
}

/// The certificate of a site's member.
pub fn member(site: &str, trusted: &str) -> Wanted {
    let names = [ROLES, ROLES_PEER].map(|part| server_name(part, site, MAIL_NAMESPACE));
    of_member(site, names.into(), trusted)
}

/// The certificate of the witness, which no client dials.
pub fn witness(trusted: &str) -> Wanted {
    of_member(
        WITNESS,
        vec![server_name(ROLES_PEER, WITNESS, MAIL_NAMESPACE)],
        trusted,
    )
}

/// The certificate with which a site's programs ask the roles' etcd.
pub fn client(site: &str, trusted: &str) -> Wanted {
    Wanted {
        identity: identity(ROLES_CLIENT, site),
        names: Vec::new(),
        usage: Usage::Client,
        trusted: trusted.to_owned(),
    }
}

fn of_member(site: &str, mut names: Vec<String>, trusted: &str) -> Wanted {
    names.extend([ROLES_MEMBER, "localhost", "127.0.0.1"].map(str::to_owned));
    Wanted {
        identity: identity(ROLES, site),
        names,
        usage: Usage::ServerAndClient,
        trusted: trusted.to_owned(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use govuc_wire::tls::Material;
    use rstest::rstest;
    use rustls::pki_types::ServerName;
    use std::sync::Arc;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    const SINCE: &str = "2026-11-24T00:00:00Z";

    fn authority(root: u8, since: Timestamp, now: Timestamp) -> Authority {
        roles_authority(&Root::new(&[root; 32]).unwrap(), since, now).unwrap()
    }

    /// Of a cluster that got its root secret so many seconds ago: TLS judges by the real clock.
    fn current(root: u8, seconds: i64) -> Authority {
        let now = Timestamp::now();
        authority(root, now.checked_sub(seconds.seconds()).unwrap(), now)
    }

    fn material(authority: &Authority, wanted: impl FnOnce(&str) -> Wanted) -> Material {
        let leaf = authority
            .issue(&wanted(authority.certificate()), Timestamp::now())
            .unwrap();
        Material::from_pem(&leaf.certificate, &leaf.key, &leaf.trusted).unwrap()
    }

    /// Whether a client gets a byte from a server that it knows by this name.
    pub async fn greets(server: &Material, name: &str, client: &Material) -> bool {
        let (near, far) = tokio::io::duplex(4096);
        let acceptor = TlsAcceptor::from(Arc::new(server.server(&[]).unwrap()));
        let connector = TlsConnector::from(Arc::new(client.client(&[]).unwrap()));
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let serve = async {
            let mut stream = acceptor.accept(far).await?;
            stream.write_all(b"x").await?;
            stream.flush().await
        };
        let dial = async { connector.connect(name, near).await?.read_u8().await };
        let (served, dialled) = tokio::join!(serve, dial);
        served.is_ok() && dialled.is_ok()
    }

    #[tokio::test]
    async fn what_one_operator_signs_the_other_sites_parts_trust() {
        let (here, there) = (current(7, 90), current(7, 88));
        let member = material(&here, |trusted| member("pdsa1", trusted));
        let client = material(&there, |trusted| client("pdsa2", trusted));
        for name in ["roles-pdsa1.govuc-mail.svc", "roles-peer-pdsa1.govuc-mail.svc"] {
            assert!(greets(&member, name, &client).await, "{name}");
        }
        assert!(!greets(&member, "roles-pdsa2.govuc-mail.svc", &client).await);
    }

    #[tokio::test]
    async fn another_root_is_another_authority() {
        let (here, there) = (current(7, 90), current(8, 90));
        let member = material(&here, |trusted| member("pdsa1", trusted));
        let client = material(&there, |trusted| client("pdsa2", trusted));
        assert!(!greets(&member, "roles-pdsa1.govuc-mail.svc", &client).await);
    }

    #[tokio::test]
    async fn a_client_can_not_pose_as_a_server() {
        let authority = current(7, 90);
        let posing = material(&authority, |trusted| client("pdsa1", trusted));
        let dialling = material(&authority, |trusted| client("pdsa2", trusted));
        assert!(!greets(&posing, "roles-client.pdsa1.govuc.internal", &dialling).await);
    }

    #[test]
    fn members_are_told_from_clients_by_a_name() {
        for wanted in [member("pdsa1", ""), witness("")] {
            assert!(wanted.names.iter().any(|name| name == ROLES_MEMBER), "{wanted:?}");
        }
        assert!(client("pdsa1", "").names.is_empty());
    }

    #[rstest]
    #[case::at_once(SINCE, true)]
    #[case::before_the_clock_of_the_api_server("2026-11-23T23:59:00Z", true)]
    #[case::six_years_on("2032-11-24T00:00:00Z", true)]
    #[case::with_less_than_a_third_left("2033-11-24T00:00:00Z", false)]
    fn the_certificate_stays_until_a_third_of_its_life_is_left(#[case] now: &str, #[case] same: bool) {
        let at = |text: &str| text.parse().unwrap();
        let first = authority(7, at(SINCE), at(SINCE));
        let then = authority(7, at(SINCE), at(now));
        assert_eq!(first.certificate() == then.certificate(), same);
    }
}

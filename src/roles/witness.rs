//! What a person puts on the machine of the witness: pure.

use std::collections::BTreeMap;

use govuc_wire::names::{MAIL_NAMESPACE, ROLES, ROLES_PEER, WITNESS, server_name};
use k8s_openapi::jiff::{Timestamp, tz::Offset};

use super::member::{self, Place};
use crate::{
    part::template,
    pki::Leaf,
    platform::{Endpoint, Installation, Site},
};

const START: &str = include_str!("../../images/etcd/start-member");
const UNIT: &str = include_str!("../../manifests/witness/govuc-witness.service.in");
const README: &str = include_str!("../../manifests/witness/README.md.in");

/// As the unit in `manifests/witness` names it.
const DATA: &str = "/var/lib/govuc-witness/member";
/// Where systemd puts the unit's credentials.
const CREDENTIALS: &str = "/run/credentials/govuc-witness.service";
/// etcd wants a place for clients. Only who is on the machine uses it.
const CLIENT_URL: &str = "https://localhost:2379";
const METRICS_URL: &str = "http://127.0.0.1:2381";
/// The first port that needs no privilege.
const UNPRIVILEGED: u16 = 1024;
/// The civil day of the service: Malaysia has one offset all year.
const MALAYSIA: i8 = 8;

/// A file of the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    pub name: &'static str,
    pub text: String,
    pub mode: u32,
}

/// How long the certificate is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// From when on it should be replaced.
    pub renewal: Timestamp,
    pub end: Timestamp,
}

/// The etcd that it joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joined<'a> {
    /// What it is founded with.
    pub token: &'a str,
    /// Its own id for itself, once it was formed.
    pub cluster: Option<&'a str>,
}

/// Every file that the machine at `endpoint` needs.
pub fn folder(
    installation: &Installation,
    endpoint: &Endpoint,
    joined: Joined<'_>,
    leaf: &Leaf,
    validity: Validity,
) -> Result<Vec<File>, template::Error> {
    let file = |name, mode, text: &str| File {
        name,
        text: text.to_owned(),
        mode,
    };
    Ok(vec![
        file("README.md", 0o644, &readme(installation, endpoint, validity)?),
        file("ca.crt", 0o644, &leaf.trusted),
        file("etcd.env", 0o644, &settings(installation, endpoint, joined)?),
        file("govuc-witness.service", 0o644, &unit(endpoint)?),
        file("hosts", 0o644, &hosts(installation)),
        file("start-member", 0o755, START),
        file("tls.crt", 0o644, &leaf.certificate),
        file("tls.key", 0o600, &leaf.key),
    ])
}

fn settings(
    installation: &Installation,
    endpoint: &Endpoint,
    joined: Joined<'_>,
) -> Result<String, template::Error> {
    let place = Place {
        data: DATA,
        tls: CREDENTIALS,
        listen_peers: format!("https://0.0.0.0:{}", endpoint.port),
        listen_clients: CLIENT_URL.to_owned(),
        listen_metrics: METRICS_URL.to_owned(),
        client_url: CLIENT_URL.to_owned(),
        asks: vec![&installation.own.name, &installation.peer.name],
        formed_file: "",
        cluster: joined.cluster.unwrap_or_default(),
    };
    member::settings(installation, joined.token, WITNESS, &place)
}

fn unit(endpoint: &Endpoint) -> Result<String, template::Error> {
    let capabilities = if endpoint.port < UNPRIVILEGED {
        "CAP_NET_BIND_SERVICE"
    } else {
        ""
    };
    template::render(UNIT, &BTreeMap::from([("capabilities", capabilities.to_owned())]))
}

/// The names by which it reaches the sites, for `/etc/hosts`: of those whose gateway is an address. And its own, which etcd
/// looks up, for half a minute if nobody knows it, when it joins.
fn hosts(installation: &Installation) -> String {
    let own = server_name(ROLES_PEER, WITNESS, MAIL_NAMESPACE);
    sites(installation)
        .filter_map(|site| {
            let address = site.gateway.address()?;
            Some(format!("{address} {}\n", names(site).join(" ")))
        })
        .chain([format!("127.0.0.1 {own}\n")])
        .collect()
}

fn readme(
    installation: &Installation,
    endpoint: &Endpoint,
    validity: Validity,
) -> Result<String, template::Error> {
    let gateways: Vec<String> = sites(installation)
        .map(|site| format!("- {}: {}", site.name, site.gateway))
        .collect();
    let named: Vec<String> = sites(installation)
        .filter(|site| site.gateway.address().is_none())
        .map(|site| {
            format!(
                "\nThe gateway of {} is known by its name, so `hosts` has no line for it. Make each of `{}` an alias (CNAME) of \
                 `{}` in the DNS that this machine asks, or put a line with the gateway's address and these names into /etc/hosts.\n",
                site.name,
                names(site).join("`, `"),
                site.gateway.host
            )
        })
        .collect();
    let day = |then: Timestamp| Offset::constant(MALAYSIA).to_datetime(then).date().to_string();
    let [one, two] = [&installation.own, &installation.peer].map(|site| site.name.clone());
    let values = BTreeMap::from([
        ("domain", installation.domain.clone()),
        ("site1", one),
        ("site2", two),
        ("endpoint", endpoint.to_string()),
        ("gateways", gateways.join("\n")),
        ("names", named.concat()),
        ("ends", day(validity.end)),
        ("renewal", day(validity.renewal)),
    ]);
    template::render(README, &values)
}

fn sites(installation: &Installation) -> impl Iterator<Item = &Site> {
    [&installation.own, &installation.peer].into_iter()
}

fn names(site: &Site) -> [String; 2] {
    [ROLES, ROLES_PEER].map(|part| server_name(part, &site.name, MAIL_NAMESPACE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use govuc_api::Platform;
    use rstest::rstest;

    fn installation(second_gateway: &str) -> Installation {
        let platform = format!(
            r#"
            apiVersion: 1govuc.gov.my/v1alpha1
            kind: Platform
            metadata: {{name: platform, uid: 3f}}
            spec:
              domain: 1govuc.gov.my
              sites:
              - {{name: pdsa1, gateway: "198.51.100.1:8443"}}
              - {{name: pdsa2, gateway: "{second_gateway}"}}
              roles: {{mode: Witness, witness: {{endpoint: "w.gov.my:443"}}}}
            "#
        );
        let platform: Platform = serde_yaml::from_str(&platform).unwrap();
        Installation::of(&platform, "pdsa1").unwrap()
    }

    fn written(second_gateway: &str, port: u16) -> BTreeMap<&'static str, File> {
        let endpoint = Endpoint {
            host: "w.gov.my".into(),
            port,
        };
        let joined = Joined {
            token: "7e57",
            cluster: Some("c1"),
        };
        let leaf = Leaf {
            certificate: "C".into(),
            key: "K".into(),
            trusted: "T".into(),
        };
        let validity = Validity {
            renewal: "2027-07-25T16:00:00Z".parse().unwrap(),
            end: "2027-11-24T00:00:00Z".parse().unwrap(),
        };
        folder(&installation(second_gateway), &endpoint, joined, &leaf, validity)
            .unwrap()
            .into_iter()
            .map(|file| (file.name, file))
            .collect()
    }

    #[test]
    fn the_key_is_its_owners_alone_and_the_start_can_be_executed() {
        let files = written("203.0.113.1:8443", 8443);
        assert_eq!(
            (files["tls.key"].mode, files["tls.key"].text.as_str()),
            (0o600, "K")
        );
        assert_eq!(files["start-member"].mode, 0o755);
    }

    #[test]
    fn a_volume_of_another_cluster_will_be_told() {
        let files = written("203.0.113.1:8443", 8443);
        assert!(files["etcd.env"].text.contains("\nMEMBER_CLUSTER=c1\n"));
    }

    #[test]
    fn each_name_that_the_settings_dial_has_a_line() {
        let files = written("203.0.113.1:8443", 8443);
        assert_eq!(
            files["hosts"].text,
            "198.51.100.1 roles-pdsa1.govuc-mail.svc roles-peer-pdsa1.govuc-mail.svc\n\
             203.0.113.1 roles-pdsa2.govuc-mail.svc roles-peer-pdsa2.govuc-mail.svc\n\
             127.0.0.1 roles-peer-witness.govuc-mail.svc\n"
        );
        let dialled = files["etcd.env"].text.lines().filter(|line| {
            line.starts_with("ETCD_INITIAL_CLUSTER=") || line.starts_with("MEMBER_ENDPOINTS=")
        });
        for name in dialled
            .flat_map(|line| line.split("https://").skip(1))
            .filter_map(|rest| rest.split_once(':').map(|(name, _)| name))
        {
            assert!(files["hosts"].text.contains(&format!(" {name}")), "{name}");
        }
    }

    #[test]
    fn a_gateway_that_is_a_name_is_left_to_a_person() {
        let files = written("gw.pdsa2.gov.my:8443", 8443);
        assert_eq!(files["hosts"].text.lines().count(), 2);
        let readme = &files["README.md"].text;
        assert!(
            readme.contains("CNAME") && readme.contains("roles-peer-pdsa2.govuc-mail.svc"),
            "{readme}"
        );
        assert!(
            !written("203.0.113.1:8443", 8443)["README.md"]
                .text
                .contains("CNAME")
        );
    }

    #[rstest]
    #[case(443, "CAP_NET_BIND_SERVICE")]
    #[case(8443, "")]
    fn only_a_low_port_takes_a_capability(#[case] port: u16, #[case] capability: &str) {
        let files = written("203.0.113.1:8443", port);
        let unit = &files["govuc-witness.service"].text;
        assert!(
            unit.contains(&format!("CapabilityBoundingSet={capability}\n")),
            "{unit}"
        );
        let listens = format!("ETCD_LISTEN_PEER_URLS=https://0.0.0.0:{port}\n");
        assert!(files["etcd.env"].text.contains(&listens));
    }

    #[test]
    fn the_days_are_malaysias() {
        let readme = &written("203.0.113.1:8443", 8443)["README.md"].text;
        assert!(
            readme.contains("ends on 2027-11-24. From 2027-07-26 on"),
            "{readme}"
        );
    }
}

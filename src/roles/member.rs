//! The settings of a member: pure.

use std::collections::BTreeMap;

use govuc_wire::names::{MAIL_NAMESPACE, ROLES, ROLES_MEMBER, ROLES_PEER, TLS_PORT, WITNESS, server_name};

use crate::{part::template, platform::Installation};

/// The file that `images/etcd/start-member` reads.
pub const FILE: &str = "etcd.env";
const TEMPLATE: &str = include_str!("../../images/etcd/etcd.env.in");

/// What differs between a member in a pod and one on a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// Where its log is.
    pub data: &'a str,
    /// The folder of `tls.crt`, `tls.key` and `ca.crt`.
    pub tls: &'a str,
    pub listen_peers: String,
    pub listen_clients: String,
    pub listen_metrics: String,
    /// What it calls itself to clients.
    pub client_url: String,
    /// The sites whose members it asks, if its own volume is empty, what members there are.
    pub asks: Vec<&'a str>,
    /// The file that is there once this member has been one; none for who always asks.
    pub formed_file: &'a str,
    /// etcd's id of the cluster, in hexadecimal digits, for who has no such file and if there is one already: a volume of
    /// another one does not start.
    pub cluster: &'a str,
}

/// Where other members reach the one of a site, or the witness.
pub fn peer_url(site: &str) -> String {
    url(ROLES_PEER, site)
}

/// Where clients reach the member of a site.
pub fn client_url(site: &str) -> String {
    url(ROLES, site)
}

/// The settings of the member of `site`, which may be the witness. `token` is what the cluster is founded with, the same for
/// every member.
pub fn settings(
    installation: &Installation,
    token: &str,
    site: &str,
    place: &Place<'_>,
) -> Result<String, template::Error> {
    let endpoints: Vec<String> = place.asks.iter().map(|site| client_url(site)).collect();
    let values = BTreeMap::from([
        ("name", site.to_owned()),
        ("data", place.data.to_owned()),
        ("members", members(installation)),
        // Not of Platform's uid, which is another in each cluster.
        ("token", format!("govuc-roles-{}-{token}", installation.domain)),
        ("peer_url", peer_url(site)),
        ("client_url", place.client_url.clone()),
        ("listen_peers", place.listen_peers.clone()),
        ("listen_clients", place.listen_clients.clone()),
        ("listen_metrics", place.listen_metrics.clone()),
        ("tls", place.tls.to_owned()),
        ("member_identity", ROLES_MEMBER.to_owned()),
        ("endpoints", endpoints.join(",")),
        ("formed_file", place.formed_file.to_owned()),
        ("cluster", place.cluster.to_owned()),
    ]);
    template::render(TEMPLATE, &values)
}

/// Every member by name, the same whoever asks.
fn members(installation: &Installation) -> String {
    let mut sites = [installation.own.name.as_str(), &installation.peer.name];
    sites.sort_unstable();
    let each = sites.into_iter().chain([WITNESS]);
    each.map(|site| format!("{site}={}", peer_url(site)))
        .collect::<Vec<_>>()
        .join(",")
}

fn url(part: &str, site: &str) -> String {
    format!("https://{}:{TLS_PORT}", server_name(part, site, MAIL_NAMESPACE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use govuc_api::Platform;

    fn installation(site: &str) -> Installation {
        let platform: Platform = serde_yaml::from_str(
            r#"
            apiVersion: 1govuc.gov.my/v1alpha1
            kind: Platform
            metadata: {name: platform, uid: 3f}
            spec:
              domain: 1govuc.gov.my
              sites:
              - {name: pdsa1, gateway: "198.51.100.1:8443"}
              - {name: pdsa2, gateway: "203.0.113.1:8443"}
              roles: {mode: Witness, witness: {endpoint: "192.0.2.3:8443"}}
            "#,
        )
        .unwrap();
        Installation::of(&platform, site).unwrap()
    }

    /// The settings by name.
    fn settings_of(own: &str, site: &str) -> BTreeMap<String, String> {
        let place = Place {
            data: "/data",
            tls: "/tls",
            listen_peers: "https://0.0.0.0:8445".into(),
            listen_clients: "https://0.0.0.0:8443".into(),
            listen_metrics: "http://0.0.0.0:8080".into(),
            client_url: client_url(site),
            asks: vec!["pdsa1", "pdsa2"],
            formed_file: "",
            cluster: "",
        };
        let text = settings(&installation(own), "7e57", site, &place).unwrap();
        text.lines()
            .filter(|line| !line.is_empty())
            .map(|line| line.split_once('=').unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    #[test]
    fn every_member_is_told_the_same_members_and_token_whoever_writes_its_settings() {
        let one = settings_of("pdsa1", "pdsa1");
        for (own, site) in [("pdsa2", "pdsa2"), ("pdsa1", "witness"), ("pdsa2", "witness")] {
            let other = settings_of(own, site);
            for name in ["ETCD_INITIAL_CLUSTER", "ETCD_INITIAL_CLUSTER_TOKEN"] {
                assert_eq!(one[name], other[name], "{own} for {site}");
            }
        }
    }

    #[test]
    fn a_member_is_in_its_own_list_under_the_url_by_which_it_is_told_from_others() {
        for site in ["pdsa1", "pdsa2", "witness"] {
            let settings = settings_of("pdsa1", site);
            let entry = format!(
                "{}={}",
                settings["ETCD_NAME"], settings["ETCD_INITIAL_ADVERTISE_PEER_URLS"]
            );
            assert!(
                settings["ETCD_INITIAL_CLUSTER"]
                    .split(',')
                    .any(|other| other == entry),
                "{settings:?}"
            );
        }
    }

    #[test]
    fn a_shell_reads_the_settings_as_they_are() {
        for (name, value) in settings_of("pdsa1", "pdsa1") {
            let plain = |c: char| c.is_ascii_alphanumeric() || ":/.,=-_".contains(c);
            assert!(value.chars().all(plain), "{name}={value}");
        }
    }
}

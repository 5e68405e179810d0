//! Names that are the same in both clusters.

/// Namespace of the operator.
pub const SYSTEM_NAMESPACE: &str = "govuc-system";
/// Namespace of everything but Postfix and the operator.
pub const MAIL_NAMESPACE: &str = "govuc-mail";
/// Namespace of Postfix, which can't meet Pod Security *restricted*.
pub const MTA_NAMESPACE: &str = "govuc-mta";
/// The one TLS port of every part, and between the sites.
pub const TLS_PORT: u16 = 8443;
/// The gateway's port for streams from pods of its own cluster to the peer.
pub const EGRESS_PORT: u16 = 8444;
/// Probes and metrics, plain HTTP, no secrets.
pub const PROBE_PORT: u16 = 8080;

/// The operator, in its Service's name and its certificate.
pub const OPERATOR: &str = "operator";
/// A member of the etcd that holds roles, as clients reach it: `roles-<site>`.
pub const ROLES: &str = "roles";
/// The same member's raft port: `roles-peer-<site>`.
pub const ROLES_PEER: &str = "roles-peer";
/// A client of the roles' etcd, in its certificate.
pub const ROLES_CLIENT: &str = "roles-client";
/// In the certificate of every member of the roles' etcd and of none of its clients: only members may speak raft.
pub const ROLES_MEMBER: &str = "roles-member.govuc.internal";
/// The member of the roles' etcd that is at neither site, where others have the name of their site.
pub const WITNESS: &str = "witness";

/// The domain that stands for a store in Postfix: `<store>.store.govuc.internal`.
pub const STORE_DOMAIN: &str = "store.govuc.internal";
/// The user the operator is inside Cyrus.
pub const OPERATOR_USER: &str = "govuc-operator";
/// The user a primary's engine is at its follower.
pub const SYNC_USER: &str = "govuc-sync";

/// The Service of a part of a site: `directory-pdsa1`.
pub fn service(part: &str, site: &str) -> String {
    format!("{part}-{site}")
}

/// The DNS and TLS name of a part of a site, in either cluster: `directory-pdsa1.govuc-mail.svc`.
pub fn server_name(part: &str, site: &str, namespace: &str) -> String {
    format!("{part}-{site}.{namespace}.svc")
}

/// Who a certificate says its holder is: `front-door.pdsa1.govuc.internal`.
pub fn identity(part: &str, site: &str) -> String {
    format!("{part}.{site}.govuc.internal")
}

/// The site in a name made by [`identity`] for this part.
pub fn site_of_identity<'a>(part: &str, identity: &'a str) -> Option<&'a str> {
    identity
        .strip_prefix(part)?
        .strip_prefix('.')?
        .strip_suffix(".govuc.internal")
        .filter(|site| !site.is_empty() && !site.contains('.'))
}

/// The recipient by which Postfix hands mail for an account to its store.
pub fn store_address(account_id: &str, store: &str) -> String {
    format!("{account_id}@{store}.{STORE_DOMAIN}")
}

/// The store in a domain made by [`store_address`].
pub fn store_of_domain(domain: &str) -> Option<&str> {
    domain
        .strip_suffix(STORE_DOMAIN)?
        .strip_suffix('.')
        .filter(|store| !store.is_empty() && !store.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_found_in_its_own_address() {
        let address = store_address("3f", "mail-1");
        assert_eq!(
            store_of_domain(address.split_once('@').unwrap().1),
            Some("mail-1")
        );
    }

    #[test]
    fn a_site_is_found_in_an_identity_of_the_same_part_alone() {
        let found = site_of_identity("operator", "operator.pdsa2.govuc.internal");
        assert_eq!(found, Some("pdsa2"));
        for other in [
            "mail-1.pdsa2.govuc.internal",
            "operators.pdsa2.govuc.internal",
            "operator.a.b.govuc.internal",
            "operator..govuc.internal",
            "operator.pdsa2.govuc.internal.my",
        ] {
            assert_eq!(site_of_identity("operator", other), None, "{other}");
        }
    }

    #[test]
    fn other_domains_are_no_stores() {
        for domain in [
            "kkr.gov.my",
            "store.govuc.internal",
            ".store.govuc.internal",
            "a.b.store.govuc.internal",
        ] {
            assert_eq!(store_of_domain(domain), None, "{domain}");
        }
    }
}

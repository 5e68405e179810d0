//! Where a member of the roles' etcd listens.

use std::fmt;

use govuc_wire::names;

/// A member as clients reach it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// `host:port` to dial.
    pub address: String,
    /// The name in its certificate.
    pub server_name: String,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no member of etcd: it takes host:port, with or without https://")]
pub struct EndpointError(String);

impl Endpoint {
    /// The member at a site, or at the witness ([`names::WITNESS`]), from anywhere.
    pub fn of_site(site: &str) -> Self {
        Self::of(names::ROLES, site)
    }

    /// The same member where it speaks with the others.
    pub fn of_peer(site: &str) -> Self {
        Self::of(names::ROLES_PEER, site)
    }

    fn of(service: &str, site: &str) -> Self {
        let server_name = names::server_name(service, site, names::MAIL_NAMESPACE);
        Self {
            address: format!("{server_name}:{}", names::TLS_PORT),
            server_name,
        }
    }
}

/// From `host:port` or `https://host:port`; the host is the name in the certificate.
impl std::str::FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let refused = || EndpointError(text.to_owned());
        let address = text
            .strip_prefix("https://")
            .unwrap_or(text)
            .trim_end_matches('/');
        let (host, port) = address.rsplit_once(':').ok_or_else(refused)?;
        let host = host
            .strip_prefix('[')
            .and_then(|v6| v6.strip_suffix(']'))
            .unwrap_or(host);
        if host.is_empty() || host.contains('/') || port.parse::<u16>().is_err() {
            return Err(refused());
        }
        Ok(Self {
            address: address.to_owned(),
            server_name: host.to_owned(),
        })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_named_by_host_and_port() {
        for (text, address, server_name) in [
            ("roles-pdsa1:8443", "roles-pdsa1:8443", "roles-pdsa1"),
            ("https://10.0.0.1:2379/", "10.0.0.1:2379", "10.0.0.1"),
            ("[fd00::1]:2379", "[fd00::1]:2379", "fd00::1"),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(
                (endpoint.address.as_str(), endpoint.server_name.as_str()),
                (address, server_name)
            );
        }
        for text in [
            "",
            "roles-pdsa1",
            ":2379",
            "http://roles-pdsa1:2379",
            "roles-pdsa1:port",
            "a/b:1",
        ] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_sites_member_is_dialled_by_the_name_in_its_certificate() {
        let endpoint = Endpoint::of_site("pdsa1");
        assert_eq!(endpoint.address, "roles-pdsa1.govuc-mail.svc:8443");
        assert_eq!(endpoint.server_name, "roles-pdsa1.govuc-mail.svc");
    }
}

//! The service as one of its sites sees it: Platform, parsed.

use std::{fmt, net::IpAddr};

use govuc_api::{Platform, PlatformRoles, RolesMode, Site as SiteSpec};
use govuc_directory::{PasswordPolicy, Suffix};
use govuc_etcd::MemberId;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Resource, core::Duration};

use crate::{maintenance::Place, part::network::Outside};

/// The service from one site's point of view.
#[derive(Clone, Debug, PartialEq)]
pub struct Installation {
    pub domain: String,
    /// The root of the directory's tree.
    pub suffix: Suffix,
    pub own: Site,
    pub peer: Site,
    /// Of this site in the list, which can't change.
    pub place: Place,
    /// The third place, without which no store changes sides by itself.
    pub witness: Option<Endpoint>,
    /// Which member of the roles' etcd is a witness that is lost for good.
    pub lost_witness: Option<MemberId>,
    pub password: PasswordPolicy,
    /// Platform itself, which owns what is made for it.
    pub owner: OwnerReference,
}

/// What a site needs to know of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    pub name: String,
    pub gateway: Endpoint,
    /// Where people's programs come in, if the load balancer is to be asked for a certain address.
    pub front_door: Option<IpAddr>,
    /// Where mail from the Internet comes in, likewise.
    pub mx: Option<IpAddr>,
}

/// Where a gateway is reached from the other site, or the witness from both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub host: String,
    pub port: u16,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("Platform has no uid: it was not read from a cluster")]
    NoUid,
    #[error(
        "spec.sites names {sites}, and this operator was started for {own}: add the site, or start it with --site"
    )]
    SiteUnknown { own: String, sites: String },
    #[error("spec.sites has {0} sites; there are exactly two")]
    SiteCount(usize),
    #[error("{field} is {value:?}, which is no {expected}")]
    Field {
        field: &'static str,
        value: String,
        expected: &'static str,
    },
}

impl Installation {
    /// Platform as `own` sees it.
    pub fn of(platform: &Platform, own: &str) -> Result<Self, Error> {
        let spec = &platform.spec;
        let [first, second] = spec.sites.as_slice() else {
            return Err(Error::SiteCount(spec.sites.len()));
        };
        let (place, here, there) = match own {
            name if name == first.name => (Place::First, first, second),
            name if name == second.name => (Place::Second, second, first),
            _ => {
                return Err(Error::SiteUnknown {
                    own: own.to_owned(),
                    sites: format!("{} and {}", first.name, second.name),
                });
            }
        };
        Ok(Self {
            domain: spec.domain.clone(),
            suffix: Suffix::of_domain(&spec.domain)
                .map_err(|_| field("spec.domain", &spec.domain, "domain, as in 1govuc.gov.my"))?,
            own: Site::of(here)?,
            peer: Site::of(there)?,
            place,
            witness: witness(&spec.roles)?,
            lost_witness: lost_witness(&spec.roles)?,
            password: password(&spec.password)?,
            owner: platform.controller_owner_ref(&()).ok_or(Error::NoUid)?,
        })
    }

    /// What its parts dial outside of the cluster.
    pub fn outside(&self) -> Outside<'_> {
        Outside {
            peer_gateway: &self.peer.gateway,
            witness: self.witness.as_ref(),
        }
    }

    /// The first site of the list.
    pub fn first(&self) -> &str {
        match self.place {
            Place::First => &self.own.name,
            Place::Second => &self.peer.name,
        }
    }

    /// Whether stores are held by lease in the roles' etcd, for which there is a witness.
    pub fn leases(&self) -> bool {
        self.witness.is_some()
    }
}

impl Site {
    fn of(spec: &SiteSpec) -> Result<Self, Error> {
        Ok(Self {
            name: spec.name.clone(),
            gateway: Endpoint::parse("spec.sites[].gateway", &spec.gateway)?,
            front_door: address(
                "spec.sites[].addresses.frontDoor",
                spec.addresses.front_door.as_deref(),
            )?,
            mx: address("spec.sites[].addresses.mx", spec.addresses.mx.as_deref())?,
        })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Endpoint {
    fn parse(name: &'static str, text: &str) -> Result<Self, Error> {
        let parsed = text
            .rsplit_once(':')
            .and_then(|(host, port)| Some((host, port.parse().ok()?)))
            .filter(|(host, port)| !host.is_empty() && *port != 0);
        let (host, port) =
            parsed.ok_or_else(|| field(name, text, "host and port, as in gw.pdsa1.gov.my:8443"))?;
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }

    /// The address, where the host is one and not a name.
    pub fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

fn witness(spec: &PlatformRoles) -> Result<Option<Endpoint>, Error> {
    match (spec.mode, &spec.witness) {
        (RolesMode::TwoSite, _) => Ok(None),
        (RolesMode::Witness, Some(witness)) => {
            Endpoint::parse("spec.roles.witness.endpoint", &witness.endpoint).map(Some)
        }
        (RolesMode::Witness, None) => Err(field(
            "spec.roles.witness",
            "",
            "witness, which mode Witness needs",
        )),
    }
}

fn lost_witness(spec: &PlatformRoles) -> Result<Option<MemberId>, Error> {
    let lost = spec.witness.as_ref().and_then(|witness| witness.lost.as_deref());
    lost.map(|text| {
        text.parse().map_err(|_| {
            field(
                "spec.roles.witness.lost",
                text,
                "id of a member, as RolesReady has it",
            )
        })
    })
    .transpose()
}

fn address(name: &'static str, text: Option<&str>) -> Result<Option<IpAddr>, Error> {
    text.map(|text| text.parse().map_err(|_| field(name, text, "IP address")))
        .transpose()
}

fn password(spec: &govuc_api::PasswordPolicy) -> Result<PasswordPolicy, Error> {
    let number = |name, value: i32| {
        u32::try_from(value).map_err(|_| field(name, &value.to_string(), "number from nought up"))
    };
    let lockout = &spec.lockout.duration;
    let seconds = lockout
        .parse::<Duration>()
        .ok()
        .and_then(|span| u32::try_from(std::time::Duration::from(span).as_secs()).ok())
        .ok_or_else(|| field("spec.password.lockout.for", lockout, "span, as in 15m"))?;
    Ok(PasswordPolicy {
        min_length: number("spec.password.minLength", spec.min_length)?,
        history: number("spec.password.history", spec.history)?,
        attempts: number("spec.password.lockout.attempts", spec.lockout.attempts)?,
        lockout_seconds: seconds,
        idle_days: number("spec.password.idleDays", spec.idle_days)?,
    })
}

fn field(field: &'static str, value: &str, expected: &'static str) -> Error {
    Error::Field {
        field,
        value: value.to_owned(),
        expected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn platform() -> Platform {
        serde_yaml::from_str(
            r#"
            apiVersion: 1govuc.gov.my/v1alpha1
            kind: Platform
            metadata: {name: platform, uid: 3f}
            spec:
              domain: 1govuc.gov.my
              sites:
              - {name: pdsa1, gateway: "198.19.0.100:8443", addresses: {frontDoor: 198.19.0.101}}
              - {name: pdsa2, gateway: "gw.pdsa2.gov.my:9443"}
            "#,
        )
        .unwrap()
    }

    #[test]
    fn each_site_has_its_place_whoever_looks() {
        let one = Installation::of(&platform(), "pdsa1").unwrap();
        let two = Installation::of(&platform(), "pdsa2").unwrap();
        assert_eq!((one.place, two.place), (Place::First, Place::Second));
        assert_eq!((one.first(), two.first()), ("pdsa1", "pdsa1"));
        assert_eq!(one.own, two.peer);
        assert_eq!(one.peer, two.own);
    }

    #[test]
    fn a_gateway_is_an_address_or_a_name() {
        let installation = Installation::of(&platform(), "pdsa1").unwrap();
        assert_eq!(installation.own.gateway.address(), "198.19.0.100".parse().ok());
        assert_eq!(installation.peer.gateway.address(), None);
        assert_eq!(installation.peer.gateway.port, 9443);
    }

    #[test]
    fn there_is_a_witness_where_the_mode_has_one() {
        let mut platform = platform();
        let witness = |platform: &Platform| Installation::of(platform, "pdsa1").map(|found| found.witness);
        assert_eq!(witness(&platform), Ok(None));
        platform.spec.roles.mode = RolesMode::Witness;
        assert!(witness(&platform).is_err());
        platform.spec.roles.witness = Some(govuc_api::Witness {
            endpoint: "w.gov.my:2380".into(),
            lost: Some("8e9e05c52164694d".into()),
        });
        let found = witness(&platform).unwrap().unwrap();
        assert_eq!((found.host.as_str(), found.port), ("w.gov.my", 2380));
        let lost = Installation::of(&platform, "pdsa1").unwrap().lost_witness;
        assert_eq!(lost, Some(MemberId(0x8e9e_05c5_2164_694d)));
    }

    #[test]
    fn an_operator_of_another_site_is_told_so() {
        let error = Installation::of(&platform(), "pdsa3").unwrap_err();
        assert!(error.to_string().contains("pdsa1 and pdsa2"), "{error}");
    }

    #[test]
    fn the_password_policy_is_the_directorys() {
        let installation = Installation::of(&platform(), "pdsa1").unwrap();
        assert_eq!(installation.password, PasswordPolicy::default());
    }

    #[rstest]
    #[case("gw")]
    #[case("gw:0")]
    #[case(":8443")]
    #[case("gw:99999")]
    fn a_gateway_without_host_or_port_is_refused(#[case] gateway: &str) {
        let mut platform = platform();
        platform.spec.sites[0].gateway = gateway.to_owned();
        assert!(Installation::of(&platform, "pdsa1").is_err(), "{gateway}");
    }
}

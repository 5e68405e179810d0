//! Every address of a lab, as a function of its index and the site.

use std::fmt;
use std::net::Ipv4Addr;

/// A place of the lab. The two data centres run Kubernetes, the witness only votes.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    clap::ValueEnum,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Site {
    Pdsa1,
    Pdsa2,
    Witness,
}

/// The addresses of one lab. Labs that run side by side differ in `index` only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Network {
    index: u8,
}

/// The line between two sites, or everything one site is connected by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Line {
    Site(Site),
    Between(Site, Site),
}

/// A word that names no site and no link.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0:?} is no site and no link; sites are pdsa1, pdsa2 and witness, a link is two of them, as in pdsa1-pdsa2"
)]
pub struct UnknownLine(String);

impl Site {
    pub const ALL: [Site; 3] = [Site::Pdsa1, Site::Pdsa2, Site::Witness];
    pub const DATA_CENTRES: [Site; 2] = [Site::Pdsa1, Site::Pdsa2];

    pub fn name(self) -> &'static str {
        match self {
            Site::Pdsa1 => "pdsa1",
            Site::Pdsa2 => "pdsa2",
            Site::Witness => "witness",
        }
    }

    /// 1, 2 or 3: the number of the site in every address.
    pub fn number(self) -> u8 {
        match self {
            Site::Pdsa1 => 1,
            Site::Pdsa2 => 2,
            Site::Witness => 3,
        }
    }

    /// The data centre that is not this one.
    pub fn other(self) -> Site {
        match self {
            Site::Pdsa1 => Site::Pdsa2,
            Site::Pdsa2 | Site::Witness => Site::Pdsa1,
        }
    }

    pub fn is_data_centre(self) -> bool {
        self != Site::Witness
    }

    /// The bridge port of the site's line to the others.
    pub fn port(self) -> String {
        format!("w{}", self.number())
    }

    /// The bridge port that stands for [`Site::port`] while a relay delays what passes between the two.
    pub fn relayed_port(self) -> String {
        format!("r{}", self.number())
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Site {
    type Err = UnknownLine;

    fn from_str(text: &str) -> Result<Site, UnknownLine> {
        Site::ALL
            .into_iter()
            .find(|site| site.name() == text)
            .ok_or_else(|| UnknownLine(text.to_owned()))
    }
}

impl Line {
    /// The one between the two data centres; both still reach the witness without it.
    pub const BETWEEN_SITES: Line = Line::Between(Site::Pdsa1, Site::Pdsa2);
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Line::Site(site) => site.fmt(f),
            Line::Between(a, b) => write!(f, "{a}-{b}"),
        }
    }
}

impl std::str::FromStr for Line {
    type Err = UnknownLine;

    fn from_str(text: &str) -> Result<Line, UnknownLine> {
        let unknown = || UnknownLine(text.to_owned());
        let Some((a, b)) = text.split_once('-') else {
            return text.parse().map(Line::Site);
        };
        let (a, b): (Site, Site) = (
            a.parse().map_err(|_| unknown())?,
            b.parse().map_err(|_| unknown())?,
        );
        if a == b {
            Err(unknown())
        } else {
            Ok(Line::Between(a.min(b), a.max(b)))
        }
    }
}

impl serde::Serialize for Line {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Line {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Line, D::Error> {
        let name = <String as serde::Deserialize>::deserialize(deserializer)?;
        name.parse().map_err(serde::de::Error::custom)
    }
}

impl Network {
    /// How many labs one machine can hold: 198.18.0.0/16 is cut into sixteen.
    pub const LABS: u8 = 16;

    /// The network of the lab with this index, below [`Network::LABS`].
    pub fn new(index: u8) -> Option<Network> {
        (index < Network::LABS).then_some(Network { index })
    }

    pub fn index(self) -> u8 {
        self.index
    }

    /// The root namespace's end of the link to `site`: where a program outside the lab is seen from inside.
    pub fn host(self, site: Site) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, 16 * self.index + site.number(), 1)
    }

    /// The address of `site` for programs outside the lab; its API server listens here on 6443.
    pub fn machine(self, site: Site) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, 16 * self.index + site.number(), 2)
    }

    /// The address of `site` on the line between the sites. It is the same in every lab, as are all addresses that
    /// objects like Platform name: the line is in a namespace of its own.
    pub fn wan(self, site: Site) -> Ipv4Addr {
        Ipv4Addr::new(198, 19, 0, site.number())
    }

    /// First and last address a Service of type LoadBalancer can have at `site`; the witness has none.
    pub fn load_balancers(self, site: Site) -> Option<(Ipv4Addr, Ipv4Addr)> {
        let (first, last) = match site {
            Site::Pdsa1 => (101, 149),
            Site::Pdsa2 => (201, 249),
            Site::Witness => return None,
        };
        Some((Ipv4Addr::new(198, 19, 0, first), Ipv4Addr::new(198, 19, 0, last)))
    }

    /// The root namespace's interface to `site`. Interface names are at most 15 characters.
    pub fn host_interface(self, site: Site) -> String {
        format!("glab{}m{}", self.index, site.number())
    }

    pub fn pods(self, site: Site) -> String {
        format!("10.4{}.0.0/16", site.number())
    }

    /// The part of [`Network::pods`] that the site's node hands out.
    pub fn node_pods(self, site: Site) -> String {
        format!("10.4{}.0.0/24", site.number())
    }

    pub fn services(self, site: Site) -> String {
        format!("10.14{}.0.0/16", site.number())
    }

    /// The Service `kubernetes` in namespace `default`.
    pub fn api_service(self, site: Site) -> Ipv4Addr {
        Ipv4Addr::new(10, 140 + site.number(), 0, 1)
    }

    pub fn dns_service(self, site: Site) -> Ipv4Addr {
        Ipv4Addr::new(10, 140 + site.number(), 0, 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_labs_and_no_two_sites_share_an_address_outside() {
        let mut seen = std::collections::BTreeSet::new();
        for network in (0..Network::LABS).filter_map(Network::new) {
            for site in Site::ALL {
                for address in [network.host(site), network.machine(site)] {
                    assert!(seen.insert(address), "{address} is given twice");
                }
                assert!(network.host_interface(site).len() <= 15);
            }
        }
        assert!(Network::new(Network::LABS).is_none());
    }

    #[test]
    fn load_balancer_pools_do_not_touch() {
        let network = Network::new(2).unwrap();
        let (first, last) = network.load_balancers(Site::Pdsa1).unwrap();
        assert_eq!(
            (first.to_string(), last.to_string()),
            ("198.19.0.101".into(), "198.19.0.149".into())
        );
        assert!(network.load_balancers(Site::Pdsa2).unwrap().0 > last);
        assert_eq!(network.load_balancers(Site::Witness), None);
    }

    #[test]
    fn a_line_is_a_site_or_two_different_ones_in_either_order() {
        assert_eq!(
            "pdsa2-pdsa1".parse::<Line>().unwrap(),
            Line::Between(Site::Pdsa1, Site::Pdsa2)
        );
        assert_eq!("witness".parse::<Line>().unwrap(), Line::Site(Site::Witness));
        for wrong in ["", "pdsa3", "pdsa1-pdsa1", "pdsa1-", "pdsa1-pdsa2-witness"] {
            assert!(
                wrong
                    .parse::<Line>()
                    .unwrap_err()
                    .to_string()
                    .contains("pdsa1-pdsa2"),
                "{wrong}"
            );
        }
    }
}

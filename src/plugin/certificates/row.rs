//! What each certificate says, and what is wrong with it: pure.

use govuc_api::PendingRestart;
use govuc_wire::names::{MAIL_NAMESPACE, ROLES, SYSTEM_NAMESPACE};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use serde::Serialize;

use crate::{
    maintenance::rollout::CONFIGURATION,
    pki::{Reading, kept::PEER_CONFIG_MAP},
};

/// What a site's own authority is called here.
pub const AUTHORITY: &str = "authority";
const PEER_AUTHORITY: &str = "peer authority";
const ROLES_AUTHORITY: &str = "roles authority";
const DAY: i64 = 86_400;
/// With less than this left people are called.
const URGENT: i64 = 7 * DAY;

/// What a cluster keeps, as it was read.
#[derive(Clone, Debug)]
pub struct Site {
    pub context: Option<String>,
    /// The site's own.
    pub authority: (Place, Option<Held>),
    /// The other site's, as PEM.
    pub peer: Option<String>,
    pub leaves: Vec<(Place, Option<Held>)>,
    /// Restarts that wait for a maintenance window.
    pub pending: Vec<PendingRestart>,
}

/// Where a certificate is kept.
#[derive(Clone, Debug)]
pub struct Place {
    /// Whose it is.
    pub part: String,
    pub namespace: &'static str,
    /// Of the Secret.
    pub name: String,
    pub signer: Signer,
}

/// Which authority is to have signed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    Site,
    Roles,
}

/// What a Secret has, but for its key.
#[derive(Clone, Debug)]
pub struct Held {
    pub certificate: String,
    /// The authorities its holder trusts.
    pub trusted: String,
    /// Whether the key beside it is its own.
    pub fits: bool,
}

/// A certificate, as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    pub part: String,
    /// Secret or ConfigMap.
    pub kind: &'static str,
    pub namespace: &'static str,
    pub name: String,
    /// What it is good for.
    pub names: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days_left: Option<i64>,
    /// When the operator renews it. None: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renewal: Option<Time>,
    /// The part's pods have not taken up its newest configuration or certificate yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart: Option<PendingRestart>,
    pub problems: Vec<Problem>,
}

/// What is wrong with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Problem {
    /// There is none where one is to be.
    Missing,
    Unreadable,
    Expired,
    /// Within 7 days.
    EndsSoon,
    /// The key beside it is another one's.
    KeyDoesNotFit,
    /// Of a leaf: another authority has signed it than the one that is to. Of the peer's: the other site has another one.
    OtherAuthority,
    /// The other site trusts none that has signed it.
    NotTrustedByPeer,
}

/// What of a site its certificates are held against.
struct Trust {
    own: Option<Reading>,
    peers: Option<Vec<Reading>>,
    roles: Option<Reading>,
}

impl Row {
    /// Whether a pipeline is to stop for it.
    pub fn is_urgent(&self) -> bool {
        let urgent = [Problem::Expired, Problem::EndsSoon, Problem::Unreadable];
        self.problems.iter().any(|problem| urgent.contains(problem))
    }

    /// What is wrong, in words.
    pub fn problem(&self) -> String {
        let words: Vec<&str> = self.problems.iter().map(|problem| problem.word()).collect();
        words.join(", ")
    }
}

impl Problem {
    fn word(self) -> &'static str {
        match self {
            Problem::Missing => "missing",
            Problem::Unreadable => "unreadable",
            Problem::Expired => "expired",
            Problem::EndsSoon => "ends soon",
            Problem::KeyDoesNotFit => "another key",
            Problem::OtherAuthority => "other authority",
            Problem::NotTrustedByPeer => "not trusted by peer",
        }
    }
}

impl Trust {
    fn of(site: &Site) -> Self {
        let member = site.leaves.iter().find(|(place, _)| place.part == ROLES);
        Self {
            own: site
                .authority
                .1
                .as_ref()
                .and_then(|held| Reading::of(&held.certificate)),
            peers: site.peer.as_deref().and_then(Reading::all),
            roles: member.and_then(|(_, held)| Reading::of(&held.as_ref()?.trusted)),
        }
    }

    fn signer(&self, signer: Signer) -> Option<&Reading> {
        match signer {
            Signer::Site => self.own.as_ref(),
            Signer::Roles => self.roles.as_ref(),
        }
    }

    /// Whether this site's parts take what the other site's authority signs.
    fn takes(&self, authority: &Reading, signer: Signer) -> bool {
        let known = match signer {
            Signer::Site => self.peers.as_deref().unwrap_or_default(),
            Signer::Roles => self.roles.as_slice(),
        };
        known.iter().any(|known| known.is_one_with(authority))
    }
}

/// Every certificate of these sites, which ends first before the others; what has no end that can be read before them all.
pub fn rows(sites: &[Site], now: Timestamp) -> Vec<Row> {
    let trusts: Vec<Trust> = sites.iter().map(Trust::of).collect();
    let mut rows = Vec::new();
    for (i, site) in sites.iter().enumerate() {
        let other = match trusts.as_slice() {
            [one, other] => Some(if i == 0 { other } else { one }),
            _ => None,
        };
        rows.extend(of_site(site, &trusts[i], other, now));
    }
    rows.sort_by_key(|row| row.until.as_ref().map(|until| until.0));
    rows
}

fn of_site(site: &Site, trust: &Trust, other: Option<&Trust>, now: Timestamp) -> Vec<Row> {
    let mut rows = vec![own(site, trust, other, now)];
    rows.extend(peers(site, trust, other, now));
    if let Some(authority) = &trust.roles {
        let mut row = Row::new(site, ROLES_AUTHORITY, "Secret", MAIL_NAMESPACE, "tls-roles");
        row.say(authority, now);
        row.renewal = Some(Time(authority.due));
        if other.is_some_and(|other| other.roles.is_some() && !other.takes(authority, Signer::Roles)) {
            row.problems.push(Problem::NotTrustedByPeer);
        }
        rows.push(row);
    }
    rows.extend(
        site.leaves
            .iter()
            .map(|leaf| of_leaf(site, leaf, trust, other, now)),
    );
    rows
}

fn own(site: &Site, trust: &Trust, other: Option<&Trust>, now: Timestamp) -> Row {
    let (place, held) = &site.authority;
    let mut row = Row::new(site, &place.part, "Secret", place.namespace, &place.name);
    match (held, &trust.own) {
        (None, _) => row.problems.push(Problem::Missing),
        (Some(_), None) => row.problems.push(Problem::Unreadable),
        (Some(held), Some(authority)) => {
            row.say(authority, now);
            if !held.fits {
                row.problems.push(Problem::KeyDoesNotFit);
            }
            if other.is_some_and(|other| !other.takes(authority, Signer::Site)) {
                row.problems.push(Problem::NotTrustedByPeer);
            }
        }
    }
    row
}

fn peers(site: &Site, trust: &Trust, other: Option<&Trust>, now: Timestamp) -> Vec<Row> {
    let empty = || {
        Row::new(
            site,
            PEER_AUTHORITY,
            "ConfigMap",
            SYSTEM_NAMESPACE,
            PEER_CONFIG_MAP,
        )
    };
    let Some(peers) = &trust.peers else {
        let mut row = empty();
        let problem = site
            .peer
            .as_ref()
            .map_or(Problem::Missing, |_| Problem::Unreadable);
        row.problems.push(problem);
        return vec![row];
    };
    let each = peers.iter().map(|peer| {
        let mut row = empty();
        row.say(peer, now);
        let own = other.and_then(|other| other.own.as_ref());
        if own.is_some_and(|own| !own.is_one_with(peer)) {
            row.problems.push(Problem::OtherAuthority);
        }
        row
    });
    each.collect()
}

fn of_leaf(
    site: &Site,
    (place, held): &(Place, Option<Held>),
    trust: &Trust,
    other: Option<&Trust>,
    now: Timestamp,
) -> Row {
    let mut row = Row::new(site, &place.part, "Secret", place.namespace, &place.name);
    let Some(held) = held else {
        row.problems.push(Problem::Missing);
        return row;
    };
    let Some(leaf) = Reading::of(&held.certificate) else {
        row.problems.push(Problem::Unreadable);
        return row;
    };
    row.say(&leaf, now);
    row.renewal = Some(Time(leaf.due));
    let waits =
        |restart: &&PendingRestart| restart.part == place.part && restart.change.contains(CONFIGURATION);
    row.restart = site.pending.iter().find(waits).cloned();
    if !held.fits {
        row.problems.push(Problem::KeyDoesNotFit);
    }
    // What is wrong with the authority itself is told of it.
    if let Some(signer) = trust.signer(place.signer) {
        if !leaf.is_signed_by(signer) {
            row.problems.push(Problem::OtherAuthority);
        } else if other.is_some_and(|other| !other.takes(signer, place.signer)) {
            row.problems.push(Problem::NotTrustedByPeer);
        }
    }
    row
}

impl Row {
    fn new(site: &Site, part: &str, kind: &'static str, namespace: &'static str, name: &str) -> Self {
        Self {
            context: site.context.clone(),
            part: part.to_owned(),
            kind,
            namespace,
            name: name.to_owned(),
            names: Vec::new(),
            signed_by: None,
            until: None,
            days_left: None,
            renewal: None,
            restart: None,
            problems: Vec::new(),
        }
    }

    fn say(&mut self, read: &Reading, now: Timestamp) {
        let left = read.until.as_second() - now.as_second();
        self.names.clone_from(&read.names);
        self.signed_by = Some(read.issuer.clone());
        self.until = Some(Time(read.until));
        self.days_left = Some(left.div_euclid(DAY));
        if left <= 0 {
            self.problems.push(Problem::Expired);
        } else if left < URGENT {
            self.problems.push(Problem::EndsSoon);
        }
    }
}

#[cfg(test)]
pub mod tests;

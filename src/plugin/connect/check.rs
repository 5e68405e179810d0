//! What is looked at before two sites are connected, and what it means: pure.

mod networks;

use std::time::Instant;

use govuc_api::Platform;
use ipnet::IpNet;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde::Serialize;

/// More, and times of the two sites are misleading.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_secs(5);
/// More, and certificates and decisions of one site are not good at the other.
const CLOCKS_REFUSED: SignedDuration = SignedDuration::from_secs(60);

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    pub check: Subject,
    pub result: Verdict,
    /// What was found, and what is to be done about it.
    pub found: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Subject {
    Versions,
    Sites,
    Platforms,
    Clocks,
    Networks,
    RootSecrets,
    Authorities,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Verdict {
    Good,
    /// The sites are connected all the same.
    Warning,
    /// They are not.
    Refused,
    /// It could not be looked at.
    NotChecked,
}

/// What a cluster says of something. None: it has none. Else why it can't be read.
pub type Said<T> = Result<Option<T>, String>;

/// What is known of one cluster.
#[derive(Clone, Debug)]
pub struct Cluster {
    pub context: String,
    pub operator: Said<Operator>,
    pub platform: Said<Platform>,
    pub clock: Said<Clock>,
    /// Of pods and Services.
    pub networks: Said<Vec<IpNet>>,
}

/// As its Deployment has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    pub image: String,
    pub site: String,
}

/// What an API server's clock said at a moment of our own.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    pub said: Timestamp,
    pub at: Instant,
}

impl Check {
    pub fn new(check: Subject, result: Verdict, found: impl Into<String>) -> Self {
        Self {
            check,
            result,
            found: found.into(),
        }
    }
}

/// All that can be looked at before anything was made.
pub fn all(one: &Cluster, other: &Cluster) -> Vec<Check> {
    vec![
        versions(one, other),
        sites(one, other),
        platforms(one, other),
        clocks(one, other),
        networks::check(one, other),
    ]
}

/// What both have, or the check that says why it can't be made.
fn both<'a, T>(
    check: Subject,
    what: &str,
    one: (&str, &'a Said<T>),
    other: (&str, &'a Said<T>),
) -> Result<(&'a T, &'a T), Check> {
    let not =
        |context: &str, why: String| Check::new(check, Verdict::NotChecked, format!("{context}: {why}"));
    let found = |(context, said): (&str, &'a Said<T>)| match said {
        Ok(Some(found)) => Ok(found),
        Ok(None) => Err(not(context, format!("there is no {what}"))),
        Err(error) => Err(not(context, format!("{what}: {error}"))),
    };
    Ok((found(one)?, found(other)?))
}

fn versions(one: &Cluster, other: &Cluster) -> Check {
    let check = Subject::Versions;
    let (a, b) = match both(
        check,
        "Deployment of the operator",
        (&one.context, &one.operator),
        (&other.context, &other.operator),
    ) {
        Ok(operators) => operators,
        Err(not_checked) => return not_checked,
    };
    if a.image == b.image {
        return Check::new(check, Verdict::Good, format!("both operators are {}", a.image));
    }
    Check::new(
        check,
        Verdict::Warning,
        format!(
            "the operator is {} at {}, and {} at {}: where they read specs differently nothing is mirrored. Remedy: install one version at \
             both",
            a.image, one.context, b.image, other.context
        ),
    )
}

fn sites(one: &Cluster, other: &Cluster) -> Check {
    let check = Subject::Sites;
    let (a, b) = match both(
        check,
        "Deployment of the operator",
        (&one.context, &one.operator),
        (&other.context, &other.operator),
    ) {
        Ok((a, b)) => (&a.site, &b.site),
        Err(not_checked) => return not_checked,
    };
    if a == b {
        return Check::new(
            check,
            Verdict::Refused,
            format!(
                "the operators of {} and {} are both of site {a}. Remedy: install the wrong one for its own site (govuc manifests --site \
                 SITE)",
                one.context, other.context
            ),
        );
    }
    for (cluster, site) in [(one, a), (other, b)] {
        if let Ok(Some(platform)) = &cluster.platform
            && platform.spec.sites.iter().all(|known| known.name != *site)
        {
            return Check::new(
                check,
                Verdict::Refused,
                format!(
                    "the operator of {} is of site {site}, and spec.sites of its Platform is {}. Remedy: install it for one of these",
                    cluster.context,
                    names(platform).join(", ")
                ),
            );
        }
    }
    Check::new(
        check,
        Verdict::Good,
        format!("{} is {a}, {} is {b}", one.context, other.context),
    )
}

fn platforms(one: &Cluster, other: &Cluster) -> Check {
    let check = Subject::Platforms;
    let (a, b) = match both(
        check,
        "Platform",
        (&one.context, &one.platform),
        (&other.context, &other.platform),
    ) {
        Ok(platforms) => platforms,
        Err(not_checked) => return not_checked,
    };
    let Some((field, here, there)) = difference(a, b) else {
        let found = format!("both have the sites {}", names(a).join(", "));
        return Check::new(check, Verdict::Good, found);
    };
    let remedy = match field.as_str() {
        // They can't be edited.
        "spec.domain" | "spec.sites" => {
            "where it is wrong, kubectl delete platform platform --cascade=orphan, and apply the other one's Platform"
        }
        _ => "apply one Platform to both",
    };
    Check::new(
        check,
        Verdict::Refused,
        format!(
            "{field} of Platform is {here} at {}, and {there} at {}. Remedy: {remedy}",
            one.context, other.context
        ),
    )
}

/// The first field that differs of those by which the sites find each other.
fn difference(one: &Platform, other: &Platform) -> Option<(String, String, String)> {
    let (a, b) = (&one.spec, &other.spec);
    if a.domain != b.domain {
        return Some(("spec.domain".to_owned(), a.domain.clone(), b.domain.clone()));
    }
    if names(one) != names(other) {
        let [here, there] = [one, other].map(|platform| names(platform).join(", "));
        return Some(("spec.sites".to_owned(), here, there));
    }
    a.sites.iter().zip(&b.sites).find_map(|(here, there)| {
        let address = |field: &str, here: Option<&String>, there: Option<&String>| {
            let text = |address: Option<&String>| address.map_or("left out", String::as_str).to_owned();
            (here != there).then(|| (field.to_owned(), text(here), text(there)))
        };
        let [a, b] = [&here.addresses, &there.addresses];
        let (field, here, there) = address("gateway", Some(&here.gateway), Some(&there.gateway))
            .or_else(|| {
                address(
                    "addresses.frontDoor",
                    a.front_door.as_ref(),
                    b.front_door.as_ref(),
                )
            })
            .or_else(|| address("addresses.mx", a.mx.as_ref(), b.mx.as_ref()))
            .map(|(field, one, other)| (format!("{field} of {} in spec.sites", here.name), one, other))?;
        Some((field, here, there))
    })
}

fn names(platform: &Platform) -> Vec<&str> {
    platform
        .spec
        .sites
        .iter()
        .map(|site| site.name.as_str())
        .collect()
}

fn clocks(one: &Cluster, other: &Cluster) -> Check {
    let check = Subject::Clocks;
    let (a, b) = match both(
        check,
        "time in the API server's answer",
        (&one.context, &one.clock),
        (&other.context, &other.clock),
    ) {
        Ok(clocks) => clocks,
        Err(not_checked) => return not_checked,
    };
    let ahead = ahead(a, b);
    let (ahead, behind, by) = if ahead.is_negative() {
        (&other.context, &one.context, ahead.abs())
    } else {
        (&one.context, &other.context, ahead)
    };
    let seconds = by.as_secs();
    let found = format!("the clock of {ahead} is {seconds} s ahead of that of {behind}");
    let remedy =
        "Remedy: have the nodes of both clusters follow NTP (chronyc tracking says whether one does)";
    if by > CLOCKS_REFUSED {
        Check::new(
            check,
            Verdict::Refused,
            format!(
                "{found}; more than {} s is too much for certificates. {remedy}",
                CLOCKS_REFUSED.as_secs()
            ),
        )
    } else if by > CLOCKS_DIFFER {
        Check::new(check, Verdict::Warning, format!("{found}. {remedy}"))
    } else {
        Check::new(
            check,
            Verdict::Good,
            format!("they differ by no more than {} s", CLOCKS_DIFFER.as_secs()),
        )
    }
}

/// How far the first is ahead of the second, whatever our own clock says.
fn ahead(one: &Clock, other: &Clock) -> SignedDuration {
    let between = match one.at.checked_duration_since(other.at) {
        Some(later) => SignedDuration::try_from(later),
        None => SignedDuration::try_from(other.at.duration_since(one.at)).map(|sooner| -sooner),
    };
    // An answer takes no centuries.
    one.said.duration_since(other.said) - between.unwrap_or_default()
}

/// `[bool; 2]`: whether each has a root secret; `same`: what they have, if both do.
pub fn roots(contexts: [&str; 2], has: [bool; 2], same: bool) -> Check {
    let check = Subject::RootSecrets;
    let [a, b] = contexts;
    let good = |found: String| Check::new(check, Verdict::Good, found);
    match has {
        [true, true] if same => good("both have the same".to_owned()),
        [true, true] => Check::new(
            check,
            Verdict::Refused,
            format!(
                "{a} and {b} have different root secrets: each was connected to another site before. Remedy: keep the one of the cluster that \
                 serves: delete the other's (kubectl -n govuc-system delete secret govuc-root) and connect again"
            ),
        ),
        [true, false] => good(format!("{b} gets that of {a}")),
        [false, true] => good(format!("{a} gets that of {b}")),
        [false, false] => good("neither has one: it is made".to_owned()),
    }
}

/// Whose authority each trusts now: None if nobody's, else whether it is the present one of the other site.
pub fn authorities(contexts: [&str; 2], trusts: [Option<bool>; 2]) -> Check {
    let check = Subject::Authorities;
    let replaced: Vec<&str> = contexts
        .into_iter()
        .zip(trusts)
        .filter(|(_, trusted)| *trusted == Some(false))
        .map(|(context, _)| context)
        .collect();
    if !replaced.is_empty() {
        return Check::new(
            check,
            Verdict::Warning,
            format!(
                "{} trusted another authority than the other site has now, as of a cluster that is no more: it is replaced",
                replaced.join(" and ")
            ),
        );
    }
    let found = match trusts {
        [Some(_), Some(_)] => "each trusts the other's".to_owned(),
        [None, None] => "neither trusts the other's yet".to_owned(),
        [None, _] => format!("{} does not trust the other's yet", contexts[0]),
        [_, None] => format!("{} does not trust the other's yet", contexts[1]),
    };
    Check::new(check, Verdict::Good, found)
}

#[cfg(test)]
mod tests;

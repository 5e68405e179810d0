use std::time::Duration;

use super::*;
use rstest::rstest;
use serde_json::{Value, json};

const GATEWAYS: [&str; 2] = ["198.19.0.101:8443", "198.19.0.201:8443"];

fn platform(changes: &[(&str, Value)]) -> Platform {
    let mut platform = json!({
        "apiVersion": "1govuc.gov.my/v1alpha1", "kind": "Platform", "metadata": {"name": "platform"},
        "spec": {"domain": "1govuc.gov.my", "sites": [
            {"name": "pdsa1", "gateway": GATEWAYS[0]}, {"name": "pdsa2", "gateway": GATEWAYS[1]},
        ]},
    });
    for (pointer, value) in changes {
        *platform.pointer_mut(pointer).unwrap() = value.clone();
    }
    serde_json::from_value(platform).unwrap()
}

/// A cluster of which all is as it should be.
fn cluster(number: u8, began: Instant) -> Cluster {
    Cluster {
        context: format!("c{number}"),
        operator: Ok(Some(Operator {
            image: "govuc/operator:1".into(),
            site: format!("pdsa{number}"),
        })),
        platform: Ok(Some(platform(&[]))),
        clock: Ok(Some(Clock {
            said: "2026-12-01T00:00:00Z".parse().unwrap(),
            at: began,
        })),
        networks: Ok(Some(vec![format!("10.{number}.0.0/16").parse().unwrap()])),
    }
}

fn pair() -> [Cluster; 2] {
    let began = Instant::now();
    [cluster(1, began), cluster(2, began)]
}

fn results([one, other]: &[Cluster; 2]) -> Vec<Verdict> {
    all(one, other).iter().map(|check| check.result).collect()
}

/// The one check that is not good, in whichever order the clusters are named.
#[track_caller]
fn found(clusters: [Cluster; 2], check: Subject, result: Verdict, parts: &[&str]) {
    let [one, other] = &clusters;
    for checks in [all(one, other), all(other, one)] {
        let not_good: Vec<&Check> = checks
            .iter()
            .filter(|check| check.result != Verdict::Good)
            .collect();
        let [only] = not_good[..] else {
            panic!("{not_good:?}");
        };
        assert_eq!((only.check, only.result), (check, result));
        for part in parts {
            assert!(only.found.contains(part), "without {part:?}: {}", only.found);
        }
    }
}

#[test]
fn two_sites_of_which_all_is_right_are_good() {
    assert_eq!(results(&pair()), [Verdict::Good; 5]);
}

#[test]
fn operators_of_two_versions_are_connected_with_a_warning() {
    let [one, mut other] = pair();
    other.operator = Ok(Some(Operator {
        image: "govuc/operator:2".into(),
        site: "pdsa2".into(),
    }));
    found(
        [one, other],
        Subject::Versions,
        Verdict::Warning,
        &[
            "operator:1 at c1",
            "operator:2 at c2",
            "Remedy: install one version",
        ],
    );
}

#[test]
fn two_operators_of_one_site_or_of_none_of_the_platforms_are_refused() {
    for (site, part) in [
        ("pdsa1", "are both of site pdsa1"),
        ("pdsa9", "c2 is of site pdsa9, and spec.sites"),
    ] {
        let [one, mut other] = pair();
        other.operator = Ok(Some(Operator {
            image: "govuc/operator:1".into(),
            site: site.into(),
        }));
        found(
            [one, other],
            Subject::Sites,
            Verdict::Refused,
            &[part, "Remedy: "],
        );
    }
}

#[rstest]
#[case::domain("/spec/domain", json!("gov.my"), &["spec.domain", "1govuc.gov.my at c1", "gov.my at c2", "--cascade=orphan"])]
#[case::a_gateway("/spec/sites/1/gateway", json!("gw2:8443"), &["gateway of pdsa2 in spec.sites", "198.19.0.201:8443 at c1", "gw2:8443 at c2", "apply one Platform"])]
#[case::an_address("/spec/sites/0", json!({"name": "pdsa1", "gateway": GATEWAYS[0], "addresses": {"mx": "198.19.0.103"}}),
    &["addresses.mx of pdsa1", "left out at c1", "198.19.0.103 at c2"])]
#[case::order("/spec/sites", json!([{"name": "pdsa2", "gateway": GATEWAYS[1]}, {"name": "pdsa1", "gateway": GATEWAYS[0]}]),
    &["spec.sites of Platform", "pdsa1, pdsa2 at c1", "pdsa2, pdsa1 at c2", "--cascade=orphan"])]
fn platforms_that_differ_are_refused_with_what_differs(
    #[case] pointer: &str,
    #[case] value: Value,
    #[case] parts: &[&str],
) {
    let [one, mut other] = pair();
    other.platform = Ok(Some(platform(&[(pointer, value)])));
    found([one, other], Subject::Platforms, Verdict::Refused, parts);
}

/// The second was asked three seconds after the first.
#[rstest]
#[case::the_same(3, Verdict::Good)]
#[case::a_little(8, Verdict::Good)]
#[case::ahead(9, Verdict::Warning)]
#[case::behind(-3, Verdict::Warning)]
#[case::far(63, Verdict::Warning)]
#[case::too_far(64, Verdict::Refused)]
#[case::too_far_behind(-58, Verdict::Refused)]
fn clocks_are_compared_by_what_passed_between_the_questions(#[case] seconds: i64, #[case] result: Verdict) {
    let [one, mut other] = pair();
    let Ok(Some(clock)) = one.clock else {
        unreachable!()
    };
    other.clock = Ok(Some(Clock {
        said: clock.said + SignedDuration::from_secs(seconds),
        at: clock.at + Duration::from_secs(3),
    }));
    if result == Verdict::Good {
        assert_eq!(results(&[one, other]), [Verdict::Good; 5]);
        return;
    }
    let (ahead, behind) = if seconds > 3 { ("c2", "c1") } else { ("c1", "c2") };
    let told = format!(
        "the clock of {ahead} is {} s ahead of that of {behind}",
        (seconds - 3).abs()
    );
    found([one, other], Subject::Clocks, result, &[&told, "NTP"]);
}

#[test]
fn networks_that_overlap_are_told_of_and_stop_nobody() {
    let [one, mut other] = pair();
    other.networks = Ok(Some(vec!["10.1.7.0/24".parse().unwrap()]));
    found(
        [one, other],
        Subject::Networks,
        Verdict::Warning,
        &[
            "10.1.0.0/16 of c1",
            "10.1.7.0/24 of c2",
            "The service does not mind",
        ],
    );
}

#[test]
fn a_gateway_inside_the_other_sites_own_networks_is_told_of() {
    let [mut one, other] = pair();
    one.networks = Ok(Some(vec!["198.19.0.192/26".parse().unwrap()]));
    found(
        [one, other],
        Subject::Networks,
        Verdict::Warning,
        &[
            "gateway 198.19.0.201:8443 of c2 is in 198.19.0.192/26",
            "of c1",
            "Remedy: ",
        ],
    );
}

#[test]
fn what_can_not_be_read_or_is_not_there_is_said_so_and_stops_nobody() {
    let [one, other] = pair();
    let unknown = Cluster {
        context: "c2".into(),
        operator: Ok(None),
        platform: Err("forbidden".into()),
        clock: Ok(None),
        networks: Err("forbidden".into()),
    };
    assert_eq!(results(&[one.clone(), unknown.clone()]), [Verdict::NotChecked; 5]);
    let told: Vec<String> = all(&unknown, &one).into_iter().map(|check| check.found).collect();
    assert_eq!(told[0], "c2: there is no Deployment of the operator");
    assert_eq!(told[2], "c2: Platform: forbidden");
    drop(other);
}

#[test]
fn root_secrets_are_made_copied_or_kept_and_two_are_refused() {
    let result = |has, same| {
        let check = roots(["c1", "c2"], has, same);
        (check.result, check.found)
    };
    assert_eq!(
        result([true, true], true),
        (Verdict::Good, "both have the same".into())
    );
    assert_eq!(
        result([false, true], false),
        (Verdict::Good, "c1 gets that of c2".into())
    );
    assert_eq!(
        result([false, false], true),
        (Verdict::Good, "neither has one: it is made".into())
    );
    let (refused, found) = result([true, true], false);
    assert_eq!(refused, Verdict::Refused);
    assert!(
        found.contains("different root secrets") && found.contains("Remedy: "),
        "{found}"
    );
}

#[test]
fn an_authority_of_before_is_told_of() {
    let found = |trusts| authorities(["c1", "c2"], trusts);
    assert_eq!(found([Some(true), Some(true)]).found, "each trusts the other's");
    assert_eq!(
        found([None, Some(true)]).found,
        "c1 does not trust the other's yet"
    );
    let replaced = found([Some(false), None]);
    assert_eq!(replaced.result, Verdict::Warning);
    assert!(
        replaced.found.starts_with("c1 trusted another authority"),
        "{}",
        replaced.found
    );
}

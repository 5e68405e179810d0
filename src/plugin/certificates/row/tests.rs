use super::*;
use crate::pki::{Authority, Leaf, Pair, Root, Wanted, client, member, roles_authority, trusted};
use govuc_wire::names::MTA_NAMESPACE;
use rstest::rstest;

const ISSUED: &str = "2026-11-24T00:00:00Z";

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn waiting(part: &str) -> PendingRestart {
    PendingRestart {
        part: part.into(),
        change: CONFIGURATION.into(),
        reason: "AwaitingWindow".into(),
        window: Some("ahad-malam".into()),
        opens: Some(Time(at("2026-12-05T17:00:00Z"))),
        closes: None,
    }
}

fn held(leaf: Leaf) -> Option<Held> {
    Some(Held {
        fits: Reading::of(&leaf.certificate).unwrap().fits(&leaf.key),
        certificate: leaf.certificate,
        trusted: leaf.trusted,
    })
}

fn place(part: &str, namespace: &'static str, signer: Signer) -> Place {
    Place {
        part: part.into(),
        namespace,
        name: format!("tls-{part}"),
        signer,
    }
}

/// A site with its own authority, the other's, one leaf, and its member of the roles' etcd.
fn site(name: &str, own: &Pair, peer: &Pair, root: u8) -> Site {
    let now = at(ISSUED);
    let authority = Authority::from_pair(own.clone()).unwrap();
    let roles = roles_authority(&Root::new(&[root; 32]).unwrap(), now, now).unwrap();
    let both = trusted(&own.certificate, &peer.certificate);
    let mx = authority
        .issue(&Wanted::part("mx", name, MTA_NAMESPACE, Vec::new(), &both), now)
        .unwrap();
    let [member, client] = [
        member(name, roles.certificate()),
        client(name, roles.certificate()),
    ]
    .map(|it| roles.issue(&it, now).unwrap());
    let own = Leaf {
        certificate: own.certificate.clone(),
        key: own.key.clone(),
        trusted: String::new(),
    };
    Site {
        context: Some(name.into()),
        authority: (
            Place {
                part: AUTHORITY.into(),
                namespace: SYSTEM_NAMESPACE,
                name: "govuc-ca".into(),
                signer: Signer::Site,
            },
            held(own),
        ),
        peer: Some(peer.certificate.clone()),
        leaves: vec![
            (place("mx", MTA_NAMESPACE, Signer::Site), held(mx)),
            (place(ROLES, MAIL_NAMESPACE, Signer::Roles), held(member)),
            (place("roles-client", MTA_NAMESPACE, Signer::Roles), held(client)),
        ],
        pending: Vec::new(),
    }
}

fn pair(site: &str) -> Pair {
    Authority::generate(site, at(ISSUED)).unwrap()
}

/// Two sites that are connected.
pub fn sites() -> Vec<Site> {
    let (one, two) = (pair("pdsa1"), pair("pdsa2"));
    vec![site("pdsa1", &one, &two, 7), site("pdsa2", &two, &one, 7)]
}

/// What is wrong, as `CONTEXT part: word`.
fn problems(sites: &[Site], now: &str) -> Vec<String> {
    let rows = rows(sites, at(now));
    let wrong = rows.iter().filter(|row| !row.problems.is_empty());
    let mut words: Vec<String> = wrong
        .map(|row| {
            format!(
                "{} {}: {}",
                row.context.as_deref().unwrap_or("-"),
                row.part,
                row.problem()
            )
        })
        .collect();
    words.sort();
    words
}

#[test]
fn two_connected_sites_have_six_certificates_each_and_nothing_is_wrong() {
    let rows = rows(&sites(), at(ISSUED));
    assert_eq!(rows.len(), 12);
    assert!(rows.iter().all(|row| row.problems.is_empty()), "{rows:?}");
    let ends: Vec<_> = rows.iter().map(|row| row.until.as_ref().unwrap().0).collect();
    assert!(ends.is_sorted());
    let mx = &rows.iter().find(|row| row.part == "mx").unwrap();
    assert_eq!(mx.signed_by.as_deref(), Some("pdsa1 authority"));
    assert_eq!(mx.days_left, Some(365));
    assert_eq!(mx.names, ["mx-pdsa1.govuc-mta.svc", "mx.pdsa1.govuc.internal"]);
    let never = rows.iter().filter(|row| row.renewal.is_none());
    assert_eq!(
        never.count(),
        4,
        "the sites' own authorities, and each at the other one"
    );
}

#[rstest]
#[case::with_seven_days("2027-11-17T00:00:00Z", &[])]
#[case::with_less("2027-11-17T00:00:01Z", &["ends soon"; 6])]
#[case::at_its_end("2027-11-24T00:00:00Z", &["expired"; 6])]
fn leaves_end_soon_and_then_have_expired(#[case] now: &str, #[case] words: &[&str]) {
    let sites = sites();
    let found = problems(&sites, now);
    let told: Vec<&str> = found
        .iter()
        .map(|line| line.split(": ").nth(1).unwrap())
        .collect();
    assert_eq!(told, words);
    let urgent = rows(&sites, at(now)).iter().filter(|row| row.is_urgent()).count();
    assert_eq!(urgent, words.len());
}

#[test]
fn what_an_authority_signs_that_the_other_site_does_not_trust_is_told_at_all_of_it() {
    let mut sites = sites();
    sites[1] = site("pdsa2", &pair("pdsa2"), &pair("pdsa1"), 7);
    let wanted = [
        "pdsa1 authority: not trusted by peer",
        "pdsa1 mx: not trusted by peer",
        "pdsa1 peer authority: other authority",
        "pdsa2 authority: not trusted by peer",
        "pdsa2 mx: not trusted by peer",
        "pdsa2 peer authority: other authority",
    ];
    assert_eq!(problems(&sites, ISSUED), wanted);
    // What the other site trusts is not known when it was not looked at.
    assert_eq!(problems(&sites[..1], ISSUED), Vec::<String>::new());
    assert!(rows(&sites, at(ISSUED)).iter().all(|row| !row.is_urgent()));
}

#[test]
fn of_two_roots_each_site_has_an_authority_of_roles_that_the_other_one_does_not_trust() {
    let mut sites = sites();
    sites[1].leaves = site("pdsa2", &pair("pdsa2"), &pair("pdsa1"), 8).leaves;
    // That leaf is of an authority of its own, too.
    sites[1].leaves.remove(0);
    let found = problems(&sites, ISSUED);
    assert_eq!(found.len(), 6, "{found:?}");
    assert!(
        found
            .iter()
            .all(|line| line.contains("roles") && line.ends_with("not trusted by peer")),
        "{found:?}"
    );
}

#[test]
fn a_leaf_of_an_authority_that_was_replaced_is_another_authoritys() {
    let mut sites = sites();
    let old = site("pdsa1", &pair("pdsa1"), &pair("pdsa2"), 7).leaves.remove(0);
    sites[0].leaves[0] = old;
    assert_eq!(problems(&sites, ISSUED), ["pdsa1 mx: other authority"]);
}

#[test]
fn what_can_not_be_used_is_told() {
    let mut sites = sites();
    let leaf = |site: &mut Site| site.leaves[0].1.clone().unwrap();
    let other_key = Held {
        fits: false,
        ..leaf(&mut sites[0])
    };
    sites[0].leaves[0].1 = Some(other_key);
    let no_certificate = Held {
        certificate: "no PEM".into(),
        ..leaf(&mut sites[1])
    };
    sites[1].leaves[0].1 = Some(no_certificate);
    sites[1].leaves[2].1 = None;
    let wanted = [
        "pdsa1 mx: another key",
        "pdsa2 mx: unreadable",
        "pdsa2 roles-client: missing",
    ];
    assert_eq!(problems(&sites, ISSUED), wanted);
    let rows = rows(&sites, at(ISSUED));
    let urgent: Vec<&str> = rows
        .iter()
        .filter(|row| row.is_urgent())
        .map(|row| row.part.as_str())
        .collect();
    assert_eq!(
        urgent,
        ["mx"],
        "of what can't be read nobody knows that it has not expired"
    );
}

#[test]
fn a_site_that_is_not_connected_has_no_peer() {
    let mut sites = sites();
    sites[1].peer = None;
    sites[0].peer = Some("certificate two".into());
    sites[0].authority.1 = None;
    let found = problems(&sites, ISSUED);
    for line in [
        "pdsa1 authority: missing",
        "pdsa1 peer authority: unreadable",
        "pdsa2 peer authority: missing",
        "pdsa2 authority: not trusted by peer",
    ] {
        assert!(found.iter().any(|found| found == line), "no {line} in {found:?}");
    }
}

#[test]
fn a_restart_that_waits_is_told_of_its_part_if_it_is_for_a_certificate() {
    let mut sites = sites();
    let image = PendingRestart {
        change: "image of etcd: a for b".into(),
        ..waiting(ROLES)
    };
    sites[0].pending = vec![waiting("mx"), image];
    let rows = rows(&sites, at(ISSUED));
    let waits: Vec<_> = rows.iter().filter(|row| row.restart.is_some()).collect();
    assert_eq!(waits.len(), 1);
    assert_eq!(
        (waits[0].part.as_str(), waits[0].context.as_deref()),
        ("mx", Some("pdsa1"))
    );
}

//! Policies and what they leave open.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::field::{Field, Reach};

pub(super) struct Case {
    pub name: &'static str,
    /// Team and spec.
    pub policies: Vec<(&'static str, Value)>,
    pub open: BTreeSet<Reach>,
}

/// Every case, for the addresses of `field`.
pub(super) fn all(field: &Field) -> Vec<Case> {
    let mut cases = selectors(field);
    cases.extend(ports(field));
    cases.extend(blocks(field));
    cases
}

/// What is open: `kept` decides by client, server and port.
fn open(field: &Field, kept: impl Fn(&str, &str, &str) -> bool) -> BTreeSet<Reach> {
    let fits = |reach: &Reach| {
        reach
            .target
            .split_once('/')
            .is_some_and(|(server, port)| kept(reach.client, server, port))
    };
    field.everything().into_iter().filter(fits).collect()
}

fn named(name: &str) -> Value {
    json!({"matchLabels": {"name": name}})
}

/// Closes the server `shop`: shows that a case whose own policies close nothing has come into force.
fn marker() -> (&'static str, Value) {
    (
        "a",
        json!({"podSelector": named("shop"), "policyTypes": ["Ingress"]}),
    )
}

fn selectors(field: &Field) -> Vec<Case> {
    let web = named("web");
    let from = |peers: Value| json!({"podSelector": web, "ingress": [{"from": peers}]});
    vec![
        Case {
            name: "default deny of ingress closes every pod of the namespace to everybody",
            policies: vec![("a", json!({"podSelector": {}, "policyTypes": ["Ingress"]}))],
            open: open(field, |_, _, _| false),
        },
        Case {
            name: "default deny of egress closes the way out of its namespace only",
            policies: vec![("b", json!({"podSelector": {}, "policyTypes": ["Egress"]}))],
            open: open(field, |client, _, _| client != "far"),
        },
        Case {
            name: "a policy closes only the pods it selects",
            policies: vec![("a", json!({"podSelector": web, "policyTypes": ["Ingress"]}))],
            open: open(field, |_, server, _| server == "shop"),
        },
        Case {
            name: "policyTypes without Ingress leaves ingress open",
            policies: vec![
                ("a", json!({"podSelector": web, "policyTypes": ["Egress"]})),
                marker(),
            ],
            open: open(field, |_, server, _| server == "web"),
        },
        Case {
            name: "a pod selector alone means pods of the policy's namespace",
            policies: vec![("a", from(json!([{"podSelector": {}}])))],
            open: open(field, |client, server, _| server == "shop" || client != "far"),
        },
        Case {
            name: "a namespace selector with matchExpressions means all its pods",
            policies: vec![(
                "a",
                from(json!([{"namespaceSelector": {"matchExpressions": [
                    {"key": "team", "operator": "In", "values": ["b", "c"]},
                    {"key": "closed", "operator": "DoesNotExist"},
                ]}}])),
            )],
            open: open(field, |client, server, _| server == "shop" || client == "far"),
        },
        Case {
            name: "both selectors in one peer mean pods that fit both",
            policies: vec![(
                "a",
                from(
                    json!([{"namespaceSelector": {"matchLabels": {"team": "b"}}, "podSelector": named("near")}]),
                ),
            )],
            open: open(field, |_, server, _| server == "shop"),
        },
        Case {
            name: "two peers of one rule mean either",
            policies: vec![(
                "a",
                from(
                    json!([{"namespaceSelector": {"matchLabels": {"team": "b"}}}, {"podSelector": named("near")}]),
                ),
            )],
            open: open(field, |client, server, _| server == "shop" || client != "other"),
        },
        Case {
            name: "policies that select the same pod add up",
            policies: vec![
                (
                    "a",
                    json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "egress": [{}]}),
                ),
                ("a", from(json!([{"podSelector": named("near")}]))),
                (
                    "a",
                    json!({"podSelector": {}, "ingress": [{"from": [{"podSelector": named("other")}], "ports": [{"port": 8080}]}]}),
                ),
            ],
            open: open(field, |client, server, port| {
                (client == "near" && server == "web") || (client == "other" && port == "tcp:8080")
            }),
        },
        Case {
            name: "both the way out and the way in must be allowed",
            policies: vec![
                ("a", from(json!([{"namespaceSelector": {}}]))),
                (
                    "b",
                    json!({"podSelector": {}, "egress": [{"to": [{"namespaceSelector": {}, "podSelector": web}], "ports": [{"port": 8081}]}]}),
                ),
            ],
            open: open(field, |client, server, port| {
                client != "far" || (server == "web" && port == "tcp:8081")
            }),
        },
    ]
}

fn ports(field: &Field) -> Vec<Case> {
    let to = |ports: Value| json!({"podSelector": {}, "ingress": [{"ports": ports}]});
    vec![
        Case {
            name: "a numeric port opens that port of every selected pod, and no UDP",
            policies: vec![("a", to(json!([{"port": 8080}])))],
            open: open(field, |_, _, port| port == "tcp:8080"),
        },
        Case {
            name: "a port of protocol UDP opens no TCP",
            policies: vec![("a", to(json!([{"port": 5300, "protocol": "UDP"}])))],
            open: open(field, |_, _, port| port == "udp:5300"),
        },
        Case {
            name: "a protocol without a port opens all its ports",
            policies: vec![("a", to(json!([{"protocol": "TCP"}])))],
            open: open(field, |_, _, port| port.starts_with("tcp")),
        },
        Case {
            name: "endPort opens a range with both its ends",
            policies: vec![("a", to(json!([{"port": 8081, "endPort": 8085}])))],
            open: open(field, |_, _, port| port == "tcp:8081" || port == "tcp:8085"),
        },
        Case {
            name: "a named port is each pod's own number",
            policies: vec![(
                "a",
                to(json!([{"port": "http"}, {"port": "ask", "protocol": "UDP"}])),
            )],
            open: open(field, |_, server, port| {
                matches!(
                    (server, port),
                    ("web", "tcp:8080" | "udp:5300") | ("shop", "tcp:9090")
                )
            }),
        },
        Case {
            name: "a named port of an egress rule is the number of the pod that listens",
            policies: vec![(
                "b",
                json!({"podSelector": {}, "egress": [{"ports": [{"port": "http"}]}]}),
            )],
            open: open(field, |client, server, port| {
                client != "far" || matches!((server, port), ("web", "tcp:8080") | ("shop", "tcp:9090"))
            }),
        },
    ]
}

fn blocks(field: &Field) -> Vec<Case> {
    let near = format!("{}/32", field.address("near"));
    let web = format!("{}/32", field.address("web"));
    vec![
        Case {
            name: "an address block lets in all but its exceptions",
            policies: vec![(
                "a",
                json!({"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": [near]}}]}]}),
            )],
            open: open(field, |client, _, _| client != "near"),
        },
        Case {
            name: "an address block lets out to its addresses only",
            policies: vec![(
                "b",
                json!({"podSelector": {}, "egress": [{"to": [{"ipBlock": {"cidr": web}}]}]}),
            )],
            open: open(field, |client, server, _| client != "far" || server == "web"),
        },
        Case {
            name: "a rule without peers lets everybody in, also when another rule is narrow",
            policies: vec![
                (
                    "a",
                    json!({"podSelector": named("web"), "ingress": [{"from": [{"ipBlock": {"cidr": near}}], "ports": [{"port": 8081}]}, {}]}),
                ),
                marker(),
            ],
            open: open(field, |_, server, _| server == "web"),
        },
    ]
}

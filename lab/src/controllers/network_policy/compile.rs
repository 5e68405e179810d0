//! The rule set of a cluster as one nft script, pure.
//!
//! A packet is looked up by its source among the pods isolated for egress and by its destination among those isolated
//! for ingress. Each lookup jumps to a chain that returns for what some policy allows and drops the rest; pods
//! that the same policies select share one. Both must return for a packet to pass.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::cluster::{Cluster, Pod};
use super::rules::{Direction, lines};

/// The table that is all this controller's.
pub(super) const TABLE: &str = "govuc_policy";

/// Replaces whatever the table holds in the same transaction that makes the new one.
fn replaced(body: &str) -> String {
    format!("table inet {TABLE}\ndelete table inet {TABLE}\ntable inet {TABLE} {{\n{body}}}\n")
}

/// Nothing passes to or from a pod.
pub(super) fn closed(interface_prefix: &str) -> String {
    replaced(&format!(
        "\tchain forward {{\n\t\ttype filter hook forward priority filter; policy accept;\n\
         \t\tiifname \"{interface_prefix}*\" drop\n\t\toifname \"{interface_prefix}*\" drop\n\t}}\n"
    ))
}

/// The rules of `cluster`; none at all while it has no policy.
pub(super) fn script(cluster: &Cluster, interface_prefix: &str) -> String {
    if cluster.policies.is_empty() {
        return replaced("");
    }
    let known: Vec<String> = cluster.pods.keys().map(|a| a.to_string()).collect();
    let itself: Vec<String> = cluster.pods.keys().map(|a| format!("{a} . {a}")).collect();
    let mut body = String::new();
    body.push_str(&named("set", "pods", "ipv4_addr", &known));
    body.push_str(&named("set", "itself", "ipv4_addr . ipv4_addr", &itself));
    for direction in [Direction::Egress, Direction::Ingress] {
        body.push_str(&isolation(cluster, direction));
    }
    let chain = format!(
        "\tchain forward {{
\t\ttype filter hook forward priority filter; policy accept;
\t\tct state established,related accept
\t\tip saddr . ip daddr @itself accept
\t\tiifname \"{interface_prefix}*\" ip saddr != @pods drop
\t\toifname \"{interface_prefix}*\" ip daddr != @pods drop
\t\tip saddr vmap @egress
\t\tip daddr vmap @ingress
\t}}
"
    );
    body.push_str(&chain);
    replaced(&body)
}

/// The chains of one direction, and the map from the pods isolated in it to them.
fn isolation(cluster: &Cluster, direction: Direction) -> String {
    let mut groups: BTreeMap<Vec<usize>, Vec<&Pod>> = BTreeMap::new();
    for pod in cluster.pods.values() {
        let policies = cluster.policies.iter().enumerate();
        let selecting = policies.filter(|(_, policy)| direction.of(policy).is_some() && policy.selects(pod));
        let selecting: Vec<usize> = selecting.map(|(index, _)| index).collect();
        if !selecting.is_empty() {
            groups.entry(selecting).or_default().push(pod);
        }
    }
    let mut text = String::new();
    let mut jumps = Vec::new();
    for (number, (policies, pods)) in groups.iter().enumerate() {
        let name = format!("{}_{number}", direction.name());
        jumps.extend(pods.iter().map(|pod| format!("{} : jump {name}", pod.address)));
        chain(&mut text, cluster, direction, &name, policies, pods);
    }
    text + &named("map", direction.name(), "ipv4_addr : verdict", &jumps)
}

fn chain(
    text: &mut String,
    cluster: &Cluster,
    direction: Direction,
    name: &str,
    policies: &[usize],
    pods: &[&Pod],
) {
    // Writing to a String can't fail.
    let _ = writeln!(text, "\tchain {name} {{");
    for policy in policies.iter().map(|index| &cluster.policies[*index]) {
        let _ = writeln!(text, "\t\t# {}/{}", policy.namespace, policy.name);
        for rule in direction.of(policy).unwrap_or_default() {
            for line in lines(cluster, policy, direction, rule, pods) {
                let _ = writeln!(text, "\t\t{line}");
            }
        }
    }
    text.push_str("\t\tdrop\n\t}\n");
}

/// A set or map; nft takes no empty list of elements.
fn named(what: &str, name: &str, types: &str, elements: &[String]) -> String {
    let mut text = format!("\t{what} {name} {{\n\t\ttype {types}\n");
    if !elements.is_empty() {
        let _ = writeln!(text, "\t\telements = {{ {} }}", elements.join(", "));
    }
    text + "\t}\n"
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::Arc;

    use super::*;

    /// The objects of a file of `golden/`.
    fn cluster(text: &str) -> Cluster {
        let (mut pods, mut namespaces, mut policies) = (Vec::new(), Vec::new(), Vec::new());
        for document in text.split("---\n") {
            let object: serde_json::Value = serde_yaml::from_str(document).unwrap();
            match object["kind"].as_str() {
                Some("Pod") => pods.push(Arc::new(serde_json::from_value(object).unwrap())),
                Some("Namespace") => namespaces.push(Arc::new(serde_json::from_value(object).unwrap())),
                Some("NetworkPolicy") => policies.push(Arc::new(serde_json::from_value(object).unwrap())),
                other => panic!("{other:?}"),
            }
        }
        Cluster::of(&pods, &namespaces, &policies)
    }

    /// `GOLDEN=write` writes the files anew, to be read in the diff.
    #[test]
    fn every_golden_cluster_compiles_to_its_rules() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/controllers/network_policy/golden");
        let mut seen = 0;
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|e| e == "yaml") {
                let compiled = script(&cluster(&fs::read_to_string(&path).unwrap()), "veth");
                let golden = path.with_extension("nft");
                if std::env::var_os("GOLDEN").is_some_and(|v| v == "write") {
                    fs::write(&golden, &compiled).unwrap();
                }
                assert_eq!(
                    compiled,
                    fs::read_to_string(&golden).unwrap(),
                    "{}",
                    path.display()
                );
                seen += 1;
            }
        }
        assert_eq!(seen, 4);
    }

    #[test]
    fn an_address_that_changed_hands_has_the_rules_of_the_younger_pod() {
        let pod = |name: &str, time: &str| {
            format!(
                "{{kind: Pod, metadata: {{name: {name}, namespace: agency, labels: {{name: {name}}}, \
                 creationTimestamp: \"{time}\"}}, spec: {{containers: []}}, status: {{podIP: 10.41.0.2}}}}\n"
            )
        };
        let (old, new) = (
            pod("old", "2026-01-01T00:00:00Z"),
            pod("new", "2026-01-01T00:00:01Z"),
        );
        for text in [format!("{old}---\n{new}"), format!("{new}---\n{old}")] {
            assert_eq!(
                cluster(&text).pods[&"10.41.0.2".parse().unwrap()].labels["name"],
                "new"
            );
        }
    }

    #[test]
    fn a_policy_that_cannot_be_read_closes_its_namespace() {
        let text = "{kind: NetworkPolicy, metadata: {name: p, namespace: agency}, spec: {podSelector: {}, \
                    ingress: [{from: [{ipBlock: {cidr: nonsense}}]}, {}]}}";
        let policy = &cluster(text).policies[0];
        assert!(policy.ingress.as_ref().is_some_and(Vec::is_empty));
        assert!(policy.egress.as_ref().is_some_and(Vec::is_empty));
    }
}

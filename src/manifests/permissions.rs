//! The reference of permissions, as a page made from the roles themselves.

use std::fmt::Write;

use k8s_openapi::api::rbac::v1::PolicyRule;

use super::rbac::{Granted, roles};

const HEAD: &str = "\
# Permissions

Which roles an installation makes (`manifests/rbac.yaml`), who has each of them, what it allows, and why. No role of the service has a
wildcard, or reads Secrets in the whole cluster. Beside these the operator makes for each agency a ClusterRole that allows to `get` the
agency's own object and no other.

A unit test refuses the operator's code what is not in its roles; the suite `mail` reads in both API servers' audit logs that nothing was
refused, and which of these rights were used.
";

/// Every role with its rules.
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    for role in roles() {
        section(&mut page, &role);
    }
    page
}

fn section(page: &mut String, role: &Granted) {
    let title = match role.namespace {
        Some(namespace) => format!("Role `{}` in `{namespace}`", role.name),
        None => format!("ClusterRole `{}`", role.name),
    };
    // Writing to a text does not fail.
    let _ = write!(
        page,
        "\n## {title}\n\n{}\n\n| Resources | Verbs | Why |\n|---|---|---|\n",
        role.whose
    );
    for right in &role.rights {
        let verbs = listed(&right.rule.verbs);
        let _ = writeln!(page, "| {} | {verbs} | {} |", resources(&right.rule), right.why);
    }
}

/// As kubectl names them: `mailboxes.1govuc.gov.my`.
fn resources(rule: &PolicyRule) -> String {
    let groups = rule.api_groups.iter().flatten();
    let named = groups.flat_map(|group| {
        let resources = rule.resources.iter().flatten();
        resources.map(move |resource| {
            let (kind, part) = resource.split_once('/').unwrap_or((resource, ""));
            let slash = if part.is_empty() { "" } else { "/" };
            let dot = if group.is_empty() { "" } else { "." };
            format!("{kind}{dot}{group}{slash}{part}")
        })
    });
    let all: Vec<String> = named.collect();
    match &rule.resource_names {
        Some(names) => format!("{}, only {}", listed(&all), listed(names)),
        None => listed(&all),
    }
}

fn listed(items: &[String]) -> String {
    let quoted: Vec<String> = items.iter().map(|item| format!("`{item}`")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_says_why_in_a_sentence() {
        for role in roles() {
            assert!(role.whose.ends_with('.'), "{}", role.name);
            for right in role.rights {
                assert!(
                    right.why.len() > 15 && right.why.ends_with('.'),
                    "{}: {:?}: {:?}",
                    role.name,
                    right.rule.resources,
                    right.why
                );
            }
        }
    }

    #[test]
    fn no_rule_has_a_wildcard() {
        for right in roles().into_iter().flat_map(|role| role.rights) {
            let rule = right.rule;
            let words = rule.verbs.iter().chain(rule.resources.iter().flatten());
            let mut all = words.chain(rule.api_groups.iter().flatten());
            assert!(all.all(|word| !word.contains('*')), "{:?}", rule.resources);
        }
    }
}

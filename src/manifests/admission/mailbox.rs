//! Where a mailbox may be, which addresses and sizes it may have, and who may say so.

use govuc_api::POLICY_CONFIG_MAP;

use super::{Missing, Params, Policy, rule};

pub(super) fn namespace() -> Policy {
    Policy {
        name: "govuc-mailbox-namespace",
        resources: ("1govuc.gov.my", vec!["mailboxes"]),
        operations: vec!["CREATE"],
        rules: vec![rule(
            "request.namespace.startsWith('agency-')",
            "'metadata.namespace is ' + request.namespace + ': a mailbox is in the namespace of its agency. Remedy: write agency-NAME, which is there once the agency is approved (kubectl get agencies)'",
        )],
        ..Default::default()
    }
}

/// Reads the ConfigMap that the operator keeps in each agency's namespace.
pub(super) fn addresses() -> Policy {
    Policy {
        name: "govuc-mailbox-policy",
        resources: ("1govuc.gov.my", vec!["mailboxes"]),
        operations: vec!["CREATE", "UPDATE"],
        // One that is going away needs no judgement: its finalizer must come off even after a domain was given up.
        conditions: vec![("not-deleted", "!has(object.metadata.deletionTimestamp)".into())],
        variables: vec![
            ("domains", "params.data.domains.split(',')".into()),
            ("addresses", "[object.spec.address] + object.spec.aliases".into()),
            (
                "outside",
                "variables.addresses.filter(a, !(a.split('@')[1] in variables.domains))".into(),
            ),
            (
                "size",
                "has(object.spec.quota) ? string(object.spec.quota.size) : '1'".into(),
            ),
        ],
        rules: vec![
            rule(
                "variables.outside.size() == 0",
                "(object.spec.address in variables.outside ? 'spec.address is ' : 'spec.aliases has ') + variables.outside[0] + ', which is in no domain of this agency (' + variables.domains.join(', ') + '). Remedy: use one of these domains, or add the domain to the agency'",
            ),
            rule(
                "quantity(variables.size).compareTo(quantity(params.data.quotaCeiling)) <= 0",
                "'spec.quota.size is ' + variables.size + ', more than ' + params.data.quotaCeiling + ', the largest a mailbox may have. Remedy: write at most ' + params.data.quotaCeiling",
            ),
        ],
        params: Some(Params {
            api_version: "v1",
            kind: "ConfigMap",
            name: POLICY_CONFIG_MAP,
            when_missing: Missing::Deny,
        }),
        ..Default::default()
    }
}

/// Whoever writes that ConfigMap says which addresses an agency has: the operator, and who may do all.
pub(super) fn policy_config_map() -> Policy {
    Policy {
        name: "govuc-policy-is-the-operators",
        resources: ("", vec!["configmaps"]),
        operations: vec!["CREATE", "UPDATE", "DELETE"],
        conditions: vec![
            ("the-policy", format!("request.name == '{POLICY_CONFIG_MAP}'")),
            ("of-an-agency", "request.namespace.startsWith('agency-')".into()),
            // Both remove what is in a namespace that goes.
            (
                "not-the-clean-up",
                "!(request.userInfo.username in ['system:serviceaccount:kube-system:namespace-controller', 'system:serviceaccount:kube-system:generic-garbage-collector', 'system:kube-controller-manager'])".into(),
            ),
        ],
        rules: vec![rule(
            "authorizer.group('1govuc.gov.my').resource('agencies').name(request.namespace.substring(7)).check('govern').allowed()",
            "'ConfigMap ' + request.name + ' says which domains the agency has, and only the operator writes it (verb govern on agencies.1govuc.gov.my). Remedy: change spec.domains of the agency'",
        )],
        ..Default::default()
    }
}

//! What the operator may do, and the roles that agencies' people get.

use k8s_openapi::api::{
    core::v1::ServiceAccount,
    rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject},
};
use serde_json::Value;

use super::{Error, metadata, value};
use crate::agency::desired::roles::{
    ADMINISTRATOR, AUDITOR, ICT_MANAGER, OPERATOR_ACCOUNT, OPERATOR_IN_AGENCY, VIEWER,
};
use govuc_wire::names::{MAIL_NAMESPACE, MTA_NAMESPACE, SYSTEM_NAMESPACE};

/// The operator's account, roles and bindings.
pub const OPERATOR: &str = OPERATOR_ACCOUNT;
const APPROVER: &str = "govuc-approver";
const STORE_OPERATOR: &str = "govuc-store-operator";
const FAILOVER_OPERATOR: &str = "govuc-failover-operator";
const PIPELINE: &str = "govuc-pipeline";

const GROUP: &str = govuc_api::GROUP;
const READ: [&str; 3] = ["get", "list", "watch"];
/// Server-side apply is `patch`, and `create` when the object is new.
const WRITE: [&str; 5] = ["get", "list", "watch", "create", "patch"];
const ALL: [&str; 6] = ["get", "list", "watch", "create", "patch", "delete"];

pub(super) fn objects() -> Result<Vec<Value>, Error> {
    let mut objects = vec![
        value(&ServiceAccount {
            metadata: metadata(OPERATOR, Some(SYSTEM_NAMESPACE)),
            ..Default::default()
        })?,
        value(&cluster_role(OPERATOR, operator_rules()))?,
        value(&ClusterRoleBinding {
            metadata: metadata(OPERATOR, None),
            role_ref: reference("ClusterRole", OPERATOR),
            subjects: Some(vec![operator_subject()]),
        })?,
    ];
    for (namespace, rules) in [
        (SYSTEM_NAMESPACE, system_rules()),
        (MAIL_NAMESPACE, part_rules()),
        (MTA_NAMESPACE, part_rules()),
    ] {
        objects.push(value(&Role {
            metadata: metadata(OPERATOR, Some(namespace)),
            rules: Some(rules),
        })?);
        objects.push(value(&RoleBinding {
            metadata: metadata(OPERATOR, Some(namespace)),
            role_ref: reference("Role", OPERATOR),
            subjects: Some(vec![operator_subject()]),
        })?);
    }
    for (name, rules) in people() {
        objects.push(value(&cluster_role(name, rules))?);
    }
    Ok(objects)
}

/// The operator, as a subject.
fn operator_subject() -> Subject {
    Subject {
        kind: "ServiceAccount".to_owned(),
        name: OPERATOR.to_owned(),
        namespace: Some(SYSTEM_NAMESPACE.to_owned()),
        ..Default::default()
    }
}

fn reference(kind: &str, name: &str) -> RoleRef {
    RoleRef {
        api_group: "rbac.authorization.k8s.io".to_owned(),
        kind: kind.to_owned(),
        name: name.to_owned(),
    }
}

fn rule(group: &str, resources: &[&str], verbs: &[&str]) -> PolicyRule {
    let texts = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect();
    PolicyRule {
        api_groups: Some(texts(&[group])),
        resources: Some(texts(resources)),
        verbs: texts(verbs),
        ..Default::default()
    }
}

/// In the whole cluster. It may give only the roles below, and can't read a Secret outside its own namespaces and those
/// of agencies.
fn operator_rules() -> Vec<PolicyRule> {
    vec![
        rule(GROUP, &["platforms"], &["get", "list", "watch", "patch"]),
        // The mirror makes, changes and deletes them as the other cluster's people did.
        rule(
            GROUP,
            &["agencies", "mailboxes"],
            &["get", "list", "watch", "create", "update", "patch", "delete"],
        ),
        rule(GROUP, &["mailstores"], &WRITE),
        rule(
            GROUP,
            &[
                "platforms/status",
                "mailstores/status",
                "agencies/status",
                "mailboxes/status",
            ],
            &["get", "patch"],
        ),
        // The verb by which admission knows it.
        rule(GROUP, &["agencies"], &["govern"]),
        // Deleted is the namespace of an agency that goes, when no mailbox is left in it.
        rule("", &["namespaces"], &ALL),
        rule("", &["configmaps", "resourcequotas"], &WRITE),
        rule("networking.k8s.io", &["networkpolicies"], &WRITE),
        rule(
            "rbac.authorization.k8s.io",
            &["rolebindings", "clusterroles", "clusterrolebindings"],
            &ALL,
        ),
        PolicyRule {
            resource_names: Some(
                [ADMINISTRATOR, ICT_MANAGER, VIEWER, AUDITOR, OPERATOR_IN_AGENCY]
                    .map(str::to_owned)
                    .to_vec(),
            ),
            ..rule("rbac.authorization.k8s.io", &["clusterroles"], &["bind"])
        },
        rule("events.k8s.io", &["events"], &["create", "patch"]),
    ]
}

fn system_rules() -> Vec<PolicyRule> {
    vec![
        rule("", &["secrets"], &WRITE),
        rule(
            "",
            &["configmaps"],
            &["get", "list", "watch", "create", "update", "patch"],
        ),
        rule("coordination.k8s.io", &["leases"], &["get", "create", "update"]),
    ]
}

fn part_rules() -> Vec<PolicyRule> {
    vec![
        rule(
            "",
            &["secrets", "configmaps", "services", "serviceaccounts"],
            &ALL,
        ),
        // A volume is made, and never deleted by the operator: it has the mail.
        rule("", &["persistentvolumeclaims"], &WRITE),
        rule("", &["pods"], &READ),
        rule("apps", &["statefulsets", "deployments"], &ALL),
        rule("policy", &["poddisruptionbudgets"], &ALL),
        rule("networking.k8s.io", &["networkpolicies"], &ALL),
    ]
}

/// Roles for people. The first four are bound in an agency's namespace by the operator; the last four are bound by the
/// platform team.
fn people() -> Vec<(&'static str, Vec<PolicyRule>)> {
    let mailboxes = |verbs: &[&str]| rule(GROUP, &["mailboxes"], verbs);
    let events = rule("events.k8s.io", &["events"], &READ);
    let core_events = rule("", &["events"], &READ);
    let viewer = vec![mailboxes(&READ), events, core_events];
    let with = |more: Vec<PolicyRule>| [viewer.clone(), more].concat();
    vec![
        (
            ADMINISTRATOR,
            with(vec![
                mailboxes(&["create", "update", "patch", "delete"]),
                // First passwords are handed to people by the administrator.
                rule("", &["secrets"], &["get"]),
            ]),
        ),
        (ICT_MANAGER, with(vec![rule("", &["configmaps"], &READ)])),
        (
            AUDITOR,
            with(vec![
                rule("", &["configmaps", "resourcequotas"], &READ),
                rule("networking.k8s.io", &["networkpolicies"], &READ),
                rule("rbac.authorization.k8s.io", &["rolebindings"], &READ),
            ]),
        ),
        (VIEWER, viewer),
        (
            OPERATOR_IN_AGENCY,
            vec![rule("", &["secrets"], &["get", "create", "patch", "delete"])],
        ),
        (
            APPROVER,
            vec![rule(
                GROUP,
                &["agencies"],
                &["get", "list", "watch", "patch", "approve"],
            )],
        ),
        (
            STORE_OPERATOR,
            vec![
                rule(
                    GROUP,
                    &["mailstores"],
                    &["get", "list", "watch", "patch", "switchover"],
                ),
                rule(GROUP, &["platforms", "agencies"], &READ),
            ],
        ),
        // Apart from the role before it: whoever moves stores loses nothing, and this one decides what is given up.
        (
            FAILOVER_OPERATOR,
            vec![
                rule(
                    GROUP,
                    &["mailstores"],
                    &["get", "list", "watch", "patch", "failover", "hold"],
                ),
                rule(GROUP, &["platforms"], &READ),
            ],
        ),
        // It never holds `approve`: with it a replace would remove an approval silently.
        (
            PIPELINE,
            vec![
                rule(
                    GROUP,
                    &["platforms", "agencies", "mailboxes"],
                    &["get", "list", "watch", "create", "update", "patch", "delete"],
                ),
                rule(GROUP, &["agencies"], &["submit-for-others"]),
            ],
        ),
    ]
}

fn cluster_role(name: &str, rules: Vec<PolicyRule>) -> ClusterRole {
    ClusterRole {
        metadata: metadata(name, None),
        rules: Some(rules),
        ..Default::default()
    }
}

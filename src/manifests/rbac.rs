//! What the operator may do, and the roles that agencies' people get.

mod people;

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

const GROUP: &str = govuc_api::GROUP;
const RBAC: &str = "rbac.authorization.k8s.io";
const READ: [&str; 3] = ["get", "list", "watch"];
/// Server-side apply is `patch`, and `create` when the object is new; before it the object is read.
const APPLY: [&str; 3] = ["get", "create", "patch"];
/// The same, and every change of it by others calls a reconcile.
const APPLY_AND_WATCH: [&str; 5] = ["get", "list", "watch", "create", "patch"];

/// A role of the installation.
pub(super) struct Granted {
    pub name: &'static str,
    /// `None`: a ClusterRole.
    pub namespace: Option<&'static str>,
    /// Who has it, and where it holds.
    pub whose: &'static str,
    pub rights: Vec<Right>,
}

/// What one rule of a role allows, and what that is for.
pub(super) struct Right {
    pub rule: PolicyRule,
    pub why: &'static str,
}

/// Every role, the operator's before those of people.
pub(super) fn roles() -> Vec<Granted> {
    let mut roles = vec![
        Granted {
            name: OPERATOR,
            namespace: None,
            whose: "The operator (ServiceAccount `govuc` in `govuc-system`), in the whole cluster. It may give only the roles \
                    of agencies, and can't read a Secret outside of its own namespaces and those of agencies.",
            rights: operator_rights(),
        },
        Granted {
            name: OPERATOR,
            namespace: Some(SYSTEM_NAMESPACE),
            whose: "The operator, where it runs itself.",
            rights: system_rights(),
        },
    ];
    roles.extend([MAIL_NAMESPACE, MTA_NAMESPACE].map(|namespace| Granted {
        name: OPERATOR,
        namespace: Some(namespace),
        whose: "The operator, where the parts of the service run.",
        rights: part_rights(namespace),
    }));
    roles.extend(people::roles());
    roles
}

pub(super) fn objects() -> Result<Vec<Value>, Error> {
    let mut objects = vec![value(&ServiceAccount {
        metadata: metadata(OPERATOR, Some(SYSTEM_NAMESPACE)),
        ..Default::default()
    })?];
    for role in roles() {
        let rules = Some(role.rights.into_iter().map(|right| right.rule).collect());
        let metadata = metadata(role.name, role.namespace);
        // Bindings of people's roles are made by the operator for each agency, or by the platform team.
        let bound = role.name == OPERATOR;
        let subjects = Some(vec![operator_subject()]);
        let binding = metadata.clone();
        if role.namespace.is_some() {
            objects.push(value(&Role { metadata, rules })?);
            objects.push(value(&RoleBinding {
                metadata: binding,
                role_ref: reference("Role", role.name),
                subjects,
            })?);
            continue;
        }
        objects.push(value(&ClusterRole {
            metadata,
            rules,
            ..Default::default()
        })?);
        if bound {
            objects.push(value(&ClusterRoleBinding {
                metadata: binding,
                role_ref: reference("ClusterRole", role.name),
                subjects,
            })?);
        }
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
        api_group: RBAC.to_owned(),
        kind: kind.to_owned(),
        name: name.to_owned(),
    }
}

fn right(group: &str, resources: &[&str], verbs: &[&str], why: &'static str) -> Right {
    let texts = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect();
    Right {
        rule: PolicyRule {
            api_groups: Some(texts(&[group])),
            resources: Some(texts(resources)),
            verbs: texts(verbs),
            ..Default::default()
        },
        why,
    }
}

fn operator_rights() -> Vec<Right> {
    let statuses = [
        "platforms/status",
        "mailstores/status",
        "agencies/status",
        "mailboxes/status",
    ];
    let mut bind = right(
        RBAC,
        &["clusterroles"],
        &["bind"],
        "It binds these roles in an agency's namespace, and may give no other.",
    );
    bind.rule.resource_names = Some(
        [ADMINISTRATOR, ICT_MANAGER, VIEWER, AUDITOR, OPERATOR_IN_AGENCY]
            .map(str::to_owned)
            .to_vec(),
    );
    vec![
        right(
            GROUP,
            &["platforms"],
            &READ,
            "What the service is to be. It never changes a Platform.",
        ),
        right(
            GROUP,
            &["agencies", "mailboxes"],
            &["get", "list", "watch", "create", "update", "patch", "delete"],
            "The mirror makes, changes and deletes them as the other cluster's people did; finalizers hold what must go in order.",
        ),
        right(
            GROUP,
            &["mailstores"],
            &["get", "list", "watch", "create"],
            "It makes the stores that agencies need, and what is asked of a store is written by people.",
        ),
        right(GROUP, &statuses, &["patch"], "It says how each of them is."),
        right(
            GROUP,
            &["agencies"],
            &["govern"],
            "The verb by which admission knows the operator.",
        ),
        right(
            "",
            &["namespaces"],
            &["get", "create", "patch", "delete"],
            "It makes the namespaces of parts and agencies, and deletes that of an agency that goes when no mailbox is left in it.",
        ),
        right(
            "",
            &["configmaps", "resourcequotas"],
            &APPLY,
            "In an agency's namespace: what admission asks for there, and how many mailboxes there may be.",
        ),
        right(
            "networking.k8s.io",
            &["networkpolicies"],
            &APPLY,
            "In an agency's namespace nothing may be dialled.",
        ),
        right(
            RBAC,
            &["rolebindings", "clusterroles", "clusterrolebindings"],
            &APPLY,
            "For each agency: who administers it, and the right to read the agency's own object.",
        ),
        bind,
        right(
            "events.k8s.io",
            &["events"],
            &["create", "patch"],
            "A reconcile that failed is told as an event of its object.",
        ),
    ]
}

fn system_rights() -> Vec<Right> {
    vec![
        right(
            "",
            &["secrets"],
            &APPLY_AND_WATCH,
            "The site's authority, the root of derived keys (whose coming is watched for), its certificate for the roles' etcd, \
             and the specs of agencies that were overruled.",
        ),
        right(
            "",
            &["configmaps"],
            &["get", "list", "watch", "create", "update"],
            "The other site's authority (whose coming is watched for), which etcd holds roles, and what the mirror has to remember.",
        ),
        right(
            "coordination.k8s.io",
            &["leases"],
            &["get", "create", "update"],
            "Which of the replicas acts.",
        ),
    ]
}

fn part_rights(namespace: &str) -> Vec<Right> {
    let mut rights = vec![
        right(
            "",
            &["secrets"],
            &APPLY_AND_WATCH,
            "Certificates and the key of session tokens. What somebody else changes of them is put right at once.",
        ),
        right(
            "",
            &["configmaps", "services", "serviceaccounts"],
            &APPLY,
            "Configurations, addresses and accounts of parts. What is not wanted any more goes with its owner.",
        ),
        right(
            "",
            &["persistentvolumeclaims"],
            &["get", "create"],
            "A volume is made, and never changed or deleted by the operator: it has the mail.",
        ),
        right(
            "apps",
            &["statefulsets"],
            &APPLY_AND_WATCH,
            "The parts themselves; that they become ready calls a reconcile.",
        ),
        right(
            "policy",
            &["poddisruptionbudgets"],
            &APPLY,
            "So that a drain takes one pod of a part at a time.",
        ),
        right(
            "networking.k8s.io",
            &["networkpolicies"],
            &APPLY,
            "Who may talk to whom.",
        ),
    ];
    let (verbs, why): (&[&str], _) = match namespace {
        MTA_NAMESPACE => (
            &["list", "watch"],
            "No part here is a Deployment; both namespaces are watched for the same kinds.",
        ),
        _ => (&APPLY_AND_WATCH, "The parts without state."),
    };
    rights.push(right("apps", &["deployments"], verbs, why));
    if namespace == MAIL_NAMESPACE {
        rights.push(right(
            "",
            &["pods"],
            &["get"],
            "Why this site's member of the roles' etcd did not start is read from its pod.",
        ));
    }
    rights
}

//! Who may do what for the agency. The roles are the installation's; an agency has bindings to them.

use govuc_api::{Subject, SubjectKind};
use k8s_openapi::api::rbac::v1::{
    ClusterRole, ClusterRoleBinding, PolicyRule, RoleBinding, RoleRef, Subject as RbacSubject,
};

use super::{Tenant, metadata, owned};
use govuc_wire::names::SYSTEM_NAMESPACE;

pub const ADMINISTRATOR: &str = "govuc-agency-administrator";
pub const ICT_MANAGER: &str = "govuc-agency-ict-manager";
pub const VIEWER: &str = "govuc-agency-viewer";
pub const AUDITOR: &str = "govuc-agency-auditor";
/// What the operator itself needs there: first passwords.
pub const OPERATOR_IN_AGENCY: &str = "govuc-agency-operator";
/// The operator's ServiceAccount.
pub const OPERATOR_ACCOUNT: &str = "govuc";

const RBAC_GROUP: &str = "rbac.authorization.k8s.io";

/// The agency's own object, by name: a list would show every agency.
pub fn cluster_role(tenant: &Tenant) -> ClusterRole {
    ClusterRole {
        metadata: owned(tenant, &object_role(tenant)),
        rules: Some(vec![PolicyRule {
            api_groups: Some(vec![govuc_api::GROUP.to_owned()]),
            resources: Some(vec!["agencies".to_owned()]),
            resource_names: Some(vec![tenant.name.to_string()]),
            verbs: vec!["get".to_owned()],
            ..Default::default()
        }]),
        ..Default::default()
    }
}

pub fn cluster_role_binding(tenant: &Tenant) -> ClusterRoleBinding {
    let people = &tenant.administrators;
    let mut subjects: Vec<RbacSubject> = Vec::new();
    for person in [
        &people.admins,
        &people.ict_managers,
        &people.viewers,
        &people.auditors,
    ]
    .into_iter()
    .flatten()
    .map(subject)
    {
        if !subjects.contains(&person) {
            subjects.push(person);
        }
    }
    ClusterRoleBinding {
        metadata: owned(tenant, &object_role(tenant)),
        role_ref: cluster_role_ref(&object_role(tenant)),
        subjects: Some(subjects),
    }
}

/// Without subjects too: a list that was emptied must empty its binding.
pub fn role_bindings(tenant: &Tenant) -> Vec<RoleBinding> {
    let people = &tenant.administrators;
    let operator = RbacSubject {
        kind: "ServiceAccount".to_owned(),
        name: OPERATOR_ACCOUNT.to_owned(),
        namespace: Some(SYSTEM_NAMESPACE.to_owned()),
        ..Default::default()
    };
    let of = |subjects: &[Subject]| subjects.iter().map(subject).collect();
    [
        (OPERATOR_IN_AGENCY, vec![operator]),
        (ADMINISTRATOR, of(&people.admins)),
        (ICT_MANAGER, of(&people.ict_managers)),
        (VIEWER, of(&people.viewers)),
        (AUDITOR, of(&people.auditors)),
    ]
    .into_iter()
    .map(|(role, subjects)| RoleBinding {
        metadata: metadata(tenant, role),
        role_ref: cluster_role_ref(role),
        subjects: Some(subjects),
    })
    .collect()
}

fn object_role(tenant: &Tenant) -> String {
    format!("govuc-agency-object-{}", tenant.name)
}

fn cluster_role_ref(name: &str) -> RoleRef {
    RoleRef {
        api_group: RBAC_GROUP.to_owned(),
        kind: "ClusterRole".to_owned(),
        name: name.to_owned(),
    }
}

fn subject(subject: &Subject) -> RbacSubject {
    let (kind, group) = match subject.kind {
        SubjectKind::User => ("User", Some(RBAC_GROUP)),
        SubjectKind::Group => ("Group", Some(RBAC_GROUP)),
        SubjectKind::ServiceAccount => ("ServiceAccount", None),
    };
    RbacSubject {
        kind: kind.to_owned(),
        api_group: group.map(str::to_owned),
        name: subject.name.clone(),
        namespace: subject.namespace.clone(),
    }
}

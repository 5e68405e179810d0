//! What the API server refuses beyond the schema: ValidatingAdmissionPolicies, named for who reads the refusal.

mod agency;
mod mailbox;
mod platform;
mod store;

use k8s_openapi::api::admissionregistration::v1::{
    AuditAnnotation, MatchCondition, MatchResources, NamedRuleWithOperations, ParamKind, ParamRef,
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, ValidatingAdmissionPolicyBindingSpec,
    ValidatingAdmissionPolicySpec, Validation, Variable,
};
use serde_json::Value;

use super::{Error, metadata, value};

/// A policy and how it is bound.
#[derive(Default)]
struct Policy {
    name: &'static str,
    /// API group and resources.
    resources: (&'static str, Vec<&'static str>),
    operations: Vec<&'static str>,
    conditions: Vec<(&'static str, String)>,
    variables: Vec<(&'static str, String)>,
    rules: Vec<Rule>,
    audit: Vec<(&'static str, &'static str)>,
    params: Option<Params>,
}

/// What must hold, and what is said when it does not: both CEL.
struct Rule {
    holds: String,
    message: String,
}

/// The object a policy reads.
struct Params {
    api_version: &'static str,
    kind: &'static str,
    name: &'static str,
    when_missing: Missing,
}

/// What happens while that object is not there.
enum Missing {
    Allow,
    Deny,
}

pub(super) fn objects() -> Result<Vec<Value>, Error> {
    let policies = [
        agency::approval(),
        agency::site(),
        mailbox::namespace(),
        mailbox::addresses(),
        mailbox::policy_config_map(),
        platform::windows(),
    ];
    let mut objects = Vec::new();
    for policy in policies.into_iter().chain(store::policies()) {
        objects.push(value(&policy.binding())?);
        objects.push(value(&policy.policy())?);
    }
    Ok(objects)
}

fn rule(holds: &str, message: &str) -> Rule {
    Rule {
        holds: holds.to_owned(),
        message: message.to_owned(),
    }
}

impl Policy {
    fn policy(&self) -> ValidatingAdmissionPolicy {
        let (group, resources) = &self.resources;
        let texts = |items: &[&str]| Some(items.iter().map(|item| (*item).to_owned()).collect());
        ValidatingAdmissionPolicy {
            metadata: metadata(self.name, None),
            spec: Some(ValidatingAdmissionPolicySpec {
                failure_policy: Some("Fail".to_owned()),
                param_kind: self.params.as_ref().map(|params| ParamKind {
                    api_version: Some(params.api_version.to_owned()),
                    kind: Some(params.kind.to_owned()),
                }),
                match_constraints: Some(MatchResources {
                    resource_rules: Some(vec![NamedRuleWithOperations {
                        api_groups: texts(&[*group]),
                        api_versions: texts(&["*"]),
                        operations: texts(&self.operations),
                        resources: texts(resources),
                        ..Default::default()
                    }]),
                    ..Default::default()
                }),
                match_conditions: some(self.conditions.iter().map(|(name, expression)| MatchCondition {
                    name: (*name).to_owned(),
                    expression: expression.clone(),
                })),
                variables: some(self.variables.iter().map(|(name, expression)| Variable {
                    name: (*name).to_owned(),
                    expression: expression.clone(),
                })),
                validations: some(self.rules.iter().map(|rule| Validation {
                    expression: rule.holds.clone(),
                    message_expression: Some(rule.message.clone()),
                    // `Invalid`, the default, prints an empty field name before the message.
                    reason: Some("Forbidden".to_owned()),
                    ..Default::default()
                })),
                audit_annotations: some(self.audit.iter().map(|(key, expression)| AuditAnnotation {
                    key: (*key).to_owned(),
                    value_expression: (*expression).to_owned(),
                })),
            }),
            ..Default::default()
        }
    }

    fn binding(&self) -> ValidatingAdmissionPolicyBinding {
        ValidatingAdmissionPolicyBinding {
            metadata: metadata(self.name, None),
            spec: Some(ValidatingAdmissionPolicyBindingSpec {
                policy_name: Some(self.name.to_owned()),
                validation_actions: Some(vec!["Deny".to_owned()]),
                // Without a namespace it is looked for in the object's own.
                param_ref: self.params.as_ref().map(|params| ParamRef {
                    name: Some(params.name.to_owned()),
                    parameter_not_found_action: Some(
                        match params.when_missing {
                            Missing::Allow => "Allow",
                            Missing::Deny => "Deny",
                        }
                        .to_owned(),
                    ),
                    ..Default::default()
                }),
                ..Default::default()
            }),
        }
    }
}

fn some<T>(items: impl Iterator<Item = T>) -> Option<Vec<T>> {
    let items: Vec<T> = items.collect();
    (!items.is_empty()).then_some(items)
}

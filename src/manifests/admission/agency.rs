//! Who may decide on an application, and whether a site exists.

use govuc_api::PLATFORM;

use govuc_wire::names::SYSTEM_NAMESPACE;

use super::{Missing, Params, Policy, rule};
use crate::agency::desired::roles::OPERATOR_ACCOUNT;

/// The applicant is who says so, unless a pipeline submits for people; and another person with the verb `approve` decides,
/// under the own name.
pub(super) fn approval() -> Policy {
    let check = |verb| {
        format!(
            "authorizer.group('1govuc.gov.my').resource('agencies').name(object.metadata.name).check('{verb}').allowed()"
        )
    };
    Policy {
        name: "govuc-agency-approval",
        resources: ("1govuc.gov.my", vec!["agencies"]),
        operations: vec!["CREATE", "UPDATE"],
        variables: vec![
            ("user", "request.userInfo.username".into()),
            // What it writes was admitted in the other cluster.
            (
                "mirrored",
                format!(
                    "request.userInfo.username == 'system:serviceaccount:{SYSTEM_NAMESPACE}:{OPERATOR_ACCOUNT}'"
                ),
            ),
            // Also right at creation, where oldObject is null.
            (
                "changed",
                "object.spec.?approval != oldObject.?spec.?approval".into(),
            ),
            ("given", "has(object.spec.approval)".into()),
            ("applicant", "object.spec.application.requestedBy".into()),
            ("mayApprove", check("approve")),
            ("maySubmitForOthers", check("submit-for-others")),
        ],
        rules: vec![
            rule(
                "variables.mirrored || !variables.changed || variables.mayApprove",
                r#"'spec.approval: user "' + variables.user + '" may not decide on agency ' + object.metadata.name + ': it needs the verb approve on agencies.1govuc.gov.my. Remedy: leave spec.approval out and have an approver run: kubectl govuc approve ' + object.metadata.name"#,
            ),
            rule(
                "variables.mirrored || !variables.changed || !variables.given || object.spec.approval.decidedBy == variables.user",
                r#"'spec.approval.decidedBy is "' + object.spec.approval.decidedBy + '", but user "' + variables.user + '" decides: a decision is made under the own name. Remedy: run kubectl govuc approve ' + object.metadata.name"#,
            ),
            rule(
                "variables.mirrored || !variables.changed || !variables.given || object.spec.approval.decidedBy != variables.applicant",
                r#"'spec.approval.decidedBy is "' + object.spec.approval.decidedBy + '", who is also spec.application.requestedBy: nobody decides on the own application. Remedy: have another approver run kubectl govuc approve ' + object.metadata.name"#,
            ),
            rule(
                "variables.mirrored || variables.applicant == oldObject.?spec.?application.?requestedBy.orValue('') || variables.applicant == variables.user || variables.maySubmitForOthers",
                r#"'spec.application.requestedBy is "' + variables.applicant + '", but user "' + variables.user + '" applies: an application is made under the own name. Remedy: write ' + variables.user + ', or have the verb submit-for-others on agencies.1govuc.gov.my, as a pipeline has'"#,
            ),
        ],
        // An annotation must be a text whatever happens: null is not accepted beside one.
        audit: vec![(
            "approval",
            "'changed=' + string(variables.changed) + ' by ' + variables.user + (variables.mirrored ? ', mirrored' : '')",
        )],
        ..Default::default()
    }
}

/// While there is no Platform the object waits: files may be applied in any order, and the operator judges then.
pub(super) fn site() -> Policy {
    Policy {
        name: "govuc-site-exists",
        resources: ("1govuc.gov.my", vec!["agencies", "mailstores"]),
        operations: vec!["CREATE", "UPDATE"],
        rules: vec![rule(
            "params.spec.sites.exists(site, site.name == object.spec.preferredSite)",
            r#"'spec.preferredSite is "' + object.spec.preferredSite + '", but the sites are ' + params.spec.sites.map(site, site.name).join(' and ') + '. Remedy: write one of them'"#,
        )],
        params: Some(Params {
            api_version: "1govuc.gov.my/v1alpha1",
            kind: "Platform",
            name: PLATFORM,
            when_missing: Missing::Allow,
        }),
        ..Default::default()
    }
}

//! Agency.

use serde_json::{Value, json};

use super::{all_are_refused, case, long};
use crate::cluster::example;

#[tokio::test]
async fn every_field_of_an_agency_is_judged() {
    let mut base = example("agencies/kkr.yaml");
    base["metadata"]["name"] = json!("bad-input");
    base["spec"]["administrators"] = json!({"admins": [{"kind": "User", "name": "a"}]});
    let domains = |count: usize| -> Value {
        (0..count)
            .map(|i| json!({"name": format!("d{i}.gov.my"), "primary": i == 0}))
            .collect()
    };
    all_are_refused(
        base,
        vec![
            case(
                "/metadata/name",
                json!("kkr.gov"),
                &["metadata.name is kkr.gov", "for example kkr"],
            ),
            case("/metadata/name", long(57), &["at most 56"]),
            case("/spec/displayName", Value::Null, &["spec.displayName: Required"]),
            case("/spec/displayName/ms", json!(""), &["spec.displayName.ms"]),
            case(
                "/spec/displayName/en",
                json!("  "),
                &["spec.displayName.en", "write words"],
            ),
            case(
                "/spec/displayName/en",
                long(201),
                &["spec.displayName.en: Too long"],
            ),
            case(
                "/spec/displayName/en",
                json!("a\u{7}"),
                &["spec.displayName.en", "control characters"],
            ),
            case("/spec/application", Value::Null, &["spec.application: Required"]),
            case(
                "/spec/application/requestedBy",
                Value::Null,
                &["spec.application.requestedBy: Required"],
            ),
            case(
                "/spec/application/requestedBy",
                json!(""),
                &["spec.application.requestedBy"],
            ),
            case(
                "/spec/application/headquartersReference",
                Value::Null,
                &["headquartersReference: Required"],
            ),
            case(
                "/spec/application/justification",
                json!(""),
                &["spec.application.justification"],
            ),
            case(
                "/spec/application/justification",
                long(4001),
                &["spec.application.justification: Too long"],
            ),
            case(
                "/spec/application/budget",
                Value::Null,
                &["spec.application.budget: Required"],
            ),
            case(
                "/spec/application/budget/source",
                json!(" "),
                &["spec.application.budget.source", "write words"],
            ),
            case(
                "/spec/application/budget/approvedAmount",
                json!(-1),
                &["approvedAmount", "0"],
            ),
            case(
                "/spec/application/budget/approvedAmount",
                json!("1000"),
                &["approvedAmount", "numeric"],
            ),
            case(
                "/spec/application/budget/year",
                json!(27),
                &["spec.application.budget.year", "2017"],
            ),
            case(
                "/spec/application/expectedUsers",
                json!(0),
                &["spec.application.expectedUsers", "1"],
            ),
            case(
                "/spec/application/existingContract",
                Value::Null,
                &["existingContract: Required"],
            ),
            case(
                "/spec/application/existingContract",
                json!({}),
                &["existingContract", "either none: true, or both"],
            ),
            case(
                "/spec/application/existingContract",
                json!({"none": false}),
                &["either none: true, or both"],
            ),
            case(
                "/spec/application/existingContract",
                json!({"none": true, "endsOn": "2027-09-30"}),
                &["either none: true, or both"],
            ),
            case(
                "/spec/application/existingContract",
                json!({"endsOn": "2027-09-30"}),
                &["either none: true, or both"],
            ),
            case(
                "/spec/application/existingContract",
                json!({"endsOn": "2027-02-29", "transitionPlannedOn": "2026-01-01"}),
                &["endsOn", "2027-02-29", "for example 2027-01-31"],
            ),
            case(
                "/spec/application/existingContract",
                json!({"endsOn": "2027-6-1", "transitionPlannedOn": "2026-01-01"}),
                &["endsOn", "for example 2027-01-31"],
            ),
            case(
                "/spec/application/existingContract",
                json!({"endsOn": "2027-07-09", "transitionPlannedOn": "2027-01-10"}),
                &[
                    "2027-07-09",
                    "less than 6 months",
                    "2027-01-10",
                    "plan the transition",
                ],
            ),
            case(
                "/spec/application/existingContract",
                json!({"endsOn": "2027-02-27", "transitionPlannedOn": "2026-08-31"}),
                &["less than 6 months"],
            ),
            case(
                "/spec/approval",
                json!({"decision": "Perhaps", "decidedBy": "x", "on": "2026-11-24"}),
                &["spec.approval.decision", "Approved", "Rejected"],
            ),
            case(
                "/spec/approval",
                json!({"decision": "Rejected", "decidedBy": "x", "on": "2026-11-24"}),
                &["spec.approval", "--reason"],
            ),
            case(
                "/spec/approval",
                json!({"decision": "Approved", "decidedBy": "x", "on": "today"}),
                &["spec.approval.on", "today"],
            ),
            case(
                "/spec/approval",
                json!({"decision": "Approved", "on": "2026-11-24"}),
                &["spec.approval.decidedBy: Required"],
            ),
            case("/spec/domains", Value::Null, &["spec.domains: Required"]),
            case("/spec/domains", json!([]), &["spec.domains", "at least 1"]),
            case("/spec/domains", domains(21), &["spec.domains", "at most 20"]),
            case(
                "/spec/domains/0/primary",
                json!(false),
                &["spec.domains", "primary: true on exactly one"],
            ),
            case(
                "/spec/domains/1/primary",
                json!(true),
                &["spec.domains", "primary: true on exactly one"],
            ),
            case("/spec/domains/1/name", json!("kkr.gov.my"), &["spec.domains"]),
            case(
                "/spec/domains/1/name",
                json!("KKR.gov.my"),
                &["spec.domains[1].name", "KKR.gov.my", "lower case"],
            ),
            case(
                "/spec/domains/1/name",
                json!("gov_my.my"),
                &["spec.domains[1].name", "for example"],
            ),
            case(
                "/spec/preferredSite",
                Value::Null,
                &["spec.preferredSite: Required"],
            ),
            case(
                "/spec/preferredSite",
                json!("pdsa9"),
                &["spec.preferredSite", "pdsa9", "pdsa1 and pdsa2", "Remedy"],
            ),
            case(
                "/spec/mail",
                json!({"placement": "Alone"}),
                &["spec.mail.placement", "Shared", "Dedicated"],
            ),
            case(
                "/spec/administrators/admins/0/kind",
                json!("Person"),
                &["admins[0].kind", "User"],
            ),
            case(
                "/spec/administrators/admins/0/name",
                json!(""),
                &["admins[0].name"],
            ),
            case(
                "/spec/administrators/admins/0/namespace",
                json!("default"),
                &["admins[0]", "ServiceAccount"],
            ),
            case(
                "/spec/administrators/viewers",
                json!(vec![json!({"kind": "User", "name": "x"}); 51]),
                &["viewers", "at most 50"],
            ),
            case("/spec/logo", json!("x.png"), &["logo"]),
        ],
    )
    .await;
}

//! Mailbox.

use serde_json::{Value, json};

use super::{all_are_refused, case, long};
use crate::cluster::example;

#[tokio::test]
async fn every_field_of_a_mailbox_is_judged() {
    let mut base = example("mailboxes/ali-ahmad.yaml");
    base["metadata"]["name"] = json!("bad-input");
    base["spec"]["quota"] = json!({"size": "2Gi"});
    let quota = |grade: i32, size: &str, more: Value| {
        let mut individual = json!({"staffNumber": "KKR-1", "name": "x", "grade": grade});
        individual["language"] = json!("ms");
        let mut quota = json!({"size": size});
        if !more.is_null() {
            quota["reason"] = more;
        }
        json!({"type": "Individual", "address": "x@kkr.gov.my", "individual": individual, "quota": quota})
    };
    let boundary = &["spec.quota", "at least", "quota.reason"];
    all_are_refused(
        base,
        vec![
            case("/metadata/name", long(101), &["100 characters", "shorten"]),
            case(
                "/metadata/namespace",
                json!("strays"),
                &["strays", "agency-NAME", "Remedy"],
            ),
            case("/spec/type", Value::Null, &["spec.type: Required"]),
            case("/spec/type", json!("Robot"), &["spec.type", "Individual"]),
            case("/spec/address", Value::Null, &["spec.address: Required"]),
            case("/spec/address", json!(""), &["spec.address"]),
            case("/spec/address", json!(7), &["spec.address", "string"]),
            case(
                "/spec/address",
                json!("Ali@kkr.gov.my"),
                &["spec.address", "Ali@kkr.gov.my", "lower case"],
            ),
            case(
                "/spec/address",
                json!("Ali <ali@kkr.gov.my>"),
                &["spec.address", "for example"],
            ),
            case(
                "/spec/address",
                json!("ali+x@kkr.gov.my"),
                &["spec.address", "ali+x@kkr.gov.my"],
            ),
            case("/spec/address", json!("ali..a@kkr.gov.my"), &["spec.address"]),
            case(
                "/spec/address",
                json!("ali@jpa.gov.my"),
                &[
                    "spec.address is ali@jpa.gov.my",
                    "kkr.gov.my, works.gov.my",
                    "Remedy",
                ],
            ),
            case(
                "/spec/aliases",
                json!(["ali@jpa.gov.my"]),
                &["spec.aliases has ali@jpa.gov.my", "kkr.gov.my", "Remedy"],
            ),
            case(
                "/spec/aliases",
                json!(["ALI"]),
                &["spec.aliases[0]", "ALI", "for example"],
            ),
            case(
                "/spec/aliases",
                json!(["a@kkr.gov.my", "a@kkr.gov.my"]),
                &["spec.aliases", "duplicate"],
            ),
            case(
                "/spec/aliases",
                json!(["ali.ahmad@kkr.gov.my"]),
                &["spec.aliases", "the address already", "take it out"],
            ),
            case(
                "/spec/aliases",
                (0..21).map(|i| json!(format!("a{i}@kkr.gov.my"))).collect(),
                &["spec.aliases", "at most 20"],
            ),
            case(
                "/spec/individual",
                Value::Null,
                &["type is Individual", "add individual"],
            ),
            case(
                "/spec/individual/staffNumber",
                Value::Null,
                &["staffNumber: Required"],
            ),
            case(
                "/spec/individual/staffNumber",
                json!("kkr 1"),
                &["staffNumber", "kkr 1", "for example"],
            ),
            case(
                "/spec/individual/staffNumber",
                long(33),
                &["staffNumber: Too long"],
            ),
            case("/spec/individual/name", json!(""), &["spec.individual.name"]),
            case(
                "/spec/individual/grade",
                Value::Null,
                &["spec.individual.grade: Required"],
            ),
            case(
                "/spec/individual/grade",
                json!(0),
                &["spec.individual.grade", "0", "from 1 to 60", "for example"],
            ),
            case(
                "/spec/individual/grade",
                json!(99),
                &["spec.individual.grade", "99", "from 1 to 60"],
            ),
            case(
                "/spec/individual/grade",
                json!("44"),
                &["spec.individual.grade", "numeric"],
            ),
            case(
                "/spec/individual/language",
                json!("fr"),
                &["spec.individual.language", "ms", "en"],
            ),
            case("/spec/quota/size", Value::Null, &["spec.quota.size: Required"]),
            case(
                "/spec/quota/size",
                json!("2GB"),
                &["spec.quota.size", "2GB", "2Gi"],
            ),
            case(
                "/spec/quota/size",
                json!("51Gi"),
                &["spec.quota.size is 51Gi", "50Gi", "Remedy"],
            ),
            case("/spec/quota/reason", json!(""), &["spec.quota.reason"]),
            case("/spec", quota(40, "499Mi", Value::Null), boundary),
            case("/spec", quota(41, "1023Mi", Value::Null), boundary),
            case("/spec", quota(47, "1023Mi", Value::Null), boundary),
            case("/spec", quota(48, "2047Mi", Value::Null), boundary),
            case("/spec", quota(53, "2047Mi", Value::Null), boundary),
            case("/spec", quota(54, "4095Mi", Value::Null), boundary),
            case(
                "/spec",
                quota(54, "4095Mi", json!(" ")),
                &["spec.quota.reason", "write words"],
            ),
            case(
                "/spec/termination",
                json!({"reason": "Bored", "on": "2026-12-31"}),
                &["spec.termination.reason", "Retirement"],
            ),
            case(
                "/spec/termination",
                json!({"reason": "Retirement"}),
                &["spec.termination.on: Required"],
            ),
            case(
                "/spec/termination",
                json!({"reason": "Retirement", "on": "2026-13-01"}),
                &["spec.termination.on", "2026-13-01", "for example"],
            ),
            case(
                "/spec/restore",
                json!("ali"),
                &["spec.restore", "ali", "account id", "for example"],
            ),
            case("/spec/forwarding", json!({"to": "x@kkr.gov.my"}), &["forwarding"]),
        ],
    )
    .await;
}

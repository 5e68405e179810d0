//! MailStore.

use serde_json::{Value, json};

use super::{all_are_refused, case, long};

#[tokio::test]
async fn every_field_of_a_store_is_judged() {
    let base = json!({
        "apiVersion": "1govuc.gov.my/v1alpha1", "kind": "MailStore", "metadata": {"name": "bad-input"},
        "spec": {"use": "Mail", "preferredSite": "pdsa1", "storage": {"size": "1Gi"}, "capacity": 10},
    });
    all_are_refused(
        base,
        vec![
            case(
                "/metadata/name",
                json!("mx"),
                &["metadata.name is mx", "another part", "for example mail-1"],
            ),
            case(
                "/metadata/name",
                json!("1.mail"),
                &["metadata.name is 1.mail", "for example mail-1"],
            ),
            case("/metadata/name", long(41), &["at most 40"]),
            case("/spec/use", json!("Archive"), &["spec.use", "Mail"]),
            case(
                "/spec/preferredSite",
                Value::Null,
                &["spec.preferredSite: Required"],
            ),
            case(
                "/spec/preferredSite",
                json!("pdsa9"),
                &["spec.preferredSite", "pdsa9", "pdsa1 and pdsa2"],
            ),
            case(
                "/spec/storage/size",
                json!("lots"),
                &["spec.storage.size", "lots", "2Gi"],
            ),
            case("/spec/capacity", json!(0), &["spec.capacity", "1"]),
            case(
                "/spec/version",
                json!("cyrus:3.10.2"),
                &[
                    "spec.version",
                    "cyrus:3.10.2",
                    "the tag of its image",
                    "for example 3.10.2-1",
                ],
            ),
            case("/spec/version", json!(""), &["spec.version", "at least 1"]),
            case("/spec/version", long(129), &["spec.version", "128"]),
            case("/spec/version", json!(3.1), &["spec.version", "string"]),
            case("/spec/capacity", json!(1.5), &["spec.capacity", "integer"]),
            case(
                "/spec/switchover",
                json!({"to": "pdsa2", "notAfter": "2026-11-24T00:00:00Z"}),
                &["spec.switchover.id: Required"],
            ),
            case(
                "/spec/switchover",
                json!({"id": "Now!", "to": "pdsa2", "notAfter": "2026-11-24T00:00:00Z"}),
                &["spec.switchover.id", "Now!", "for example sw-"],
            ),
            case(
                "/spec/switchover",
                json!({"id": "a".repeat(65), "to": "pdsa2", "notAfter": "2026-11-24T00:00:00Z"}),
                &["spec.switchover.id", "64"],
            ),
            case(
                "/spec/switchover",
                json!({"id": "sw-1", "to": "pdsa9", "notAfter": "2026-11-24T00:00:00Z"}),
                &["spec.switchover.to", "pdsa9", "pdsa1 and pdsa2"],
            ),
            case(
                "/spec/switchover",
                json!({"id": "sw-1", "to": "PDSA 2", "notAfter": "2026-11-24T00:00:00Z"}),
                &["spec.switchover.to", "PDSA 2", "for example pdsa1"],
            ),
            case(
                "/spec/switchover",
                json!({"id": "sw-1", "to": "pdsa2", "notAfter": "tomorrow"}),
                &["spec.switchover.notAfter", "date-time"],
            ),
            case(
                "/spec/failover",
                json!({"to": "pdsa2", "notAfter": "2026-11-24T00:00:00Z"}),
                &["spec.failover.id: Required"],
            ),
            case(
                "/spec/failover",
                json!({"id": "Now!", "to": "pdsa2", "notAfter": "2026-11-24T00:00:00Z"}),
                &["spec.failover.id", "Now!", "for example sw-"],
            ),
            case(
                "/spec/failover",
                json!({"id": "fo-1", "to": "pdsa9", "notAfter": "2026-11-24T00:00:00Z"}),
                &["spec.failover.to", "pdsa9", "pdsa1 and pdsa2"],
            ),
            case(
                "/spec/failover",
                json!({"id": "fo-1", "notAfter": "2026-11-24T00:00:00Z"}),
                &["spec.failover.to: Required"],
            ),
            case(
                "/spec/failover",
                json!({"id": "fo-1", "to": "pdsa2", "notAfter": "tomorrow"}),
                &["spec.failover.notAfter", "date-time"],
            ),
            case(
                "/spec/hold",
                json!({"to": "pdsa2", "notAfter": "2026-11-24T00:00:00Z"}),
                &["spec.hold.id: Required"],
            ),
            case(
                "/spec/hold",
                json!({"id": "Now!", "to": "pdsa2", "notAfter": "2026-11-24T00:00:00Z"}),
                &["spec.hold.id", "Now!", "for example sw-"],
            ),
            case(
                "/spec/hold",
                json!({"id": "ho-1", "to": "pdsa9", "notAfter": "2026-11-24T00:00:00Z"}),
                &["spec.hold.to", "pdsa9", "pdsa1 and pdsa2"],
            ),
            case(
                "/spec/hold",
                json!({"id": "ho-1", "notAfter": "2026-11-24T00:00:00Z"}),
                &["spec.hold.to: Required"],
            ),
            case(
                "/spec/hold",
                json!({"id": "ho-1", "to": "pdsa2", "notAfter": "tomorrow"}),
                &["spec.hold.notAfter", "date-time"],
            ),
        ],
    )
    .await;
}

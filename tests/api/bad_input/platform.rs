//! Platform.

use serde_json::{Value, json};

use super::{all_are_refused, case, long};
use crate::cluster::{example, installed, try_out};

#[tokio::test]
async fn every_field_of_a_platform_is_judged() {
    let site = json!({"name": "pdsa3", "gateway": "gw3:8443"});
    let mut base = example("platform.yaml");
    base["spec"]["password"] =
        json!({"minLength": 12, "history": 5, "lockout": {"attempts": 5, "for": "15m"}, "idleDays": 90});
    base["spec"]["mail"] = json!({"placement": {"dedicatedAbove": 10, "maxUsers": 20}, "storage": {"size": "1Gi", "className": "fast"}, "quotaCeiling": "50Gi"});
    base["spec"]["roles"] = json!({"mode": "Witness", "witness": {"endpoint": "198.19.0.3:8443"}});
    base["spec"]["maintenance"] = json!({"windows": [
        {"name": "ahad-malam", "start": "2098-12-07T01:00:00+08:00", "end": "2098-12-07T04:00:00+08:00", "recurrence": "FREQ=WEEKLY;BYDAY=SU"},
        {"name": "tukar-suis", "start": "2098-12-08T22:00:00+08:00", "end": "2098-12-09T02:00:00+08:00"},
        {"name": "suis-dua", "start": "2098-12-09T02:00:00+08:00", "end": "2098-12-10T02:00:00+08:00"},
    ]});
    let cases = vec![
        case(
            "/spec/maintenance/windows",
            Value::Null,
            &["spec.maintenance.windows: Required"],
        ),
        case(
            "/spec/maintenance/windows",
            json!([]),
            &["spec.maintenance.windows", "at least 1"],
        ),
        case(
            "/spec/maintenance/windows/0/name",
            json!("Ahad malam"),
            &["windows[0].name", "Ahad malam", "for example ahad-malam"],
        ),
        case(
            "/spec/maintenance/windows/0/name",
            long(41),
            &["windows[0].name: Too long"],
        ),
        case(
            "/spec/maintenance/windows/1/name",
            json!("suis-dua"),
            &["spec.maintenance.windows", "suis-dua"],
        ),
        case(
            "/spec/maintenance/windows/1/start",
            Value::Null,
            &["windows[1].start: Required"],
        ),
        case(
            "/spec/maintenance/windows/1/start",
            json!("esok"),
            &["windows[1].start", "esok", "for example 20"],
        ),
        case(
            "/spec/maintenance/windows/1/end",
            json!("2098-12-09T25:00:00+08:00"),
            &["windows[1].end", "25:00:00", "for example 20"],
        ),
        // Of nought, backwards, of 29 minutes and of 400 days.
        case(
            "/spec/maintenance/windows/1/end",
            json!("2098-12-08T22:00:00+08:00"),
            &[
                "windows[1]",
                "tukar-suis",
                "2098-12-08T22:00:00+08:00",
                "30m to 24h",
                "Move end",
            ],
        ),
        case(
            "/spec/maintenance/windows/1/end",
            json!("2098-12-07T22:00:00+08:00"),
            &["windows[1]", "30m to 24h", "Move end"],
        ),
        case(
            "/spec/maintenance/windows/1/end",
            json!("2098-12-08T22:29:59+08:00"),
            &["windows[1]", "30m to 24h", "Move end"],
        ),
        case(
            "/spec/maintenance/windows/1/end",
            json!("2100-01-12T22:00:00+08:00"),
            &["windows[1]", "30m to 24h", "Move end"],
        ),
        case(
            "/spec/maintenance/windows/1/end",
            json!("2098-12-09T02:00:01+08:00"),
            &["spec.maintenance.windows", "overlap", "move one"],
        ),
        case(
            "/spec/maintenance/windows/2/end",
            json!("2098-02-29T02:00:00+08:00"),
            &["windows[2].end", "2098-02-29", "for example 20"],
        ),
        case(
            "/spec/maintenance/windows/0/recurrence",
            json!("FREQ=DAILY"),
            &[
                "windows[0].recurrence",
                "FREQ=DAILY",
                "for example FREQ=WEEKLY;BYDAY=SU",
            ],
        ),
        case(
            "/spec/maintenance/windows/0/recurrence",
            json!("FREQ=WEEKLY;BYDAY=1SU"),
            &["windows[0].recurrence", "for example"],
        ),
        case(
            "/spec/maintenance/windows/0/recurrence",
            json!("FREQ=MONTHLY;BYDAY=5SU"),
            &["windows[0].recurrence", "for example"],
        ),
        case(
            "/spec/maintenance/windows/0/recurrence",
            json!("FREQ=WEEKLY;COUNT=3;BYDAY=SU"),
            &["windows[0].recurrence", "COUNT", "for example"],
        ),
        case(
            "/spec/maintenance/windows/0/recurrence",
            json!("FREQ=WEEKLY;BYDAY=MO,TU"),
            &[
                "windows[0]",
                "ahad-malam",
                "MO,TU",
                "start is a SU in Malaysia",
                "BYDAY",
            ],
        ),
        case("/spec/maintenance/windows/0/sites", json!(["pdsa1"]), &["sites"]),
        case("/metadata/name", json!("second"), &["second", "called platform"]),
        case("/spec/domain", Value::Null, &["spec.domain: Required"]),
        case("/spec/domain", json!(""), &["spec.domain"]),
        case("/spec/domain", json!(7), &["spec.domain", "string"]),
        case("/spec/domain", long(200), &["spec.domain: Too long"]),
        case(
            "/spec/domain",
            json!("1GovUC.gov.my"),
            &["spec.domain", "1GovUC.gov.my", "lower case", "for example"],
        ),
        case(
            "/spec/domain",
            json!("localhost"),
            &["spec.domain", "localhost", "for example"],
        ),
        case(
            "/spec/domain",
            json!("x.govuc.internal"),
            &["spec.domain", "reserved", "choose"],
        ),
        case("/spec/sites", Value::Null, &["spec.sites: Required"]),
        case("/spec/sites", json!([]), &["spec.sites", "at least 2"]),
        case("/spec/sites/1", Value::Null, &["spec.sites", "at least 2"]),
        case(
            "/spec/sites/1/name",
            json!("pdsa1"),
            &["spec.sites", "same name", "its own"],
        ),
        case(
            "/spec/sites/0/name",
            json!("PDSA 1"),
            &["spec.sites[0].name", "PDSA 1", "for example pdsa1"],
        ),
        case("/spec/sites/0/name", json!(""), &["spec.sites[0].name"]),
        case(
            "/spec/sites/0/name",
            Value::Null,
            &["spec.sites[0].name: Required"],
        ),
        case("/spec/sites/0/name", long(21), &["spec.sites[0].name: Too long"]),
        case(
            "/spec/sites/0/gateway",
            Value::Null,
            &["spec.sites[0].gateway: Required"],
        ),
        case(
            "/spec/sites/0/gateway",
            json!("gw.gov.my"),
            &["spec.sites[0].gateway", "gw.gov.my", ":8443"],
        ),
        case(
            "/spec/sites/0/gateway",
            json!("gw.gov.my:70000"),
            &["spec.sites[0].gateway", "70000", ":8443"],
        ),
        case(
            "/spec/sites/0/gateway",
            json!(8443),
            &["spec.sites[0].gateway", "string"],
        ),
        case(
            "/spec/sites/0/addresses/frontDoor",
            json!("198.19.0.999"),
            &["addresses.frontDoor", "198.19.0.999", "for example"],
        ),
        case(
            "/spec/sites/0/addresses/mx",
            json!("mx.gov.my"),
            &["addresses.mx", "mx.gov.my", "for example"],
        ),
        case("/spec/sites/0/addresses/web", json!("198.19.0.1"), &["web"]),
        case(
            "/spec/sites/0/gateway",
            json!("gw.gov.my:9443"),
            &["spec.sites", "gw.gov.my:9443", "port 8443", "TwoSite"],
        ),
        case(
            "/spec/sites/1/name",
            json!("witness"),
            &["spec.sites", "pdsa1 and witness", "choose another"],
        ),
        case(
            "/spec/roles/mode",
            json!("Quorum"),
            &["spec.roles.mode", "Quorum", "TwoSite", "Witness"],
        ),
        case("/spec/roles/mode", json!(""), &["spec.roles.mode"]),
        case("/spec/roles/mode", json!(3), &["spec.roles.mode", "string"]),
        case(
            "/spec/roles/mode",
            json!("TwoSite"),
            &["spec.roles", "a witness is named", "leave witness out"],
        ),
        // Left out, it is TwoSite.
        case(
            "/spec/roles/mode",
            Value::Null,
            &["spec.roles", "a witness is named", "set mode to Witness"],
        ),
        case(
            "/spec/roles/witness",
            Value::Null,
            &["spec.roles", "no witness is named", "witness.endpoint", "TwoSite"],
        ),
        case(
            "/spec/roles/witness/endpoint",
            Value::Null,
            &["spec.roles", "no witness is named", "witness.endpoint"],
        ),
        case(
            "/spec/roles/witness/lost",
            json!("the witness"),
            &["spec.roles.witness.lost", "the witness", "8e9e05c52164694d"],
        ),
        case(
            "/spec/roles/witness/lost",
            json!(""),
            &["spec.roles.witness.lost", "at least 1"],
        ),
        case(
            "/spec/roles/witness/lost",
            long(17),
            &["spec.roles.witness.lost", "Too long"],
        ),
        case(
            "/spec/roles/witness/endpoint",
            json!("w.gov.my"),
            &["spec.roles.witness.endpoint", "w.gov.my", ":8443"],
        ),
        case(
            "/spec/roles/witness/endpoint",
            json!("w.gov.my:0"),
            &["spec.roles.witness.endpoint", "w.gov.my:0", ":8443"],
        ),
        case(
            "/spec/roles/witness/endpoint",
            json!("https://w.gov.my:8443"),
            &["spec.roles.witness.endpoint", "https://", ":8443"],
        ),
        case(
            "/spec/roles/witness/endpoint",
            long(260),
            &["spec.roles.witness.endpoint: Too long"],
        ),
        case("/spec/roles/witness/port", json!(8443), &["port"]),
        case(
            "/spec/password/minLength",
            json!(7),
            &["spec.password.minLength", "7", "8"],
        ),
        case(
            "/spec/password/minLength",
            json!(65),
            &["spec.password.minLength", "64"],
        ),
        case(
            "/spec/password/minLength",
            json!("12"),
            &["spec.password.minLength", "numeric"],
        ),
        case(
            "/spec/password/history",
            json!(-1),
            &["spec.password.history", "0"],
        ),
        case(
            "/spec/password/history",
            json!(25),
            &["spec.password.history", "24"],
        ),
        case(
            "/spec/password/idleDays",
            json!(0),
            &["spec.password.idleDays", "1"],
        ),
        case(
            "/spec/password/lockout/attempts",
            json!(2),
            &["spec.password.lockout.attempts", "3"],
        ),
        case(
            "/spec/password/lockout/for",
            json!("15"),
            &["spec.password.lockout.for", "15", "15m"],
        ),
        case(
            "/spec/password/lockout/for",
            json!("25h"),
            &["spec.password.lockout.for", "25h", "24h"],
        ),
        case(
            "/spec/mail/placement/dedicatedAbove",
            json!(21),
            &["spec.mail.placement", "fit nowhere", "lower dedicatedAbove"],
        ),
        case(
            "/spec/mail/placement/maxUsers",
            json!(0),
            &["spec.mail.placement.maxUsers"],
        ),
        case(
            "/spec/mail/storage/size",
            json!("2GB"),
            &["spec.mail.storage.size", "2GB", "2Gi"],
        ),
        case(
            "/spec/mail/storage/size",
            json!("0"),
            &["spec.mail.storage.size", "2Gi"],
        ),
        case(
            "/spec/mail/storage/className",
            json!(""),
            &["spec.mail.storage.className"],
        ),
        case(
            "/spec/mail/quotaCeiling",
            json!("-1Gi"),
            &["spec.mail.quotaCeiling", "-1Gi", "2Gi"],
        ),
        case("/spec/colour", json!("blue"), &["colour"]),
    ];
    let mut three = base.clone();
    three["spec"]["sites"].as_array_mut().unwrap().push(site);
    let client = installed(None).await;
    let refused = try_out(&client, &three).await.unwrap_err();
    assert!(
        refused.contains("spec.sites") && refused.contains("at most 2"),
        "{refused}"
    );
    all_are_refused(base, cases).await;
}

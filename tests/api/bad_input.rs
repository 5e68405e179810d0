//! Every field, given badly: refused with the field, the value or the rule, and a remedy where the schema can't tell one.

use serde_json::{Value, json};

use crate::cluster::{example, installed, try_out};

/// A change to a good object, and what the refusal must say.
struct Case {
    pointer: &'static str,
    /// `null` takes the field away.
    value: Value,
    says: &'static [&'static str],
}

fn case(pointer: &'static str, value: Value, says: &'static [&'static str]) -> Case {
    Case { pointer, value, says }
}

fn long(length: usize) -> Value {
    json!("a".repeat(length))
}

fn change(object: &mut Value, pointer: &str, value: &Value) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let mut target = object;
    for step in parent.split('/').skip(1) {
        target = match step.parse::<usize>() {
            Ok(index) => &mut target[index],
            Err(_) => &mut target[step],
        };
    }
    match (value, key.parse::<usize>()) {
        (Value::Null, Ok(index)) => drop(target.as_array_mut().unwrap().remove(index)),
        (Value::Null, Err(_)) => drop(target.as_object_mut().unwrap().remove(key)),
        (value, Ok(index)) => target[index] = value.clone(),
        (value, Err(_)) => target[key] = value.clone(),
    }
}

async fn all_are_refused(base: Value, cases: Vec<Case>) {
    let client = installed(None).await;
    try_out(&client, &base).await.expect("the good object is taken");
    let mut faults = Vec::new();
    for Case { pointer, value, says } in cases {
        let mut object = base.clone();
        change(&mut object, pointer, &value);
        let given: String = value.to_string().chars().take(60).collect();
        match try_out(&client, &object).await {
            Ok(_) => faults.push(format!("{pointer} = {given} was taken")),
            Err(message) => {
                for part in says.iter().filter(|part| !message.contains(**part)) {
                    faults.push(format!(
                        "{pointer} = {given} was refused without {part:?}: {message}"
                    ));
                }
            }
        }
    }
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

#[tokio::test]
async fn every_field_of_a_platform_is_judged() {
    let site = json!({"name": "pdsa3", "gateway": "gw3:8443"});
    let mut base = example("platform.yaml");
    base["spec"]["password"] =
        json!({"minLength": 12, "history": 5, "lockout": {"attempts": 5, "for": "15m"}, "idleDays": 90});
    base["spec"]["mail"] = json!({"placement": {"dedicatedAbove": 10, "maxUsers": 20}, "storage": {"size": "1Gi", "className": "fast"}, "quotaCeiling": "50Gi"});
    let cases = vec![
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
                json!("default"),
                &["default", "agency-NAME", "Remedy"],
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
                "/spec/individual/position",
                json!(" "),
                &["spec.individual.position", "write words"],
            ),
            case(
                "/spec/individual/telephone",
                json!("call me"),
                &["spec.individual.telephone", "call me", "for example"],
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
            case("/spec/capacity", json!(1.5), &["spec.capacity", "integer"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn the_other_side_of_each_boundary_is_taken() {
    let client = installed(None).await;
    let mut agency = example("agencies/kkr.yaml");
    agency["metadata"]["name"] = json!("good-input");
    for (ends, planned) in [
        ("2027-07-10", "2027-01-10"),
        ("2027-02-28", "2026-08-31"),
        ("2028-02-29", "2027-08-31"),
        ("2028-01-01", "2027-01-01"),
    ] {
        agency["spec"]["application"]["existingContract"] =
            json!({"endsOn": ends, "transitionPlannedOn": planned});
        try_out(&client, &agency)
            .await
            .unwrap_or_else(|error| panic!("{ends}, {planned}: {error}"));
    }
    let mut mailbox = example("mailboxes/ali-ahmad.yaml");
    mailbox["metadata"]["name"] = json!("good-input");
    for (grade, size) in [
        (1, "500Mi"),
        (40, "500Mi"),
        (41, "1Gi"),
        (47, "1Gi"),
        (48, "2Gi"),
        (53, "2Gi"),
        (54, "4Gi"),
        (60, "50Gi"),
    ] {
        mailbox["spec"]["individual"]["grade"] = json!(grade);
        mailbox["spec"]["quota"] = json!({"size": size});
        try_out(&client, &mailbox)
            .await
            .unwrap_or_else(|error| panic!("{grade}, {size}: {error}"));
    }
    mailbox["spec"]["quota"] = json!({"size": 104_857_600, "reason": "keeps no mail"});
    try_out(&client, &mailbox).await.unwrap();
}

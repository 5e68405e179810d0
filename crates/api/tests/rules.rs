//! The rules of the kinds, both sides of each, as far as they can be tried without an API server.

// A test that can't go on fails.
#![allow(clippy::unwrap_used)]

use govuc_api::{Agency, MailStore, Mailbox, Platform};
use kube::{
    CustomResourceExt,
    core::cel::{validate_cel, validate_cel_update},
};
use rstest::rstest;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const PLATFORM: &str = r#"{"apiVersion": "1govuc.gov.my/v1alpha1", "kind": "Platform", "metadata": {"name": "platform"},
    "spec": {"domain": "1govuc.gov.my", "sites": [
        {"name": "pdsa1", "gateway": "198.19.0.101:8443"}, {"name": "pdsa2", "gateway": "gw.pdsa2.gov.my:8443"}]}}"#;
const AGENCY: &str = r#"{"apiVersion": "1govuc.gov.my/v1alpha1", "kind": "Agency", "metadata": {"name": "kkr"},
    "spec": {"displayName": {"ms": "Kerja Raya", "en": "Works"}, "preferredSite": "pdsa1",
        "domains": [{"name": "kkr.gov.my", "primary": true}],
        "application": {"requestedBy": "a", "headquartersReference": "r", "justification": "j",
            "budget": {"source": "s", "approvedAmount": 1, "year": 2027}, "existingContract": {"none": true}}}}"#;
const MAILBOX: &str = r#"{"apiVersion": "1govuc.gov.my/v1alpha1", "kind": "Mailbox", "metadata": {"name": "ali", "namespace": "agency-kkr"},
    "spec": {"type": "Individual", "address": "ali@kkr.gov.my",
        "individual": {"staffNumber": "KKR-1", "name": "Ali", "grade": 41}}}"#;

fn object<K: DeserializeOwned>(text: &str, pointer: &str, value: Value) -> K {
    let mut object: Value = serde_json::from_str(text).unwrap();
    if !pointer.is_empty() {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        object.pointer_mut(parent).unwrap()[key] = value;
    }
    serde_json::from_value(object).unwrap()
}

#[rstest]
#[case::as_it_is("", json!(null), true)]
#[case::another_name("/metadata/name", json!("second"), false)]
#[case::capitals("/spec/domain", json!("GovUC.gov.my"), false)]
#[case::one_label("/spec/domain", json!("localhost"), false)]
#[case::our_own("/spec/domain", json!("mx.govuc.internal"), false)]
#[case::a_long_lockout("/spec/password", json!({"lockout": {"for": "25h"}}), false)]
#[case::a_short_lockout("/spec/password", json!({"lockout": {"for": "90s"}}), true)]
#[case::a_placement_between("/spec/mail", json!({"placement": {"dedicatedAbove": 3, "maxUsers": 2}}), false)]
fn a_platform(#[case] pointer: &str, #[case] value: Value, #[case] taken: bool) {
    let platform: Platform = object(PLATFORM, pointer, value);
    assert_eq!(validate_cel(&platform).is_ok(), taken);
}

#[rstest]
#[case::a_witness("8443", json!({"mode": "Witness", "witness": {"endpoint": "w.gov.my:2380"}}), true)]
#[case::a_lost_witness("8443", json!({"mode": "Witness", "witness": {"endpoint": "w.gov.my:2380", "lost": "8e9e05c52164694d"}}), true)]
#[case::a_lost_witness_by_name("8443", json!({"mode": "Witness", "witness": {"endpoint": "w.gov.my:2380", "lost": "witness"}}), false)]
#[case::two_sites("9443", json!({"mode": "TwoSite"}), true)]
#[case::nothing_said("9443", json!({}), true)]
#[case::no_witness("8443", json!({"mode": "Witness"}), false)]
#[case::a_witness_of_two_sites("8443", json!({"witness": {"endpoint": "w.gov.my:8443"}}), false)]
#[case::a_witness_without_port("8443", json!({"mode": "Witness", "witness": {"endpoint": "w.gov.my"}}), false)]
#[case::another_port_of_a_gateway("9443", json!({"mode": "Witness", "witness": {"endpoint": "w.gov.my:8443"}}), false)]
fn the_roles(#[case] port: &str, #[case] roles: Value, #[case] taken: bool) {
    let mut platform: Platform = object(PLATFORM, "/spec/roles", roles);
    platform.spec.sites[1].gateway = format!("gw.pdsa2.gov.my:{port}");
    assert_eq!(validate_cel(&platform).is_ok(), taken);
}

#[rstest]
#[case::once("01:00:00", "04:00:00", json!(null), true)]
#[case::of_half_an_hour("01:00:00", "01:30:00", json!(null), true)]
#[case::too_short("01:00:00", "01:29:59", json!(null), false)]
#[case::of_nought("01:00:00", "01:00:00", json!(null), false)]
#[case::backwards("04:00:00", "01:00:00", json!(null), false)]
#[case::weekly("01:00:00", "04:00:00", json!("FREQ=WEEKLY;BYDAY=SU"), true)]
#[case::all_of_it("01:00:00", "04:00:00", json!("FREQ=WEEKLY;INTERVAL=12;BYDAY=SA,SU;UNTIL=20271231T160000Z"), true)]
#[case::monthly("01:00:00", "04:00:00", json!("FREQ=MONTHLY;BYDAY=1SU"), true)]
#[case::another_day("01:00:00", "04:00:00", json!("FREQ=WEEKLY;BYDAY=MO"), false)]
// Sunday at 07:00 in Malaysia is Saturday in UTC.
#[case::the_day_of_malaysia("07:00:00", "08:00:00", json!("FREQ=WEEKLY;BYDAY=SU"), true)]
#[case::hourly("01:00:00", "04:00:00", json!("FREQ=HOURLY"), false)]
#[case::no_day("01:00:00", "04:00:00", json!("FREQ=WEEKLY"), false)]
#[case::counted("01:00:00", "04:00:00", json!("FREQ=WEEKLY;BYDAY=SU;COUNT=3"), false)]
fn a_maintenance_window(
    #[case] start: &str,
    #[case] end: &str,
    #[case] recurrence: Value,
    #[case] taken: bool,
) {
    let at = |time: &str| format!("2026-12-06T{time}+08:00");
    let mut window = json!({"name": "ahad-malam", "start": at(start), "end": at(end)});
    if !recurrence.is_null() {
        window["recurrence"] = recurrence;
    }
    let platform: Platform = object(PLATFORM, "/spec/maintenance", json!({"windows": [window]}));
    assert_eq!(validate_cel(&platform).is_ok(), taken);
}

#[test]
fn a_day_is_not_found_in_the_word_before_it() {
    let on = |start: &str, recurrence: &str| {
        let window = json!({"name": "a", "start": format!("{start}T01:00:00+08:00"), "end": format!("{start}T02:00:00+08:00"),
            "recurrence": recurrence});
        let platform: Platform = object(PLATFORM, "/spec/maintenance", json!({"windows": [window]}));
        validate_cel(&platform).is_ok()
    };
    let (monday, wednesday) = ("2026-12-07", "2026-12-09");
    assert!(on(monday, "FREQ=MONTHLY;BYDAY=1MO") && !on(monday, "FREQ=MONTHLY;BYDAY=1SU"));
    assert!(on(wednesday, "FREQ=WEEKLY;BYDAY=WE") && !on(wednesday, "FREQ=WEEKLY;BYDAY=SU"));
}

#[rstest]
#[case("witness", false)]
#[case("peer-pdsa1", false)]
#[case("peer", true)]
fn with_a_witness_no_site_is_called_like_a_member(#[case] name: &str, #[case] taken: bool) {
    let mut platform: Platform = object(PLATFORM, "", json!(null));
    platform.spec.sites[1].name = name.to_owned();
    validate_cel(&platform).expect("without a witness any name will do");
    platform.spec.roles =
        serde_json::from_value(json!({"mode": "Witness", "witness": {"endpoint": "w.gov.my:8443"}})).unwrap();
    assert_eq!(validate_cel(&platform).is_ok(), taken);
}

#[test]
fn a_witness_may_come_and_move_and_not_go() {
    let with = |roles: Value| -> Platform { object(PLATFORM, "/spec/roles", roles) };
    let none = with(json!({"mode": "TwoSite"}));
    let here = with(json!({"mode": "Witness", "witness": {"endpoint": "w.gov.my:8443"}}));
    let there = with(json!({"mode": "Witness", "witness": {"endpoint": "w2.gov.my:8443"}}));
    validate_cel_update(&here, &none).unwrap();
    validate_cel_update(&there, &here).unwrap();
    assert!(validate_cel_update(&none, &here).is_err());
}

#[rstest]
#[case::as_it_is("", json!(null), true)]
#[case::a_name_with_dots("/metadata/name", json!("kkr.gov"), false)]
#[case::no_primary("/spec/domains", json!([{"name": "kkr.gov.my"}]), false)]
#[case::two_primaries("/spec/domains", json!([{"name": "a.my", "primary": true}, {"name": "b.my", "primary": true}]), false)]
#[case::a_service_account_without_namespace("/spec/administrators", json!({"admins": [{"kind": "ServiceAccount", "name": "x"}]}), false)]
#[case::a_rejection_without_reason("/spec/approval", json!({"decision": "Rejected", "decidedBy": "x", "on": "2026-11-24"}), false)]
#[case::a_rejection("/spec/approval", json!({"decision": "Rejected", "decidedBy": "x", "on": "2026-11-24", "reason": "no"}), true)]
fn an_agency(#[case] pointer: &str, #[case] value: Value, #[case] taken: bool) {
    let agency: Agency = object(AGENCY, pointer, value);
    assert_eq!(validate_cel(&agency).is_ok(), taken);
}

#[rstest]
#[case::six_months_to_the_day("2027-07-10", "2027-01-10", true)]
#[case::a_day_less("2027-07-09", "2027-01-10", false)]
#[case::across_a_year("2027-03-01", "2026-09-01", true)]
#[case::a_month_without_that_day("2027-02-28", "2026-08-31", true)]
#[case::a_day_before_that_months_end("2027-02-27", "2026-08-31", false)]
#[case::years("2030-01-01", "2027-12-31", true)]
#[case::the_wrong_way_round("2027-01-10", "2027-09-30", false)]
#[case::no_such_day("2027-02-30", "2026-01-01", false)]
#[case::a_leap_day("2028-02-29", "2027-08-01", true)]
fn a_transition_is_planned_six_months_before_the_contract_ends(
    #[case] ends: &str,
    #[case] planned: &str,
    #[case] taken: bool,
) {
    let contract = json!({"endsOn": ends, "transitionPlannedOn": planned});
    let agency: Agency = object(AGENCY, "/spec/application/existingContract", contract);
    assert_eq!(validate_cel(&agency).is_ok(), taken);
}

#[rstest]
#[case::as_it_is("", json!(null), true)]
#[case::capitals("/spec/address", json!("Ali@kkr.gov.my"), false)]
#[case::a_display_name("/spec/address", json!("Ali <ali@kkr.gov.my>"), false)]
#[case::two_dots("/spec/address", json!("ali..a@kkr.gov.my"), false)]
#[case::the_address_as_alias("/spec/aliases", json!(["ali@kkr.gov.my"]), false)]
#[case::another_alias("/spec/aliases", json!(["a@kkr.gov.my"]), true)]
#[case::grade_nought("/spec/individual/grade", json!(0), false)]
#[case::grade_99("/spec/individual/grade", json!(99), false)]
#[case::grade_60("/spec/individual/grade", json!(60), true)]
#[case::less_than_the_grades_least("/spec/quota", json!({"size": "1023Mi"}), false)]
#[case::less_with_a_reason("/spec/quota", json!({"size": "1023Mi", "reason": "keeps none"}), true)]
#[case::the_grades_least("/spec/quota", json!({"size": "1Gi"}), true)]
#[case::no_size("/spec/quota", json!({"size": "2GB"}), false)]
#[case::no_day("/spec/termination", json!({"reason": "Transfer", "on": "2026-11-31"}), false)]
#[case::no_account("/spec/restore", json!("ali"), false)]
fn a_mailbox(#[case] pointer: &str, #[case] value: Value, #[case] taken: bool) {
    let mailbox: Mailbox = object(MAILBOX, pointer, value);
    assert_eq!(validate_cel(&mailbox).is_ok(), taken);
}

#[test]
fn a_store_is_called_like_no_other_part() {
    let text = r#"{"apiVersion": "1govuc.gov.my/v1alpha1", "kind": "MailStore", "metadata": {"name": "mail-1"}, "spec": {"preferredSite": "pdsa1"}}"#;
    validate_cel(&object::<MailStore>(text, "", json!(null))).unwrap();
    for name in ["mx", "roles"] {
        assert!(
            validate_cel(&object::<MailStore>(text, "/metadata/name", json!(name))).is_err(),
            "{name}"
        );
    }
}

#[rstest]
#[case::the_application("/spec/application/justification", json!("k"), false)]
#[case::the_site("/spec/preferredSite", json!("pdsa2"), false)]
#[case::the_placement("/spec/mail", json!({"placement": "Dedicated"}), false)]
#[case::its_name_for_people("/spec/displayName/en", json!("Roads"), true)]
fn while_approved_these_stay(#[case] pointer: &str, #[case] value: Value, #[case] taken: bool) {
    let approve = |mut agency: Agency| {
        agency.spec.approval =
            serde_json::from_value(json!({"decision": "Approved", "decidedBy": "x", "on": "2026-11-24"}))
                .unwrap();
        agency
    };
    let old: Agency = object(AGENCY, "", json!(null));
    let new: Agency = object(AGENCY, pointer, value);
    assert!(validate_cel_update(&new, &old).is_ok(), "before the approval");
    assert_eq!(validate_cel_update(&approve(new), &approve(old)).is_ok(), taken);
}

#[rstest]
#[case::of_cyrus_and_a_build("3.10.2-1", true)]
#[case::a_digest("sha256-0af1", true)]
#[case::a_word("dev", true)]
#[case::a_reference("cyrus:3.10.2", false)]
#[case::blank(" ", false)]
#[case::begun_with_a_dot(".3", false)]
fn the_version_of_a_store(#[case] version: &str, #[case] taken: bool) {
    let text = r#"{"apiVersion": "1govuc.gov.my/v1alpha1", "kind": "MailStore", "metadata": {"name": "mail-1"}, "spec": {"preferredSite": "pdsa1"}}"#;
    let store: MailStore = object(text, "/spec/version", json!(version));
    assert_eq!(validate_cel(&store).is_ok(), taken);
}

#[test]
fn every_text_list_and_map_that_people_write_is_bounded() {
    let mut unbounded = Vec::new();
    for crd in [Platform::crd(), Agency::crd(), Mailbox::crd(), MailStore::crd()] {
        let schema = serde_json::to_value(&crd.spec.versions[0].schema).unwrap();
        let spec = &schema["openAPIV3Schema"]["properties"]["spec"];
        find_unbounded(&crd.spec.names.kind, spec, &mut unbounded);
    }
    assert!(unbounded.is_empty(), "{unbounded:#?}");
}

#[test]
fn an_object_that_no_operator_has_seen_says_so() {
    for crd in [Platform::crd(), Agency::crd(), Mailbox::crd(), MailStore::crd()] {
        let schema = serde_json::to_value(&crd.spec.versions[0].schema).unwrap();
        let status = &schema["openAPIV3Schema"]["properties"]["status"];
        assert_eq!(
            status["default"],
            json!({"observedGeneration": -1}),
            "{}",
            crd.spec.names.kind
        );
    }
}

fn find_unbounded(path: &str, schema: &Value, found: &mut Vec<String>) {
    match schema["type"].as_str() {
        // The API server takes a time in no more characters than a time has.
        Some("string") if schema["format"] == "date-time" => {}
        Some("string") if schema["enum"].is_null() && schema["maxLength"].is_null() => {
            found.push(path.to_owned())
        }
        Some("array") => {
            if schema["maxItems"].is_null() {
                found.push(path.to_owned());
            }
            find_unbounded(&format!("{path}[]"), &schema["items"], found);
        }
        _ => {
            for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                find_unbounded(&format!("{path}.{name}"), property, found);
            }
        }
    }
}

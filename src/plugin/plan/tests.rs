//! What is told to people and to programs.

use super::*;
use serde_json::json;

const NOW: &str = "2026-12-05T16:00:00Z";

fn platform(maintenance: serde_json::Value, status: serde_json::Value) -> Platform {
    serde_json::from_value(json!({
        "apiVersion": "1govuc.gov.my/v1alpha1", "kind": "Platform", "metadata": {"name": "platform"},
        "spec": {"domain": "1govuc.gov.my", "sites": [], "maintenance": maintenance},
        "status": status,
    }))
    .unwrap()
}

fn weekly() -> serde_json::Value {
    json!({"windows": [{"name": "ahad-malam", "start": "2026-12-06T01:00:00+08:00", "end": "2026-12-06T04:00:00+08:00",
        "recurrence": "FREQ=WEEKLY;BYDAY=SU"}]})
}

fn waiting() -> serde_json::Value {
    json!({
        "pending": [{"part": "mx", "change": "image of postfix: 2 for 1", "reason": "AwaitingWindow",
            "window": "ahad-malam", "opens": "2026-12-05T17:00:00Z", "closes": "2026-12-05T18:30:00Z"}],
        "conditions": [{"type": "UpgradePending", "status": "True", "reason": "AwaitingWindow",
            "lastTransitionTime": "2026-12-01T00:00:00Z",
            "message": "this site's turn in window ahad-malam begins 2026-12-06T01:00:00+08:00. To be restarted: mx (image of postfix: 2 for 1)"}],
    })
}

fn store() -> MailStore {
    serde_json::from_value(json!({
        "apiVersion": "1govuc.gov.my/v1alpha1", "kind": "MailStore", "metadata": {"name": "mail-1"},
        "spec": {"preferredSite": "pdsa1"},
        "status": {
            "pending": [{"part": "mail-1", "change": "settings of the pod", "reason": "NoWindow"}],
            "version": "3.10.1-4",
            "withheld": {"version": "3.10.2-1", "reason": "Pinned", "message": "spec.version keeps this store at 3.10.1-4"},
            "preferredSite": {"site": "pdsa2", "waiting": "no maintenance window comes any more"},
        },
    }))
    .unwrap()
}

#[test]
fn what_waits_is_told_with_why_and_when() {
    let plan = plan(&platform(weekly(), waiting()), &[store()], NOW.parse().unwrap());
    assert_eq!(
        plan.text(),
        "the current context\n  \
         window ahad-malam: 2026-12-06T01:00:00+08:00 to 2026-12-06T04:00:00+08:00\n  \
         restart mx of Platform platform: image of postfix: 2 for 1\n    \
         when: 2026-12-06T01:00:00+08:00 in window ahad-malam\n    \
         why then: AwaitingWindow: this site's turn in window ahad-malam begins 2026-12-06T01:00:00+08:00\n  \
         restart mail-1 of MailStore mail-1: settings of the pod\n    \
         when: no time is set\n    \
         why then: NoWindow: \n  \
         keep MailStore mail-1 at 3.10.1-4, not 3.10.2-1\n    \
         why: Pinned: spec.version keeps this store at 3.10.1-4\n  \
         move MailStore mail-1 from pdsa2 to pdsa1\n    \
         no maintenance window comes any more"
    );
}

#[test]
fn a_window_is_told_with_since_when_both_clusters_have_it() {
    let text = |mode: &str, announced: serde_json::Value| {
        let mut platform = platform(weekly(), json!({}));
        platform.spec.roles =
            serde_json::from_value(json!({"mode": mode, "witness": {"endpoint": "w:8443"}})).unwrap();
        let digest = announced::digest(&platform.spec.maintenance.as_ref().unwrap().windows[0]);
        let window = json!({"name": "ahad-malam", "digest": digest, "announcedAt": announced});
        platform.status = serde_json::from_value(json!({"windows": [window]})).unwrap();
        let text = plan(&platform, &[], NOW.parse().unwrap()).text();
        text.lines()
            .nth(1)
            .unwrap()
            .split("04:00:00+08:00")
            .nth(1)
            .unwrap()
            .to_owned()
    };
    let at = json!("2026-11-28T02:00:00Z");
    assert_eq!(text("Witness", at), ", announced 2026-11-28T10:00:00+08:00");
    assert_eq!(
        text("Witness", json!(null)),
        ", not announced: not seen in both clusters"
    );
    assert_eq!(text("TwoSite", json!(null)), "");
}

#[test]
fn programs_get_times_and_reasons_as_fields() {
    let plan = plan(&platform(weekly(), waiting()), &[], NOW.parse().unwrap());
    let value = serde_json::to_value(&plan).unwrap();
    assert_eq!(value["windows"][0]["start"], "2026-12-05T17:00:00Z");
    let act = &value["pending"][0];
    assert_eq!(
        (&act["kind"], &act["part"], &act["opens"], &act["reason"]),
        (
            &json!("Platform"),
            &json!("mx"),
            &json!("2026-12-05T17:00:00Z"),
            &json!("AwaitingWindow")
        )
    );
}

#[test]
fn without_windows_and_with_wrong_ones_it_says_so() {
    let text = |maintenance| plan(&platform(maintenance, json!({})), &[], NOW.parse().unwrap()).text();
    assert!(
        text(json!(null)).contains("no maintenance windows"),
        "{}",
        text(json!(null))
    );
    let wrong =
        json!({"windows": [{"name": "a", "start": "2026-12-06T01:00:00Z", "end": "2026-12-06T01:00:00Z"}]});
    assert!(
        text(wrong.clone()).contains("windows: spec.maintenance.windows: window a"),
        "{}",
        text(wrong)
    );
    let past =
        json!({"windows": [{"name": "a", "start": "2026-11-06T01:00:00Z", "end": "2026-11-06T02:00:00Z"}]});
    assert!(text(past.clone()).contains("comes any more"), "{}", text(past));
}

//! When maintenance windows may be set.

use govuc_api::{PLATFORM, Platform};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::{Api, api::PostParams};
use serde_json::{Value, json};

use crate::cluster::{example, installed, refusal, try_out};

fn with(windows: Value) -> Value {
    let mut platform = example("platform.yaml");
    platform["spec"]["maintenance"] = json!({ "windows": windows });
    platform
}

/// A window of an hour that ends so many seconds from now.
fn ending(seconds: i64) -> Value {
    let end = Timestamp::now() + SignedDuration::from_secs(seconds);
    let start = end - SignedDuration::from_hours(1);
    let text = |time: Timestamp| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    json!({"name": "sekali", "start": text(start), "end": text(end)})
}

#[tokio::test]
async fn a_window_in_the_past_is_refused_with_its_end_and_a_remedy() {
    let client = installed(None).await;
    let message = try_out(&client, &with(json!([ending(-60)]))).await.unwrap_err();
    for part in [
        "spec.maintenance.windows",
        "sekali",
        "in the past",
        "Remedy",
        "ends 20",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    try_out(&client, &with(json!([ending(600)]))).await.unwrap();
}

#[tokio::test]
async fn a_recurrence_that_has_ended_is_refused_and_one_that_began_long_ago_is_not() {
    let client = installed(None).await;
    let weekly = |until: &str| {
        with(
            json!([{"name": "ahad-malam", "start": "2020-01-05T01:00:00+08:00", "end": "2020-01-05T04:00:00+08:00",
            "recurrence": format!("FREQ=WEEKLY;BYDAY=SU{until}")}]),
        )
    };
    let message = try_out(&client, &weekly(";UNTIL=20201231T160000Z"))
        .await
        .unwrap_err();
    assert!(message.contains("ahad-malam ends 20201231T160000Z"), "{message}");
    try_out(&client, &weekly("")).await.unwrap();
    try_out(&client, &weekly(";UNTIL=20981231T160000Z"))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_new_platform_is_judged_too() {
    let client = installed(None).await;
    let api: Api<Platform> = Api::all(client);
    let params = PostParams {
        dry_run: true,
        ..Default::default()
    };
    // It is judged before it is found that there is one already.
    let create = async |windows: Value| {
        let platform: Platform = serde_json::from_value(with(windows)).unwrap();
        refusal(api.create(&params, &platform).await.unwrap_err())
    };
    let past = create(json!([ending(-60)])).await;
    assert!(past.contains("in the past"), "{past}");
    let coming = create(json!([ending(600)])).await;
    assert!(coming.contains("already exists"), "{coming}");
}

#[tokio::test]
async fn a_window_that_has_grown_old_stays_and_the_rest_can_be_edited() {
    let client = installed(None).await;
    let api: Api<Platform> = Api::all(client);
    let before = api.get(PLATFORM).await.unwrap();
    let soon = ending(3);
    let mut platform = before.clone();
    platform.spec = serde_json::from_value(with(json!([soon]))["spec"].clone()).unwrap();
    api.replace(PLATFORM, &PostParams::default(), &platform)
        .await
        .unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    let mut edited = api.get(PLATFORM).await.unwrap();
    edited.spec.password.history = 6;
    let dry_run = PostParams {
        dry_run: true,
        ..Default::default()
    };
    let kept = api.replace(PLATFORM, &dry_run, &edited).await;
    edited.spec.maintenance.as_mut().unwrap().windows[0].name = "baharu".to_owned();
    let renamed = api.replace(PLATFORM, &dry_run, &edited).await;
    // As the other tests expect it.
    let mut after = api.get(PLATFORM).await.unwrap();
    after.spec = before.spec;
    api.replace(PLATFORM, &PostParams::default(), &after)
        .await
        .unwrap();
    kept.unwrap();
    let message = refusal(renamed.unwrap_err());
    assert!(
        message.contains("baharu") && message.contains("in the past"),
        "{message}"
    );
}

//! When maintenance windows may be set, and what waiting for one does to what runs.

use govuc::{
    cluster::Cluster,
    maintenance::rollout::{held, restarts},
    part::{
        Part, Role,
        objects::{Applied, Objects},
        pod, workload,
    },
    telemetry::Metrics,
};
use govuc_api::{PLATFORM, Platform};
use govuc_wire::names::MTA_NAMESPACE;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::{Api, Resource, ResourceExt, api::PostParams};
use serde_json::{Value, json};

use crate::cluster::{agency_namespace, example, installed, refusal, try_out};

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

/// `mx` with pods of this image, with or without a probe, owned by the Platform so that nobody collects it.
fn planned(platform: &Platform, image: &str, probe: bool) -> Objects {
    let part = Part::shared(Role::Mx);
    let owner = platform.controller_owner_ref(&()).unwrap();
    let mut container = pod::container(
        "postfix",
        image,
        pod::Needs {
            cpu: 50,
            memory: 1024,
        },
    );
    container.liveness_probe = probe.then(|| pod::http_probe("/livez"));
    let spec = pod::spec(&part, 900, vec![container], vec![pod::tls_volume(&part)]);
    Objects {
        stateful_sets: vec![workload::stateful_set(&part, spec, "", &owner)],
        ..Default::default()
    }
}

#[tokio::test]
async fn what_is_held_back_ends_no_pod_and_goes_out_whole_afterwards() {
    let client = installed(None).await;
    agency_namespace(&client, MTA_NAMESPACE).await;
    let platforms: Api<Platform> = Api::all(client.clone());
    let platform = platforms.get(PLATFORM).await.unwrap();
    let metrics = Metrics::default();
    let cluster = Cluster::new(client, metrics.clone());
    // As if its pod were ready: nothing runs here.
    let running = async |objects: &Objects| {
        let mut running = objects.running(&cluster).await.unwrap();
        for set in &mut running.stateful_sets {
            set.status.get_or_insert_default().ready_replicas = Some(1);
        }
        running
    };
    let old = planned(&platform, "postfix:1", true);
    old.apply(&cluster, Applied::default()).await.unwrap();
    let before = running(&old).await;
    let due = Timestamp::UNIX_EPOCH;
    assert_eq!(
        restarts(&old, &before, due),
        [],
        "what the API server adds is no change"
    );

    let mut new = planned(&platform, "postfix:2", false);
    let label = ("1govuc.gov.my/test".to_owned(), "new".to_owned());
    new.stateful_sets[0].labels_mut().extend([label.clone()]);
    held(new.clone(), &before, due)
        .apply(&cluster, before.clone())
        .await
        .unwrap();
    let during = running(&new).await;
    let (was, is) = (&before.stateful_sets[0], &during.stateful_sets[0]);
    assert_eq!(is.metadata.generation, was.metadata.generation);
    assert_eq!(is.spec, was.spec);
    assert_eq!(
        is.labels().get(&label.0),
        Some(&label.1),
        "what restarts nothing is applied"
    );
    assert_eq!(restarts(&new, &during, due).len(), 1);
    let written = metrics.text().unwrap();
    held(new.clone(), &during, due)
        .apply(&cluster, during.clone())
        .await
        .unwrap();
    assert_eq!(metrics.text().unwrap(), written, "nothing is left to be written");
    let again = running(&new).await;

    new.apply(&cluster, again).await.unwrap();
    let after = running(&new).await;
    assert_eq!(restarts(&new, &after, due), []);
    let template = &after.stateful_sets[0].spec.as_ref().unwrap().template;
    let container = &template.spec.as_ref().unwrap().containers[0];
    assert_eq!(container.image.as_deref(), Some("postfix:2"));
    assert_eq!(container.liveness_probe, None, "what was given up is gone");
}

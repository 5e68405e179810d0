//! A cluster with the service installed, and people in it.

use std::{collections::BTreeMap, time::Duration};

use govuc::manifests::{Installation, crds, installation};
use k8s_openapi::{
    api::{
        core::v1::{ConfigMap, Namespace},
        rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, RoleRef, Subject},
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Client, Config, Resource, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams},
    config::{KubeConfigOptions, Kubeconfig},
    core::GroupVersionKind,
    runtime::{conditions, wait::await_condition},
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// May decide on agencies.
pub const APPROVER: &str = "approver";
/// May submit for others, and not decide.
pub const PIPELINE: &str = "pipeline";
/// May move stores.
pub const MOVER: &str = "mover";
/// May decide that a store does without what only the lost site has, and that a site serves though nobody knows of the other.
pub const RECOVERER: &str = "recoverer";
/// May apply for an agency and write stores, and nothing more.
pub const APPLICANT: &str = "aminah";

static INSTALLED: OnceCell<()> = OnceCell::const_new();
static MIRRORED: OnceCell<()> = OnceCell::const_new();

/// The cluster of a context, as a user. `None`: the administrator.
pub async fn client(context: &str, user: Option<&str>) -> Client {
    let options = KubeConfigOptions {
        context: Some(context.to_owned()),
        ..Default::default()
    };
    let kubeconfig = Kubeconfig::read().expect("KUBECONFIG: cargo lab test api sets it");
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .unwrap();
    config.proxy_url = None;
    config.auth_info.impersonate = user.map(str::to_owned);
    config.auth_info.impersonate_groups = user.map(|_| vec!["system:authenticated".to_owned()]);
    Client::try_from(config).unwrap()
}

/// The first cluster as a user, with everything installed, one Platform, and the namespace of agency `kkr`.
pub async fn installed(user: Option<&str>) -> Client {
    INSTALLED.get_or_init(install).await;
    client("pdsa1", user).await
}

/// The first cluster with everything installed, and the second one with the kinds that are mirrored and nothing else.
pub async fn both() -> [Client; 2] {
    let sites = [installed(None).await, client("pdsa2", None).await];
    MIRRORED
        .get_or_init(|| async {
            let client = client("pdsa2", None).await;
            define(&client, |kind| matches!(kind, "Agency" | "Mailbox")).await;
        })
        .await;
    sites
}

async fn define(client: &Client, wanted: impl Fn(&str) -> bool) {
    for object in crds().unwrap().iter().flat_map(|file| &file.objects) {
        if !wanted(object["spec"]["names"]["kind"].as_str().unwrap()) {
            continue;
        }
        put(client, object).await.unwrap();
        let api: Api<CustomResourceDefinition> = Api::all(client.clone());
        let name = object["metadata"]["name"].as_str().unwrap();
        let established = await_condition(api, name, conditions::is_crd_established());
        tokio::time::timeout(Duration::from_secs(30), established)
            .await
            .unwrap()
            .unwrap();
    }
}

async fn install() {
    let client = client("pdsa1", None).await;
    define(&client, |_| true).await;
    let wanted = Installation::new("pdsa1".parse().unwrap(), Vec::new(), &[]).unwrap();
    for object in installation(&wanted)
        .unwrap()
        .iter()
        .flat_map(|file| &file.objects)
    {
        put(&client, object).await.unwrap();
    }
    put(&client, &example("platform.yaml")).await.unwrap();
    for (user, role) in [
        (APPROVER, "govuc-approver"),
        (PIPELINE, "govuc-pipeline"),
        (MOVER, "govuc-store-operator"),
        (RECOVERER, "govuc-failover-operator"),
        (APPLICANT, "test-applicant"),
    ] {
        bind(&client, user, role).await;
    }
    let applicant = ClusterRole {
        metadata: named("test-applicant"),
        rules: Some(vec![PolicyRule {
            api_groups: Some(vec!["1govuc.gov.my".into()]),
            resources: Some(vec!["agencies".into(), "mailstores".into()]),
            verbs: ["get", "create", "update", "patch"].map(str::to_owned).to_vec(),
            ..Default::default()
        }]),
        ..Default::default()
    };
    apply(&client, &applicant).await;
    agency_namespace(&client, "agency-kkr").await;
    agency_namespace(&client, STRAY_NAMESPACE).await;
    policies_in_force(&client).await;
}

/// The namespace of an agency, with what the operator puts there for admission.
pub async fn agency_namespace(client: &Client, name: &str) {
    apply(
        client,
        &Namespace {
            metadata: named(name),
            ..Default::default()
        },
    )
    .await;
    apply(
        client,
        &ConfigMap {
            metadata: ObjectMeta {
                namespace: Some(name.to_owned()),
                ..named("govuc-policy")
            },
            data: Some(BTreeMap::from([
                ("domains".to_owned(), "kkr.gov.my,works.gov.my".to_owned()),
                ("quotaCeiling".to_owned(), "50Gi".to_owned()),
            ])),
            ..Default::default()
        },
    )
    .await;
}

/// No agency's, yet with what admission asks for there: where two policies refuse, either may be the one that answers.
const STRAY_NAMESPACE: &str = "strays";

/// A policy takes a moment from being written to being asked.
async fn policies_in_force(client: &Client) {
    let mut stray = example("mailboxes/ali-ahmad.yaml");
    stray["metadata"]["namespace"] = json!(STRAY_NAMESPACE);
    let mut outside = example("mailboxes/ali-ahmad.yaml");
    outside["spec"]["address"] = json!("ali@example.org");
    let mut nowhere = example("agencies/kkr.yaml");
    nowhere["spec"]["preferredSite"] = json!("pdsa9");
    let mut own = example("agencies/kkr.yaml");
    own["spec"]["approval"] = json!({"decision": "Approved", "decidedBy": "nobody", "on": "2026-11-24"});
    let mut away = json!({
        "apiVersion": "1govuc.gov.my/v1alpha1", "kind": "MailStore", "metadata": {},
        "spec": {"preferredSite": "pdsa1"},
    });
    let mut forced = away.clone();
    forced["spec"]["failover"] = json!({"id": "probe", "to": "pdsa9", "notAfter": "2026-11-24T00:00:00Z"});
    let mut held = away.clone();
    held["spec"]["hold"] = json!({"id": "probe", "to": "pdsa9", "notAfter": "2026-11-24T00:00:00Z"});
    away["spec"]["switchover"] = json!({"id": "probe", "to": "pdsa9", "notAfter": "2026-11-24T00:00:00Z"});
    // There is one Platform, by its name.
    let mut past = example("platform.yaml");
    past["spec"]["maintenance"] = json!({"windows": [
        {"name": "past", "start": "2020-01-05T01:00:00+08:00", "end": "2020-01-05T04:00:00+08:00"},
    ]});
    for (mut object, policy) in [
        (past, "govuc-maintenance-window"),
        (away, "govuc-switchover-site"),
        (forced, "govuc-failover-site"),
        (held, "govuc-hold-site"),
        (stray, "govuc-mailbox-namespace"),
        (outside, "govuc-mailbox-policy"),
        (nowhere, "govuc-site-exists"),
        (own, "govuc-agency-approval"),
    ] {
        if object["kind"] != json!("Platform") {
            object["metadata"]["name"] = json!("probe");
        }
        let mut last = String::new();
        for _ in 0..150 {
            last = try_out(client, &object).await.err().unwrap_or_default();
            if last.contains(policy) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        assert!(last.contains(policy), "{policy} is not in force: {last}");
    }
}

/// A file of `examples/`.
pub fn example(path: &str) -> Value {
    let path = format!("{}/examples/{path}", env!("CARGO_MANIFEST_DIR"));
    serde_yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Applies an object; the refusal as people see it.
pub async fn put(client: &Client, object: &Value) -> Result<DynamicObject, String> {
    send(client, object, &PatchParams::apply("test").force()).await
}

/// Applies an object as a manager of that name, without force.
pub async fn put_as(client: &Client, manager: &str, object: &Value) -> Result<DynamicObject, String> {
    send(client, object, &PatchParams::apply(manager)).await
}

/// Fails unless it was refused in these words.
#[track_caller]
pub fn says(outcome: Result<impl Sized, String>, parts: &[&str]) {
    let Err(message) = outcome else {
        panic!("it was allowed");
    };
    for part in parts {
        assert!(message.contains(part), "without {part:?}: {message}");
    }
}

/// Takes away what an earlier run left.
pub async fn remove(client: &Client, object: &Value) {
    let api = api(client, object);
    let name = object["metadata"]["name"].as_str().unwrap();
    if api.get_opt(name).await.unwrap().is_some() {
        api.delete(name, &DeleteParams::default()).await.unwrap();
    }
}

/// Lets an object go that finalizers hold, if it is there.
pub async fn release(client: &Client, object: &Value) {
    let free = json!({"metadata": {"finalizers": null}});
    let name = object["metadata"]["name"].as_str().unwrap();
    let released = api(client, object)
        .patch(name, &PatchParams::default(), &Patch::Merge(&free))
        .await;
    match released {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.is_not_found() => {}
        Err(error) => panic!("{error}"),
    }
}

/// Has the API server judge an object without keeping it, unknown fields too.
pub async fn try_out(client: &Client, object: &Value) -> Result<DynamicObject, String> {
    let params = PatchParams::apply("test").force().dry_run().validation_strict();
    send(client, object, &params).await
}

async fn send(client: &Client, object: &Value, params: &PatchParams) -> Result<DynamicObject, String> {
    let api = api(client, object);
    let name = object["metadata"]["name"].as_str().unwrap();
    api.patch(name, params, &Patch::Apply(object))
        .await
        .map_err(refusal)
}

/// For objects of the kind and namespace of this one.
pub fn api(client: &Client, object: &Value) -> Api<DynamicObject> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let version = text(&object["apiVersion"]);
    let (group, version) = version.rsplit_once('/').unwrap_or(("", &version));
    let kind = text(&object["kind"]);
    let gvk = GroupVersionKind::gvk(group, version, &kind);
    let plural = match kind.as_str() {
        "Mailbox" => "mailboxes".to_owned(),
        kind if kind.ends_with("cy") || kind == "Agency" => {
            format!("{}ies", kind.trim_end_matches('y').to_lowercase())
        }
        kind => format!("{}s", kind.to_lowercase()),
    };
    let resource = ApiResource::from_gvk_with_plural(&gvk, &plural);
    match object["metadata"]["namespace"].as_str() {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

pub fn refusal(error: kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => panic!("{other}"),
    }
}

async fn bind(client: &Client, user: &str, role: &str) {
    let binding = ClusterRoleBinding {
        metadata: named(&format!("test-{user}")),
        role_ref: RoleRef {
            api_group: "rbac.authorization.k8s.io".into(),
            kind: "ClusterRole".into(),
            name: role.into(),
        },
        subjects: Some(vec![Subject {
            kind: "User".into(),
            api_group: Some("rbac.authorization.k8s.io".into()),
            name: user.into(),
            ..Default::default()
        }]),
    };
    apply(client, &binding).await;
}

async fn apply<K: Resource<DynamicType = ()> + serde::Serialize>(client: &Client, object: &K) {
    let mut value = serde_json::to_value(object).unwrap();
    value["apiVersion"] = json!(K::api_version(&()));
    value["kind"] = json!(K::kind(&()));
    put(client, &value)
        .await
        .unwrap_or_else(|error| panic!("{}: {error}", object.name_any()));
}

fn named(name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        ..Default::default()
    }
}

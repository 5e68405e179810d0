//! A cluster of the bench, and a bare client of it.

use std::{
    pin::Pin,
    time::{Duration, Instant},
};

use futures::{Stream, StreamExt, TryStreamExt, stream};
use govuc::manifests::crds;
use govuc_api::Mailbox;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Client, Config,
    api::{
        Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, WatchEvent,
        WatchParams,
    },
    config::{KubeConfigOptions, Kubeconfig},
    core::GroupVersionKind,
    runtime::{conditions, wait::await_condition},
};
use serde_json::{Value, json};

pub const SITES: [&str; 2] = ["pdsa1", "pdsa2"];
pub const NAMESPACE: &str = "agency-kkr";
/// As the mirror's own.
const CONCURRENCY: usize = 16;
const MANAGER: &str = "bench";
const PERIOD: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(1200);

pub struct Cluster(Client);

/// Of one object.
pub struct Bytes {
    pub with_fields: usize,
    pub without: usize,
}

pub fn name(number: usize) -> String {
    format!("person-{number:05}")
}

/// Both, with the kinds and the namespaces that are needed.
pub async fn both() -> [Cluster; 2] {
    let [one, other] = SITES;
    let clusters = [Cluster::of(one).await, Cluster::of(other).await];
    for cluster in &clusters {
        cluster.install().await;
    }
    clusters
}

pub async fn client(site: &str) -> Client {
    let options = KubeConfigOptions {
        context: Some(site.to_owned()),
        ..Default::default()
    };
    let kubeconfig = Kubeconfig::read().expect("KUBECONFIG: cargo lab bench mirror sets it");
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .expect("a context of each site");
    config.proxy_url = None;
    Client::try_from(config).expect("a client")
}

fn mailbox(number: usize) -> Value {
    let name = name(number);
    json!({
        "apiVersion": "1govuc.gov.my/v1alpha1",
        "kind": "Mailbox",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "type": "Individual",
            "address": format!("{name}@kkr.gov.my"),
            "aliases": [format!("{name}.alias@kkr.gov.my")],
            "individual": {"staffNumber": format!("KKR-{number}"), "name": "Mohd Ali bin Ahmad", "grade": 41},
            "quota": {"size": "2Gi"},
        },
    })
}

impl Cluster {
    pub async fn of(site: &str) -> Self {
        Self(client(site).await)
    }

    async fn install(&self) {
        for object in crds().expect("manifests").iter().flat_map(|file| &file.objects) {
            self.put(object).await;
            let api: Api<CustomResourceDefinition> = Api::all(self.0.clone());
            let name = object["metadata"]["name"].as_str().expect("a name");
            let established = await_condition(api, name, conditions::is_crd_established());
            established.await.expect("the API server answers");
        }
        for namespace in [NAMESPACE, "govuc-system"] {
            let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
            self.put(&namespace).await;
        }
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/platform.yaml");
        let text = std::fs::read_to_string(path).expect("examples");
        self.put(&serde_yaml::from_str(&text).expect("YAML")).await;
    }

    async fn put(&self, object: &Value) {
        let object: DynamicObject = serde_json::from_value(object.clone()).expect("an object");
        let types = object.types.clone().expect("its kind");
        let kind = GroupVersionKind::try_from(&types).expect("its kind");
        let resource = ApiResource::from_gvk(&kind);
        let api: Api<DynamicObject> = match &object.metadata.namespace {
            Some(namespace) => Api::namespaced_with(self.0.clone(), namespace, &resource),
            None => Api::all_with(self.0.clone(), &resource),
        };
        let name = object.metadata.name.clone().expect("its name");
        let params = PatchParams::apply(MANAGER).force();
        api.patch(&name, &params, &Patch::Apply(&object))
            .await
            .expect("applied");
    }

    fn mailboxes(&self) -> Api<Mailbox> {
        Api::namespaced(self.0.clone(), NAMESPACE)
    }

    /// Applies so many, as fast as it goes, and says how long that took.
    pub async fn fill(&self, objects: usize) -> Duration {
        let begun = Instant::now();
        let (api, params) = (&self.mailboxes(), &PatchParams::apply(MANAGER).force());
        stream::iter(0..objects)
            .for_each_concurrent(CONCURRENCY, |number| async move {
                let patch = Patch::Apply(mailbox(number));
                api.patch(&name(number), params, &patch).await.expect("applied");
            })
            .await;
        begun.elapsed()
    }

    /// Deletes all of them, held or not.
    pub async fn empty(&self) {
        let api = self.mailboxes();
        let everything = ListParams::default();
        api.delete_collection(&DeleteParams::default(), &everything)
            .await
            .expect("deleted");
        let left = api.list(&everything).await.expect("listed").items;
        let (api, free) = (&api, &Patch::Merge(json!({"metadata": {"finalizers": null}})));
        stream::iter(left)
            .for_each_concurrent(CONCURRENCY, |mailbox| async move {
                let name = mailbox.metadata.name.expect("its name");
                api.patch(&name, &PatchParams::default(), free)
                    .await
                    .expect("let go");
            })
            .await;
        self.wait_until(0).await;
    }

    pub async fn wait_until_full(&self, objects: usize) {
        self.wait_until(objects).await;
    }

    async fn wait_until(&self, objects: usize) {
        let begun = Instant::now();
        while self.count().await != objects {
            assert!(
                begun.elapsed() < PATIENCE,
                "{} of {objects} mailboxes",
                self.count().await
            );
            tokio::time::sleep(PERIOD).await;
        }
    }

    async fn count(&self) -> usize {
        let one = ListParams::default().limit(1);
        let list = self.mailboxes().list_metadata(&one).await.expect("listed");
        let rest = list.metadata.remaining_item_count.unwrap_or_default();
        list.items.len() + usize::try_from(rest).expect("a count")
    }

    pub async fn resize(&self, name: &str, size: &str) {
        let patch = Patch::Merge(json!({"spec": {"quota": {"size": size}}}));
        let (api, params) = (self.mailboxes(), PatchParams::default());
        api.patch(name, &params, &patch).await.expect("edited");
    }

    /// What changes from now on.
    pub async fn changes(&self) -> Pin<Box<dyn Stream<Item = Mailbox> + Send>> {
        let api = self.mailboxes();
        let list = api
            .list_metadata(&ListParams::default().limit(1))
            .await
            .expect("listed");
        let version = list.metadata.resource_version.expect("a list has a version");
        let params = WatchParams::default().timeout(290);
        let watch = api.watch(&params, &version).await.expect("watched");
        let changed = watch.try_filter_map(|event| async move {
            Ok(match event {
                WatchEvent::Modified(mailbox) => Some(mailbox),
                _ => None,
            })
        });
        changed.map(|event| event.expect("the watch goes on")).boxed()
    }

    /// How many requests for mailboxes the API server has had; a watch counts when it ends.
    pub async fn requests(&self) -> u64 {
        self.counted(|_| true).await
    }

    pub async fn writes(&self) -> u64 {
        self.counted(|line| {
            ["PUT", "POST", "PATCH", "APPLY", "DELETE"]
                .iter()
                .any(|verb| line.contains(&format!("verb=\"{verb}\"")))
        })
        .await
    }

    async fn counted(&self, which: impl Fn(&str) -> bool) -> u64 {
        let request = http::Request::get("/metrics")
            .body(Vec::new())
            .expect("a request");
        let text = self.0.request_text(request).await.expect("metrics");
        let lines = text.lines().filter(|line| {
            line.starts_with("apiserver_request_total{")
                && line.contains("resource=\"mailboxes\"")
                && which(line)
        });
        // A float of a count that is far below 2^53.
        lines
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum::<f64>() as u64
    }

    pub async fn bytes(&self) -> Bytes {
        let mut mailbox = self.mailboxes().get(&name(1)).await.expect("it is there");
        let length = |mailbox: &Mailbox| serde_json::to_vec(mailbox).expect("JSON").len();
        let with_fields = length(&mailbox);
        mailbox.metadata.managed_fields = None;
        Bytes {
            with_fields,
            without: length(&mailbox),
        }
    }
}

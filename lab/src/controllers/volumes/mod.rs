//! The provisioner `1govuc.gov.my/local`: a claim becomes a folder of the node and a PersistentVolume of type `local`.
//!
//! A volume of that type has a node (so a pod goes where its data is) and gets fsGroup applied by the kubelet, which
//! the in-tree host-path provisioner does not do.

mod claim;
mod folder;
mod volume;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::watcher;
use kube::{Api, Client};
use tracing::warn;

use super::follow::Steady;
use super::{Events, MANAGER, Settings};

/// What a StorageClass names to get these volumes.
const PROVISIONER: &str = "1govuc.gov.my/local";

/// The class made here, and the cluster's default.
const CLASS: &str = "local";

/// On a volume until its folder is gone, so that no deletion can leave a folder behind.
const FINALIZER: &str = "1govuc.gov.my/folder";

/// Who made a volume. Kubernetes leaves the deletion of a volume so marked to that provisioner.
const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";

/// How long after a failure the next attempt is made.
const RETRY: Duration = Duration::from_secs(2);

/// Why a claim or volume could not be brought further; it is tried again.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{what}")]
    Api {
        what: &'static str,
        source: Box<kube::Error>,
    },
    #[error(transparent)]
    Folder(#[from] folder::Error),
}

/// Says what was asked of the API server when it failed.
trait Doing<T> {
    fn doing(self, what: &'static str) -> Result<T, Error>;
}

impl<T> Doing<T> for Result<T, kube::Error> {
    fn doing(self, what: &'static str) -> Result<T, Error> {
        self.map_err(|source| Error::Api {
            what,
            source: Box::new(source),
        })
    }
}

struct Context {
    client: Client,
    events: Events,
    root: PathBuf,
    node: String,
}

/// Makes and removes volumes until the process ends.
pub(super) async fn run(client: Client, settings: &Settings, events: Events) -> anyhow::Result<()> {
    while let Err(error) = apply_class(&client).await {
        warn!(%error, "storage class not applied yet");
        tokio::time::sleep(RETRY).await;
    }
    let context = Arc::new(Context {
        client: client.clone(),
        events,
        root: settings.volumes_root.clone(),
        node: settings.node_name.clone(),
    });
    let everything = watcher::Config::default;
    let claims = Controller::new(Api::<PersistentVolumeClaim>::all(client.clone()), everything())
        .trigger_backoff(Steady)
        .run(claim::reconcile, |_, error, _| again(error), context.clone())
        .for_each(|_| std::future::ready(()));
    let volumes = Controller::new(Api::<PersistentVolume>::all(client), everything())
        .trigger_backoff(Steady)
        .run(volume::reconcile, |_, error, _| again(error), context)
        .for_each(|_| std::future::ready(()));
    tokio::join!(claims, volumes);
    anyhow::bail!("a watch ended")
}

fn again(error: &Error) -> Action {
    warn!(
        error = format!("{:#}", anyhow::Error::msg(error.to_string())),
        "volume not settled"
    );
    Action::requeue(RETRY)
}

async fn apply_class(client: &Client) -> Result<(), kube::Error> {
    let class = StorageClass {
        metadata: ObjectMeta {
            name: Some(CLASS.into()),
            annotations: Some(
                [(
                    "storageclass.kubernetes.io/is-default-class".into(),
                    "true".into(),
                )]
                .into(),
            ),
            ..ObjectMeta::default()
        },
        provisioner: PROVISIONER.into(),
        reclaim_policy: Some("Delete".into()),
        // The scheduler chooses the node first; only then is it known whose folder a volume is.
        volume_binding_mode: Some("WaitForFirstConsumer".into()),
        ..StorageClass::default()
    };
    let params = PatchParams::apply(MANAGER).force();
    Api::<StorageClass>::all(client.clone())
        .patch(CLASS, &params, &Patch::Apply(&class))
        .await
        .map(drop)
}

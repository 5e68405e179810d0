//! From a released or deleted volume to no folder.

use std::path::Path;
use std::sync::Arc;

use k8s_openapi::api::core::v1::PersistentVolume;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::runtime::controller::Action;
use kube::{Api, ResourceExt};
use serde_json::json;
use tracing::info;

use super::{Context, Doing, Error, FINALIZER, PROVISIONED_BY, PROVISIONER, folder};

/// What is to be done with a volume.
#[derive(Debug, PartialEq, Eq)]
enum Step<'a> {
    Nothing,
    /// Its claim is gone: delete the object; the finalizer keeps it until the folder is gone too.
    Delete,
    /// It is being deleted: remove the folder, when there is one to remove, and let the object go.
    Finish {
        folder: Option<&'a Path>,
    },
}

pub(super) async fn reconcile(volume: Arc<PersistentVolume>, context: Arc<Context>) -> Result<Action, Error> {
    let volumes = Api::<PersistentVolume>::all(context.client.clone());
    let name = volume.name_any();
    match step(&volume, &context.node, &context.root) {
        Step::Nothing => {}
        Step::Delete => {
            let only_this = Preconditions {
                uid: volume.uid(),
                resource_version: None,
            };
            let params = DeleteParams {
                preconditions: Some(only_this),
                ..DeleteParams::default()
            };
            gone_is_fine(volumes.delete(&name, &params).await).doing("delete the released volume")?;
        }
        Step::Finish { folder } => {
            if let Some(folder) = folder {
                folder::remove(folder).await?;
                info!(volume = name, "folder removed");
            }
            let rest: Vec<&String> = volume.finalizers().iter().filter(|f| *f != FINALIZER).collect();
            let version = volume.resource_version();
            let patch = json!({ "metadata": { "finalizers": rest, "resourceVersion": version } });
            let patched = volumes
                .patch(&name, &PatchParams::default(), &Patch::Merge(patch))
                .await;
            gone_is_fine(patched).doing("let the deleted volume go")?;
        }
    }
    Ok(Action::await_change())
}

fn step<'a>(volume: &'a PersistentVolume, node: &str, root: &Path) -> Step<'a> {
    let Some(spec) = &volume.spec else {
        return Step::Nothing;
    };
    let ours = volume
        .annotations()
        .get(PROVISIONED_BY)
        .is_some_and(|by| by == PROVISIONER);
    if !ours || !of_node(volume, node) {
        return Step::Nothing;
    }
    let kept = spec.persistent_volume_reclaim_policy.as_deref() == Some("Retain");
    let phase = volume.status.as_ref().and_then(|status| status.phase.as_deref());
    if volume.metadata.deletion_timestamp.is_some() {
        // Deleted while bound: pods may use the folder until the claim is gone.
        if phase == Some("Bound") || !volume.finalizers().iter().any(|f| f == FINALIZER) {
            return Step::Nothing;
        }
        // Someone may have edited the path: only a folder right below the root is ever removed.
        let path = spec.local.as_ref().map(|local| Path::new(&local.path));
        let folder = path.filter(|path| !kept && path.parent() == Some(root) && path.file_name().is_some());
        return Step::Finish { folder };
    }
    if phase == Some("Released") && !kept {
        Step::Delete
    } else {
        Step::Nothing
    }
}

fn of_node(volume: &PersistentVolume, node: &str) -> bool {
    let affinity = volume.spec.as_ref().and_then(|spec| spec.node_affinity.as_ref());
    let terms = affinity
        .and_then(|a| a.required.as_ref())
        .map(|r| r.node_selector_terms.as_slice());
    let expressions = terms
        .unwrap_or_default()
        .iter()
        .flat_map(|term| term.match_expressions.iter().flatten());
    expressions
        .flat_map(|expression| expression.values.iter().flatten())
        .any(|value| value == node)
}

fn gone_is_fine<T>(result: Result<T, kube::Error>) -> Result<(), kube::Error> {
    match result {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        other => other.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn volume(change: impl FnOnce(&mut Value)) -> PersistentVolume {
        let mut volume = json!({
            "metadata": {"name": "pvc-u", "annotations": {PROVISIONED_BY: PROVISIONER}, "finalizers": [FINALIZER]},
            "spec": {
                "persistentVolumeReclaimPolicy": "Delete",
                "local": {"path": "/v/pvc-u"},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                    {"key": "kubernetes.io/hostname", "operator": "In", "values": ["n1"]}]}]}},
            },
            "status": {"phase": "Released"},
        });
        change(&mut volume);
        serde_json::from_value(volume).unwrap()
    }

    fn deleted(volume: &mut Value) {
        volume["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    }

    fn decided(volume: &PersistentVolume) -> Step<'_> {
        step(volume, "n1", Path::new("/v"))
    }

    #[test]
    fn a_released_volume_is_deleted_and_a_bound_or_retained_one_is_not() {
        assert_eq!(decided(&volume(|_| ())), Step::Delete);
        assert_eq!(
            decided(&volume(|v| v["status"]["phase"] = "Bound".into())),
            Step::Nothing
        );
        let retain = |v: &mut Value| v["spec"]["persistentVolumeReclaimPolicy"] = "Retain".into();
        assert_eq!(decided(&volume(retain)), Step::Nothing);
    }

    #[test]
    fn the_folder_goes_before_the_object() {
        let going = volume(deleted);
        assert_eq!(
            decided(&going),
            Step::Finish {
                folder: Some(Path::new("/v/pvc-u"))
            }
        );
        let finished = volume(|v| {
            deleted(v);
            v["metadata"]["finalizers"] = json!(["kubernetes.io/pv-protection"]);
        });
        assert_eq!(decided(&finished), Step::Nothing);
    }

    #[test]
    fn a_volume_deleted_while_bound_keeps_its_folder_until_the_claim_is_gone() {
        let bound = volume(|v| {
            deleted(v);
            v["status"]["phase"] = "Bound".into();
        });
        assert_eq!(decided(&bound), Step::Nothing);
    }

    #[test]
    fn a_retained_volume_that_is_deleted_leaves_its_folder() {
        let going = volume(|v| {
            deleted(v);
            v["spec"]["persistentVolumeReclaimPolicy"] = "Retain".into();
        });
        assert_eq!(decided(&going), Step::Finish { folder: None });
    }

    #[test]
    fn a_folder_elsewhere_is_never_removed() {
        for path in ["/", "/v", "/etc", "/v/../etc", "/v/a/b", "/v/.."] {
            let going = volume(|v| {
                deleted(v);
                v["spec"]["local"]["path"] = path.into();
            });
            assert_eq!(decided(&going), Step::Finish { folder: None }, "{path}");
        }
    }

    #[test]
    fn volumes_of_other_nodes_and_provisioners_are_left_alone() {
        assert_eq!(step(&volume(|_| ()), "n2", Path::new("/v")), Step::Nothing);
        let other = |v: &mut Value| v["metadata"]["annotations"][PROVISIONED_BY] = "example.com/other".into();
        assert_eq!(decided(&volume(other)), Step::Nothing);
    }
}

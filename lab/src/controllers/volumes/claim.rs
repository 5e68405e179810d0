//! From a claim to its volume.

use std::path::Path;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{
    LocalVolumeSource, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, ObjectReference,
    PersistentVolume, PersistentVolumeClaim, PersistentVolumeSpec, VolumeNodeAffinity,
};
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::PostParams;
use kube::runtime::controller::Action;
use kube::{Api, ResourceExt};
use tracing::info;

use super::{Context, Doing, Error, FINALIZER, PROVISIONED_BY, PROVISIONER, folder};

/// Where the scheduler wants the volume.
const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";

/// The ways a folder of one node can be used.
const ACCESS_MODES: [&str; 2] = ["ReadWriteOnce", "ReadWriteOncePod"];

pub(super) async fn reconcile(
    claim: Arc<PersistentVolumeClaim>,
    context: Arc<Context>,
) -> Result<Action, Error> {
    let Some(class) = open_for(&claim, &context.node) else {
        return Ok(Action::await_change());
    };
    let classes = Api::<StorageClass>::all(context.client.clone());
    let Some(class) = classes
        .get_opt(class)
        .await
        .doing("read the claim's storage class")?
    else {
        return Ok(Action::await_change());
    };
    if class.provisioner != PROVISIONER {
        return Ok(Action::await_change());
    }
    if let Err(refusal) = possible(&claim) {
        context.events.warn(&*claim, "ClaimRefused", &refusal).await;
        return Ok(Action::await_change());
    }
    let Some(volume) = volume(&claim, &class, &context.root, &context.node) else {
        return Ok(Action::await_change());
    };
    folder::make(&context.root.join(volume.name_any())).await?;
    let volumes = Api::<PersistentVolume>::all(context.client.clone());
    match volumes.create(&PostParams::default(), &volume).await {
        // An earlier process got this far.
        Err(kube::Error::Api(status)) if status.is_already_exists() => {}
        created => {
            created.doing("create the volume")?;
            info!(
                volume = volume.name_any(),
                claim = claim.name_any(),
                "volume made"
            );
        }
    }
    Ok(Action::await_change())
}

/// The class of a claim that waits for a volume on `node`.
fn open_for<'a>(claim: &'a PersistentVolumeClaim, node: &str) -> Option<&'a str> {
    let spec = claim.spec.as_ref()?;
    let waits = spec.volume_name.is_none() && claim.metadata.deletion_timestamp.is_none();
    let here = claim
        .annotations()
        .get(SELECTED_NODE)
        .is_some_and(|selected| selected == node);
    (waits && here).then_some(spec.storage_class_name.as_deref()?)
}

/// Whether a folder can be what the claim asks for.
///
/// # Errors
/// The note of an Event: field, value, rule, remedy.
fn possible(claim: &PersistentVolumeClaim) -> Result<(), String> {
    let Some(spec) = &claim.spec else { return Ok(()) };
    if let Some(mode) = spec.volume_mode.as_ref().filter(|mode| *mode != "Filesystem") {
        return Err(format!(
            "spec.volumeMode {mode:?} must be Filesystem: a local volume is a folder"
        ));
    }
    if spec.data_source.is_some() || spec.data_source_ref.is_some() {
        return Err("spec.dataSource can't be honoured by a local volume; leave it out".into());
    }
    match spec
        .access_modes
        .iter()
        .flatten()
        .find(|mode| !ACCESS_MODES.contains(&mode.as_str()))
    {
        Some(mode) => Err(format!(
            "spec.accessModes {mode:?} must be ReadWriteOnce or ReadWriteOncePod: a local volume is of one node"
        )),
        None => Ok(()),
    }
}

/// The volume for `claim`, named after its uid so that making it twice makes one. `None` for a claim that the API
/// server can't have accepted.
fn volume(
    claim: &PersistentVolumeClaim,
    class: &StorageClass,
    root: &Path,
    node: &str,
) -> Option<PersistentVolume> {
    let spec = claim.spec.as_ref()?;
    let name = format!("pvc-{}", claim.uid()?);
    let size = spec
        .resources
        .as_ref()?
        .requests
        .as_ref()?
        .get("storage")?
        .clone();
    let hostname = NodeSelectorRequirement {
        key: "kubernetes.io/hostname".into(),
        operator: "In".into(),
        values: Some(vec![node.into()]),
    };
    let term = NodeSelectorTerm {
        match_expressions: Some(vec![hostname]),
        ..NodeSelectorTerm::default()
    };
    Some(PersistentVolume {
        spec: Some(PersistentVolumeSpec {
            capacity: Some([("storage".into(), size)].into()),
            access_modes: spec.access_modes.clone(),
            volume_mode: Some("Filesystem".into()),
            persistent_volume_reclaim_policy: Some(
                class.reclaim_policy.clone().unwrap_or_else(|| "Delete".into()),
            ),
            storage_class_name: spec.storage_class_name.clone(),
            claim_ref: Some(ObjectReference {
                api_version: Some("v1".into()),
                kind: Some("PersistentVolumeClaim".into()),
                namespace: claim.namespace(),
                name: Some(claim.name_any()),
                uid: claim.uid(),
                ..ObjectReference::default()
            }),
            local: Some(LocalVolumeSource {
                path: root.join(&name).display().to_string(),
                ..LocalVolumeSource::default()
            }),
            node_affinity: Some(VolumeNodeAffinity {
                required: Some(NodeSelector {
                    node_selector_terms: vec![term],
                }),
            }),
            ..PersistentVolumeSpec::default()
        }),
        metadata: ObjectMeta {
            name: Some(name),
            annotations: Some([(PROVISIONED_BY.into(), PROVISIONER.into())].into()),
            finalizers: Some(vec![FINALIZER.into()]),
            ..ObjectMeta::default()
        },
        ..PersistentVolume::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn claim(change: impl FnOnce(&mut Value)) -> PersistentVolumeClaim {
        let mut claim = json!({
            "metadata": {"name": "data-0", "namespace": "mail", "uid": "u", "annotations": {SELECTED_NODE: "n1"}},
            "spec": {
                "storageClassName": "local",
                "accessModes": ["ReadWriteOncePod"],
                "volumeMode": "Filesystem",
                "resources": {"requests": {"storage": "1Gi"}},
            },
        });
        change(&mut claim);
        serde_json::from_value(claim).unwrap()
    }

    fn class(reclaim: Option<&str>) -> StorageClass {
        serde_json::from_value(json!({"provisioner": PROVISIONER, "reclaimPolicy": reclaim})).unwrap()
    }

    #[test]
    fn a_volume_is_bound_to_its_claim_and_its_node() {
        let volume = volume(&claim(|_| ()), &class(None), Path::new("/v"), "n1").unwrap();
        let volume = serde_json::to_value(volume).unwrap();
        assert_eq!(volume["metadata"]["name"], "pvc-u");
        let spec = &volume["spec"];
        assert_eq!(spec["local"]["path"], "/v/pvc-u");
        assert_eq!(spec["claimRef"]["uid"], "u");
        assert_eq!(spec["claimRef"]["name"], "data-0");
        assert_eq!(spec["accessModes"], json!(["ReadWriteOncePod"]));
        assert_eq!(spec["persistentVolumeReclaimPolicy"], "Delete");
        let term = &spec["nodeAffinity"]["required"]["nodeSelectorTerms"][0]["matchExpressions"][0];
        assert_eq!(
            *term,
            json!({"key": "kubernetes.io/hostname", "operator": "In", "values": ["n1"]})
        );
    }

    #[test]
    fn the_class_decides_whether_a_released_volume_stays() {
        let volume = volume(&claim(|_| ()), &class(Some("Retain")), Path::new("/v"), "n1").unwrap();
        assert_eq!(
            volume.spec.unwrap().persistent_volume_reclaim_policy.as_deref(),
            Some("Retain")
        );
    }

    #[test]
    fn only_an_unbound_claim_of_this_node_gets_a_volume() {
        assert_eq!(open_for(&claim(|_| ()), "n1"), Some("local"));
        assert_eq!(open_for(&claim(|_| ()), "n2"), None);
        assert_eq!(
            open_for(&claim(|c| c["metadata"]["annotations"] = json!({})), "n1"),
            None
        );
        assert_eq!(
            open_for(&claim(|c| c["spec"]["volumeName"] = "pv".into()), "n1"),
            None
        );
        assert_eq!(
            open_for(
                &claim(|c| c["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into()),
                "n1"
            ),
            None
        );
    }

    #[test]
    fn what_a_folder_cannot_be_is_refused_by_field_and_value() {
        for (field, value, words) in [
            ("volumeMode", json!("Block"), "spec.volumeMode \"Block\""),
            (
                "accessModes",
                json!(["ReadWriteMany"]),
                "spec.accessModes \"ReadWriteMany\"",
            ),
            (
                "dataSource",
                json!({"kind": "VolumeSnapshot", "name": "s"}),
                "spec.dataSource",
            ),
        ] {
            let refusal = possible(&claim(|c| c["spec"][field] = value)).unwrap_err();
            assert!(refusal.starts_with(words), "{refusal}");
        }
        assert_eq!(possible(&claim(|_| ())), Ok(()));
    }
}

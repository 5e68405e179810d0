//! Controllers of pods, and what stands beside every one of them.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentSpec, StatefulSet, StatefulSetSpec},
        core::v1::{
            ConfigMap, PersistentVolumeClaim, PersistentVolumeClaimSpec, PodSpec, PodTemplateSpec,
            ServiceAccount, VolumeResourceRequirements,
        },
        policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec},
    },
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::ObjectMeta, util::intstr::IntOrString},
};

use kube::Resource;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use super::{
    Owner, Part,
    pod::{CONFIG_ANNOTATION, digest},
};

/// On a controller of pods: the digest of the pods that it was applied with last. What the API server has of them says
/// nothing of a field that was given up since.
pub const TEMPLATE_ANNOTATION: &str = "1govuc.gov.my/template";

/// A controller of pods.
pub trait Workload: Resource<DynamicType = ()> + Serialize + DeserializeOwned {
    fn template(&self) -> Option<&PodTemplateSpec>;

    fn set_template(&mut self, template: Option<PodTemplateSpec>);

    /// Pods that serve, old or new.
    fn ready_pods(&self) -> i32;
}

macro_rules! workloads {
    ($($type:ty),+) => {
        $(impl Workload for $type {
            fn template(&self) -> Option<&PodTemplateSpec> {
                self.spec.as_ref().map(|spec| &spec.template)
            }

            fn set_template(&mut self, template: Option<PodTemplateSpec>) {
                self.spec.get_or_insert_default().template = template.unwrap_or_default();
            }

            fn ready_pods(&self) -> i32 {
                self.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or(0)
            }
        })+
    };
}

workloads!(Deployment, StatefulSet);

/// A volume that outlives its pod.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim<'a> {
    pub size: Quantity,
    /// The cluster's default class when there is none.
    pub class: Option<&'a str>,
}

/// One replica, never two at once. `restarts_with` is the digest of what the engines read only when they start.
pub fn stateful_set(part: &Part, spec: PodSpec, restarts_with: &str, owner: Owner<'_>) -> StatefulSet {
    let template = template(part, spec, restarts_with);
    StatefulSet {
        metadata: metadata(part, &template, owner),
        spec: Some(StatefulSetSpec {
            replicas: Some(1),
            // In order, a pod that never gets ready would keep its own correction from being rolled out.
            pod_management_policy: Some("Parallel".to_owned()),
            selector: part.selector(),
            template,
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// Replicas without state.
pub fn deployment(
    part: &Part,
    replicas: i32,
    spec: PodSpec,
    restarts_with: &str,
    owner: Owner<'_>,
) -> Deployment {
    let template = template(part, spec, restarts_with);
    Deployment {
        metadata: metadata(part, &template, owner),
        spec: Some(DeploymentSpec {
            replicas: Some(replicas),
            selector: part.selector(),
            template,
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// One pod at a time may be evicted: a drain is never blocked for ever, and never takes two at once that serve. Those that
/// don't, as at a site that has closed its doors, are no reason to wait.
pub fn disruption_budget(part: &Part, owner: Owner<'_>) -> PodDisruptionBudget {
    PodDisruptionBudget {
        metadata: part.metadata(&part.name, owner),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(part.selector()),
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// An account of the part's own, without rights.
pub fn service_account(part: &Part, owner: Owner<'_>) -> ServiceAccount {
    ServiceAccount {
        metadata: part.metadata(&part.name, owner),
        automount_service_account_token: Some(false),
        ..Default::default()
    }
}

pub fn config_map(part: &Part, name: &str, files: BTreeMap<String, String>, owner: Owner<'_>) -> ConfigMap {
    ConfigMap {
        metadata: part.metadata(name, owner),
        data: Some(files),
        ..Default::default()
    }
}

/// Whether every replica of what was asked for last is ready.
pub fn stateful_set_is_ready(live: &StatefulSet) -> bool {
    let status = live.status.clone().unwrap_or_default();
    let wanted = live.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    is_current(live.metadata.generation, status.observed_generation)
        && status.updated_replicas.unwrap_or(0) >= wanted
        && status.ready_replicas.unwrap_or(0) >= wanted
}

/// As [`stateful_set_is_ready`].
pub fn deployment_is_ready(live: &Deployment) -> bool {
    let status = live.status.clone().unwrap_or_default();
    let wanted = live.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    is_current(live.metadata.generation, status.observed_generation)
        && status.updated_replicas.unwrap_or(0) >= wanted
        && status.ready_replicas.unwrap_or(0) >= wanted
}

/// A status of an earlier generation speaks of pods that are about to go.
fn is_current(generation: Option<i64>, observed: Option<i64>) -> bool {
    observed.is_some() && observed >= generation
}

fn metadata(part: &Part, template: &PodTemplateSpec, owner: Owner<'_>) -> ObjectMeta {
    let digest = digest([json!(template).to_string()]);
    ObjectMeta {
        annotations: Some(super::pairs([(TEMPLATE_ANNOTATION, digest.as_str())])),
        ..part.metadata(&part.name, owner)
    }
}

fn template(part: &Part, spec: PodSpec, restarts_with: &str) -> PodTemplateSpec {
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(part.labels()),
            annotations: Some(super::pairs([(CONFIG_ANNOTATION, restarts_with)])),
            ..Default::default()
        }),
        spec: Some(spec),
    }
}

/// A part's volume. Not a template of the StatefulSet, because those can't grow; and not owned, because data outlives
/// what was made to serve it.
pub fn volume_claim(part: &Part, claim: Claim<'_>) -> PersistentVolumeClaim {
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(part.name.clone()),
            namespace: Some(part.role.namespace().to_owned()),
            labels: Some(part.labels()),
            ..Default::default()
        },
        spec: Some(PersistentVolumeClaimSpec {
            // Two writers would destroy what is there.
            access_modes: Some(vec!["ReadWriteOncePod".to_owned()]),
            storage_class_name: claim.class.map(str::to_owned),
            resources: Some(VolumeResourceRequirements {
                requests: Some(BTreeMap::from([("storage".to_owned(), claim.size)])),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

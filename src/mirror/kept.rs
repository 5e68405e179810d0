//! What the lead's spec took the place of, kept where the object's people find it.

use std::collections::BTreeMap;

use govuc_wire::names::SYSTEM_NAMESPACE;
use k8s_openapi::{
    api::core::v1::Secret,
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
    jiff::{SignedDuration, Timestamp},
};
use kube::{ResourceExt, core::object::HasSpec};

use super::Mirrored;
use crate::part::common_labels;

/// How long it is kept.
const DAYS: i64 = 30;
/// After this it may be removed.
const EXPIRES: &str = "1govuc.gov.my/expires";

/// `diverged-<kind>-<name>-<seq>`.
pub fn name<K: Mirrored>(object: &K, seq: u64) -> String {
    format!("diverged-{}-{}-{seq}", K::LABEL, object.name_any())
}

/// A Secret, for a spec names people. It is beside the object, and of an agency in the operator's namespace.
pub fn secret<K: Mirrored>(object: &K, seq: u64, now: Timestamp) -> Secret {
    let expires = now + SignedDuration::from_hours(24 * DAYS);
    // As it can be applied again.
    let manifest = serde_json::json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        "metadata": {"name": object.name_any(), "namespace": object.namespace()},
        "spec": HasSpec::spec(object),
    });
    Secret {
        metadata: ObjectMeta {
            name: Some(name(object, seq)),
            namespace: Some(namespace(object)),
            labels: Some(common_labels()),
            annotations: Some(BTreeMap::from([(EXPIRES.to_owned(), expires.to_string())])),
            ..Default::default()
        },
        string_data: Some(BTreeMap::from([("object.json".to_owned(), manifest.to_string())])),
        ..Default::default()
    }
}

/// Where it is.
pub fn namespace(object: &impl ResourceExt) -> String {
    object.namespace().unwrap_or_else(|| SYSTEM_NAMESPACE.to_owned())
}

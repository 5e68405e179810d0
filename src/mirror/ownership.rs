//! Who owns a spec's fields, as the API server keeps it: the people and pipelines who wrote them, and never the mirror. What the mirror
//! owned would stay when a pipeline no longer names it. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::ResourceExt;
use serde_json::Value;

use super::MANAGER;

const SPEC: &str = "f:spec";

/// Whether the mirror owns fields of the spec, as it does after it has written one.
pub fn is_the_mirrors(object: &impl ResourceExt) -> bool {
    object.managed_fields().iter().any(owns_spec)
}

/// The same without that.
pub fn given_up(fields: &[ManagedFieldsEntry]) -> Vec<ManagedFieldsEntry> {
    let rest = fields.iter().cloned().map(|mut entry| {
        if owns_spec(&entry)
            && let Some(fields) = entry
                .fields_v1
                .as_mut()
                .and_then(|fields| fields.0.as_object_mut())
        {
            fields.remove(SPEC);
        }
        entry
    });
    let is_left = |entry: &ManagedFieldsEntry| {
        let fields = entry.fields_v1.as_ref().and_then(|fields| fields.0.as_object());
        fields.is_none_or(|fields| !fields.is_empty())
    };
    rest.filter(is_left).collect()
}

fn owns_spec(entry: &ManagedFieldsEntry) -> bool {
    let fields = entry.fields_v1.as_ref().map(|fields| &fields.0);
    entry.manager.as_deref() == Some(MANAGER) && fields.and_then(|fields: &Value| fields.get(SPEC)).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::FieldsV1;
    use serde_json::json;

    fn entry(manager: &str, fields: Value) -> ManagedFieldsEntry {
        ManagedFieldsEntry {
            manager: Some(manager.to_owned()),
            fields_v1: Some(FieldsV1(fields)),
            ..Default::default()
        }
    }

    #[test]
    fn only_what_the_mirror_owns_of_the_spec_is_given_up() {
        let metadata = json!({"f:metadata": {"f:annotations": {}}});
        let spec = json!({"f:spec": {"f:quota": {}}});
        let mut both = metadata.clone();
        both["f:spec"] = spec["f:spec"].clone();
        let fields = [
            entry("kustomize-controller", spec.clone()),
            entry(MANAGER, both),
            entry(MANAGER, spec.clone()),
            entry(MANAGER, json!({"f:status": {}})),
        ];
        let left = [
            entry("kustomize-controller", spec),
            entry(MANAGER, metadata),
            entry(MANAGER, json!({"f:status": {}})),
        ];
        assert_eq!(given_up(&fields), left);
    }
}

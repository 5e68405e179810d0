//! What the lead's spec took the place of, kept where the object's people find it.

use std::collections::BTreeMap;

use govuc_api::SCHEMA;
use govuc_wire::names::SYSTEM_NAMESPACE;
use k8s_openapi::{
    api::core::v1::Secret,
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
    jiff::{SignedDuration, Timestamp},
};
use kube::{ResourceExt, core::object::HasSpec};

use super::{Mirrored, record::hash};
use crate::part::common_labels;

/// How long it is kept.
const DAYS: i64 = 30;
/// Of the hash, in the name.
const DIGITS: usize = 16;
/// After this it may be removed.
const EXPIRES: &str = "1govuc.gov.my/expires";

/// `diverged-<kind>-<name>-<digits>`, by the spec that is kept: another spec never finds its Secret made already, as that of an
/// earlier object of this name, and the same one is kept once.
pub fn name<K: Mirrored>(object: &K) -> String {
    let content = hash(HasSpec::spec(object), SCHEMA);
    let digits: String = content.digest().chars().take(DIGITS).collect();
    format!("diverged-{}-{}-{digits}", K::LABEL, object.name_any())
}

/// A Secret, for a spec names people. It is beside the object, and of an agency in the operator's namespace.
pub fn secret<K: Mirrored>(object: &K, now: Timestamp) -> Secret {
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
            name: Some(name(object)),
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

#[cfg(test)]
mod tests {
    use super::*;
    use govuc_api::Mailbox;

    fn mailbox(grade: i32) -> Mailbox {
        let text = format!(
            r#"{{"apiVersion": "1govuc.gov.my/v1alpha1", "kind": "Mailbox", "metadata": {{"name": "ali", "namespace": "agency-kkr"}},
            "spec": {{"type": "Individual", "address": "ali@kkr.gov.my",
                "individual": {{"staffNumber": "KKR-1", "name": "Ali", "grade": {grade}}}}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn two_specs_of_one_name_are_never_kept_in_one_secret() {
        assert_eq!(name(&mailbox(44)), name(&mailbox(44)));
        assert_ne!(name(&mailbox(44)), name(&mailbox(48)));
    }

    #[test]
    fn what_is_kept_can_be_applied_again() {
        let secret = secret(&mailbox(44), "2026-11-27T00:00:00Z".parse().unwrap());
        assert_eq!(secret.metadata.namespace.as_deref(), Some("agency-kkr"));
        let kept: Mailbox = serde_json::from_str(&secret.string_data.unwrap()["object.json"]).unwrap();
        assert_eq!(kept.spec, mailbox(44).spec);
        let expires = &secret.metadata.annotations.unwrap()[EXPIRES];
        assert_eq!(expires, "2026-12-27T00:00:00Z");
    }
}

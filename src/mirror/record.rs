//! What both clusters agreed on about an object, as the object itself carries it.

use govuc_mirror::{Agreement, Lineage, Mark, Partner, Replica, SpecHash};
use kube::{ResourceExt, core::object::HasSpec};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::Mirrored;

/// Beside the spec, so that both are written at once. People's tools leave it where it is; a replace drops it, and then the peer's
/// annotation says enough.
pub const ANNOTATION: &str = "1govuc.gov.my/mirror";

/// The annotation's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The uid of this object. It keeps what was exported, and applied elsewhere or later, from speaking of another object. A copy
    /// that was just made has none; it is unconfirmed, and so nothing is deleted by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// The uid of the cluster it was agreed with: an empty one in its place has agreed to nothing.
    pub cluster: String,
    pub partner: Option<Partner>,
    pub agreed: Agreement,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub confirmed: bool,
    /// The Secret with the spec that was here before the lead's was taken over it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
    /// The own cluster's when this was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
}

impl Record {
    /// What an object carries, if that speaks of this object.
    pub fn of(object: &impl ResourceExt) -> Option<Self> {
        let text = object.annotations().get(ANNOTATION)?;
        // What can't be read was written by somebody else: it counts as nothing, and is written anew.
        let record: Self = serde_json::from_str(text).ok()?;
        let speaks_of_it = match &record.of {
            Some(uid) => object.uid().as_ref() == Some(uid),
            None => !record.confirmed,
        };
        speaks_of_it.then_some(record)
    }

    pub fn text(&self) -> String {
        // Texts, numbers and nothing else: there is always a JSON of it.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// SHA-256 of the spec as JSON with sorted keys, defaults filled in.
pub fn hash<S: Serialize>(spec: &S, schema: u32) -> SpecHash {
    let digest = digest(&SHA256, canonical(spec).as_bytes());
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest.as_ref());
    SpecHash::new(schema, bytes)
}

/// JSON with sorted keys, defaults filled in: what is hashed.
pub fn canonical(spec: &impl Serialize) -> String {
    // A `Value` sorts its keys. Specs are texts, numbers, lists and maps of texts: there is always a JSON of them.
    serde_json::to_value(spec)
        .map(|value| value.to_string())
        .unwrap_or_default()
}

/// The object as the mirror's rules see it. `cluster` is the other one's uid, with which alone an agreement counts; none as long as
/// that is not known.
pub fn replica<K: Mirrored>(object: &K, cluster: Option<&str>, schema: u32) -> Replica {
    let record = Record::of(object).filter(|record| cluster.is_none_or(|uid| record.cluster == uid));
    let (partner, agreed, confirmed) = match record {
        Some(record) => (record.partner, Some(record.agreed), record.confirmed),
        None => (None, None, false),
    };
    Replica {
        lineage: Lineage(object.uid().unwrap_or_default()),
        generation: object.meta().generation.unwrap_or_default(),
        partner,
        spec: hash(HasSpec::spec(object), schema),
        agreed,
        confirmed,
        leaving: object.meta().deletion_timestamp.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use govuc_api::Mailbox;
    use rstest::rstest;

    fn mailbox(uid: &str, record: Option<&Record>) -> Mailbox {
        let text = r#"{"apiVersion": "1govuc.gov.my/v1alpha1", "kind": "Mailbox", "metadata": {"name": "ali", "namespace": "agency-kkr"},
            "spec": {"type": "Individual", "address": "ali@kkr.gov.my",
                "individual": {"staffNumber": "KKR-1", "name": "Ali", "grade": 44}}}"#;
        let mut mailbox: Mailbox = serde_json::from_str(text).unwrap();
        mailbox.metadata.uid = Some(uid.to_owned());
        if let Some(record) = record {
            mailbox
                .annotations_mut()
                .insert(ANNOTATION.to_owned(), record.text());
        }
        mailbox
    }

    fn record(of: Option<&str>, confirmed: bool) -> Record {
        Record {
            of: of.map(str::to_owned),
            cluster: "there".to_owned(),
            partner: Some(Partner {
                lineage: Lineage("theirs".into()),
                generation: 1,
            }),
            agreed: Agreement {
                seq: 3,
                spec: hash(&1, 1),
            },
            confirmed,
            kept: None,
            mark: None,
        }
    }

    #[test]
    fn a_spec_has_one_hash_whatever_was_left_to_defaults() {
        let plain = mailbox("u", None);
        let mut spelt = plain.clone();
        spelt.spec.aliases = Vec::new();
        assert_eq!(hash(&plain.spec, 1), hash(&spelt.spec, 1));
        // As sha256sum says of it with keys in order and nothing between.
        assert_eq!(
            hash(&plain.spec, 1).to_string(),
            "1:794ff1d3d8e732c1d691919deef704813fb021278755bee5f829cc023fcdb76a"
        );
        spelt.spec.aliases = vec!["a@kkr.gov.my".into()];
        assert_ne!(hash(&plain.spec, 1), hash(&spelt.spec, 1));
        assert_ne!(hash(&plain.spec, 1), hash(&plain.spec, 2));
    }

    #[rstest]
    #[case::own(record(Some("u"), true), Some("there"), true)]
    #[case::exported_from_another_object(record(Some("x"), true), Some("there"), false)]
    #[case::just_made(record(None, false), Some("there"), true)]
    #[case::never_a_proof_without_its_uid(record(None, true), Some("there"), false)]
    #[case::agreed_with_a_cluster_that_is_no_more(record(Some("u"), true), Some("new"), false)]
    #[case::peer_not_known_yet(record(Some("u"), true), None, true)]
    fn an_agreement_counts_for_its_own_object_and_cluster(
        #[case] record: Record,
        #[case] cluster: Option<&str>,
        #[case] counts: bool,
    ) {
        let replica = replica(&mailbox("u", Some(&record)), cluster, 1);
        assert_eq!(replica.agreed.is_some(), counts);
        assert_eq!(replica.confirmed, counts && record.confirmed);
        assert_eq!(replica.lineage, Lineage("u".into()));
    }

    #[test]
    fn an_annotation_that_means_nothing_counts_as_none() {
        let mut object = mailbox("u", None);
        object
            .annotations_mut()
            .insert(ANNOTATION.to_owned(), "{".to_owned());
        assert_eq!(Record::of(&object), None);
    }
}

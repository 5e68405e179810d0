//! What two clusters have of one object, and in what that differs: pure.

use std::collections::BTreeMap;

use govuc_api::conditions::types;
use kube::{ResourceExt, core::object::HasSpec};
use serde::Serialize;
use serde_json::Value;

use super::wanted::{Kind, Named};
use crate::{
    conditions::Status,
    mirror::{Mirrored, canonical},
};

/// One cluster's object, as far as it is compared. There may be very many of them at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    pub uid: String,
    /// JSON with sorted keys, defaults filled in: the text whose hash the operators compare.
    pub spec: String,
    pub deleting: bool,
    /// The reasons of what the mirror says of it.
    pub mirrored: Option<String>,
    pub diverged: Option<String>,
}

/// An object that is not the same in the two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub object: Named,
    /// In the order of the contexts.
    pub sides: [Option<Side>; 2],
}

/// The same for programs. What is said of one side stands under its context.
#[derive(Debug, PartialEq, Serialize)]
pub struct Row {
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    name: String,
    /// The contexts of the clusters that have it.
    at: Vec<String>,
    /// Those in which it is being deleted.
    deleting: Vec<String>,
    diverged: BTreeMap<String, String>,
    mirrored: BTreeMap<String, String>,
    specs: BTreeMap<String, Value>,
}

impl Side {
    pub fn of<K: Mirrored>(object: &K) -> Self {
        let reason = |type_| {
            let conditions = object.status().map_or(&[][..], |status| status.conditions());
            let said = conditions.iter().find(|condition| condition.type_ == type_)?;
            Some(said.reason.clone())
        };
        Self {
            uid: object.uid().unwrap_or_default(),
            spec: canonical(HasSpec::spec(object)),
            deleting: object.meta().deletion_timestamp.is_some(),
            mirrored: reason(types::MIRRORED),
            diverged: reason(types::DIVERGED),
        }
    }

    pub fn value(&self) -> Value {
        // It was made of a value.
        serde_json::from_str(&self.spec).unwrap_or_default()
    }
}

impl Difference {
    /// None if it is the same in both.
    pub fn of(object: Named, sides: [Option<Side>; 2]) -> Option<Self> {
        let same = match &sides {
            [Some(one), Some(other)] => one.spec == other.spec && one.deleting == other.deleting,
            [None, None] => true,
            _ => false,
        };
        (!same).then_some(Self { object, sides })
    }

    pub fn row(&self, contexts: [&str; 2]) -> Row {
        let there: Vec<(&str, &Side)> = contexts
            .into_iter()
            .zip(&self.sides)
            .filter_map(|(context, side)| Some((context, side.as_ref()?)))
            .collect();
        let said = |word: fn(&Side) -> Option<&String>| {
            let said = there
                .iter()
                .filter_map(|(context, side)| Some((*context, word(side)?)));
            said.map(|(context, reason)| (context.to_owned(), reason.clone()))
                .collect()
        };
        Row {
            kind: self.object.kind,
            namespace: self.object.namespace.clone(),
            name: self.object.name.clone(),
            at: there.iter().map(|(context, _)| (*context).to_owned()).collect(),
            deleting: there
                .iter()
                .filter(|(_, side)| side.deleting)
                .map(|(context, _)| (*context).to_owned())
                .collect(),
            diverged: said(|side| side.diverged.as_ref()),
            mirrored: said(|side| side.mirrored.as_ref()),
            specs: there
                .iter()
                .map(|(context, side)| ((*context).to_owned(), side.value()))
                .collect(),
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::mirror::hash;
    use govuc_api::Mailbox;
    use serde_json::json;

    pub fn mailbox(grade: i32) -> Mailbox {
        let text = format!(
            r#"{{"apiVersion": "1govuc.gov.my/v1alpha1", "kind": "Mailbox", "metadata": {{"name": "ali", "namespace": "agency-kkr"}},
            "spec": {{"type": "Individual", "address": "ali@kkr.gov.my",
                "individual": {{"staffNumber": "KKR-1", "name": "Ali", "grade": {grade}}}}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    pub fn side(grade: i32) -> Side {
        Side::of(&mailbox(grade))
    }

    pub fn ali() -> Named {
        Named {
            kind: Kind::Mailbox,
            namespace: Some("agency-kkr".into()),
            name: "ali".into(),
        }
    }

    #[test]
    fn what_the_operators_take_for_the_same_is_no_difference() {
        let (plain, mut spelt) = (mailbox(44), mailbox(44));
        spelt.spec.aliases = Vec::new();
        let other = mailbox(48);
        for (one, two) in [(&plain, &spelt), (&plain, &other)] {
            assert_eq!(
                canonical(&one.spec) == canonical(&two.spec),
                hash(&one.spec, 1) == hash(&two.spec, 1)
            );
        }
        assert_eq!(Difference::of(ali(), [Some(side(44)), Some(side(44))]), None);
        assert!(Difference::of(ali(), [Some(side(44)), Some(side(48))]).is_some());
        assert!(Difference::of(ali(), [None, Some(side(44))]).is_some());
    }

    #[test]
    fn what_the_mirror_says_is_no_difference_and_a_deletion_at_one_site_is() {
        let one = side(44);
        let told = Side {
            uid: "other".into(),
            mirrored: Some("SameAtBothSites".into()),
            ..side(44)
        };
        assert_eq!(Difference::of(ali(), [Some(one.clone()), Some(told)]), None);
        let deleting = Side {
            deleting: true,
            ..side(44)
        };
        let both = [Some(deleting.clone()), Some(deleting.clone())];
        assert_eq!(Difference::of(ali(), both), None);
        let found = Difference::of(ali(), [Some(one), Some(deleting)]).unwrap();
        assert_eq!(found.row(["one", "two"]).deleting, ["two"]);
    }

    #[test]
    fn a_row_says_of_each_context_what_is_there() {
        let mut object = mailbox(44);
        let status = json!({"conditions": [
            {"type": "Mirrored", "status": "False", "reason": "DeletedAtPeer", "message": "", "lastTransitionTime": "2026-12-01T00:00:00Z"},
            {"type": "Diverged", "status": "True", "reason": "DeletedAtPeer", "message": "", "lastTransitionTime": "2026-12-01T00:00:00Z"},
        ]});
        object.status = serde_json::from_value(status).unwrap();
        let found = Difference::of(ali(), [None, Some(Side::of(&object))]).unwrap();
        let row = serde_json::to_value(found.row(["one", "two"])).unwrap();
        assert_eq!(row["kind"], "Mailbox");
        assert_eq!(row["at"], json!(["two"]));
        assert_eq!(row["diverged"], json!({"two": "DeletedAtPeer"}));
        assert_eq!(row["mirrored"], json!({"two": "DeletedAtPeer"}));
        assert_eq!(row["specs"]["two"]["individual"]["grade"], 44);
        assert_eq!(row["specs"].as_object().unwrap().len(), 1);
    }
}

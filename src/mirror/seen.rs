//! What is known of an object in each cluster, as its watch tells it.

use std::{sync::Arc, time::Duration};

use govuc_api::SCHEMA;
use govuc_mirror::{Act, Mark, Replica};
use kube::{ResourceExt, core::object::HasSpec};
use tokio::time::Instant;

use super::{
    FINALIZER, Mirrored, ownership,
    record::{Record, replica},
    sites::Other,
    status::{self, Part, Told},
};

/// How long the other site has to do the same before it is worth a word.
const PATIENCE: Duration = Duration::from_secs(5);

/// An object of the own cluster.
#[derive(Clone, Debug)]
pub struct Own {
    pub replica: Replica,
    /// By which the API server knows whether it is still this.
    pub version: String,
    pub finalizers: Vec<String>,
    /// With which cluster it was agreed.
    cluster: Option<String>,
    /// The Secret with what was here before.
    pub kept: Option<String>,
    /// What is said of it.
    pub part: Part,
    /// The mirror owns fields of the spec, which it gives up with its next note.
    pub owned: bool,
    changed: Instant,
}

/// One of the other cluster.
#[derive(Clone, Debug)]
pub struct Theirs<K: Mirrored> {
    pub replica: Replica,
    /// The other cluster's when it agreed on what it has.
    pub mark: Option<Mark>,
    /// Why the other site can't take what is here, in its API server's words.
    pub refused: Option<String>,
    /// As long as it is another one than here.
    pub spec: Option<Arc<<K as HasSpec>::Spec>>,
}

impl Own {
    /// `before` is what was seen of it last.
    pub fn of<K: Mirrored>(object: &K, before: Option<&Self>) -> Self {
        let record = Record::of(object);
        let own = Self {
            replica: replica(object, None, SCHEMA),
            version: object.resource_version().unwrap_or_default(),
            finalizers: object.finalizers().to_vec(),
            kept: record.as_ref().and_then(|record| record.kept.clone()),
            cluster: record.map(|record| record.cluster),
            part: Part::of(object),
            owned: ownership::is_the_mirrors(object),
            changed: Instant::now(),
        };
        match before {
            // An event that changes nothing does not begin the wait anew.
            Some(before) if *before == own => Self {
                changed: before.changed,
                ..own
            },
            _ => own,
        }
    }

    /// What was agreed with another cluster than the one that is there now was not agreed with it.
    pub fn for_peer(&self, other: Option<&Other>) -> Replica {
        let mut replica = self.replica.clone();
        if let Some(other) = other
            && self.cluster.as_ref().is_some_and(|cluster| *cluster != other.uid)
        {
            (replica.partner, replica.agreed, replica.confirmed) = (None, None, false);
        }
        replica
    }

    pub fn is_held(&self) -> bool {
        self.finalizers.iter().any(|held| held == FINALIZER)
    }

    fn told(&self) -> Told {
        self.part.told(self.replica.generation)
    }

    /// Whether a look is worth its request when nothing is to be changed. `known`: the other cluster has been seen.
    pub fn has_more_to_say(
        &self,
        local: &Replica,
        act: &Act,
        refused: Option<&str>,
        peer: &str,
        known: bool,
    ) -> bool {
        let words = status::words(local, act, self.kept.as_deref(), refused, peer);
        !local.leaving && (known && !self.is_held() || words.is_some_and(|words| words.told() != self.told()))
    }

    /// Before a word is worth its write: mostly the other site has done the same by then. What is not held yet is held at once.
    pub fn patience(&self, act: &Act) -> Duration {
        match act {
            Act::Wait(_) if self.is_held() => PATIENCE.saturating_sub(self.changed.elapsed()),
            _ => Duration::ZERO,
        }
    }

    /// Whether people read of it that it is the same at both sites.
    pub fn is_mirrored(&self) -> bool {
        self.told().is_same()
    }
}

impl PartialEq for Own {
    /// When it changed is no news, nor is what concerns only others.
    fn eq(&self, other: &Self) -> bool {
        (
            &self.replica,
            &self.cluster,
            self.is_held(),
            &self.kept,
            self.told(),
        ) == (
            &other.replica,
            &other.cluster,
            other.is_held(),
            &other.kept,
            other.told(),
        )
    }
}

impl<K: Mirrored> Theirs<K> {
    /// `uid` is the own cluster's, `schema` the other operator's.
    pub fn of(object: &K, uid: &str, schema: u32, own: Option<&Own>) -> Self {
        let replica = replica(object, Some(uid), schema);
        let differs = own.is_none_or(|own| own.replica.spec != replica.spec);
        Self {
            mark: Record::of(object)
                .filter(|record| record.cluster == uid)
                .and_then(|record| record.mark),
            refused: status::refusal(Part::of(object)),
            spec: differs.then(|| Arc::new(HasSpec::spec(object).clone())),
            replica,
        }
    }
}

impl<K: Mirrored> PartialEq for Theirs<K> {
    /// Of the spec the replica has the hash, and a mark is none of the object's.
    fn eq(&self, other: &Self) -> bool {
        (&self.replica, &self.refused) == (&other.replica, &other.refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::{ANNOTATION, hash};
    use govuc_api::{Mailbox, conditions::reasons};
    use govuc_mirror::{Agreement, Lead, Lineage, Partner, Peer, Waiting, decide};
    use k8s_openapi::jiff::Timestamp;

    fn agreed(cluster: &str) -> Mailbox {
        let text = r#"{"apiVersion": "1govuc.gov.my/v1alpha1", "kind": "Mailbox", "metadata": {"name": "ali", "uid": "u"},
            "spec": {"type": "Individual", "address": "ali@kkr.gov.my",
                "individual": {"staffNumber": "KKR-1", "name": "Ali", "grade": 44}}}"#;
        let mut mailbox: Mailbox = serde_json::from_str(text).unwrap();
        let record = Record {
            of: Some("u".into()),
            cluster: cluster.into(),
            partner: Some(Partner {
                lineage: Lineage("theirs".into()),
                generation: 1,
            }),
            agreed: Agreement {
                seq: 1,
                spec: hash(&mailbox.spec, SCHEMA),
            },
            confirmed: true,
            kept: None,
            mark: Some(Mark { count: 1, at: 1 }),
        };
        mailbox.annotations_mut().insert(ANNOTATION.into(), record.text());
        mailbox
    }

    #[test]
    fn an_empty_cluster_in_the_place_of_a_lost_one_deletes_nothing() {
        let own = Own::of(&agreed("lost"), None);
        let act = |uid: &str| {
            let other = Other {
                uid: uid.into(),
                schema: SCHEMA,
            };
            decide(Some(&own.for_peer(Some(&other))), &Peer::Absent, Lead::Here)
        };
        assert_eq!(act("lost"), Act::Delete);
        assert_eq!(act("new"), Act::Wait(Waiting::PeerFollows));
    }

    #[test]
    fn what_is_held_and_has_told_all_costs_no_request() {
        let mut own = Own::of(&agreed("there"), None);
        let local = own.replica.clone();
        let more = |own: &Own, act: Act| own.has_more_to_say(&local, &act, None, "pdsa2", true);
        assert!(more(&own, Act::Nothing), "it is not held yet");
        own.finalizers.push(FINALIZER.into());
        assert!(more(&own, Act::Nothing), "nobody was told");
        let words = status::words(&local, &Act::Nothing, None, None, "pdsa2").unwrap();
        own.part = words.part(&own.part, local.generation, Timestamp::UNIX_EPOCH);
        assert!(!more(&own, Act::Nothing));
        // A line that is cut is no news of what both had agreed on.
        assert!(!more(&own, Act::Wait(Waiting::PeerUnknown)));
        assert!(more(&own, Act::Wait(Waiting::DeletedAtPeer)));
    }

    #[test]
    fn what_waits_for_the_other_site_is_told_of_after_a_while_and_held_at_once() {
        let mut own = Own::of(&agreed("there"), None);
        let wait = Act::Wait(Waiting::PeerFollows);
        assert_eq!(own.patience(&wait), Duration::ZERO);
        own.finalizers.push(FINALIZER.into());
        assert!(own.patience(&wait) > PATIENCE / 2);
        assert_eq!(own.patience(&Act::Nothing), Duration::ZERO);
        own.changed -= PATIENCE;
        assert_eq!(own.patience(&wait), Duration::ZERO);
    }

    #[test]
    fn of_the_other_sites_a_spec_is_remembered_as_long_as_it_is_another_one() {
        let theirs = agreed("here");
        let same = Own::of(&agreed("there"), None);
        assert_eq!(Theirs::of(&theirs, "here", SCHEMA, Some(&same)).spec, None);
        let mut other = agreed("there");
        other.spec.address = "b@kkr.gov.my".into();
        let known = Theirs::of(&theirs, "here", SCHEMA, Some(&Own::of(&other, None)));
        assert_eq!(known.spec.as_deref(), Some(&theirs.spec));
        assert!(Theirs::of(&theirs, "here", SCHEMA, None).spec.is_some());
        assert_eq!(known.mark, Some(Mark { count: 1, at: 1 }));
        // With another cluster it has agreed on nothing that concerns this one.
        assert_eq!(Theirs::of(&theirs, "elsewhere", SCHEMA, None).mark, None);
    }

    #[test]
    fn a_refusal_at_the_other_site_is_read_from_its_object_and_is_news() {
        let mut theirs = agreed("here");
        let quiet = Theirs::of(&theirs, "here", SCHEMA, None);
        let words = status::refused("pdsa1", "spec: Invalid value");
        let now: Timestamp = "2026-11-27T00:00:00Z".parse().unwrap();
        let status = theirs.status.get_or_insert_default();
        status.conditions = words.part(&Part::default(), 1, now).conditions;
        let known = Theirs::of(&theirs, "here", SCHEMA, None);
        assert!(known.refused.as_ref().unwrap().contains("spec: Invalid value"));
        assert_ne!(known, quiet);
        let own = Own::of(&agreed("there"), None);
        let refused = known.refused.as_deref();
        let wait = Act::Wait(Waiting::PeerFollows);
        let told = status::words(&own.replica, &wait, None, refused, "pdsa2").unwrap();
        assert_eq!(told.mirrored.reason, reasons::REFUSED_AT_PEER);
    }
}

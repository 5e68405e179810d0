//! One object: change it in the own cluster as was decided, if it still is what was seen, and say so.

use std::{sync::Arc, time::Duration};

use govuc_mirror::{Act, Agreement, Mark, Partner, Peer, Replica, Waiting};
use k8s_openapi::jiff::Timestamp;
use kube::{ResourceExt, api::Preconditions, core::object::HasSpec};
use serde_json::{Value, json};

use super::{
    ANNOTATION, FINALIZER, Mirrored, Record, hash, kept,
    kind::Key,
    notes::{self, Braking},
    ownership,
    seen::Own,
    sites::{Other, Sites},
    status::{self, Part, Words},
};
use crate::{cluster, controller::Label};

/// How long until it is looked again for what no watch tells: who leads.
const OPEN: Duration = Duration::from_secs(10);
/// The same for whether deletions are accepted, of which there are many then, and for what the API server refused.
const STOPPED: Duration = Duration::from_secs(60);
/// After a write that met another one.
const MET: Duration = Duration::from_millis(200);

/// What was seen of an object before it is looked at.
pub struct Seen<K: Mirrored> {
    /// What is to be done about it.
    pub act: Act,
    pub own: Option<Own>,
    /// The same, as far as it was agreed with the cluster that is there now.
    pub local: Option<Replica>,
    pub peer: Peer,
    /// The peer's, unless it was the same as here when it was seen.
    pub spec: Option<Arc<<K as HasSpec>::Spec>>,
    /// Why the other site could not take what is here.
    pub refused: Option<String>,
    /// None: the other cluster has not been seen since the start.
    pub other: Option<Other>,
    /// The other cluster's when it agreed on what it has.
    pub mark: Option<Mark>,
    /// How many objects of the kind there are here.
    pub objects: usize,
}

/// When to look again, unless a watch tells before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Settled,
    After(Duration),
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Own(#[from] cluster::Error),
    #[error("in the other site's cluster")]
    Peer(#[source] cluster::Error),
    #[error("what has to be written down first is not")]
    Note(#[from] notes::Error),
}

impl Label for Error {
    fn label(&self) -> &'static str {
        match self {
            Error::Own(error) => error.label(),
            Error::Peer(_) => "peer",
            Error::Note(_) => "note",
        }
    }
}

/// What an act needs to know.
struct Step<'a, K: Mirrored> {
    key: &'a Key,
    seen: &'a Seen<K>,
    sites: &'a Sites,
    now: Timestamp,
}

/// Does what is to be done about one object. Whatever it changes is changed only if the object is still the one that was seen.
///
/// # Errors
/// Something could not be read or written; whatever was written before stays, and the next look goes on from there.
pub async fn reconcile<K: Mirrored>(key: &Key, seen: Seen<K>, sites: &Sites) -> Result<Next, Error> {
    let step = Step {
        key,
        seen: &seen,
        sites,
        now: Timestamp::now(),
    };
    let done = match (seen.act.clone(), &seen.own) {
        (Act::Create(agreed), None) => step.create(agreed).await,
        (Act::Take { agreed, keep }, Some(_)) => step.take(agreed, keep).await,
        (
            Act::Note {
                agreed,
                partner,
                confirmed,
            },
            Some(own),
        ) => step.note(own, agreed, partner, confirmed).await,
        (Act::Forget, Some(own)) => step.annotate(own, Value::Null).await,
        (Act::Delete, Some(own)) => step.delete(own).await,
        (Act::Release, Some(own)) => step.release(own).await,
        (act, Some(own)) => step.settle(own, &act).await,
        // Nothing is here that could say anything, and it is looked at again when something is seen.
        (_, None) => Ok(Next::Settled),
    };
    match done {
        Err(Error::Note(notes::Error::Met(_))) => Ok(Next::After(MET)),
        done => done,
    }
}

impl<K: Mirrored> Step<'_, K> {
    /// The peer's spec and object, by which `agreed` was decided; none if there is another one by now.
    async fn theirs(&self, agreed: &Agreement) -> Result<Option<(<K as HasSpec>::Spec, Partner)>, Error> {
        let Peer::Replica(replica) = &self.seen.peer else {
            return Ok(None);
        };
        if let Some(spec) = &self.seen.spec {
            return Ok(Some(((**spec).clone(), replica.as_partner())));
        }
        // It was the same as here when it was seen, and was not remembered.
        let read = self
            .sites
            .peer
            .read::<K>(self.key.namespace.as_deref(), &self.key.name);
        let found = read.await.map_err(Error::Peer)?;
        let same = found.filter(|object| hash(HasSpec::spec(object), agreed.spec.schema()) == agreed.spec);
        Ok(same.map(|object| (HasSpec::spec(&object).clone(), replica.as_partner())))
    }

    /// The own object, whole; none if it is no longer the one that was seen.
    async fn still_seen(&self) -> Result<Option<K>, Error> {
        let (namespace, name) = (self.key.namespace.as_deref(), &self.key.name);
        let found = self.sites.cluster.read::<K>(namespace, name).await?;
        let seen = self.seen.own.as_ref().map(|own| own.version.as_str());
        Ok(found.filter(|object| object.meta().resource_version.as_deref() == seen))
    }

    async fn record(&self, of: Option<String>, agreed: Agreement, partner: Partner) -> Result<Record, Error> {
        let other = self.seen.other.as_ref();
        Ok(Record {
            of,
            cluster: other.map(|other| other.uid.clone()).unwrap_or_default(),
            partner: Some(partner),
            agreed,
            confirmed: false,
            kept: None,
            mark: Some(self.sites.notes.mark(self.now).await?),
        })
    }

    async fn create(&self, agreed: Agreement) -> Result<Next, Error> {
        let Some((spec, partner)) = self.theirs(&agreed).await? else {
            return Ok(Next::After(MET));
        };
        let mut object = K::made(&self.key.name, self.key.namespace.as_deref(), spec);
        carry(&mut object, &self.record(None, agreed, partner).await?);
        // Should one have come meanwhile, then none is made.
        self.written(self.sites.cluster.replace(&object).await?)
    }

    /// Of what is to be overruled all is read anew: it may have to be kept.
    async fn take(&self, agreed: Agreement, keep: bool) -> Result<Next, Error> {
        let namespace = self.key.namespace.as_deref();
        let found = self.sites.cluster.read::<K>(namespace, &self.key.name).await?;
        let seen = self.seen.own.as_ref().map(|own| own.version.as_str());
        let Some(mut object) = found.filter(|object| object.meta().resource_version.as_deref() == seen)
        else {
            return Ok(Next::After(MET));
        };
        let Some((spec, partner)) = self.theirs(&agreed).await? else {
            return Ok(Next::After(MET));
        };
        let mut record = self.record(object.uid(), agreed, partner).await?;
        if keep {
            let secret = kept::secret(&object, self.now);
            self.sites.cluster.create(&secret).await?;
            record.kept = Some(format!("{}/{}", kept::namespace(&object), kept::name(&object)));
        }
        *object.spec_mut() = spec;
        carry(&mut object, &record);
        match self.sites.cluster.replace(&object).await {
            Ok(done) => self.written(done),
            Err(error) => {
                let Some(refusal) = error.refusal() else {
                    return Err(error.into());
                };
                // The other site reads it here, and tells its people.
                self.tell(Some(status::refused(&self.sites.peer_site, refusal)))
                    .await?;
                Ok(Next::After(STOPPED))
            }
        }
    }

    async fn note(
        &self,
        own: &Own,
        agreed: Agreement,
        partner: Partner,
        confirmed: bool,
    ) -> Result<Next, Error> {
        if let (true, Some(other), Some(mark)) = (confirmed, &self.seen.other, self.seen.mark) {
            self.sites.notes.saw(&other.uid, mark).await?;
        }
        // A word about what was overruled lasts until something else is agreed on.
        let goes_on = own.replica.agreed.as_ref() == Some(&agreed);
        let record = Record {
            confirmed,
            kept: own.kept.clone().filter(|_| goes_on),
            ..self
                .record(Some(own.replica.lineage.0.clone()), agreed, partner)
                .await?
        };
        self.annotate(own, Value::String(record.text())).await
    }

    async fn annotate(&self, own: &Own, record: Value) -> Result<Next, Error> {
        let mut finalizers = own.finalizers.clone();
        // The API server takes no new one on what was deleted.
        if !own.is_held() && !own.replica.leaving {
            finalizers.push(FINALIZER.to_owned());
        }
        let mut change = json!({"annotations": {ANNOTATION: record}, "finalizers": finalizers});
        if own.owned {
            let Some(object) = self.still_seen().await? else {
                return Ok(Next::After(MET));
            };
            change["managedFields"] = json!(ownership::given_up(object.managed_fields()));
        }
        self.amend(own, change).await
    }

    async fn delete(&self, own: &Own) -> Result<Next, Error> {
        let braking = self.sites.notes.may_delete::<K>(self.seen.objects, self.now);
        match braking.await? {
            Braking::Free => {
                let seen = Preconditions {
                    uid: Some(own.replica.lineage.0.clone()),
                    resource_version: Some(own.version.clone()),
                };
                let (namespace, name) = (self.key.namespace.as_deref(), &self.key.name);
                let deleted = self.sites.cluster.delete_seen::<K>(namespace, name, seen);
                self.written(deleted.await?)
            }
            Braking::Stopped => {
                self.tell(Some(status::braked(&self.sites.peer_site))).await?;
                Ok(Next::After(STOPPED))
            }
        }
    }

    async fn release(&self, own: &Own) -> Result<Next, Error> {
        if !own.is_held() {
            return Ok(Next::Settled);
        }
        let rest: Vec<&String> = own.finalizers.iter().filter(|held| *held != FINALIZER).collect();
        self.amend(own, json!({"finalizers": rest})).await
    }

    /// Nothing is to be changed. What the mirror has seen is held all the same, and people are told.
    async fn settle(&self, own: &Own, act: &Act) -> Result<Next, Error> {
        if own.replica.leaving {
            return Ok(Next::Settled);
        }
        if !own.is_held() && self.seen.other.is_some() {
            let finalizers: Vec<&str> = own
                .finalizers
                .iter()
                .map(String::as_str)
                .chain([FINALIZER])
                .collect();
            return self.amend(own, json!({"finalizers": finalizers})).await;
        }
        if let Some(local) = &self.seen.local {
            let (kept, refused) = (own.kept.as_deref(), self.seen.refused.as_deref());
            self.tell(status::words(local, act, kept, refused, &self.sites.peer_site))
                .await?;
        }
        Ok(match act {
            Act::Wait(Waiting::NoLead | Waiting::PeerYields) => Next::After(OPEN),
            _ => Next::Settled,
        })
    }

    /// Says so of the object as it was seen, if that is news.
    async fn tell(&self, words: Option<Words>) -> Result<(), Error> {
        let (Some(words), Some(own)) = (words, &self.seen.own) else {
            return Ok(());
        };
        let part = words.part(&own.part, own.replica.generation, self.now);
        if part != own.part {
            let (namespace, name) = (self.key.namespace.as_deref(), &self.key.name);
            self.sites
                .cluster
                .put_status::<K, Part>(namespace, name, &part)
                .await?;
        }
        Ok(())
    }

    async fn amend(&self, own: &Own, mut metadata: Value) -> Result<Next, Error> {
        metadata["uid"] = json!(own.replica.lineage);
        metadata["resourceVersion"] = json!(own.version);
        let (namespace, name) = (self.key.namespace.as_deref(), &self.key.name);
        self.written(self.sites.cluster.amend::<K>(namespace, name, metadata).await?)
    }

    /// The watch tells of what was written.
    fn written(&self, done: bool) -> Result<Next, Error> {
        Ok(if done { Next::Settled } else { Next::After(MET) })
    }
}

fn carry<K: Mirrored>(object: &mut K, record: &Record) {
    object
        .annotations_mut()
        .insert(ANNOTATION.to_owned(), record.text());
    if object.finalizers().iter().all(|held| held != FINALIZER) {
        object.finalizers_mut().push(FINALIZER.to_owned());
    }
}

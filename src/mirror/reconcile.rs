//! One object: decide by what is seen, look again at what is to be changed, change the own cluster, say so.

use std::{sync::Arc, time::Duration};

use govuc_api::SCHEMA;
use govuc_mirror::{Act, Agreement, Mark, Partner, Peer, Replica, Waiting, decide};
use k8s_openapi::jiff::Timestamp;
use kube::{ResourceExt, core::object::HasSpec};

use super::{
    ANNOTATION, FINALIZER, Mirrored, Record, hash, kept,
    kind::Key,
    notes::{self, Braking},
    record::replica,
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
#[derive(Clone, Debug)]
pub struct Seen<K: Mirrored> {
    /// Nothing of its name was here.
    pub is_absent: bool,
    pub peer: Peer,
    /// The peer's, unless it was the same as here when it was seen.
    pub spec: Option<Arc<<K as HasSpec>::Spec>>,
    /// Why the other site could not take what is here.
    pub refused: Option<String>,
    /// None: the other cluster has not been seen since the start.
    pub other: Option<Other>,
    /// The other cluster's highest so far.
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

/// Looks at one object, and does what is to be done about it.
///
/// # Errors
/// Something could not be read or written; whatever was written before stays, and the next look goes on from there.
pub async fn reconcile<K: Mirrored>(key: &Key, seen: Seen<K>, sites: &Sites) -> Result<Next, Error> {
    let object: Option<K> = match seen.is_absent {
        // Should one have come meanwhile, then none is made.
        true => None,
        false => sites.cluster.read(key.namespace.as_deref(), &key.name).await?,
    };
    let other = seen.other.as_ref().map(|other| other.uid.as_str());
    let local = object.as_ref().map(|object| replica(object, other, SCHEMA));
    let act = decide(local.as_ref(), &seen.peer, sites.lead());
    let step = Step {
        key,
        seen: &seen,
        sites,
        now: Timestamp::now(),
    };
    let done = match (act, object, local) {
        (Act::Create(agreed), None, _) => step.create(agreed).await,
        (Act::Take { agreed, keep }, Some(object), _) => step.take(object, agreed, keep).await,
        (
            Act::Note {
                agreed,
                partner,
                confirmed,
            },
            Some(object),
            _,
        ) => step.note(object, agreed, partner, confirmed).await,
        (Act::Forget, Some(object), _) => step.forget(object).await,
        (Act::Delete, Some(object), _) => step.delete(object).await,
        (Act::Release, Some(object), _) => step.release(object).await,
        (act @ (Act::Nothing | Act::Wait(_)), Some(object), Some(local)) => {
            step.settle(object, &local, &act).await
        }
        (Act::Wait(Waiting::PeerFollows | Waiting::PeerUnknown) | Act::Nothing, None, _) => Ok(Next::Settled),
        // What was to be done was not done to what is there: the next look sees which.
        _ => Ok(Next::After(OPEN)),
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
        self.written(self.sites.cluster.replace(&object).await?)
    }

    async fn take(&self, mut object: K, agreed: Agreement, keep: bool) -> Result<Next, Error> {
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
                let words = status::refused(&self.sites.peer_site, refusal);
                self.tell(&object, Some(words)).await?;
                Ok(Next::After(STOPPED))
            }
        }
    }

    async fn note(
        &self,
        mut object: K,
        agreed: Agreement,
        partner: Partner,
        confirmed: bool,
    ) -> Result<Next, Error> {
        if let (true, Some(other), Some(mark)) = (confirmed, &self.seen.other, self.seen.mark) {
            self.sites.notes.saw(&other.uid, mark).await?;
        }
        // A word about what was overruled lasts until something else is agreed on.
        let kept = Record::of(&object)
            .filter(|record| record.agreed == agreed)
            .and_then(|record| record.kept);
        let record = Record {
            confirmed,
            kept,
            ..self.record(object.uid(), agreed, partner).await?
        };
        carry(&mut object, &record);
        self.written(self.sites.cluster.replace(&object).await?)
    }

    async fn forget(&self, mut object: K) -> Result<Next, Error> {
        object.annotations_mut().remove(ANNOTATION);
        self.written(self.sites.cluster.replace(&object).await?)
    }

    async fn delete(&self, object: K) -> Result<Next, Error> {
        let braking = self.sites.notes.may_delete::<K>(self.seen.objects, self.now);
        match braking.await? {
            Braking::Free => self.written(self.sites.cluster.delete_seen(&object).await?),
            Braking::Stopped => {
                self.tell(&object, Some(status::braked(&self.sites.peer_site)))
                    .await?;
                Ok(Next::After(STOPPED))
            }
        }
    }

    async fn release(&self, mut object: K) -> Result<Next, Error> {
        if object.finalizers().iter().all(|held| held != FINALIZER) {
            return Ok(Next::Settled);
        }
        object.finalizers_mut().retain(|held| held != FINALIZER);
        self.written(self.sites.cluster.replace(&object).await?)
    }

    /// Nothing is to be changed. What the mirror has seen is held all the same, and people are told.
    async fn settle(&self, mut object: K, local: &Replica, act: &Act) -> Result<Next, Error> {
        if local.leaving {
            return Ok(Next::Settled);
        }
        let held = object.finalizers().iter().any(|held| held == FINALIZER);
        if !held && self.seen.other.is_some() {
            object.finalizers_mut().push(FINALIZER.to_owned());
            return self.written(self.sites.cluster.replace(&object).await?);
        }
        let kept = Record::of(&object).and_then(|record| record.kept);
        let refused = self.seen.refused.as_deref();
        let words = status::words(local, act, kept.as_deref(), refused, &self.sites.peer_site);
        self.tell(&object, words).await?;
        Ok(match act {
            Act::Wait(Waiting::NoLead | Waiting::PeerYields) => Next::After(OPEN),
            _ => Next::Settled,
        })
    }

    async fn tell(&self, object: &K, words: Option<Words>) -> Result<(), Error> {
        if let Some(words) = words {
            let (old, new) = (Part::of(object), words.part(object, self.now));
            self.sites.cluster.apply_status(object, Some(&old), &new).await?;
        }
        Ok(())
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

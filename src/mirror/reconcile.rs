//! One object: decide by what is seen, look again at what is to be changed, change the own cluster, say so.

use std::{sync::Arc, time::Duration};

use govuc_api::{Platform, SCHEMA};
use govuc_mirror::{Act, Agreement, Lead, Lineage, Peer, Replica, Waiting, decide};
use govuc_wire::names::SYSTEM_NAMESPACE;
use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::ObjectMeta, jiff::Timestamp};
use kube::{ResourceExt, core::object::HasSpec, runtime::reflector::Store};
use tokio::sync::Mutex;

use super::{
    ANNOTATION, FINALIZER, Mirrored, Record,
    brake::{Brake, Verdict},
    kept,
    kind::Key,
    record::replica,
    status::{self, Part, Words},
};
use crate::{
    cluster::{self, Cluster},
    controller::Label,
    operator::Context,
    part::common_labels,
};

/// How long until it is looked again for what no watch tells: who leads.
const OPEN: Duration = Duration::from_secs(10);
/// The same for whether deletions are accepted, of which there are many then.
const STOPPED: Duration = Duration::from_secs(60);
/// After a write that met another one.
const MET: Duration = Duration::from_millis(200);
/// Where deletions that came from the peer are written down, a key for each kind.
pub const BRAKE: &str = "govuc-mirror";

/// What reconciles of every kind share.
pub struct Mirror {
    pub context: Arc<Context>,
    /// The own cluster, as the mirror writes to it.
    pub cluster: Cluster,
    pub platforms: Store<Platform>,
    /// The other cluster, which is only read: its operator refuses all else.
    pub peer: Cluster,
    pub peer_site: String,
    /// The own cluster's uid.
    pub uid: String,
    /// Held while a deletion is written down.
    pub braking: Mutex<()>,
}

/// What is known of the other cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    pub uid: String,
    pub schema: u32,
}

/// What was seen of an object before it is looked at.
#[derive(Clone, Debug)]
pub struct Seen {
    pub peer: Peer,
    /// None: the other cluster has not been seen since the start.
    pub other: Option<Other>,
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
}

impl Label for Error {
    fn label(&self) -> &'static str {
        match self {
            Error::Own(error) => error.label(),
            Error::Peer(_) => "peer",
        }
    }
}

impl Mirror {
    pub fn lead(&self) -> Lead {
        let platforms = self.platforms.state();
        let Some(platform) = platforms.first() else {
            return Lead::Nobody;
        };
        let lead = self.context.lead(platform);
        match lead.site() {
            Some(site) if site == self.peer_site => Lead::There,
            _ if lead.is_here() => Lead::Here,
            _ => Lead::Nobody,
        }
    }

    /// Whether one more may be deleted, which is then written down.
    async fn may_delete<K: Mirrored>(&self, objects: usize, now: Timestamp) -> Result<Braking, Error> {
        let _held = self.braking.lock().await;
        let found: Option<ConfigMap> = self.cluster.read(Some(SYSTEM_NAMESPACE), BRAKE).await?;
        let mut map = found.unwrap_or_else(|| ConfigMap {
            metadata: ObjectMeta {
                name: Some(BRAKE.to_owned()),
                namespace: Some(SYSTEM_NAMESPACE.to_owned()),
                labels: Some(common_labels()),
                ..Default::default()
            },
            ..Default::default()
        });
        let text = map.data.as_ref().and_then(|data| data.get(K::LABEL));
        // What can't be read counts as nothing deleted yet.
        let brake: Brake = text
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        let (next, verdict) = match brake.one_more(objects, now) {
            Verdict::Delete(next) => (next, Braking::Free),
            Verdict::Stop(next) => (next, Braking::Stopped),
        };
        if next == brake {
            return Ok(verdict);
        }
        // Times and nothing else: there is always a JSON of it.
        let text = serde_json::to_string(&next).unwrap_or_default();
        map.data.get_or_insert_default().insert(K::LABEL.to_owned(), text);
        match self.cluster.replace(&map).await? {
            true => Ok(verdict),
            false => Ok(Braking::Met),
        }
    }
}

enum Braking {
    Free,
    Stopped,
    /// Another write was in between.
    Met,
}

pub async fn reconcile<K: Mirrored>(key: &Key, seen: Seen, mirror: &Mirror) -> Result<Next, Error> {
    let now = Timestamp::now();
    let object: Option<K> = mirror.cluster.read(key.namespace.as_deref(), &key.name).await?;
    let other = seen.other.as_ref().map(|other| other.uid.as_str());
    let local = object.as_ref().map(|object| replica(object, other, SCHEMA));
    let lead = mirror.lead();
    let act = decide(local.as_ref(), &seen.peer, lead);
    let (act, theirs) = match (act, &seen.other) {
        (Act::Create(_) | Act::Take { .. }, Some(other)) => {
            let found = mirror.peer.read::<K>(key.namespace.as_deref(), &key.name).await;
            let Some(theirs) = found.map_err(Error::Peer)? else {
                return Ok(Next::After(MET));
            };
            let peer = Peer::Replica(replica(&theirs, Some(&mirror.uid), other.schema));
            (decide(local.as_ref(), &peer, lead), Some(theirs))
        }
        (act, _) => (act, None),
    };
    let step = Step {
        key,
        seen: &seen,
        mirror,
        now,
    };
    match (act, object, local, theirs) {
        (Act::Create(agreed), None, _, Some(theirs)) => step.create(agreed, theirs).await,
        (Act::Take { agreed, keep }, Some(object), _, Some(theirs)) => {
            step.take(object, agreed, keep, theirs).await
        }
        (
            Act::Note {
                agreed,
                partner,
                confirmed,
            },
            Some(object),
            ..,
        ) => step.note(object, agreed, partner, confirmed).await,
        (Act::Delete, Some(object), ..) => step.delete(object).await,
        (Act::Release, Some(object), ..) => step.release(object).await,
        (act @ (Act::Nothing | Act::Wait(_)), Some(object), Some(local), _) => {
            step.settle(object, &local, &act).await
        }
        (Act::Wait(Waiting::PeerFollows | Waiting::PeerUnknown) | Act::Nothing, None, ..) => {
            Ok(Next::Settled)
        }
        // What was to be done was not done to what is there: the next look sees which.
        _ => Ok(Next::After(OPEN)),
    }
}

/// What an act needs to know.
struct Step<'a> {
    key: &'a Key,
    seen: &'a Seen,
    mirror: &'a Mirror,
    now: Timestamp,
}

impl Step<'_> {
    fn record(&self, of: Option<String>, agreed: Agreement, partner: Lineage) -> Record {
        Record {
            of,
            cluster: self
                .seen
                .other
                .as_ref()
                .map(|other| other.uid.clone())
                .unwrap_or_default(),
            partner: Some(partner),
            agreed,
            confirmed: false,
            kept: None,
        }
    }

    async fn create<K: Mirrored>(&self, agreed: Agreement, theirs: K) -> Result<Next, Error> {
        let partner = Lineage(theirs.uid().unwrap_or_default());
        let spec = HasSpec::spec(&theirs).clone();
        let mut object = K::made(&self.key.name, self.key.namespace.as_deref(), spec);
        carry(&mut object, &self.record(None, agreed, partner));
        self.written(self.mirror.cluster.replace(&object).await?)
    }

    async fn take<K: Mirrored>(
        &self,
        mut object: K,
        agreed: Agreement,
        keep: bool,
        theirs: K,
    ) -> Result<Next, Error> {
        let partner = Lineage(theirs.uid().unwrap_or_default());
        let mut record = self.record(object.uid(), agreed, partner);
        if keep {
            let secret = kept::secret(&object, self.now);
            self.mirror.cluster.create(&secret).await?;
            record.kept = Some(format!("{}/{}", kept::namespace(&object), kept::name(&object)));
        }
        *object.spec_mut() = HasSpec::spec(&theirs).clone();
        carry(&mut object, &record);
        self.written(self.mirror.cluster.replace(&object).await?)
    }

    async fn note<K: Mirrored>(
        &self,
        mut object: K,
        agreed: Agreement,
        partner: Lineage,
        confirmed: bool,
    ) -> Result<Next, Error> {
        // A word about what was overruled lasts until something else is agreed on.
        let kept = Record::of(&object)
            .filter(|record| record.agreed == agreed)
            .and_then(|record| record.kept);
        let record = Record {
            confirmed,
            kept,
            ..self.record(object.uid(), agreed, partner)
        };
        carry(&mut object, &record);
        self.written(self.mirror.cluster.replace(&object).await?)
    }

    async fn delete<K: Mirrored>(&self, object: K) -> Result<Next, Error> {
        match self.mirror.may_delete::<K>(self.seen.objects, self.now).await? {
            Braking::Free => self.written(self.mirror.cluster.delete_seen(&object).await?),
            Braking::Stopped => {
                self.tell(&object, Some(status::braked(&self.mirror.peer_site)))
                    .await?;
                Ok(Next::After(STOPPED))
            }
            Braking::Met => Ok(Next::After(MET)),
        }
    }

    async fn release<K: Mirrored>(&self, mut object: K) -> Result<Next, Error> {
        if object.finalizers().iter().all(|held| held != FINALIZER) {
            return Ok(Next::Settled);
        }
        object.finalizers_mut().retain(|held| held != FINALIZER);
        self.written(self.mirror.cluster.replace(&object).await?)
    }

    /// Nothing is to be changed. What the mirror has seen is held all the same, and people are told.
    async fn settle<K: Mirrored>(&self, mut object: K, local: &Replica, act: &Act) -> Result<Next, Error> {
        if local.leaving {
            return Ok(Next::Settled);
        }
        let held = object.finalizers().iter().any(|held| held == FINALIZER);
        if !held && self.seen.other.is_some() {
            object.finalizers_mut().push(FINALIZER.to_owned());
            return self.written(self.mirror.cluster.replace(&object).await?);
        }
        let kept = Record::of(&object).and_then(|record| record.kept);
        let words = status::words(local, act, kept.as_deref(), &self.mirror.peer_site);
        self.tell(&object, words).await?;
        Ok(match act {
            Act::Wait(Waiting::NoLead | Waiting::PeerYields) => Next::After(OPEN),
            _ => Next::Settled,
        })
    }

    async fn tell<K: Mirrored>(&self, object: &K, words: Option<Words>) -> Result<(), Error> {
        if let Some(words) = words {
            let (old, new) = (Part::of(object), words.part(object, self.now));
            self.mirror.cluster.apply_status(object, Some(&old), &new).await?;
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

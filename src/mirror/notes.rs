//! What the mirror writes down of itself in the own cluster, before it does what follows: deletions that came from the peer, and
//! marks by which a restored cluster is known.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use govuc_mirror::{Mark, Marks};
use govuc_wire::names::SYSTEM_NAMESPACE;
use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::ObjectMeta, jiff::Timestamp};
use kube::{Client, api::Api};
use tokio::{sync::Mutex, time::Instant};

use super::{
    KINDS, Mirrored,
    brake::{Brake, Verdict},
};
use crate::{
    cluster::{self, Cluster},
    part::common_labels,
    telemetry::Metrics,
};

/// Where deletions that came from the peer are written down, a key for each kind.
pub const BRAKE: &str = "govuc-mirror";
/// Where marks are, in one key.
const MARKS: &str = "govuc-mirror-marks";
const MARKS_KEY: &str = "marks";
/// What is agreed on within this time has the same mark: what a backup lacks of it is not known by its marks.
const MARK_LASTS: Duration = Duration::from_secs(60);

pub struct Notes {
    cluster: Cluster,
    metrics: Metrics,
    /// Held while a deletion is written down.
    braking: Mutex<()>,
    marking: Mutex<Remembered>,
}

/// Marks as they are written down. Nobody else writes them.
#[derive(Default)]
struct Remembered {
    /// None: they are to be read.
    marks: Option<Marks>,
    /// When the own one was made by this process.
    made: Option<Instant>,
}

/// Whether something may be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Braking {
    Free,
    Stopped,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    /// It passes.
    #[error("ConfigMap {0} was written by somebody else meanwhile")]
    Met(&'static str),
    #[error(
        "ConfigMap {MARKS} in {SYSTEM_NAMESPACE} has {text:?}, which no operator of this version wrote. Remedy: if it was edited by hand, \
         delete it"
    )]
    Unreadable { text: String, source: serde_json::Error },
}

impl Notes {
    pub fn new(cluster: Cluster, metrics: Metrics) -> Self {
        Self {
            cluster,
            metrics,
            braking: Mutex::default(),
            marking: Mutex::default(),
        }
    }

    /// Whether one more of `objects` may be deleted, which is then written down.
    pub async fn may_delete<K: Mirrored>(&self, objects: usize, now: Timestamp) -> Result<Braking, Error> {
        let _held = self.braking.lock().await;
        let mut map = self.map(BRAKE).await?;
        let text = map.data.as_ref().and_then(|data| data.get(K::LABEL));
        // What can't be read counts as nothing deleted yet.
        let brake: Brake = text
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        let (next, braking) = match brake.one_more(objects, now) {
            Verdict::Delete(next) => (next, Braking::Free),
            Verdict::Stop(next) => (next, Braking::Stopped),
        };
        self.metrics.mirror_stopped(K::LABEL, braking == Braking::Stopped);
        if next != brake {
            // Times and nothing else: there is always a JSON of it.
            let text = serde_json::to_string(&next).unwrap_or_default();
            map.data.get_or_insert_default().insert(K::LABEL.to_owned(), text);
            self.write(BRAKE, &map).await?;
        }
        Ok(braking)
    }

    /// The own cluster's mark, for what is agreed on now.
    pub async fn mark(&self, now: Timestamp) -> Result<Mark, Error> {
        let mut remembered = self.marking.lock().await;
        let fresh = remembered.made.is_some_and(|made| made.elapsed() < MARK_LASTS);
        if let (true, Some(marks)) = (fresh, &remembered.marks)
            && let Some(own) = marks.own
        {
            return Ok(own);
        }
        let next = |marks: &Marks| {
            let own = Some(marks.next(now.as_millisecond()));
            Some(Marks { own, ..marks.clone() })
        };
        let own = self.change(&mut remembered, next).await?.own;
        remembered.made = Some(Instant::now());
        own.ok_or(Error::Met(MARKS))
    }

    /// The other cluster's mark was in something that it has agreed on.
    pub async fn saw(&self, cluster: &str, mark: Mark) -> Result<(), Error> {
        let mut remembered = self.marking.lock().await;
        self.change(&mut remembered, |marks| marks.saw(cluster, mark))
            .await?;
        Ok(())
    }

    /// What the other cluster says of its last mark. Returns the kinds of which it lacks what it lost.
    pub async fn heard(&self, cluster: &str, said: Option<Mark>) -> Result<BTreeSet<String>, Error> {
        let mut remembered = self.marking.lock().await;
        let marks = self
            .change(&mut remembered, |marks| marks.heard(cluster, said, &KINDS))
            .await?;
        Ok(marks.restored.clone())
    }

    /// What the restored peer lacked of a kind is made there anew, or is about to be.
    pub async fn made_good(&self, kind: &str) -> Result<(), Error> {
        let mut remembered = self.marking.lock().await;
        self.change(&mut remembered, |marks| {
            let mut next = marks.clone();
            next.restored.remove(kind).then_some(next)
        })
        .await?;
        Ok(())
    }

    /// What is remembered, with what `next` has of it, if that is news.
    async fn change<'a>(
        &self,
        remembered: &'a mut Remembered,
        next: impl FnOnce(&Marks) -> Option<Marks>,
    ) -> Result<&'a Marks, Error> {
        let known = match remembered.marks.take() {
            Some(known) => known,
            None => read(&self.map(MARKS).await?)?,
        };
        let marks = match next(&known) {
            None => known,
            Some(marks) => {
                let mut map = self.map(MARKS).await?;
                // Numbers and texts: there is always a JSON of it.
                let text = serde_json::to_string(&marks).unwrap_or_default();
                map.data = Some(BTreeMap::from([(MARKS_KEY.to_owned(), text)]));
                self.write(MARKS, &map).await?;
                marks
            }
        };
        Ok(remembered.marks.insert(marks))
    }

    async fn map(&self, name: &'static str) -> Result<ConfigMap, Error> {
        let found = self.cluster.read(Some(SYSTEM_NAMESPACE), name).await?;
        Ok(found.unwrap_or_else(|| ConfigMap {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                namespace: Some(SYSTEM_NAMESPACE.to_owned()),
                labels: Some(common_labels()),
                ..Default::default()
            },
            ..Default::default()
        }))
    }

    async fn write(&self, name: &'static str, map: &ConfigMap) -> Result<(), Error> {
        match self.cluster.replace(map).await? {
            true => Ok(()),
            false => Err(Error::Met(name)),
        }
    }
}

/// The last mark that the cluster of `client` has made, for whoever asks from the other site.
///
/// # Errors
/// The API server can't be read. What can't be understood there is no mark.
pub async fn last_mark(client: Client) -> Result<Option<Mark>, kube::Error> {
    let maps: Api<ConfigMap> = Api::namespaced(client, SYSTEM_NAMESPACE);
    let found = maps.get_opt(MARKS).await?;
    Ok(found.and_then(|map| read(&map).ok()).and_then(|marks| marks.own))
}

fn read(map: &ConfigMap) -> Result<Marks, Error> {
    match map.data.as_ref().and_then(|data| data.get(MARKS_KEY)) {
        None => Ok(Marks::default()),
        Some(text) => serde_json::from_str(text).map_err(|source| Error::Unreadable {
            text: text.clone(),
            source,
        }),
    }
}

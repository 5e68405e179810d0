//! The only code that writes to Kubernetes: a field manager for each purpose, one deadline, one metric, and no write that changes nothing.

mod compare;
mod error;
mod watch;

pub use compare::contains;
pub use error::{Cause, Error};
pub use watch::{follow, follow_without};

use std::{fmt::Debug, future::Future, time::Duration};

use k8s_openapi::NamespaceResourceScope;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{
        ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, Preconditions,
    },
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use self::error::error;
use crate::{part::pod::digest, telemetry::Metrics};

/// Owns what the operator applies.
pub const MANAGER: &str = "govuc";
/// Owns the operator's finalizers, so that applying an object and holding it are independent.
const FINALIZER_MANAGER: &str = "govuc-finalizer";
/// On an object that needs work before it may go.
pub const FINALIZER: &str = "1govuc.gov.my/operator";
/// A digest of what was applied last: shows a field that is no longer wanted.
const APPLIED_ANNOTATION: &str = "1govuc.gov.my/applied";
/// No call may take longer. The client itself would wait for minutes, or for ever.
const DEADLINE: Duration = Duration::from_secs(15);

/// One cluster: the operator's own, or the other site's, which takes no writes.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    metrics: Metrics,
    manager: &'static str,
}

impl Cluster {
    pub fn new(client: Client, metrics: Metrics) -> Self {
        Self {
            client,
            metrics,
            manager: MANAGER,
        }
    }

    /// The same, with another field manager.
    pub fn writing_as(&self, manager: &'static str) -> Self {
        Self {
            manager,
            ..self.clone()
        }
    }

    /// For what is asked of it that is none of its objects.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// For watches of every object of a kind.
    pub fn all<K: Resource<DynamicType = ()>>(&self) -> Api<K> {
        Api::all(self.client.clone())
    }

    /// For watches in one namespace.
    pub fn namespaced<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// The object as the API server has it now.
    pub async fn read<K>(&self, namespace: Option<&str>, name: &str) -> Result<Option<K>, Error>
    where
        K: Resource<DynamicType = ()> + DeserializeOwned,
    {
        let api = self.dynamic::<K>(namespace);
        let found = self.call::<K, _>("read", name, api.get_opt(name)).await?;
        found
            .map(|object| typed(object).map_err(|source| error::<K>("read", name, source)))
            .transpose()
    }

    /// Every object of a kind with these labels, as the API server has them now.
    pub async fn list<K>(&self, namespace: Option<&str>, labels: &str) -> Result<Vec<K>, Error>
    where
        K: Resource<DynamicType = ()> + DeserializeOwned,
    {
        let api = self.dynamic::<K>(namespace);
        let params = ListParams::default().labels(labels);
        let list = self.call::<K, _>("list", labels, api.list(&params)).await?;
        list.items
            .into_iter()
            .map(|object| typed(object).map_err(|source| error::<K>("list", labels, source)))
            .collect()
    }

    /// Makes the object what is desired, by server-side apply, and answers what it is then. Writes nothing when every
    /// desired field is there already and none was given up since.
    pub async fn apply<K>(&self, desired: &K) -> Result<K, Error>
    where
        K: Resource<DynamicType = ()> + Serialize + DeserializeOwned,
    {
        let seen = self
            .read(desired.meta().namespace.as_deref(), &desired.name_any())
            .await?;
        self.apply_seen(desired, seen).await
    }

    /// As [`Cluster::apply`], when the object was just read.
    pub async fn apply_seen<K>(&self, desired: &K, seen: Option<K>) -> Result<K, Error>
    where
        K: Resource<DynamicType = ()> + Serialize + DeserializeOwned,
    {
        let name = desired.name_any();
        let fault = |source: serde_json::Error| error::<K>("apply", &name, source.into());
        let mut wanted = serde_json::to_value(desired).map_err(fault)?;
        wanted["apiVersion"] = json!(K::api_version(&()));
        wanted["kind"] = json!(K::kind(&()));
        let applied = digest([wanted.to_string().as_str()]);
        wanted["metadata"]["annotations"][APPLIED_ANNOTATION] = json!(applied);
        if let Some(seen) = seen {
            let live = serde_json::to_value(&seen).map_err(fault)?;
            let unchanged = live["metadata"]["annotations"][APPLIED_ANNOTATION] == applied;
            if unchanged && compare::contains(&live, &wanted) {
                return Ok(seen);
            }
        }
        let api = self.dynamic::<K>(desired.meta().namespace.as_deref());
        let params = PatchParams::apply(self.manager).force();
        let patch = Patch::Apply(&wanted);
        let object = self
            .write::<K, _>("apply", &name, api.patch(&name, &params, &patch))
            .await?;
        typed(object).map_err(|source| error::<K>("apply", &name, source))
    }

    /// Makes the object unless one of its name is there, and answers the one that is: of two writers both get the same.
    pub async fn create<K>(&self, desired: &K) -> Result<K, Error>
    where
        K: Resource<DynamicType = ()> + Serialize + DeserializeOwned,
    {
        let name = desired.name_any();
        let namespace = desired.meta().namespace.as_deref();
        if let Some(seen) = self.read(namespace, &name).await? {
            return Ok(seen);
        }
        let object = dynamic(desired).map_err(|source| error::<K>("create", &name, source))?;
        let api = self.dynamic::<K>(namespace);
        let created = self
            .write::<K, _>("create", &name, async {
                match api.create(&self.params(), &object).await {
                    Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(None),
                    other => other.map(Some),
                }
            })
            .await?;
        let object = match created {
            Some(object) => object,
            None => self.call::<K, _>("read", &name, api.get(&name)).await?,
        };
        typed(object).map_err(|source| error::<K>("create", &name, source))
    }

    /// Writes the object as it is, unless it was changed since it was read (or made, if it was new): then `false`.
    pub async fn replace<K>(&self, object: &K) -> Result<bool, Error>
    where
        K: Resource<DynamicType = ()> + Serialize,
    {
        let name = object.name_any();
        let next = dynamic(object).map_err(|source| error::<K>("replace", &name, source))?;
        let api = self.dynamic::<K>(object.meta().namespace.as_deref());
        self.write::<K, _>("replace", &name, async {
            let written = if next.metadata.resource_version.is_some() {
                api.replace(&name, &self.params(), &next).await
            } else {
                api.create(&self.params(), &next).await
            };
            match written {
                Ok(_) => Ok(true),
                Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => {
                    Ok(false)
                }
                Err(error) => Err(error),
            }
        })
        .await
    }

    /// Merges `metadata` into that of an object that was seen, which it names by `uid` and `resourceVersion`; `false` if the object was
    /// changed since, or is gone.
    pub async fn amend<K>(&self, namespace: Option<&str>, name: &str, metadata: Value) -> Result<bool, Error>
    where
        K: Resource<DynamicType = ()>,
    {
        let api = self.dynamic::<K>(namespace);
        let params = PatchParams {
            field_manager: Some(self.manager.to_owned()),
            ..Default::default()
        };
        let patch = Patch::Merge(json!({"metadata": metadata}));
        self.write::<K, _>("amend", name, async {
            match api.patch_metadata(name, &params, &patch).await {
                Ok(_) => Ok(true),
                Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => Ok(false),
                Err(error) => Err(error),
            }
        })
        .await
    }

    /// Writes the status when it differs from `old`; whether it did.
    pub async fn apply_status<K, S>(&self, object: &K, old: Option<&S>, new: &S) -> Result<bool, Error>
    where
        K: Resource<DynamicType = ()>,
        S: Serialize + PartialEq,
    {
        if old == Some(new) {
            return Ok(false);
        }
        self.put_status::<K, S>(object.meta().namespace.as_deref(), &object.name_any(), new)
            .await?;
        Ok(true)
    }

    /// Writes the status of an object that is not at hand.
    pub async fn put_status<K, S>(&self, namespace: Option<&str>, name: &str, new: &S) -> Result<(), Error>
    where
        K: Resource<DynamicType = ()>,
        S: Serialize,
    {
        let api = self.dynamic::<K>(namespace);
        let body = json!({"apiVersion": K::api_version(&()), "kind": K::kind(&()), "status": new});
        let params = PatchParams::apply(self.manager).force();
        self.write::<K, _>(
            "apply status",
            name,
            api.patch_status(name, &params, &Patch::Apply(&body)),
        )
        .await?;
        Ok(())
    }

    /// Deletes the object; one that is gone is fine. What it owns goes with it.
    pub async fn delete<K>(&self, namespace: Option<&str>, name: &str) -> Result<(), Error>
    where
        K: Resource<DynamicType = ()>,
    {
        let api = self.dynamic::<K>(namespace);
        self.write::<K, _>("delete", name, async {
            match api.delete(name, &DeleteParams::background()).await {
                Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
                other => other.map(|_| ()),
            }
        })
        .await
    }

    /// Deletes the object as it was seen; `false` if it was changed since, or is another one of its name.
    pub async fn delete_seen<K>(
        &self,
        namespace: Option<&str>,
        name: &str,
        seen: Preconditions,
    ) -> Result<bool, Error>
    where
        K: Resource<DynamicType = ()>,
    {
        let api = self.dynamic::<K>(namespace);
        let params = DeleteParams {
            preconditions: Some(seen),
            ..DeleteParams::background()
        };
        self.write::<K, _>("delete", name, async {
            match api.delete(name, &params).await {
                Ok(_) => Ok(true),
                Err(kube::Error::Api(status)) if status.is_not_found() => Ok(true),
                Err(kube::Error::Api(status)) if status.is_conflict() => Ok(false),
                Err(error) => Err(error),
            }
        })
        .await
    }

    /// Holds the object: it stays, marked as deleted, until [`Cluster::let_go`].
    pub async fn hold<K: Resource<DynamicType = ()>>(&self, object: &K) -> Result<(), Error> {
        if object.finalizers().iter().any(|held| held == FINALIZER) {
            return Ok(());
        }
        self.finalizers::<K>("hold", object, &[FINALIZER]).await
    }

    /// Lets a held object go.
    pub async fn let_go<K: Resource<DynamicType = ()>>(&self, object: &K) -> Result<(), Error> {
        if object.finalizers().iter().all(|held| held != FINALIZER) {
            return Ok(());
        }
        self.finalizers::<K>("let go", object, &[]).await
    }

    async fn finalizers<K>(&self, verb: &'static str, object: &K, finalizers: &[&str]) -> Result<(), Error>
    where
        K: Resource<DynamicType = ()>,
    {
        let name = object.name_any();
        let api = self.dynamic::<K>(object.meta().namespace.as_deref());
        // The uid keeps an apply from making anew what has just gone.
        let body = json!({
            "apiVersion": K::api_version(&()),
            "kind": K::kind(&()),
            "metadata": {"uid": object.uid(), "finalizers": finalizers},
        });
        let params = PatchParams::apply(FINALIZER_MANAGER).force();
        self.write::<K, _>(verb, &name, async {
            match api.patch(&name, &params, &Patch::Apply(&body)).await {
                Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
                other => other.map(|_| ()),
            }
        })
        .await
    }

    fn params(&self) -> PostParams {
        PostParams {
            field_manager: Some(self.manager.to_owned()),
            ..Default::default()
        }
    }

    fn dynamic<K: Resource<DynamicType = ()>>(&self, namespace: Option<&str>) -> Api<DynamicObject> {
        let resource = ApiResource::erase::<K>(&());
        match namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        }
    }

    async fn write<K, T>(
        &self,
        verb: &'static str,
        name: &str,
        call: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, Error>
    where
        K: Resource<DynamicType = ()>,
    {
        let result = self.call::<K, T>(verb, name, call).await;
        let outcome = result.as_ref().map_or_else(Error::label, |_| "ok");
        self.metrics.wrote(verb, &K::kind(&()), outcome);
        tracing::debug!(verb, kind = %K::kind(&()), name, outcome, "write");
        result
    }

    async fn call<K, T>(
        &self,
        verb: &'static str,
        name: &str,
        call: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, Error>
    where
        K: Resource<DynamicType = ()>,
    {
        match tokio::time::timeout(DEADLINE, call).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(source)) => Err(error::<K>(verb, name, Cause::Api(Box::new(source)))),
            Err(_) => Err(error::<K>(verb, name, Cause::Deadline)),
        }
    }
}

impl Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").finish_non_exhaustive()
    }
}

fn typed<K: DeserializeOwned>(object: DynamicObject) -> Result<K, Cause> {
    Ok(serde_json::from_value(serde_json::to_value(object)?)?)
}

fn dynamic<K: Resource<DynamicType = ()> + Serialize>(object: &K) -> Result<DynamicObject, Cause> {
    let mut value: Value = serde_json::to_value(object)?;
    value["apiVersion"] = json!(K::api_version(&()));
    value["kind"] = json!(K::kind(&()));
    Ok(serde_json::from_value(value)?)
}

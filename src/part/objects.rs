//! Planned objects of every kind the operator makes for a part.

use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    core::v1::{ConfigMap, Namespace, PersistentVolumeClaim, Secret, Service, ServiceAccount},
    networking::v1::NetworkPolicy,
    policy::v1::PodDisruptionBudget,
};
use kube::{Resource, ResourceExt};
use serde::{Serialize, de::DeserializeOwned};

use crate::cluster::{self, Cluster};

/// In the order in which they are applied: a pod finds what it mounts, and no pod starts before it is fenced in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Objects {
    pub namespaces: Vec<Namespace>,
    pub network_policies: Vec<NetworkPolicy>,
    pub service_accounts: Vec<ServiceAccount>,
    pub secrets: Vec<Secret>,
    pub config_maps: Vec<ConfigMap>,
    pub volume_claims: Vec<PersistentVolumeClaim>,
    pub services: Vec<Service>,
    pub disruption_budgets: Vec<PodDisruptionBudget>,
    pub stateful_sets: Vec<StatefulSet>,
    pub deployments: Vec<Deployment>,
}

/// What runs, as the API server answered when it was read or applied.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Applied {
    pub stateful_sets: Vec<StatefulSet>,
    pub deployments: Vec<Deployment>,
}

impl Objects {
    /// Adds another part's.
    pub fn extend(&mut self, other: Objects) {
        // Without `..`: a kind that is added to the type must be added here.
        let Objects {
            namespaces,
            network_policies,
            service_accounts,
            secrets,
            config_maps,
            volume_claims,
            services,
            disruption_budgets,
            stateful_sets,
            deployments,
        } = other;
        self.namespaces.extend(namespaces);
        self.network_policies.extend(network_policies);
        self.service_accounts.extend(service_accounts);
        self.secrets.extend(secrets);
        self.config_maps.extend(config_maps);
        self.volume_claims.extend(volume_claims);
        self.services.extend(services);
        self.disruption_budgets.extend(disruption_budgets);
        self.stateful_sets.extend(stateful_sets);
        self.deployments.extend(deployments);
    }

    /// What of the planned controllers of pods is there already.
    pub async fn running(&self, cluster: &Cluster) -> Result<Applied, cluster::Error> {
        Ok(Applied {
            stateful_sets: there(cluster, &self.stateful_sets).await?,
            deployments: there(cluster, &self.deployments).await?,
        })
    }

    /// Brings the cluster to what is planned. `running` is what was just read.
    pub async fn apply(&self, cluster: &Cluster, running: Applied) -> Result<Applied, cluster::Error> {
        let Objects {
            namespaces,
            network_policies,
            service_accounts,
            secrets,
            config_maps,
            volume_claims,
            services,
            disruption_budgets,
            stateful_sets,
            deployments,
        } = self;
        each(cluster, namespaces).await?;
        each(cluster, network_policies).await?;
        each(cluster, service_accounts).await?;
        each(cluster, secrets).await?;
        each(cluster, config_maps).await?;
        for claim in volume_claims {
            // A volume stays as it was made: a change of size or class takes effect for new ones.
            cluster.create(claim).await?;
        }
        each(cluster, services).await?;
        each(cluster, disruption_budgets).await?;
        Ok(Applied {
            stateful_sets: seen(cluster, stateful_sets, running.stateful_sets).await?,
            deployments: seen(cluster, deployments, running.deployments).await?,
        })
    }
}

async fn each<K>(cluster: &Cluster, objects: &[K]) -> Result<Vec<K>, cluster::Error>
where
    K: Resource<DynamicType = ()> + Serialize + DeserializeOwned,
{
    let mut applied = Vec::with_capacity(objects.len());
    for object in objects {
        applied.push(cluster.apply(object).await?);
    }
    Ok(applied)
}

async fn there<K>(cluster: &Cluster, objects: &[K]) -> Result<Vec<K>, cluster::Error>
where
    K: Resource<DynamicType = ()> + DeserializeOwned,
{
    let mut found = Vec::with_capacity(objects.len());
    for object in objects {
        let namespace = object.meta().namespace.as_deref();
        found.extend(cluster.read(namespace, &object.name_any()).await?);
    }
    Ok(found)
}

/// As [`each`], of objects that were just read.
async fn seen<K>(cluster: &Cluster, objects: &[K], mut running: Vec<K>) -> Result<Vec<K>, cluster::Error>
where
    K: Resource<DynamicType = ()> + Serialize + DeserializeOwned,
{
    let mut applied = Vec::with_capacity(objects.len());
    for object in objects {
        let same = |live: &K| live.name_any() == object.name_any() && live.namespace() == object.namespace();
        let live = running
            .iter()
            .position(same)
            .map(|index| running.swap_remove(index));
        applied.push(cluster.apply_seen(object, live).await?);
    }
    Ok(applied)
}

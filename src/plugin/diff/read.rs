//! What the two clusters have, read in pages.

use std::collections::HashMap;

use govuc_api::{Agency, Mailbox};
use kube::{
    Api, ResourceExt,
    api::{ApiResource, DynamicObject, ListParams},
};

use super::{
    difference::{Difference, Side},
    wanted::{Kind, Named},
};
use crate::{
    cluster::{self, Cluster},
    mirror::Mirrored,
    plugin::contexts::Context,
    telemetry::Metrics,
};

/// Objects in one answer.
const PAGE: u32 = 500;
const NOT_FOUND: u16 = 404;

/// Two clusters' objects, compared.
#[derive(Debug, Default)]
pub struct Compared {
    pub differences: Vec<Difference>,
    pub same: usize,
}

/// An object as both clusters have it.
pub type Pair<K> = [Option<K>; 2];

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{context}: {kinds} can't be read")]
    Read {
        context: String,
        kinds: &'static str,
        source: Box<kube::Error>,
    },
    #[error(
        "{context}: the API server knows no {kinds}. Remedy: install the operator there (govuc manifests --site SITE)"
    )]
    NoKind { context: String, kinds: &'static str },
    #[error("{context}: {object} can't be read")]
    ReadOne {
        context: String,
        object: String,
        source: Box<cluster::Error>,
    },
    #[error(
        "{context}: {object} can't be understood. Remedy: use the kubectl-govuc of the operator's version"
    )]
    Meaning {
        context: String,
        object: String,
        source: serde_json::Error,
    },
    #[error("{one} and {other} are one cluster: name the two clusters of the two sites")]
    SameCluster { one: String, other: String },
}

/// Every object of a kind; in one namespace if one is given.
pub async fn all(kind: Kind, namespace: Option<&str>, sites: [&Context; 2]) -> Result<Compared, Error> {
    match kind {
        Kind::Agency => every::<Agency>(kind, None, sites).await,
        Kind::Mailbox => every::<Mailbox>(kind, namespace, sites).await,
    }
}

/// One object's sides.
pub async fn sides(object: &Named, sites: [&Context; 2]) -> Result<[Option<Side>; 2], Error> {
    match object.kind {
        Kind::Agency => Ok(pair::<Agency>(object, sites)
            .await?
            .map(|one| one.as_ref().map(Side::of))),
        Kind::Mailbox => Ok(pair::<Mailbox>(object, sites)
            .await?
            .map(|one| one.as_ref().map(Side::of))),
    }
}

/// One object.
pub async fn pair<K: Mirrored>(object: &Named, sites: [&Context; 2]) -> Result<Pair<K>, Error> {
    let read = async |site: &Context| {
        let cluster = Cluster::new(site.client.clone(), Metrics::default());
        let found = cluster.read::<K>(object.namespace.as_deref(), &object.name).await;
        found.map_err(|source| Error::ReadOne {
            context: site.label().to_owned(),
            object: object.text(),
            source: Box::new(source),
        })
    };
    let [one, other] = sites;
    let pair = [read(one).await?, read(other).await?];
    if let [Some(a), Some(b)] = &pair {
        are_two(a.uid().as_deref(), b.uid().as_deref(), sites)?;
    }
    Ok(pair)
}

/// Of the first one's objects the specs are kept; the other one's go by.
async fn every<K: Mirrored>(
    kind: Kind,
    namespace: Option<&str>,
    sites: [&Context; 2],
) -> Result<Compared, Error> {
    let mut first: HashMap<Named, Side> = HashMap::new();
    pages::<K>(kind, namespace, sites[0], |object, side| {
        first.insert(object, side);
        Ok(())
    })
    .await?;
    let mut compared = Compared::default();
    pages::<K>(kind, namespace, sites[1], |object, side| {
        let here = first.remove(&object);
        are_two(
            here.as_ref().map(|here| here.uid.as_str()),
            Some(&side.uid),
            sites,
        )?;
        match Difference::of(object, [here, Some(side)]) {
            Some(difference) => compared.differences.push(difference),
            None => compared.same += 1,
        }
        Ok(())
    })
    .await?;
    let left = first.into_iter();
    compared
        .differences
        .extend(left.filter_map(|(object, side)| Difference::of(object, [Some(side), None])));
    compared
        .differences
        .sort_by(|one, other| one.object.cmp(&other.object));
    Ok(compared)
}

/// An object of two clusters has a uid of its own in each.
fn are_two(one: Option<&str>, other: Option<&str>, sites: [&Context; 2]) -> Result<(), Error> {
    if one.is_some() && one == other {
        let [one, other] = sites.map(|site| site.label().to_owned());
        return Err(Error::SameCluster { one, other });
    }
    Ok(())
}

async fn pages<K: Mirrored>(
    kind: Kind,
    namespace: Option<&str>,
    site: &Context,
    mut take: impl FnMut(Named, Side) -> Result<(), Error>,
) -> Result<(), Error> {
    let resource = ApiResource::erase::<K>(&());
    let api: Api<DynamicObject> = match namespace {
        Some(namespace) => Api::namespaced_with(site.client.clone(), namespace, &resource),
        None => Api::all_with(site.client.clone(), &resource),
    };
    let mut params = ListParams::default().limit(PAGE);
    loop {
        let list = api
            .list(&params)
            .await
            .map_err(|error| unread(error, kind, site))?;
        for object in list.items {
            let named = Named {
                kind,
                namespace: object.namespace(),
                name: object.name_any(),
            };
            let typed = serde_json::to_value(object).and_then(serde_json::from_value::<K>);
            let object = typed.map_err(|source| Error::Meaning {
                context: site.label().to_owned(),
                object: named.text(),
                source,
            })?;
            take(named, Side::of(&object))?;
        }
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(()),
        }
    }
}

fn unread(error: kube::Error, kind: Kind, site: &Context) -> Error {
    let (context, kinds) = (site.label().to_owned(), kind.plural());
    match error {
        kube::Error::Api(status) if status.code == NOT_FOUND => Error::NoKind { context, kinds },
        error => Error::Read {
            context,
            kinds,
            source: Box::new(error),
        },
    }
}

//! What a cluster keeps of certificates, read and nothing else.

use futures::{StreamExt, TryStreamExt, stream};
use govuc_api::{MailStore, PLATFORM, Platform, RolesMode};
use govuc_wire::names::{MAIL_NAMESPACE, MTA_NAMESPACE, ROLES_CLIENT, SYSTEM_NAMESPACE};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, ResourceExt, api::ListParams};

use super::{
    super::contexts::Context,
    row::{AUTHORITY, Held, Place, Signer, Site},
};
use crate::{
    part::{Part, Role},
    pki::{
        Reading,
        kept::{self, AUTHORITY_SECRET, PEER_CONFIG_MAP},
    },
    roles::CLIENT_SECRET,
};

/// Secrets asked for at a time.
const AT_ONCE: usize = 8;
const NOT_FOUND: u16 = 404;
const FORBIDDEN: u16 = 403;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "{context}: you may not read {what}: this command needs the right to {verb} {resource}. Ask whoever gives rights \
         in this cluster for it; kubectl govuc certificates --help has all that it needs"
    )]
    Refused {
        context: String,
        what: String,
        verb: &'static str,
        /// As a role has it, and where.
        resource: String,
    },
    #[error("{context}: {what} can't be read")]
    Api {
        context: String,
        what: String,
        source: Box<kube::Error>,
    },
}

pub async fn site(context: &Context) -> Result<Site, Error> {
    // First what most people may not read: so it is said before anything else is asked.
    let authority = secret(context, authority()).await?;
    let peer = peer(context).await?;
    let platform = platform(context).await?;
    let stores = match &platform {
        Some(_) => stores(context).await?,
        None => Vec::new(),
    };
    let places = platform
        .as_ref()
        .map_or_else(Vec::new, |platform| places(platform, &stores));
    let leaves = stream::iter(places)
        .map(|place| secret(context, place))
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let own = platform.and_then(|platform| Some(platform.status?.pending));
    let pending = stores
        .into_iter()
        .filter_map(|store| Some(store.status?.pending))
        .chain(own);
    Ok(Site {
        context: context.name.clone(),
        authority,
        peer,
        leaves,
        pending: pending.flatten().collect(),
    })
}

fn authority() -> Place {
    Place {
        part: AUTHORITY.to_owned(),
        namespace: SYSTEM_NAMESPACE,
        name: AUTHORITY_SECRET.to_owned(),
        signer: Signer::Site,
    }
}

/// Where the operator keeps leaves. The gateway has none.
fn places(platform: &Platform, stores: &[MailStore]) -> Vec<Place> {
    let of_part = |part: Part, signer| Place {
        namespace: part.role.namespace(),
        name: part.certificate_secret(),
        part: part.name,
        signer,
    };
    let shared = Role::SHARED.into_iter().filter(|role| *role != Role::Gateway);
    let mut places: Vec<Place> = shared
        .map(|role| of_part(Part::shared(role), Signer::Site))
        .chain(
            stores
                .iter()
                .map(|store| of_part(Part::store(&store.name_any()), Signer::Site)),
        )
        .collect();
    if platform.spec.roles.mode == RolesMode::Witness {
        places.push(of_part(Part::shared(Role::Roles), Signer::Roles));
        let clients = [SYSTEM_NAMESPACE, MAIL_NAMESPACE, MTA_NAMESPACE].into_iter();
        places.extend(clients.map(|namespace| Place {
            part: ROLES_CLIENT.to_owned(),
            namespace,
            name: CLIENT_SECRET.to_owned(),
            signer: Signer::Roles,
        }));
    }
    places
}

/// The key goes no further than this: whether it fits is all that is kept of it.
async fn secret(context: &Context, place: Place) -> Result<(Place, Option<Held>), Error> {
    let secrets: Api<Secret> = Api::namespaced(context.client.clone(), place.namespace);
    let found = secrets.get_opt(&place.name).await.or_else(|error| {
        let what = format!("Secret {} in {}", place.name, place.namespace);
        absent(
            context,
            &what,
            "get",
            &format!("secrets in {}", place.namespace),
            error,
        )
    })?;
    let held = found.map(|secret| {
        let [certificate, key, trusted] = kept::texts(&secret);
        let certificate = certificate.unwrap_or_default();
        let fits = Reading::of(&certificate)
            .zip(key)
            .is_some_and(|(read, key)| read.fits(&key));
        Held {
            certificate,
            trusted: trusted.unwrap_or_default(),
            fits,
        }
    });
    Ok((place, held))
}

async fn peer(context: &Context) -> Result<Option<String>, Error> {
    let maps: Api<ConfigMap> = Api::namespaced(context.client.clone(), SYSTEM_NAMESPACE);
    let found = maps.get_opt(PEER_CONFIG_MAP).await.or_else(|error| {
        let what = format!("ConfigMap {PEER_CONFIG_MAP} in {SYSTEM_NAMESPACE}");
        absent(
            context,
            &what,
            "get",
            &format!("configmaps in {SYSTEM_NAMESPACE}"),
            error,
        )
    })?;
    Ok(found.map(|map| {
        map.data
            .and_then(|mut data| data.remove("ca.crt"))
            .unwrap_or_default()
    }))
}

async fn platform(context: &Context) -> Result<Option<Platform>, Error> {
    let platforms: Api<Platform> = Api::all(context.client.clone());
    let found = platforms.get_opt(PLATFORM).await;
    found.or_else(|error| absent(context, "the Platform", "get", "platforms.1govuc.gov.my", error))
}

async fn stores(context: &Context) -> Result<Vec<MailStore>, Error> {
    let stores: Api<MailStore> = Api::all(context.client.clone());
    let found = stores.list(&ListParams::default()).await.map(Some);
    let found = found.or_else(|error| {
        absent(
            context,
            "the list of stores",
            "list",
            "mailstores.1govuc.gov.my",
            error,
        )
    })?;
    Ok(found.map_or_else(Vec::new, |list| list.items))
}

/// Where the kind is not known there is none of it either.
fn absent<T>(
    context: &Context,
    what: &str,
    verb: &'static str,
    resource: &str,
    error: kube::Error,
) -> Result<Option<T>, Error> {
    let (context, what) = (context.label().to_owned(), what.to_owned());
    match error {
        kube::Error::Api(status) if status.code == NOT_FOUND => Ok(None),
        kube::Error::Api(status) if status.code == FORBIDDEN => Err(Error::Refused {
            context,
            what,
            verb,
            resource: resource.to_owned(),
        }),
        error => Err(Error::Api {
            context,
            what,
            source: Box::new(error),
        }),
    }
}

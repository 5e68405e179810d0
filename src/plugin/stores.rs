//! The stores that a command is about, and asking something of one.

use std::{fmt::Display, time::Duration};

use futures::{StreamExt, stream};
use govuc_api::{CopyState, MailStore, MailStoreStatus, PLATFORM, Platform, RolesMode, StoreCopy};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kube::{
    Api, Resource, ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use serde::Serialize;
use serde_json::json;
use tokio::{
    signal,
    time::{Instant, sleep},
};
use uuid::Uuid;

use super::{
    contexts::Context,
    output::{self, Format},
};

const POLL: Duration = Duration::from_millis(250);
/// Stores on their way at a time.
const AT_ONCE: usize = 4;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{context}: {what} can't be read")]
    Read {
        context: String,
        what: &'static str,
        source: Box<kube::Error>,
    },
    #[error("{context}: there is no {what}: see kubectl get {kinds}")]
    Missing {
        context: String,
        what: String,
        kinds: &'static str,
    },
    #[error("--to is {to:?}, and the sites are {sites}: write one of them")]
    SiteUnknown { to: String, sites: String },
    #[error(
        "Platform's spec.roles.mode is TwoSite: without a witness no store changes sides. Set up a witness first: \
         kubectl govuc witness --help"
    )]
    TwoSite,
}

/// How what became of stores is shown.
pub struct Shown<'a> {
    pub format: Option<Format>,
    /// One was named: as data it is no list.
    pub one: bool,
    pub to: &'a str,
}

/// What is asked of a store: the field of its spec, and what it says.
pub struct Wish<'a> {
    pub field: &'static str,
    /// Owns the field, and nothing else: so whoever applies the store again leaves it alone.
    pub manager: &'static str,
    pub operation: &'a str,
    pub to: &'a str,
    /// The guards are given this long to begin.
    pub begin: Duration,
}

/// Where what was asked for is.
pub enum Course<S, T> {
    /// As far as was said; what is said anew is told.
    GoesOn(S),
    Ended(T),
}

impl Shown<'_> {
    /// As text those that are told, as data all.
    pub fn print<T: Serialize + Display>(
        &self,
        items: &[T],
        is_told: impl Fn(&T) -> bool,
    ) -> Result<(), output::Error> {
        match (self.format, items) {
            (None, []) => println!("every store is at {} already", self.to),
            (None, items) => items
                .iter()
                .filter(|item| is_told(item))
                .for_each(|item| println!("{item}")),
            (format, [item]) if self.one => output::print(format, item, "")?,
            (format, items) => output::print(format, &items, "")?,
        }
        Ok(())
    }

    /// The end of a command. What was not done is given back: it is told as the command's error.
    pub fn conclude<T: Serialize + Display>(
        &self,
        receipts: &[T],
        is_done: impl Fn(&T) -> bool,
    ) -> Result<Vec<String>, output::Error> {
        self.print(receipts, &is_done)?;
        let not_done = receipts.iter().filter(|receipt| !is_done(receipt));
        Ok(not_done.map(T::to_string).collect())
    }
}

pub async fn platform(context: &Context) -> Result<Platform, Error> {
    let platforms: Api<Platform> = Api::all(context.client.clone());
    platforms
        .get_opt(PLATFORM)
        .await
        .map_err(read(context, "Platform"))?
        .ok_or_else(|| missing(context, "Platform", "platforms"))
}

/// Refuses what is no site, and a service whose stores do not change sides.
pub async fn site_can_take(context: &Context, to: &str) -> Result<(), Error> {
    let platform = platform(context).await?;
    let sites: Vec<&str> = platform
        .spec
        .sites
        .iter()
        .map(|site| site.name.as_str())
        .collect();
    if !sites.contains(&to) {
        return Err(Error::SiteUnknown {
            to: to.to_owned(),
            sites: sites.join(" and "),
        });
    }
    match platform.spec.roles.mode {
        RolesMode::Witness => Ok(()),
        RolesMode::TwoSite => Err(Error::TwoSite),
    }
}

/// The store of that name; every one when none is named.
pub async fn named(context: &Context, name: Option<&str>) -> Result<Vec<MailStore>, Error> {
    let stores: Api<MailStore> = Api::all(context.client.clone());
    if let Some(name) = name {
        let store = stores.get_opt(name).await.map_err(read(context, "the store"))?;
        let store = store.ok_or_else(|| missing(context, &format!("mailstore {name}"), "mailstores"))?;
        return Ok(vec![store]);
    }
    let list = stores
        .list(&ListParams::default())
        .await
        .map_err(read(context, "the list of stores"))?;
    Ok(list.items)
}

/// The store's copy at a site, as the store's object has it.
pub fn copy<'a>(store: &'a MailStore, site: &str) -> Option<&'a StoreCopy> {
    let status = store.status.as_ref()?;
    status.sites.iter().find(|copy| copy.name == site)
}

pub fn serves(copy: Option<&StoreCopy>) -> bool {
    copy.is_some_and(|copy| matches!(copy.state, CopyState::Paired | CopyState::Alone | CopyState::Held))
}

/// The site whose cluster these are of, once its operator has made one.
pub fn own_site(stores: &[MailStore]) -> Option<&str> {
    let copies = stores
        .iter()
        .find_map(|store| store.status.as_ref()?.sites.first());
    copies.map(|own| own.name.as_str())
}

/// The site that took the store last, as far as is known.
pub fn served_last(status: &MailStoreStatus) -> Option<String> {
    let recorded = status.recorded.as_ref();
    let holder = recorded.and_then(|recorded| recorded.primary.clone());
    holder.or(status.primary.clone())
}

/// The sites whose copy does not answer, or does not serve.
pub fn unreachable(status: &MailStoreStatus) -> Vec<String> {
    let silent = status
        .sites
        .iter()
        .filter(|copy| copy.state == CopyState::Unknown);
    silent.map(|copy| copy.name.clone()).collect()
}

/// A new operation's name.
pub fn operation(kind: &str) -> String {
    format!("{kind}-{}", &Uuid::new_v4().simple().to_string()[..12])
}

/// Writes what is asked into the store's spec.
async fn ask(context: &Context, store: &MailStore, wish: &Wish<'_>) -> Result<(), kube::Error> {
    let stores: Api<MailStore> = Api::all(context.client.clone());
    let body = json!({
        "apiVersion": MailStore::api_version(&()),
        "kind": MailStore::kind(&()),
        // An apply makes what is missing; a store that has gone must not come back.
        "metadata": {"uid": store.uid()},
        "spec": {wish.field: {
            "id": wish.operation,
            "to": wish.to,
            "notAfter": Time(Timestamp::now() + wish.begin),
        }},
    });
    let params = PatchParams::apply(wish.manager).force();
    stores
        .patch(&store.name_any(), &params, &Patch::Apply(&body))
        .await
        .map(drop)
}

/// Asks for something and tells how it goes, until `look` has seen its end or the time is over: then what was said last.
/// `look` sees nothing in a store that says nothing of the operation yet.
pub async fn pursue<S: PartialEq, T>(
    context: &Context,
    store: &MailStore,
    wish: &Wish<'_>,
    timeout: Duration,
    look: impl Fn(MailStore) -> Option<Course<S, T>>,
    words: impl Fn(&S) -> String,
) -> Result<Course<Option<S>, T>, kube::Error> {
    let began = Instant::now();
    ask(context, store, wish).await?;
    let name = store.name_any();
    let tell = |what: &str| eprintln!("{:>6.1} s  {name}: {what}", began.elapsed().as_secs_f64());
    tell(&format!("asked for as {}", wish.operation));
    let stores: Api<MailStore> = Api::all(context.client.clone());
    let mut said = None;
    while began.elapsed() < timeout {
        // An API server that does not answer for a moment has not forgotten it.
        if let Ok(Some(store)) = stores.get_opt(&name).await {
            match look(store) {
                Some(Course::Ended(end)) => return Ok(Course::Ended(end)),
                Some(Course::GoesOn(now)) if said.as_ref() != Some(&now) => {
                    tell(&words(&now));
                    said = Some(now);
                }
                _ => {}
            }
        }
        sleep(POLL).await;
    }
    Ok(Course::GoesOn(said))
}

/// Does it for each, a few at a time. None when a person has interrupted that: what was asked for goes on.
pub async fn each<F: Future>(doing: impl Iterator<Item = F>) -> Option<Vec<F::Output>> {
    let all = stream::iter(doing).buffered(AT_ONCE).collect();
    tokio::select! {
        all = all => Some(all),
        _ = signal::ctrl_c() => None,
    }
}

pub fn tenths(span: Duration) -> f64 {
    (span.as_secs_f64() * 10.0).round() / 10.0
}

/// As `90s` or `2m`.
pub fn span(text: &str) -> Result<Duration, String> {
    text.parse::<kube::core::Duration>()
        .map(Duration::from)
        .map_err(|_| format!("{text:?} is no span: write for example 90s"))
}

pub fn read(context: &Context, what: &'static str) -> impl FnOnce(kube::Error) -> Error {
    let context = context.label().to_owned();
    move |source| Error::Read {
        context,
        what,
        source: Box::new(source),
    }
}

pub fn missing(context: &Context, what: &str, kinds: &'static str) -> Error {
    Error::Missing {
        context: context.label().to_owned(),
        what: what.to_owned(),
        kinds,
    }
}

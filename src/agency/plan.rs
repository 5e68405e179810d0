//! What is to be done for an agency: pure.

use govuc_api::{Agency, MailStore, MailStoreSpec, Placement, Platform};
use govuc_directory::{Agency as Registered, Conflict, Store, StoreUse as RegisteredUse};
use kube::ResourceExt;

use super::{
    Decision, Tenant,
    desired::{self, Objects},
    observe::{Directory, Observed, View},
    placement::{Candidate, Demand, Placed, place},
};

/// The era of a store that is new.
const FIRST_ERA: u64 = 1;

#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// Nothing is made, and what is there stays.
    Hold(Hold),
    Make(Box<Make>),
}

/// Why nothing is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Before anything else: the decision.
    Undecided,
    Rejected {
        by: String,
        reason: String,
    },
    Withdrawn,
    NoPlatform,
    NotConnected,
    DirectoryAway(String),
    SiteUnknown(String),
    DomainTaken(Conflict),
    AwaitLead,
}

/// What is made, in this order.
#[derive(Clone, Debug, PartialEq)]
pub struct Make {
    /// By the lead, when it differs from what is registered.
    pub register_store: Option<Store>,
    /// By the lead, when it differs from what is registered.
    pub register: Option<Registered>,
    /// When the cluster has none of this name.
    pub store_object: Option<MailStore>,
    pub objects: Objects,
    /// Where its mail is.
    pub store: String,
}

/// `leads` is whether this site decides what must be decided once.
pub fn of(tenant: &Tenant, observed: &Observed, leads: bool) -> Plan {
    match decide(tenant, observed, leads) {
        Ok(make) => Plan::Make(Box::new(make)),
        Err(hold) => Plan::Hold(hold),
    }
}

fn decide(tenant: &Tenant, observed: &Observed, leads: bool) -> Result<Make, Hold> {
    match &tenant.decision {
        Decision::Approved { .. } => {}
        Decision::Pending => return Err(Hold::Undecided),
        Decision::Withdrawn => return Err(Hold::Withdrawn),
        Decision::Rejected { by, reason } => {
            return Err(Hold::Rejected {
                by: by.clone(),
                reason: reason.clone(),
            });
        }
    }
    let platform = observed.platform.as_deref().ok_or(Hold::NoPlatform)?;
    let sites: Vec<&str> = platform
        .spec
        .sites
        .iter()
        .map(|site| site.name.as_str())
        .collect();
    if !sites.contains(&tenant.preferred_site.as_str()) {
        return Err(Hold::SiteUnknown(sites.join(" and ")));
    }
    let view = match &observed.directory {
        Directory::NotOpen => return Err(Hold::NotConnected),
        Directory::Away(why) => return Err(Hold::DirectoryAway(why.clone())),
        Directory::Says(view) => view,
    };
    if let Some(conflict) = &view.conflict {
        return Err(Hold::DomainTaken(conflict.clone()));
    }
    let registered = view
        .agencies
        .iter()
        .find(|agency| agency.name == tenant.name.as_str());
    let store = match registered.and_then(|agency| agency.store.clone()) {
        Some(store) => store,
        None if leads => chosen(tenant, observed, view, platform),
        None => return Err(Hold::AwaitLead),
    };
    let wanted = Registered {
        name: tenant.name.to_string(),
        domains: tenant.domains.iter().map(ToString::to_string).collect(),
        store: Some(store.clone()),
        preferred_site: tenant.preferred_site.to_string(),
    };
    let agreed = registered.is_some_and(|registered| same(registered, &wanted));
    if !agreed && !leads {
        return Err(Hold::AwaitLead);
    }
    let object = observed.stores.iter().find(|object| object.name_any() == store);
    let in_directory = view.stores.iter().any(|registered| registered.name == store);
    let site = object.map_or(wanted.preferred_site.as_str(), |object| {
        object.spec.preferred_site.as_str()
    });
    Ok(Make {
        register_store: (leads && !in_directory).then(|| Store {
            name: store.clone(),
            usage: RegisteredUse::Mail,
            preferred_site: site.to_owned(),
            primary_site: site.to_owned(),
            era: FIRST_ERA,
        }),
        register: (!agreed).then_some(wanted),
        store_object: object
            .is_none()
            .then(|| mail_store(&store, tenant, view, platform)),
        objects: desired::objects(tenant, &platform.spec.mail.quota_ceiling.0),
        store,
    })
}

fn chosen(tenant: &Tenant, observed: &Observed, view: &View, platform: &Platform) -> String {
    let demand = Demand {
        preferred_site: tenant.preferred_site.as_str(),
        users: tenant.expected_users,
        dedicated: is_dedicated(tenant.placement, tenant.expected_users, platform),
    };
    match place(demand, &candidates(observed, view, platform)) {
        Placed::On(store) | Placed::New(store) => store,
    }
}

/// Every store of the directory, and every MailStore that a person made beforehand.
fn candidates(observed: &Observed, view: &View, platform: &Platform) -> Vec<Candidate> {
    let registered = view
        .stores
        .iter()
        .filter(|store| store.usage == RegisteredUse::Mail)
        .map(|store| (store.name.clone(), store.preferred_site.clone()));
    let by_hand = observed
        .stores
        .iter()
        .map(|object| (object.name_any(), object.spec.preferred_site.clone()));
    let mut stores: Vec<(String, String)> = registered.chain(by_hand).collect();
    stores.sort();
    stores.dedup_by(|a, b| a.0 == b.0);
    stores
        .into_iter()
        .map(|(name, preferred_site)| {
            let object = observed.stores.iter().find(|object| object.name_any() == name);
            let capacity = object.map_or(platform.spec.mail.placement.max_users, |object| {
                object.spec.capacity
            });
            let tenants = || {
                let here = view
                    .agencies
                    .iter()
                    .filter(|agency| agency.store.as_ref() == Some(&name));
                here.filter_map(|agency| object_of(observed, &agency.name))
            };
            Candidate {
                committed: tenants().map(expected).fold(0, u32::saturating_add),
                dedicated: tenants()
                    .any(|agency| is_dedicated(agency.spec.mail.placement, expected(agency), platform)),
                capacity: u32::try_from(capacity).unwrap_or(0),
                name,
                preferred_site,
            }
        })
        .collect()
}

fn object_of<'a>(observed: &'a Observed, name: &str) -> Option<&'a Agency> {
    observed
        .agencies
        .iter()
        .map(|agency| &**agency)
        .find(|agency| agency.name_any() == name)
}

fn expected(agency: &Agency) -> u32 {
    u32::try_from(agency.spec.application.expected_users).unwrap_or(0)
}

fn is_dedicated(placement: Placement, users: u32, platform: &Platform) -> bool {
    let limit = u32::try_from(platform.spec.mail.placement.dedicated_above).unwrap_or(0);
    placement == Placement::Dedicated || users > limit
}

/// Attributes are sets in the directory: their order means nothing.
fn same(registered: &Registered, wanted: &Registered) -> bool {
    let sorted = |agency: &Registered| {
        let mut domains = agency.domains.clone();
        domains.sort();
        (domains, agency.store.clone(), agency.preferred_site.clone())
    };
    sorted(registered) == sorted(wanted)
}

/// The same in both clusters: its site is the directory's where that has it already.
fn mail_store(name: &str, tenant: &Tenant, view: &View, platform: &Platform) -> MailStore {
    let mail = &platform.spec.mail;
    let registered = view.stores.iter().find(|store| store.name == name);
    MailStore::new(
        name,
        MailStoreSpec {
            storage: mail.storage.clone(),
            capacity: mail
                .placement
                .max_users
                .max(tenant.expected_users.try_into().unwrap_or(i32::MAX)),
            // What is asked of it is a person's, by a field manager of its own.
            ..MailStoreSpec::at(registered.map_or_else(
                || tenant.preferred_site.to_string(),
                |store| store.preferred_site.clone(),
            ))
        },
    )
}

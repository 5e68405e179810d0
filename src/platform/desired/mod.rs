//! The shared parts of one site as objects: pure builders, one file per part.

mod directory;
mod filter;
mod front_door;
mod gateway;
mod mta;
mod namespace;
mod roles;
mod router;
mod tunnel;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Container;

use self::mta::Duty;
use super::Installation;
use crate::{
    operator::Images,
    part::{Owner, Part, Role, network, objects::Objects, pod, service, template, workload},
};

pub use filter::SIGNATURES;
pub use namespace::{fences, namespaces};

/// What the parts of a site are made from.
#[derive(Clone, Copy, Debug)]
pub struct Blueprint<'a> {
    pub installation: &'a Installation,
    pub images: &'a Images,
    /// A digest of each part's certificate: most engines read theirs only when they start.
    pub certificates: &'a BTreeMap<String, String>,
    /// A digest of the key of session tokens, which the front door's router reads when it starts.
    pub session: &'a str,
    /// What the roles' etcd is founded with.
    pub roles_token: &'a str,
    /// Whether there is a claim with signatures for the filter.
    pub own_signatures: bool,
}

/// The rendered configuration of a part: file name to text.
type Files = BTreeMap<String, String>;

impl<'a> Blueprint<'a> {
    fn owner(&self) -> Owner<'a> {
        &self.installation.owner
    }

    /// What every part has: an account, a policy, and a limit to evictions.
    fn surroundings(&self, part: &Part) -> Objects {
        Objects {
            network_policies: vec![network::policy(part, self.installation.outside(), self.owner())],
            service_accounts: vec![workload::service_account(part, self.owner())],
            disruption_budgets: vec![workload::disruption_budget(part, self.owner())],
            ..Default::default()
        }
    }

    fn own_service(&self, part: &Part) -> k8s_openapi::api::core::v1::Service {
        service::own(part, &self.installation.own.name, self.owner())
    }

    /// The digest with which a pod starts anew: of its configuration and its certificate.
    fn restarts_with(&self, part: &Part, files: &[&Files]) -> String {
        let certificate = self.certificates.get(&part.name).map_or("", String::as_str);
        let texts = files
            .iter()
            .flat_map(|files| files.iter())
            .flat_map(|(name, text)| [name.as_str(), text.as_str()]);
        pod::digest([certificate].into_iter().chain(texts))
    }
}

/// The names by which the public knows a part, for its certificate.
pub fn public_names(role: Role, site: &str, domain: &str) -> Vec<String> {
    match role {
        Role::FrontDoor => front_door::names(site, domain).into(),
        Role::Mx => vec![Duty::Mx.host_name(site, domain)],
        _ => Vec::new(),
    }
}

/// Every shared part of the site.
pub fn parts(blueprint: Blueprint<'_>) -> Result<Vec<Objects>, template::Error> {
    let mut parts = vec![
        gateway::gateway(blueprint)?,
        directory::directory(blueprint)?,
        filter::filter(blueprint)?,
        front_door::front_door(blueprint)?,
        mta::mta(blueprint, Duty::Mx)?,
        mta::mta(blueprint, Duty::Submission)?,
    ];
    if blueprint.installation.leases() {
        parts.push(roles::roles(blueprint)?);
    }
    Ok(parts)
}

fn rendered(template: &str, values: &[(&'static str, &str)]) -> Result<String, template::Error> {
    let values = values
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()))
        .collect();
    template::render(template, &values)
}

fn arguments(container: &mut Container, arguments: &[&str]) {
    container.args = Some(arguments.iter().map(|&word| word.to_owned()).collect());
}
